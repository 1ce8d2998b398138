//! A naive model of the edits of a list.

use super::naive;

/// A change in owned form: a value to set, or none to remove.
pub(crate) type OwnedChange = (String, Option<String>);

fn join(members: &[(String, String)]) -> String {
    members.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Returns the list that must go out.
pub(crate) fn model(list: &str, changes: &[OwnedChange], budget: usize) -> String {
    let received = naive::tracestate(list.as_bytes()).unwrap();
    let trimmed = list.trim_matches([' ', '\t']);
    if changes.is_empty() && trimmed.len() <= budget {
        return if received.is_empty() { String::new() } else { trimmed.to_owned() };
    }
    let mut members: Vec<(String, String)> = Vec::new();
    for (i, (key, value)) in changes.iter().enumerate() {
        let first = changes.iter().position(|(other, _)| other == key) == Some(i);
        members.extend(value.iter().filter(|_| first).map(|value| (key.clone(), value.clone())));
    }
    let ours = members.len().min(32);
    for (key, value) in received {
        let named = changes.iter().any(|(other, _)| *other == key);
        if !named && !members.iter().any(|(other, _)| *other == key) {
            members.push((key, value));
        }
    }
    members.truncate(32);
    let mut mine = vec![true; ours];
    mine.resize(members.len(), false);
    while join(&members).len() > budget {
        let long = |i: &usize| members[*i].0.len() + 1 + members[*i].1.len() > 128;
        let theirs = || (0..members.len()).rev().filter(|i| !mine[*i]);
        let victim = theirs().find(long).or_else(|| theirs().next()).unwrap_or(members.len() - 1);
        members.remove(victim);
        mine.remove(victim);
    }
    join(&members)
}
