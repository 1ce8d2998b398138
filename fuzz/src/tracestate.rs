use traceparent::{Change, Member, TraceState, TraceStateEdit};

use crate::{
    message::lines,
    model::{OwnedChange, model},
    naive,
};

/// The parser answers as the naive one does, and edits and budgets make what the naive model makes.
///
/// The first line of the input is the list. Each other one is a change, `key=value` to set or `key` to remove,
/// where it is valid.
pub fn tracestate(input: &[u8]) {
    let mut lines = lines(input);
    let list = lines.next().unwrap_or_default();
    let state = match (TraceState::parse(list), naive::tracestate(list)) {
        (Ok(state), Some(members)) => {
            let read = state.iter().map(|member| (member.key().to_owned(), member.value().to_owned()));
            assert_eq!(read.collect::<Vec<_>>(), members);
            assert_eq!((state.len(), state.is_empty()), (members.len(), members.is_empty()));
            for (key, _) in &members {
                let left_most = members.iter().find(|(other, _)| other == key);
                assert_eq!(state.get(key), left_most.map(|(_, value)| value.as_str()));
            }
            state
        }
        (Err(error), None) => return assert!(error.offset() <= list.len()),
        (fast, naive) => panic!("{fast:?} or {naive:?}"),
    };
    let changes: Vec<OwnedChange> = lines.filter_map(change).collect();
    let borrowed = borrow(&changes);
    let text = state.as_str();
    for budget in [usize::MAX, TraceStateEdit::MIN_BUDGET, TraceStateEdit::MIN_BUDGET + input.len() / 2] {
        let edit = state.edit(&borrowed).within(budget).unwrap();
        compare(&edit, &model(text, &changes, budget));
        if let [change] = &borrowed[..] {
            let edit = match change {
                Change::Set(member) => state.with(*member),
                Change::Remove(key) => state.without(key),
            };
            compare(&edit.within(budget).unwrap(), &model(text, &changes, budget));
        }
    }
}

/// Reads a change, as far as there can be one of that text.
pub(crate) fn change(line: &[u8]) -> Option<OwnedChange> {
    let text = std::str::from_utf8(line).ok()?;
    match text.split_once('=') {
        Some((key, value)) => {
            let valid = Member::new(key, value).is_ok();
            assert_eq!(valid, naive::is_key(key) && naive::is_value(value));
            valid.then(|| (key.to_owned(), Some(value.to_owned())))
        }
        None => Some((text.to_owned(), None)),
    }
}

pub(crate) fn borrow(changes: &[OwnedChange]) -> Vec<Change<'_>> {
    fn change((key, value): &OwnedChange) -> Change<'_> {
        match value {
            Some(value) => Change::Set(Member::new(key, value).unwrap()),
            None => Change::Remove(key),
        }
    }
    changes.iter().map(change).collect()
}

fn compare(edit: &TraceStateEdit<'_>, expected: &str) {
    assert_eq!(edit.to_string(), expected);
    assert_eq!((edit.len(), edit.is_empty()), (expected.len(), expected.is_empty()));
    let mut buffer = vec![0; expected.len()];
    assert_eq!(edit.encode_into(&mut buffer), Ok(expected));
    if let Some(short) = buffer.len().checked_sub(1) {
        assert_eq!(edit.encode_into(&mut buffer[..short]).unwrap_err().needed(), expected.len());
    }
    assert_eq!(edit.clone().into_owned(), TraceState::parse(expected.as_bytes()).unwrap());
}
