use opentelemetry::{propagation::TextMapPropagator, trace::TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use traceparent::{TraceParent, TraceState};

mod known;

pub use self::known::{DIFFERENCES, Difference};

/// The compared libraries, ours first, as the columns of the table name them.
pub const COLUMNS: [&str; 6] = ["this crate", OTEL, FASTRACE, EMIT, LEVEL3, PUBLISHED];

const OTEL: &str = "opentelemetry_sdk 0.33";
const FASTRACE: &str = "fastrace 0.7";
const EMIT: &str = "emit_traceparent 2.23";
const LEVEL3: &str = "trace-context-level3 0.1";
const PUBLISHED: &str = "traceparent 0.0.3";

/// What a library makes of the headers: nothing where it refuses `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    trace_id: u128,
    parent_id: u64,
    sampled: bool,
    /// The random flag as it goes on; `None` where the library's answer has no other flag than sampled.
    random: Option<bool>,
    /// The members of the list, which is empty where it is refused; `None` where the library does not read lists.
    list: Option<Vec<(String, String)>>,
}

/// What the libraries make of the headers, in the order of [`COLUMNS`].
pub fn answers(traceparent: &str, tracestate: &str) -> [Option<Answer>; 6] {
    [
        ours(traceparent, tracestate),
        otel(traceparent, tracestate),
        unless_it_panics(|| fastrace(traceparent)),
        unless_it_panics(|| emit(traceparent)),
        unless_it_panics(|| level3(traceparent, tracestate)),
        unless_it_panics(|| published(traceparent)),
    ]
}

/// Every library gives the same answer as ours, except for what is on the list of known differences.
///
/// The first line of the input is `traceparent`, what follows is `tracestate`.
pub fn differential(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (traceparent, tracestate) = text.split_once('\n').unwrap_or((text, ""));
    let [ours, theirs @ ..] = answers(traceparent, tracestate);
    for (library, theirs) in COLUMNS[1..].iter().zip(theirs) {
        if let Some(seen) = Seen::between(&ours, &theirs) {
            let known = |row: &&Difference| {
                row.seen == seen && row.libraries.contains(library) && (row.applies)(traceparent, tracestate)
            };
            assert!(DIFFERENCES.iter().any(|row| known(&row)), "{library}, {seen:?}: {ours:?}, {theirs:?}");
        }
    }
}

/// Where two libraries differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// We refuse the header, they take it.
    Taken,
    /// We take the header, they refuse it.
    Refused,
    /// Both take it and read other ids or another sampled flag.
    Read,
    /// The random flag.
    Random,
    /// The list.
    List,
}

impl Seen {
    /// Where these two answers differ, if they do.
    pub fn between(ours: &Option<Answer>, theirs: &Option<Answer>) -> Option<Self> {
        let (ours, theirs) = match (ours, theirs) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            (None, None) => return None,
            (None, Some(_)) => return Some(Self::Taken),
            (Some(_), None) => return Some(Self::Refused),
        };
        let read = |answer: &Answer| (answer.trace_id, answer.parent_id, answer.sampled);
        if read(ours) != read(theirs) {
            Some(Self::Read)
        } else if theirs.random.unwrap_or_default() != ours.random.unwrap_or_default() {
            Some(Self::Random)
        } else {
            (theirs.list.is_some() && theirs.list != ours.list).then_some(Self::List)
        }
    }

    /// An answer, as far as it is about this.
    pub fn in_words(self, answer: Option<&Answer>) -> String {
        let Some(answer) = answer else { return "refused".to_owned() };
        match (self, answer.list.as_ref().map(Vec::len)) {
            (Self::Taken | Self::Refused | Self::Read, _) => "taken".to_owned(),
            (Self::Random, _) => if answer.random == Some(true) { "kept" } else { "lost" }.to_owned(),
            (Self::List, None) => "-".to_owned(),
            (Self::List, Some(0)) => "none".to_owned(),
            (Self::List, Some(1)) => "1 member".to_owned(),
            (Self::List, Some(members)) => format!("{members} members"),
        }
    }
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn ours(traceparent: &str, tracestate: &str) -> Option<Answer> {
    let parsed = TraceParent::parse(traceparent.as_bytes()).ok()?;
    let list = TraceState::parse(tracestate.as_bytes()).unwrap_or(TraceState::EMPTY);
    Some(Answer {
        trace_id: parsed.trace_id().to_u128(),
        parent_id: parsed.parent_id().to_u64(),
        sampled: parsed.flags().is_sampled(),
        random: Some(parsed.flags().is_random()),
        list: Some(list.iter().map(|member| owned((member.key(), member.value()))).collect()),
    })
}

fn otel(traceparent: &str, tracestate: &str) -> Option<Answer> {
    let carrier = [("traceparent", traceparent), ("tracestate", tracestate)];
    let carrier = carrier
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect::<std::collections::HashMap<_, _>>();
    let context = TraceContextPropagator::new().extract(&carrier);
    let span = context.span();
    let span = span.span_context();
    // This type lists its members nowhere but in its header.
    let list = span.trace_state().header();
    span.is_valid().then(|| Answer {
        trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
        parent_id: u64::from_be_bytes(span.span_id().to_bytes()),
        sampled: span.is_sampled(),
        random: Some(span.trace_flags().to_u8() & 2 == 2),
        list: Some(list.split(',').filter_map(|member| member.split_once('=')).map(owned).collect()),
    })
}

fn fastrace(traceparent: &str) -> Option<Answer> {
    let context = fastrace::collector::SpanContext::decode_w3c_traceparent(traceparent)?;
    let (trace_id, parent_id) = (context.trace_id.0, context.span_id.0);
    Some(Answer { trace_id, parent_id, sampled: context.sampled, random: None, list: None })
}

fn emit(traceparent: &str) -> Option<Answer> {
    let parsed = emit_traceparent::Traceparent::try_from_str(traceparent).ok()?;
    let (trace_id, parent_id) = (parsed.trace_id()?.to_u128(), parsed.span_id()?.to_u64());
    let random = Some(parsed.trace_flags().to_u8() & 2 == 2);
    Some(Answer { trace_id, parent_id, sampled: parsed.is_sampled(), random, list: None })
}

fn level3(traceparent: &str, tracestate: &str) -> Option<Answer> {
    let parsed: trace_context_level3::TraceParent = traceparent.parse().ok()?;
    let list: trace_context_level3::TraceState = tracestate.parse().unwrap_or_default();
    Some(Answer {
        trace_id: u128::from_be_bytes(*parsed.trace_id.as_bytes()),
        parent_id: u64::from_be_bytes(*parsed.parent_id.as_bytes()),
        sampled: parsed.is_sampled(),
        random: Some(parsed.is_random_trace_id()),
        list: Some(list.iter().map(owned).collect()),
    })
}

fn published(traceparent: &str) -> Option<Answer> {
    let parsed = published_traceparent::parse(traceparent).ok()?;
    let random = Some(parsed.flags() & 2 == 2);
    Some(Answer {
        trace_id: parsed.trace_id(),
        parent_id: parsed.parent_id(),
        sampled: parsed.sampled(),
        random,
        list: None,
    })
}

/// A panic counts as a refusal. libFuzzer's hook, which ends the process, is out of the way meanwhile.
pub(crate) fn unless_it_panics<T: Default>(read: impl FnOnce() -> T) -> T {
    thread_local!(static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    QUIET.set(false);
    answer.unwrap_or_default()
}
