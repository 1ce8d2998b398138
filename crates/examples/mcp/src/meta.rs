//! The trace context in `_meta`: `traceparent` and `tracestate`, each a string.
//!
//! [SEP-414](https://modelcontextprotocol.io/community/seps/414-request-meta)

use rmcp::model::MetaObject;
use traceparent::{Incoming, Outgoing};

/// Reads the context of a request. A field that is not a string counts as absent.
pub fn extract(meta: &MetaObject) -> Incoming<'_> {
    Incoming::from_values(meta.get_traceparent().map(str::as_bytes), meta.get_tracestate().map(str::as_bytes))
}

/// Writes the context of a span, and removes what is left of an earlier one.
pub fn inject(span: &Outgoing<'_>, meta: &mut MetaObject) {
    for (name, value) in span.fields() {
        match value {
            Some(value) => meta.insert(name.to_owned(), value.to_string().into()),
            None => meta.remove(name),
        };
    }
}
