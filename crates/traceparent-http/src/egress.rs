use http::{HeaderMap, HeaderValue};

use crate::{TRACESTATE, extract, strip, strip_all};

/// The part of the trace context that a request carries to its receiver.
///
/// [W3C: privacy considerations](https://www.w3.org/TR/trace-context-2/#privacy-considerations)
///
/// ```
/// use http::HeaderMap;
/// use traceparent_http::Egress;
///
/// let mut headers = HeaderMap::new();
/// headers.append("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?);
/// headers.append("tracestate", "internal=1,partner=2".parse()?);
///
/// Egress::only(&["partner"]).apply(&mut headers);
/// assert_eq!(headers["tracestate"], "partner=2");
///
/// Egress::Strip.apply(&mut headers);
/// assert!(headers.is_empty());
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Egress<'a> {
    /// The whole context: `traceparent` and `tracestate`.
    #[default]
    Inject,
    /// Nothing. Fields that the request already has are removed: those of every format, and `baggage`; see
    /// [`strip_all`].
    Strip,
    /// `traceparent`, and the members of `tracestate` with these keys. This suits a third party that takes part in
    /// the trace.
    Only(MemberKeys<'a>),
}

impl<'a> Egress<'a> {
    /// Returns the egress that lets only the members with these keys pass; see [`Only`](Self::Only).
    ///
    /// ```
    /// use traceparent_http::Egress;
    ///
    /// let fixed = Egress::only(&["partner"]);
    /// let configured = vec!["partner".to_owned()];
    /// assert_eq!(fixed, Egress::only(&configured));
    /// ```
    pub fn only(keys: impl Into<MemberKeys<'a>>) -> Self {
        Self::Only(keys.into())
    }

    /// Removes from the headers of a request all that is not to be sent.
    ///
    /// Fields that cannot be parsed are removed by [`Only`](Self::Only), too.
    pub fn apply(self, headers: &mut HeaderMap) {
        match self {
            Self::Inject => {}
            Self::Strip => strip_all(headers, &[]),
            Self::Only(keys) => keep(keys, headers),
        }
    }
}

fn keep(keys: MemberKeys<'_>, headers: &mut HeaderMap) {
    let incoming = extract(headers);
    let Some(context) = incoming.context() else {
        return strip(headers);
    };
    let members = context.tracestate.iter().filter(|member| keys.contains(member.key()));
    let list = members.map(|member| format!("{}={}", member.key(), member.value())).collect::<Vec<_>>().join(",");
    headers.remove(&TRACESTATE);
    if let Some(list) = HeaderValue::try_from(list).ok().filter(|list| !list.is_empty()) {
        headers.insert(&TRACESTATE, list);
    }
}

/// The keys of `tracestate` members, borrowed from literals or from configuration.
///
/// ```
/// use traceparent_http::MemberKeys;
///
/// let keys = MemberKeys::from(&["rojo", "congo"]);
/// assert!(keys.contains("congo") && !keys.contains("Congo"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MemberKeys<'a>(Keys<'a>);

#[derive(Clone, Copy, Debug)]
enum Keys<'a> {
    Literals(&'a [&'a str]),
    Strings(&'a [String]),
}

impl MemberKeys<'_> {
    /// Returns whether the key is among these.
    pub fn contains(&self, key: &str) -> bool {
        self.iter().any(|known| known == key)
    }

    /// Returns an iterator over the keys, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (literals, strings) = match self.0 {
            Keys::Literals(keys) => (keys, &[][..]),
            Keys::Strings(keys) => (&[][..], keys),
        };
        literals.iter().copied().chain(strings.iter().map(String::as_str))
    }
}

impl PartialEq for MemberKeys<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for MemberKeys<'_> {}

impl<'a> From<&'a [&'a str]> for MemberKeys<'a> {
    fn from(keys: &'a [&'a str]) -> Self {
        Self(Keys::Literals(keys))
    }
}

impl<'a, const N: usize> From<&'a [&'a str; N]> for MemberKeys<'a> {
    fn from(keys: &'a [&'a str; N]) -> Self {
        Self(Keys::Literals(keys))
    }
}

impl<'a> From<&'a [String]> for MemberKeys<'a> {
    fn from(keys: &'a [String]) -> Self {
        Self(Keys::Strings(keys))
    }
}

impl<'a> From<&'a Vec<String>> for MemberKeys<'a> {
    fn from(keys: &'a Vec<String>) -> Self {
        Self(Keys::Strings(keys))
    }
}
