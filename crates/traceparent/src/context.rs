use crate::{
    error::{ErrorKind, Field, ParseError},
    id::TraceId,
    traceparent::TraceParent,
    tracestate::TraceState,
};

/// Both headers of a request: where it stands in which trace, and what tracing systems keep about it.
///
/// [W3C: trace context](https://www.w3.org/TR/trace-context-2/#trace-context-http-headers-format)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext<'a> {
    /// The `traceparent` header.
    pub traceparent: TraceParent,
    /// The `tracestate` header; empty where there is none.
    pub tracestate: TraceState<'a>,
}

impl<'a> TraceContext<'a> {
    /// Puts the two headers together.
    pub const fn new(traceparent: TraceParent, tracestate: TraceState<'a>) -> Self {
        Self { traceparent, tracestate }
    }

    /// Returns the same context, borrowed from this one.
    pub fn borrow(&self) -> TraceContext<'_> {
        TraceContext { traceparent: self.traceparent, tracestate: self.tracestate.borrow() }
    }

    /// Returns the same context without ties to a buffer.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> TraceContext<'static> {
        TraceContext { traceparent: self.traceparent, tracestate: self.tracestate.into_owned() }
    }
}

/// What came in with a request. Absent and invalid are different answers: one starts a trace, the
/// other restarts it.
///
/// ```
/// use traceparent::{ErrorKind, Incoming};
///
/// let traceparent = &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"[..];
/// let incoming = Incoming::from_fields([traceparent], [&b"rojo=1"[..], b"congo=2"]);
/// assert_eq!(incoming.context().unwrap().tracestate.get("congo"), Some("2"));
///
/// // Two fields are one too many, even equal ones.
/// let incoming = Incoming::from_fields([traceparent, traceparent], []);
/// assert_eq!(incoming.error().unwrap().kind(), ErrorKind::Repeated);
///
/// // A broken tracestate does not lose a good traceparent.
/// let incoming = Incoming::from_fields([traceparent], [&b"Rojo=1"[..]]);
/// assert!(incoming.context().unwrap().tracestate.is_empty());
/// assert_eq!(incoming.error().unwrap().to_string(), "upper-case letter in tracestate key at offset 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming<'a> {
    /// No `traceparent`; a `tracestate` without one means nothing and is not looked at.
    Absent,
    /// A `traceparent` that does not parse, or more than one; `tracestate` is not looked at.
    Invalid(ParseError),
    /// A valid `traceparent`.
    Valid {
        /// What was read.
        context: TraceContext<'a>,
        /// Why `tracestate` was discarded, where it was.
        dropped: Option<ParseError>,
    },
    /// A valid context whose caller left the sampling decision to this service. W3C Trace Context has no such state,
    /// other formats do.
    Deferred(TraceContext<'a>),
    /// A trace without a parent span, as load balancers start it, or a sampling decision without any ID. W3C Trace
    /// Context has neither, other formats do.
    Root {
        /// The trace to go on with; `None` to start one.
        trace_id: Option<TraceId>,
        /// The caller's decision; `None` if it was left to this service.
        sampled: Option<bool>,
    },
    /// A context in another format that was refused.
    Refused,
}

impl<'a> Incoming<'a> {
    /// Reads all `traceparent` and `tracestate` fields of a message, each in the order of arrival.
    ///
    /// This is what every carrier calls, HTTP or not. It joins several `tracestate` fields in an
    /// allocation and allocates nothing otherwise.
    ///
    /// [W3C: tracestate header](https://www.w3.org/TR/trace-context-2/#tracestate-header)
    #[cfg(feature = "alloc")]
    pub fn from_fields(
        traceparents: impl IntoIterator<Item = &'a [u8]>,
        tracestates: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        Self::read(traceparents, || TraceState::parse_fields(tracestates))
    }

    /// Reads all fields as `from_fields` does, and joins the `tracestate` fields in the caller's
    /// buffer: the way to do it without an allocator. Where the buffer is too small, the list is
    /// discarded and the error tells the length that would do.
    ///
    /// ```
    /// use traceparent::Incoming;
    ///
    /// let traceparent = &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"[..];
    /// let mut buffer = [0; 512];
    /// let incoming = Incoming::from_fields_in([traceparent], [&b"rojo=1"[..], b"congo=2"], &mut buffer);
    /// assert_eq!(incoming.context().unwrap().tracestate.as_str(), "rojo=1,congo=2");
    /// ```
    pub fn from_fields_in<'f>(
        traceparents: impl IntoIterator<Item = &'f [u8]>,
        tracestates: impl IntoIterator<Item = &'f [u8]>,
        buffer: &'a mut [u8],
    ) -> Self {
        Self::read(traceparents, || TraceState::parse_fields_in(tracestates, buffer))
    }

    fn read<'f>(
        traceparents: impl IntoIterator<Item = &'f [u8]>,
        tracestate: impl FnOnce() -> Result<TraceState<'a>, ParseError>,
    ) -> Self {
        let mut traceparents = traceparents.into_iter();
        let Some(value) = traceparents.next() else {
            return Self::Absent;
        };
        if traceparents.next().is_some() {
            return Self::Invalid(ParseError::new(ErrorKind::Repeated, Field::TraceParent, 0));
        }
        let traceparent = match TraceParent::parse(value) {
            Ok(traceparent) => traceparent,
            Err(error) => return Self::Invalid(error),
        };
        let (tracestate, dropped) = match tracestate() {
            Ok(tracestate) => (tracestate, None),
            Err(error) => (TraceState::EMPTY, Some(error)),
        };
        Self::Valid { context: TraceContext::new(traceparent, tracestate), dropped }
    }

    /// Returns the valid context.
    pub const fn context(&self) -> Option<&TraceContext<'a>> {
        match self {
            Self::Valid { context, .. } | Self::Deferred(context) => Some(context),
            Self::Absent | Self::Invalid(_) | Self::Root { .. } | Self::Refused => None,
        }
    }

    /// Returns why `traceparent` was refused, or else why `tracestate` was discarded.
    pub const fn error(&self) -> Option<ParseError> {
        match self {
            Self::Absent | Self::Deferred(_) | Self::Root { .. } | Self::Refused => None,
            Self::Invalid(error) => Some(*error),
            Self::Valid { dropped, .. } => *dropped,
        }
    }
}

impl<'a> From<TraceContext<'a>> for Incoming<'a> {
    fn from(context: TraceContext<'a>) -> Self {
        Self::Valid { context, dropped: None }
    }
}
