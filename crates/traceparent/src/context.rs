use crate::{
    error::{ErrorKind, Field, FieldsError, ParseError},
    id::TraceId,
    traceparent::TraceParent,
    tracestate::TraceState,
};

/// Both headers of a request: its place in a trace, and the vendors' data about that trace.
///
/// [W3C: trace context](https://www.w3.org/TR/trace-context-2/#trace-context-http-headers-format)
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the specification's two headers; a third would be another context")]
pub struct TraceContext<'a> {
    /// The `traceparent` header.
    pub traceparent: TraceParent,
    /// The `tracestate` header; empty if the request has none.
    pub tracestate: TraceState<'a>,
}

impl<'a> TraceContext<'a> {
    /// Creates a context from the two headers.
    pub const fn new(traceparent: TraceParent, tracestate: TraceState<'a>) -> Self {
        Self { traceparent, tracestate }
    }

    /// Returns the same context, borrowed from this one.
    pub fn borrow(&self) -> TraceContext<'_> {
        TraceContext { traceparent: self.traceparent, tracestate: self.tracestate.borrow() }
    }

    /// Converts the context into one that does not borrow.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> TraceContext<'static> {
        TraceContext { traceparent: self.traceparent, tracestate: self.tracestate.into_owned() }
    }
}

/// The trace context received with a request. An absent context starts a trace, and an invalid one restarts it.
///
/// ```
/// use traceparent::{ErrorKind, Incoming};
///
/// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let incoming = Incoming::from_fields([traceparent], ["rojo=1", "congo=2"]);
/// assert_eq!(incoming.context().unwrap().tracestate.get("congo"), Some("2"));
///
/// // Two fields are one too many, even equal ones.
/// let incoming = Incoming::from_fields([traceparent, traceparent], []);
/// assert_eq!(incoming.error().unwrap().kind(), ErrorKind::Repeated);
///
/// // A broken tracestate does not lose a good traceparent.
/// let incoming = Incoming::from_fields([traceparent], ["Rojo=1"]);
/// assert!(incoming.context().unwrap().tracestate.is_empty());
/// assert_eq!(incoming.error().unwrap().to_string(), "upper-case letter in tracestate key at offset 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming<'a> {
    /// No `traceparent`. A `tracestate` without one has no meaning and is not parsed.
    Absent,
    /// A `traceparent` that does not parse, or more than one. `tracestate` is not parsed.
    Invalid(ParseError),
    /// A valid `traceparent`.
    Valid {
        /// The received context.
        context: TraceContext<'a>,
        /// The reason why `tracestate` was discarded, or `None` if it was not.
        tracestate_error: Option<ParseError>,
    },
    /// A valid context whose caller left the sampling decision to this service. W3C Trace Context has no such state,
    /// other formats do.
    Deferred(TraceContext<'a>),
    /// A trace without a parent span, such as a load balancer starts, or a sampling decision without any ID. W3C Trace
    /// Context has neither, other formats do.
    Root {
        /// The trace to continue, or `None` to start one.
        trace_id: Option<TraceId>,
        /// The caller's decision, or `None` if it is left to this service.
        sampled: Option<bool>,
    },
    /// A context in another format that was refused.
    Refused,
}

