use std::sync::Arc;

use hyper::HeaderMap;
use traceparent::{Incoming, Outgoing};
use traceparent_formats::{Carried, Extracted, Format, OwnedCarried, Propagators};

use crate::telemetry::{FormatOutcome, Metrics};

/// The reasons why parts of a received context are not used, and the format of the part that is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reception {
    /// The errors, in words; `None` without one.
    pub(super) refused: Option<Arc<str>>,
    /// The format of the context that is used.
    pub(super) format: Option<Format>,
    /// The format of a context of another trace.
    pub(super) conflict: Option<Format>,
}

impl Reception {
    /// Describes what was received, and counts it.
    pub(super) fn new(extracted: &Extracted<'_>, metrics: &Metrics) -> Self {
        // Without a field of any format, there is nothing to describe.
        if matches!(extracted.incoming(), Incoming::Absent) {
            return Self::default();
        }
        let error = extracted.incoming().error();
        let tags_error = extracted.context().and_then(|context| context.tags_error());
        let mut refused = Vec::new();
        if let Some(error) = error {
            metrics.refused(error.kind());
            refused.push(error.to_string());
        }
        for other in extracted.refused() {
            metrics.received(other.format(), FormatOutcome::Refused);
            // Its error is that of the context as a whole.
            if other.format() != Format::TraceContext || !matches!(extracted.incoming(), Incoming::Invalid(_)) {
                metrics.refused(other.kind());
                refused.push(other.to_string());
            }
        }
        if let Some(error) = tags_error {
            metrics.refused(error.kind());
            refused.push(error.to_string());
        }
        if let Some(format) = extracted.format() {
            metrics.received(format, FormatOutcome::Used);
        }
        if let Some(format) = extracted.conflict() {
            metrics.received(format, FormatOutcome::Conflict);
        }
        let refused = if refused.is_empty() { None } else { Some(refused.join("; ").into()) };
        Self { refused, format: extracted.format(), conflict: extracted.conflict() }
    }
}

/// The formats in which a trace goes on, with what their fields carry beside the context.
#[derive(Clone, Debug)]
pub(super) struct Formats {
    propagators: Propagators,
    /// `None` for nothing.
    carried: Option<Arc<OwnedCarried>>,
}

impl Formats {
    /// Creates the formats of a trace that starts here.
    pub(super) const fn new(propagators: Propagators) -> Self {
        Self { propagators, carried: None }
    }

    /// Returns the same formats, with what goes on of a received context.
    pub(super) fn carrying(self, extracted: &Extracted<'_>, outgoing: &Outgoing<'_>) -> Self {
        let carried = extracted.carried(outgoing);
        let nothing = [Carried::EMPTY, Carried::EMPTY.without_decision()];
        let carried = if nothing.contains(&carried) { None } else { Some(Arc::new(carried.into_owned())) };
        Self { carried, ..self }
    }

    /// Writes a context into headers, in all formats.
    pub(super) fn inject(&self, outgoing: &Outgoing<'_>, headers: &mut HeaderMap) {
        let carried = self.carried.as_deref().map_or(Carried::EMPTY, OwnedCarried::borrow);
        traceparent_http::inject_formats(&self.propagators, outgoing, carried, headers);
    }
}
