use std::{borrow::Cow, collections::HashSet};

use traceparent::{SpanId, TraceId};
use traceparent_http::semconv;

use crate::span::{Row, Span, rows};

/// The scene's services and operations in depth-first order, each with the number of its parent.
const EXPECTED: [(&str, &str, Option<usize>); 13] = [
    ("customer", "ask for help", None),
    ("agent 1 gateway", "POST /agents/main", Some(1)),
    ("agent 1 gateway", "call upstream", Some(2)),
    ("agent 1 main", "answer the customer", Some(3)),
    ("payment service", "verify the payment", Some(4)),
    ("agent 2 gateway", "POST /agents/support", Some(4)),
    ("agent 2 gateway", "call upstream", Some(6)),
    ("agent 2 support", "solve the problem", Some(7)),
    ("technical support", "test the line", Some(8)),
    ("agent 3 gateway", "POST /agents/orders", Some(4)),
    ("agent 3 gateway", "call upstream", Some(10)),
    ("agent 3 orders", "order a new router", Some(11)),
    ("inventory", "reserve a router", Some(12)),
];

/// A difference between a trace and the scene's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("no span was recorded")]
    Nothing,
    #[error("span {span} is in trace {found}, not in {expected}")]
    AnotherTrace { span: SpanId, expected: TraceId, found: TraceId },
    #[error("span {0} was recorded twice")]
    Repeated(SpanId),
    #[error("the parent {parent} of span {span} was not recorded")]
    UnknownParent { span: SpanId, parent: SpanId },
    #[error("there are {0} spans without a parent, not one")]
    Roots(usize),
    #[error("span {0} is its own ancestor")]
    Cycle(SpanId),
    #[error("there are {0} spans, not {len}", len = EXPECTED.len())]
    Count(usize),
    #[error("span {number} is {found}, not {expected}")]
    Place { number: usize, expected: String, found: String },
}

/// Builds the tree of the spans by their IDs alone, and compares it with the scene's.
pub(super) fn check(spans: &[Span]) -> Result<Vec<Row<'_>>, Mismatch> {
    let rows = tree(spans)?;
    for ((number, expected), row) in (1..).zip(EXPECTED).zip(&rows) {
        let found = operation(row.span);
        if (&*row.span.service, &*found, row.parent) != expected {
            let (service, operation, parent) = expected;
            let expected = place(service, operation, parent);
            return Err(Mismatch::Place { number, expected, found: place(&row.span.service, &found, row.parent) });
        }
    }
    if rows.len() == EXPECTED.len() { Ok(rows) } else { Err(Mismatch::Count(rows.len())) }
}

/// Returns spans that may not be a tree, in the order in which they started.
pub(super) fn unordered(spans: &[Span]) -> Vec<Row<'_>> {
    let mut rows: Vec<_> = spans.iter().map(|span| Row { span, depth: 0, parent: None }).collect();
    rows.sort_by_key(|row| row.span.start);
    rows
}

/// Returns the name of a span, with its path if the name is only a method.
pub(super) fn operation(span: &Span) -> Cow<'_, str> {
    match span.text(semconv::URL_PATH) {
        _ if span.text(semconv::HTTP_REQUEST_METHOD) != Some(&*span.name) => (&*span.name).into(),
        Some(path) => format!("{} {path}", span.name).into(),
        None => "call upstream".into(),
    }
}

/// Orders the spans of one trace depth first, if they are a tree.
fn tree(spans: &[Span]) -> Result<Vec<Row<'_>>, Mismatch> {
    let trace_id = spans.first().ok_or(Mismatch::Nothing)?.trace_id();
    let mut ids = HashSet::new();
    for span in spans {
        if span.trace_id() != trace_id {
            return Err(Mismatch::AnotherTrace { span: span.span_id(), expected: trace_id, found: span.trace_id() });
        }
        if !ids.insert(span.span_id()) {
            return Err(Mismatch::Repeated(span.span_id()));
        }
    }
    for span in spans {
        if let Some(parent) = span.parent_id.filter(|parent| !ids.contains(parent)) {
            return Err(Mismatch::UnknownParent { span: span.span_id(), parent });
        }
    }
    let rows = rows(spans.iter());
    // A root with a parent is its own ancestor.
    for row in rows.iter().take_while(|row| row.parent.is_some() || row.span.parent_id.is_none()) {
        ids.remove(&row.span.span_id());
    }
    if let Some(id) = spans.iter().map(Span::span_id).find(|id| ids.contains(id)) {
        return Err(Mismatch::Cycle(id));
    }
    match rows.iter().filter(|row| row.parent.is_none()).count() {
        1 => Ok(rows),
        roots => Err(Mismatch::Roots(roots)),
    }
}

