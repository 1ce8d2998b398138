//! What parses can be rewritten, and what is written parses, keeps its members and fits the budget.
#![no_main]

use libfuzzer_sys::fuzz_target;
use traceparent::{Member, TraceState};

fuzz_target!(|value: &[u8]| match TraceState::parse(value) {
    Ok(list) => {
        assert!(list.len() <= TraceState::MAX_MEMBERS);
        assert_eq!(list.iter().count(), list.len());
        assert_eq!(TraceState::parse(list.as_str().as_bytes()).unwrap(), list);

        let ours = Member::from_static("ours", "1");
        let with = list.with(ours).to_string();
        let with = TraceState::parse(with.as_bytes()).unwrap();
        assert_eq!(with.iter().next(), Some(ours));
        for member in &list {
            assert!(member.key() == "ours" || with.len() == TraceState::MAX_MEMBERS || with.get(member.key()) == list.get(member.key()));
        }

        let cut = list.within(512).unwrap().to_string();
        assert!(cut.len() <= 512);
        TraceState::parse(cut.as_bytes()).unwrap();
    }
    Err(error) => assert!(error.offset() <= value.len()),
});
