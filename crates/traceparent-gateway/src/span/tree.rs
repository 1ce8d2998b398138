use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use traceparent::SpanId;

use super::Span;

/// A span at its place in the tree of its trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    pub(crate) span: &'a Span,
    pub(crate) depth: usize,
    /// The number of the parent's row, from 1 on; `None` for a root.
    pub(crate) parent: Option<usize>,
}

/// Returns the spans of one trace depth first, siblings by their start.
///
/// A span whose parent is absent is a root: the parent is in another process, or has not ended yet. Spans that are their
/// own ancestors come last, one of each circle as a root.
pub(crate) fn rows<'a>(spans: impl Iterator<Item = &'a Span> + Clone) -> Vec<Row<'a>> {
    let ids: BTreeSet<SpanId> = spans.clone().map(Span::span_id).collect();
    let mut children: BTreeMap<Option<SpanId>, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        children.entry(span.parent_id.filter(|parent| ids.contains(parent))).or_default().push(span);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|span| Reverse(span.start));
    }
    let mut rows = Vec::new();
    // The roots have no parent, which comes before all parents.
    while let Some((_, roots)) = children.pop_first() {
        let mut waiting: Vec<_> = roots.into_iter().map(|span| Row { span, depth: 0, parent: None }).collect();
        while let Some(row) = waiting.pop() {
            rows.push(row);
            let (depth, parent) = (row.depth + 1, Some(rows.len()));
            let below = children.remove(&Some(row.span.span_id())).unwrap_or_default();
            waiting.extend(below.into_iter().map(|span| Row { span, depth, parent }));
        }
    }
    rows
}