fn place(service: &str, operation: &str, parent: Option<usize>) -> String {
    match parent {
        Some(parent) => format!("\"{operation}\" of {service} under span {parent}"),
        None => format!("\"{operation}\" of {service} without a parent"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use traceparent::{Origin, TraceContext, TraceFlags, TraceParent, TraceState, sampler::SpanKind};

    use super::*;
    use crate::{config::SpanLimits, span::Attributes};

    const TRACE: TraceId = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");

    fn id(number: usize) -> SpanId {
        SpanId::from_u64(number as u64).unwrap()
    }

    /// The scene as it should have been recorded: in the order in which spans end.
    fn scene() -> Vec<Span> {
        let spans = (1..).zip(EXPECTED).map(|(number, (service, operation, parent))| {
            let path = operation.split_once(" /").map(|(_, path)| format!("/{path}"));
            let routed = path.is_some() || operation == "call upstream";
            let traceparent = TraceParent::new(TRACE, id(number), TraceFlags::SAMPLED);
            let mut attributes = Attributes::new(SpanLimits::default());
            if let Some(path) = &path {
                attributes.push("url.path", path);
            }
            attributes.push("http.request.method", "POST");
            Span {
                service: service.into(),
                kind: SpanKind::Server,
                name: if routed { "POST" } else { operation }.into(),
                start: SystemTime::UNIX_EPOCH + Duration::from_millis(number as u64),
                duration: Duration::from_millis(1),
                context: TraceContext::new(traceparent, TraceState::EMPTY),
                parent_id: parent.map(id),
                origin: Origin::Continued,
                link: None,
                refused: None,
                rpc: None,
                status: Some(200),
                failure: None,
                kept: false,
                attributes,
                dropped_links: 0,
            }
        });
        let mut spans: Vec<_> = spans.collect();
        spans.reverse();
        spans
    }

    /// The scene's span with this number.
    fn span(spans: &mut [Span], number: usize) -> &mut Span {
        spans.iter_mut().find(|span| span.span_id() == id(number)).unwrap()
    }

    fn mismatch(spans: &[Span]) -> String {
        check(spans).unwrap_err().to_string()
    }

    #[test]
    fn the_scene_is_as_expected() {
        let spans = scene();
        let rows = check(&spans).unwrap();
        assert_eq!(rows.iter().map(|row| row.depth).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 4, 5, 6, 7, 4, 5, 6, 7]);
        assert_eq!(rows.iter().map(|row| row.span.span_id()).collect::<Vec<_>>(), (1..=13).map(id).collect::<Vec<_>>());
    }

    #[test]
    fn a_wrong_parent_is_told() {
        let mut spans = scene();
        span(&mut spans, 9).parent_id = Some(id(7));
        assert_eq!(
            mismatch(&spans),
            "span 9 is \"test the line\" of technical support under span 7, \
             not \"test the line\" of technical support under span 8"
        );
    }

    #[test]
    fn every_wrong_parent_is_a_mismatch() {
        for child in 1..=13 {
            let right = span(&mut scene(), child).parent_id;
            for parent in std::iter::once(None).chain((1..=13).map(id).map(Some)).filter(|parent| *parent != right) {
                let mut spans = scene();
                span(&mut spans, child).parent_id = parent;
                assert!(check(&spans).is_err(), "{child} under {parent:?}");
            }
        }
    }

    #[test]
    fn a_missing_span_is_told() {
        for missing in 1..=13 {
            let mut spans = scene();
            spans.retain(|span| span.span_id() != id(missing));
            assert!(check(&spans).is_err(), "{missing}");
        }
        let mut spans = scene();
        spans.retain(|span| span.span_id() != id(13));
        assert_eq!(mismatch(&spans), "there are 12 spans, not 13");
        spans.retain(|span| span.span_id() != id(8));
        assert_eq!(mismatch(&spans), "the parent 0000000000000008 of span 0000000000000009 was not recorded");
        assert_eq!(mismatch(&[]), "no span was recorded");
    }

    #[test]
    fn a_second_trace_is_told() {
        let mut spans = scene();
        let span = span(&mut spans, 4);
        let other = TraceId::from_static("00000000000000000000000000000001");
        let traceparent = TraceParent::new(other, span.span_id(), TraceFlags::SAMPLED);
        span.context = TraceContext::new(traceparent, TraceState::EMPTY);
        assert_eq!(
            mismatch(&spans),
            "span 0000000000000004 is in trace 00000000000000000000000000000001, \
             not in 4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }

    #[test]
    fn an_extra_span_is_told() {
        let mut spans = scene();
        let traceparent = TraceParent::new(TRACE, id(14), TraceFlags::SAMPLED);
        let context = TraceContext::new(traceparent, TraceState::EMPTY);
        let extra = Span { context, ..span(&mut spans, 13).clone() };
        spans.push(extra.clone());
        assert_eq!(mismatch(&spans), "there are 14 spans, not 13");
        spans.push(extra);
        assert_eq!(mismatch(&spans), "span 000000000000000e was recorded twice");
    }

    #[test]
    fn a_cycle_is_told() {
        let mut spans = scene();
        span(&mut spans, 6).parent_id = Some(id(9));
        assert_eq!(mismatch(&spans), "span 0000000000000009 is its own ancestor");
        span(&mut spans, 1).parent_id = Some(id(1));
        assert_eq!(mismatch(&spans), "span 000000000000000d is its own ancestor");
    }

    #[test]
    fn a_second_root_is_told() {
        let mut spans = scene();
        span(&mut spans, 10).parent_id = None;
        assert_eq!(mismatch(&spans), "there are 2 spans without a parent, not one");
    }

    #[test]
    fn another_order_is_told() {
        let mut spans = scene();
        span(&mut spans, 5).start += Duration::from_secs(1);
        assert!(mismatch(&spans).starts_with("span 5 is \"POST /agents/support\" of agent 2 gateway"));
    }
}
