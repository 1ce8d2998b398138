//! `tracestate` between the two types that hold it.

use opentelemetry::trace as otel;
use traceparent::{Change, Member, TraceState};

/// Returns the list in OpenTelemetry's type, without what that type refuses and without duplicates, and
/// whether it writes exactly the text that came in.
pub(crate) fn to_otel(list: &TraceState<'_>) -> (otel::TraceState, bool) {
    if list.is_empty() {
        return (otel::TraceState::NONE, true);
    }
    let mut exact = list.is_canonical();
    let mut seen = (!exact).then(Seen::default);
    let members = list.iter().map(|member| (member.key(), member.value())).filter(|(key, value)| {
        let is_new = seen.as_mut().is_none_or(|seen| seen.insert(key));
        let given = is_new && (!key.contains('@') || is_accepted(key, value));
        exact &= given;
        given
    });
    match otel::TraceState::from_key_value(members) {
        Ok(given) => (given, exact),
        Err(_) => (accepted(list), false),
    }
}

/// Whether OpenTelemetry's type holds this member. What it refuses today has an `@` in its key.
fn is_accepted(key: &str, value: &str) -> bool {
    otel::TraceState::from_key_value([(key, value)]).is_ok()
}

/// Converts the list member by member, and leaves out those that OpenTelemetry's type refuses.
#[cold]
fn accepted(list: &TraceState<'_>) -> otel::TraceState {
    let mut seen = Seen::default();
    let members = list.iter().map(|member| (member.key(), member.value()));
    let members = members.filter(|(key, value)| seen.insert(key) && is_accepted(key, value));
    otel::TraceState::from_key_value(members).unwrap_or_default()
}

/// Writes the list, without members that the specification does not allow and without duplicates.
pub(crate) fn to_text(list: &otel::TraceState) -> String {
    let mut text = String::with_capacity(list.into_iter().map(|(key, value)| key.len() + value.len() + 2).sum());
    let mut seen = Seen::default();
    for (key, value) in list {
        if Member::new(key, value).is_ok() && seen.insert(key) {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(key);
            text.push('=');
            text.push_str(value);
        }
    }
    text
}

/// Repeats on the whole list what was done to the part of it that OpenTelemetry's type was given.
///
/// Changed members stand at the left end, so what was not changed is a run at the right end of `now`, in
/// the order in which it was given.
pub(crate) fn merge(whole: &TraceState<'_>, given: &otel::TraceState, now: &otel::TraceState) -> String {
    let given: Vec<_> = given.into_iter().collect();
    let mut changed: Vec<_> = now.into_iter().collect();
    let mut kept = Vec::with_capacity(given.len());
    let mut before = given.as_slice();
    while let Some(at) = changed.last().and_then(|last| before.iter().rposition(|member| member == last)) {
        before = before.split_at(at).0;
        kept.extend(changed.pop().map(|(key, _)| key));
    }
    let set = changed.iter().filter_map(|(key, value)| Member::new(key, value).ok()).map(Change::Set);
    let gone = given.iter().filter(|(key, _)| !kept.contains(key)).map(|(key, _)| Change::Remove(key));
    whole.edit(&set.chain(gone).collect::<Vec<_>>()).to_string()
}

/// The keys met so far. A filter over length, first and last bytes answers nearly always; where it cannot,
/// keys are compared.
#[derive(Default)]
struct Seen<'a> {
    keys: [&'a str; TraceState::MAX_MEMBERS],
    count: usize,
    filter: [u64; 8],
}

impl<'a> Seen<'a> {
    /// Whether the key is new.
    fn insert(&mut self, key: &'a str) -> bool {
        let (first, last) = match key.as_bytes() {
            [first, .., before, last] => (*first, [*before, *last]),
            [first, last] => (*first, [*first, *last]),
            short => (0, [0, short.first().copied().unwrap_or_default()]),
        };
        let hash = usize::from(u16::from_be_bytes(last)) + usize::from(first) * 3 + key.len() * 5;
        let bit = 1 << (hash % 64);
        let filter = &mut self.filter[hash / 64 % 8];
        let new = *filter & bit == 0 || !self.keys.iter().take(self.count).any(|seen| *seen == key);
        *filter |= bit;
        if let Some(slot) = self.keys.get_mut(self.count).filter(|_| new) {
            *slot = key;
            self.count += 1;
        }
        new
    }
}
