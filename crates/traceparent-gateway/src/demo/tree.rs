use std::collections::HashMap;

use traceparent::{SpanId, TraceId};

use crate::span::Span;

/// The scene's services and operations in depth-first order, each with the number of its parent.
const EXPECTED: [(&str, &str, Option<usize>); 10] = [
    ("customer", "ask for help", None),
    ("agent 1 gateway", "POST /agents/main", Some(1)),
    ("agent 1 main", "answer the customer", Some(2)),
    ("payment service", "verify the payment", Some(3)),
    ("agent 2 gateway", "POST /agents/support", Some(3)),
    ("agent 2 support", "solve the problem", Some(5)),
    ("technical support", "test the line", Some(6)),
    ("agent 3 gateway", "POST /agents/orders", Some(3)),
    ("agent 3 orders", "order a new router", Some(8)),
    ("inventory", "reserve a router", Some(9)),
];

/// A span at its place in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub(super) span: &'a Span,
    pub(super) depth: usize,
    /// The number of the parent, counted from 1 in depth-first order.
    parent: Option<usize>,
}

/// What is wrong with a trace.
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

/// Builds the tree of the spans by their ids alone, and compares it with the scene's.
pub(super) fn check(spans: &[Span]) -> Result<Vec<Node<'_>>, Mismatch> {
    let nodes = tree(spans)?;
    for ((number, expected), node) in (1..).zip(EXPECTED).zip(&nodes) {
        let found = operation(node.span);
        if (node.span.service, found.as_str(), node.parent) != expected {
            let (service, operation, parent) = expected;
            let expected = place(service, operation, parent);
            return Err(Mismatch::Place { number, expected, found: place(node.span.service, &found, node.parent) });
        }
    }
    if nodes.len() == EXPECTED.len() { Ok(nodes) } else { Err(Mismatch::Count(nodes.len())) }
}

/// Lists the spans of what may not be a tree, in the order in which they started.
pub(super) fn unordered(spans: &[Span]) -> Vec<Node<'_>> {
    let mut nodes: Vec<_> = spans.iter().map(|span| Node { span, depth: 0, parent: None }).collect();
    nodes.sort_by_key(|node| node.span.start);
    nodes
}

/// Returns what a span is about: its name, with the path where the name is only a method.
pub(super) fn operation(span: &Span) -> String {
    if span.name == span.method { format!("{} {}", span.method, span.path) } else { span.name.to_owned() }
}