impl<'a> Incoming<'a> {
    /// Parses all `traceparent` and `tracestate` fields of a message, each in the order of arrival. A field is bytes,
    /// text, or another type that is `AsRef<[u8]>`.
    ///
    /// This is for every carrier in which a name can occur more than once. It allocates only to join several
    /// `tracestate` fields.
    ///
    /// [W3C: tracestate header](https://www.w3.org/TR/trace-context-2/#tracestate-header)
    #[cfg(feature = "alloc")]
    pub fn from_fields<T: AsRef<[u8]> + ?Sized + 'a>(
        traceparents: impl IntoIterator<Item = &'a T>,
        tracestates: impl IntoIterator<Item = &'a T>,
    ) -> Self {
        Self::read(traceparents, || TraceState::parse_fields(tracestates))
    }

    /// Parses at most one value of either header, without an allocator and without a buffer: for carriers in
    /// which a name occurs once.
    ///
    /// An empty `traceparent` is invalid, as it is in HTTP. A carrier in which an empty value is an absent one,
    /// such as the environment, passes `None` for it.
    ///
    /// ```
    /// use traceparent::Incoming;
    ///
    /// let traceparent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// let incoming = Incoming::from_values(Some(traceparent), Some(b"rojo=1"));
    /// assert_eq!(incoming.context().unwrap().tracestate.get("rojo"), Some("1"));
    ///
    /// assert_eq!(Incoming::from_values(None, None), Incoming::Absent);
    /// assert!(matches!(Incoming::from_values(Some(b""), None), Incoming::Invalid(_)));
    /// ```
    pub fn from_values(traceparent: Option<&'a [u8]>, tracestate: Option<&'a [u8]>) -> Self {
        Self::read(traceparent, || tracestate.map_or(Ok(TraceState::EMPTY), TraceState::parse))
    }

    /// Parses all fields as `from_fields` does, and joins the `tracestate` fields in the caller's buffer
    /// instead of an allocation. A list that does not fit the buffer is discarded as too long;
    /// [`TraceState::parse_fields_in`] returns the length it needs.
    ///
    /// ```
    /// use traceparent::Incoming;
    ///
    /// let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// let mut buffer = [0; 512];
    /// let incoming = Incoming::from_fields_in([traceparent], ["rojo=1", "congo=2"], &mut buffer);
    /// assert_eq!(incoming.context().unwrap().tracestate.as_str(), "rojo=1,congo=2");
    /// ```
    pub fn from_fields_in<'f, T: AsRef<[u8]> + ?Sized + 'f>(
        traceparents: impl IntoIterator<Item = &'f T>,
        tracestates: impl IntoIterator<Item = &'f T>,
        buffer: &'a mut [u8],
    ) -> Self {
        let room = buffer.len();
        Self::read(traceparents, || {
            TraceState::parse_fields_in(tracestates, buffer).map_err(|error| match error {
                FieldsError::Invalid(error) => error,
                FieldsError::BufferTooSmall(_) => ParseError::new(ErrorKind::TooLong, Field::TraceState, room),
            })
        })
    }

    fn read<'f, T: AsRef<[u8]> + ?Sized + 'f>(
        traceparents: impl IntoIterator<Item = &'f T>,
        tracestate: impl FnOnce() -> Result<TraceState<'a>, ParseError>,
    ) -> Self {
        let mut traceparents = traceparents.into_iter();
        let Some(value) = traceparents.next() else {
            return Self::Absent;
        };
        if traceparents.next().is_some() {
            return Self::Invalid(ParseError::new(ErrorKind::Repeated, Field::TraceParent, 0));
        }
        let traceparent = match TraceParent::parse(value.as_ref()) {
            Ok(traceparent) => traceparent,
            Err(error) => return Self::Invalid(error),
        };
        let (tracestate, tracestate_error) = match tracestate() {
            Ok(tracestate) => (tracestate, None),
            Err(error) => (TraceState::EMPTY, Some(error)),
        };
        Self::Valid { context: TraceContext::new(traceparent, tracestate), tracestate_error }
    }

    /// Returns the valid context.
    pub const fn context(&self) -> Option<&TraceContext<'a>> {
        match self {
            Self::Valid { context, .. } | Self::Deferred(context) => Some(context),
            Self::Absent | Self::Invalid(_) | Self::Root { .. } | Self::Refused => None,
        }
    }

    /// Returns the reason why `traceparent` was refused, or else why `tracestate` was discarded.
    pub const fn error(&self) -> Option<ParseError> {
        match self {
            Self::Absent | Self::Deferred(_) | Self::Root { .. } | Self::Refused => None,
            Self::Invalid(error) => Some(*error),
            Self::Valid { tracestate_error, .. } => *tracestate_error,
        }
    }
}

impl<'a> From<TraceContext<'a>> for Incoming<'a> {
    fn from(context: TraceContext<'a>) -> Self {
        Self::Valid { context, tracestate_error: None }
    }
}
