//! The part of the context that a request carries.
#![allow(clippy::unwrap_used)]

use http::HeaderMap;
use traceparent_http::{Egress, MemberKeys};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn sent(egress: Egress<'_>, fields: &[(&'static str, &str)]) -> Vec<(String, String)> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    egress.apply(&mut headers);
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn inject_changes_nothing_and_strip_removes_the_context() {
    let fields = [("traceparent", "junk"), ("tracestate", "A"), ("tracestate", "b=1"), ("accept", "*/*")];
    assert_eq!(sent(Egress::Inject, &fields), pairs(&fields));
    assert_eq!(sent(Egress::default(), &fields), pairs(&fields));
    assert_eq!(sent(Egress::Strip, &fields), pairs(&[("accept", "*/*")]));
}

#[test]
fn only_keeps_the_listed_members_in_their_order() {
    let fields = [("traceparent", SAMPLED), ("tracestate", "secret=1,b= 2,a=1"), ("tracestate", "secret@x=3,a=9")];
    let expected = pairs(&[("traceparent", SAMPLED), ("tracestate", "b= 2,a=1,a=9")]);
    let strings: Vec<String> = ["a", "b", "absent"].map(str::to_owned).into();
    let keys: [MemberKeys<'_>; 4] =
        [(&["a", "b", "absent"]).into(), (&["b", "a"][..]).into(), (&strings).into(), (&strings[..2]).into()];
    for keys in keys {
        assert_eq!(sent(Egress::only(keys), &fields), expected);
    }
    for keys in [&[][..], &["A"], &["secre"]] {
        assert_eq!(sent(Egress::only(keys), &fields), pairs(&[("traceparent", SAMPLED)]));
    }
}

#[test]
fn only_sends_nothing_that_it_cannot_read() {
    let only = Egress::only(&["a"]);
    assert_eq!(sent(only, &[("traceparent", "junk"), ("tracestate", "a=1")]), pairs(&[]));
    assert_eq!(sent(only, &[("tracestate", "a=1")]), pairs(&[]));
    let broken = [("traceparent", SAMPLED), ("tracestate", "a=1,B=2")];
    assert_eq!(sent(only, &broken), pairs(&[("traceparent", SAMPLED)]));
}

#[test]
fn keys_are_equal_in_the_same_order_however_they_are_held() {
    let strings: Vec<String> = ["a", "b"].map(str::to_owned).into();
    assert_eq!(MemberKeys::from(&["a", "b"]), MemberKeys::from(&strings));
    for other in [&["b", "a"][..], &["a"], &["a", "b", "c"], &[]] {
        assert_ne!(MemberKeys::from(other), MemberKeys::from(&strings), "{other:?}");
    }
    let egress = |keys| Egress::only(MemberKeys::from(keys));
    assert_eq!(egress(&["a", "b"][..]), Egress::only(&strings));
    assert_ne!(egress(&["a"][..]), Egress::only(&strings));
}