/// Orders the spans of one trace depth first, siblings by their start.
fn tree(spans: &[Span]) -> Result<Vec<Node<'_>>, Mismatch> {
    let trace_id = spans.first().ok_or(Mismatch::Nothing)?.trace_id;
    let mut ids = HashMap::new();
    for span in spans {
        if span.trace_id != trace_id {
            return Err(Mismatch::AnotherTrace { span: span.span_id, expected: trace_id, found: span.trace_id });
        }
        if ids.insert(span.span_id, span).is_some() {
            return Err(Mismatch::Repeated(span.span_id));
        }
    }

    let mut children: HashMap<Option<SpanId>, Vec<&Span>> = HashMap::new();
    for span in spans {
        if let Some(parent) = span.parent_id.filter(|parent| !ids.contains_key(parent)) {
            return Err(Mismatch::UnknownParent { span: span.span_id, parent });
        }
        children.entry(span.parent_id).or_default().push(span);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|span| std::cmp::Reverse(span.start));
    }

    let roots = children.remove(&None).unwrap_or_default();
    let mut nodes = Vec::with_capacity(spans.len());
    let mut waiting: Vec<_> = roots.iter().map(|span| Node { span, depth: 0, parent: None }).collect();
    while let Some(node) = waiting.pop() {
        nodes.push(node);
        ids.remove(&node.span.span_id);
        let (depth, parent) = (node.depth + 1, Some(nodes.len()));
        let siblings = children.remove(&Some(node.span.span_id)).unwrap_or_default();
        waiting.extend(siblings.into_iter().map(|span| Node { span, depth, parent }));
    }
    // What hangs from no root hangs from itself.
    if let Some(id) = spans.iter().map(|span| span.span_id).find(|id| ids.contains_key(id)) {
        return Err(Mismatch::Cycle(id));
    }
    if roots.len() == 1 { Ok(nodes) } else { Err(Mismatch::Roots(roots.len())) }
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

    use traceparent::Origin;

    use super::*;

    const TRACE: TraceId = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");

    fn id(number: usize) -> SpanId {
        SpanId::from_u64(number as u64).unwrap()
    }

    /// The scene as it should have been recorded: in the order in which spans end.
    fn scene() -> Vec<Span> {
        let spans = (1..).zip(EXPECTED).map(|(number, (service, operation, parent))| {
            let (name, path) = operation.split_once(" /").map_or((operation, ""), |(method, path)| (method, path));
            Span {
                service,
                name,
                method: "POST",
                path: format!("/{path}"),
                start: SystemTime::UNIX_EPOCH + Duration::from_millis(number as u64),
                duration: Duration::from_millis(1),
                status: Some(200),
                error: None,
                trace_id: TRACE,
                span_id: id(number),
                parent_id: parent.map(id),
                sampled: true,
                origin: Origin::Continued,
                link: None,
                refused: None,
            }
        });
        let mut spans: Vec<_> = spans.collect();
        spans.reverse();
        spans
    }

    /// The scene's span with this number.
    fn span(spans: &mut [Span], number: usize) -> &mut Span {
        spans.iter_mut().find(|span| span.span_id == id(number)).unwrap()
    }

    fn mismatch(spans: &[Span]) -> String {
        check(spans).unwrap_err().to_string()
    }

    #[test]
    fn the_scene_is_as_expected() {
        let spans = scene();
        let nodes = check(&spans).unwrap();
        assert_eq!(nodes.iter().map(|node| node.depth).collect::<Vec<_>>(), [0, 1, 2, 3, 3, 4, 5, 3, 4, 5]);
        assert_eq!(
            nodes.iter().map(|node| node.span.span_id).collect::<Vec<_>>(),
            (1..=10).map(id).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_wrong_parent_is_told() {
        let mut spans = scene();
        span(&mut spans, 7).parent_id = Some(id(3));
        assert_eq!(
            mismatch(&spans),
            "span 7 is \"test the line\" of technical support under span 3, \
             not \"test the line\" of technical support under span 6"
        );
    }

    #[test]
    fn every_wrong_parent_is_a_mismatch() {
        for child in 1..=10 {
            let right = span(&mut scene(), child).parent_id;
            for parent in std::iter::once(None).chain((1..=10).map(id).map(Some)).filter(|parent| *parent != right) {
                let mut spans = scene();
                span(&mut spans, child).parent_id = parent;
                assert!(check(&spans).is_err(), "{child} under {parent:?}");
            }
        }
    }

    #[test]
    fn a_missing_span_is_told() {
        for missing in 1..=10 {
            let mut spans = scene();
            spans.retain(|span| span.span_id != id(missing));
            assert!(check(&spans).is_err(), "{missing}");
        }
        let mut spans = scene();
        spans.retain(|span| span.span_id != id(10));
        assert_eq!(mismatch(&spans), "there are 9 spans, not 10");
        spans.retain(|span| span.span_id != id(6));
        assert_eq!(mismatch(&spans), "the parent 0000000000000006 of span 0000000000000007 was not recorded");
        assert_eq!(mismatch(&[]), "no span was recorded");
    }

    #[test]
    fn a_second_trace_is_told() {
        let mut spans = scene();
        span(&mut spans, 4).trace_id = TraceId::from_static("00000000000000000000000000000001");
        assert_eq!(
            mismatch(&spans),
            "span 0000000000000004 is in trace 00000000000000000000000000000001, \
             not in 4bf92f3577b34da6a3ce929d0e0e4736"
        );
    }

    #[test]
    fn an_extra_span_is_told() {
        let mut spans = scene();
        let extra = Span { span_id: id(11), ..span(&mut spans, 10).clone() };
        spans.push(extra.clone());
        assert_eq!(mismatch(&spans), "there are 11 spans, not 10");
        spans.push(extra);
        assert_eq!(mismatch(&spans), "span 000000000000000b was recorded twice");
    }

    #[test]
    fn a_cycle_is_told() {
        let mut spans = scene();
        span(&mut spans, 5).parent_id = Some(id(7));
        assert_eq!(mismatch(&spans), "span 0000000000000007 is its own ancestor");
        span(&mut spans, 1).parent_id = Some(id(1));
        assert_eq!(mismatch(&spans), "span 000000000000000a is its own ancestor");
    }

    #[test]
    fn a_second_root_is_told() {
        let mut spans = scene();
        span(&mut spans, 8).parent_id = None;
        assert_eq!(mismatch(&spans), "there are 2 spans without a parent, not one");
    }

    #[test]
    fn another_order_is_told() {
        let mut spans = scene();
        span(&mut spans, 4).start += Duration::from_secs(1);
        assert!(mismatch(&spans).starts_with("span 4 is \"POST /agents/support\" of agent 2 gateway"));
    }
}
