#[cfg(feature = "alloc")]
use alloc::string::ToString;

use traceparent::{Incoming, Outgoing};
#[cfg(feature = "alloc")]
use traceparent::{TraceParent, TraceState};

use crate::{
    carried::Carried,
    context::{LocalContext, RemoteContext},
    error::FormatError,
    format::Format,
};

mod extracted;
mod names;

pub use self::{extracted::Extracted, names::PropagatorsError};

/// The formats that a service reads, in order, and the formats that it writes.
///
/// The first format with a valid context is used. Invalid contexts before it are reported, and so is a context of another
/// trace after it. W3C Trace Context is always written, and other formats beside it.
///
/// ```
/// use traceparent::{Policy, RandomIdGenerator, sampler::AlwaysOn};
/// use traceparent_formats::{Format, Propagators};
///
/// const PROPAGATORS: Propagators = Propagators::new(&[Format::TraceContext, Format::B3], &[Format::B3]);
///
/// let request = [("b3", &b"4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-d"[..])];
/// let extracted = PROPAGATORS.extract(|name| request.iter().filter(move |field| field.0 == name).map(|field| field.1));
/// assert_eq!(extracted.format(), Some(Format::B3));
///
/// let outgoing = Policy::new(AlwaysOn).apply(extracted.incoming().clone(), &RandomIdGenerator);
/// let mut call = Vec::new();
/// PROPAGATORS.inject(&outgoing, extracted.carried(&outgoing), |name, value| {
///     call.extend(value.map(|value| (name, value.to_owned())));
/// });
/// assert_eq!(call[0], ("traceparent", outgoing.traceparent().to_string()));
/// assert_eq!(call[1], ("b3", format!("4bf92f3577b34da6a3ce929d0e0e4736-{}-d", outgoing.span_id())));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Propagators {
    extract: [Option<Format>; Format::ALL.len()],
    inject: [bool; Format::ALL.len()],
    is_b3_short: bool,
}

impl Propagators {
    /// Propagators that read and write no format.
    pub const NONE: Self =
        Self { extract: [None; Format::ALL.len()], inject: [false; Format::ALL.len()], is_b3_short: false };

    /// Propagators that read and write W3C Trace Context alone.
    pub const TRACE_CONTEXT: Self = Self::new(&[Format::TraceContext], &[]);

    /// Creates propagators that read these formats in order, and write these beside W3C Trace Context.
    ///
    /// A format that is listed again is read once.
    pub const fn new(extract: &[Format], inject: &[Format]) -> Self {
        let mut propagators = Self::NONE.injecting(Format::TraceContext);
        let mut i = 0;
        while i < extract.len() {
            propagators = propagators.extracting(extract[i]);
            i += 1;
        }
        let mut i = 0;
        while i < inject.len() {
            propagators = propagators.injecting(inject[i]);
            i += 1;
        }
        propagators
    }

    /// Creates propagators that read and write one format alone, without W3C Trace Context beside it.
    ///
    /// This is for services in which another propagator reads and writes W3C Trace Context.
    ///
    /// ```
    /// use traceparent_formats::{Format, Propagators};
    ///
    /// assert!(Propagators::only(Format::B3).field_names().eq(["b3"]));
    /// ```
    pub const fn only(format: Format) -> Self {
        Self::NONE.extracting(format).injecting(format)
    }

    const fn extracting(mut self, format: Format) -> Self {
        let mut i = 0;
        while i < self.extract.len() {
            match self.extract[i] {
                Some(other) if other as u8 == format as u8 => return self,
                Some(_) => i += 1,
                None => {
                    self.extract[i] = Some(format);
                    return self;
                }
            }
        }
        self
    }

    const fn injecting(mut self, format: Format) -> Self {
        self.inject[format as usize] = true;
        self
    }

    /// Sets whether a trace-id is written with 16 digits in B3 if its upper half is zero. Old peers read no others.
    #[must_use]
    pub const fn with_short_b3(self, is_b3_short: bool) -> Self {
        Self { is_b3_short, ..self }
    }

    /// Returns an iterator over the formats that are read, in order.
    pub fn extracted(&self) -> impl Iterator<Item = Format> + use<> {
        self.extract.into_iter().flatten()
    }

    /// Returns an iterator over the formats that are written.
    pub fn injected(&self) -> impl Iterator<Item = Format> + use<> {
        let inject = self.inject;
        Format::ALL.into_iter().filter(move |format| inject.get(*format as usize) == Some(&true))
    }

    /// Returns an iterator over the names of all fields that are read, written or removed.
    pub fn field_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let Self { extract, inject, .. } = *self;
        let is_used =
            move |format: &Format| extract.contains(&Some(*format)) || inject.get(*format as usize) == Some(&true);
        Format::ALL.into_iter().filter(is_used).flat_map(Format::field_names).copied()
    }

    /// Reads the fields of a message.
    ///
    /// The function is called with the name of a field in lower case, and returns all values of the field in the order of
    /// arrival. Nothing is allocated unless there are several `tracestate` fields.
    #[cfg(feature = "alloc")]
    pub fn extract<'a, I>(&self, get: impl FnMut(&'static str) -> I) -> Extracted<'a>
    where
        I: IntoIterator<Item = &'a [u8]>,
    {
        self.extract_with(get, |traceparents, tracestates| Incoming::from_fields(traceparents, tracestates))
    }

    /// Reads the fields of a message as `extract` does, and joins several `tracestate` fields in the caller's buffer;
    /// see [`Incoming::from_fields_in`].
    pub fn extract_in<'a, I>(&self, get: impl FnMut(&'static str) -> I, buffer: &'a mut [u8]) -> Extracted<'a>
    where
        I: IntoIterator<Item = &'a [u8]>,
    {
        self.extract_with(get, |traceparents, tracestates| Incoming::from_fields_in(traceparents, tracestates, buffer))
    }

    fn extract_with<'a, I>(
        &self,
        mut get: impl FnMut(&'static str) -> I,
        trace_context: impl FnOnce(I, I) -> Incoming<'a>,
    ) -> Extracted<'a>
    where
        I: IntoIterator<Item = &'a [u8]>,
    {
        let mut trace_context = Some(trace_context);
        let mut w3c = None;
        let mut found = Extracted::ABSENT;
        for format in self.extracted() {
            let read = match trace_context.take_if(|_| format == Format::TraceContext) {
                Some(read) => w3c_context(w3c.insert(read(get("traceparent"), get("tracestate")))),
                None => format.read(&mut get),
            };
            found.add(format, read);
        }
        found.finish(w3c.unwrap_or(Incoming::Absent))
    }

    /// Writes the fields of all formats. The function is called with the name of each field, and with its value or `None`
    /// if the field must be removed.
    ///
    /// Fields of formats that are read and not written are removed, because their span is no longer the parent. Fields of
    /// formats that are neither read nor written stay. Nothing is allocated unless the `tracestate` has changed.
    #[cfg(feature = "alloc")]
    pub fn inject(
        &self,
        outgoing: &Outgoing<'_>,
        carried: Carried<'_>,
        mut set: impl FnMut(&'static str, Option<&str>),
    ) {
        if self.injected().any(|format| format == Format::TraceContext) {
            set("traceparent", Some(outgoing.traceparent().encode_str(&mut [0; TraceParent::LENGTH])));
            let tracestate = outgoing.tracestate();
            match tracestate.untouched().map(TraceState::as_str) {
                Some("") => set("tracestate", None),
                Some(list) => set("tracestate", Some(list)),
                None => set("tracestate", Some(tracestate.to_string().as_str()).filter(|list| !list.is_empty())),
            }
        }
        self.inject_others(outgoing, carried, set);
    }

    /// Writes the fields of all formats but W3C Trace Context, for carriers that write `traceparent` and `tracestate`
    /// themselves. Nothing is allocated.
    pub fn inject_others(
        &self,
        outgoing: &Outgoing<'_>,
        carried: Carried<'_>,
        set: impl FnMut(&'static str, Option<&str>),
    ) {
        let context =
            LocalContext::new(outgoing.traceparent().trace_id(), outgoing.span_id(), outgoing.decision().is_sampled());
        self.inject_local(&context.with_carried(carried), set);
    }

    /// Writes the fields of all formats but W3C Trace Context, as [`inject_others`](Self::inject_others) does, for spans
    /// that [`Policy`](traceparent::Policy) did not create.
    pub fn inject_local(&self, context: &LocalContext<'_>, mut set: impl FnMut(&'static str, Option<&str>)) {
        for format in self.extracted() {
            if format != Format::TraceContext && self.injected().all(|injected| injected != format) {
                format.field_names().iter().for_each(|name| set(name, None));
            }
        }
        for format in self.injected().filter(|format| *format != Format::TraceContext) {
            if self.is_b3_short {
                format.write_short(context, &mut set);
            } else {
                format.write(context, &mut set);
            }
        }
    }
}

impl Default for Propagators {
    /// Reads and writes W3C Trace Context alone.
    fn default() -> Self {
        Self::TRACE_CONTEXT
    }
}

fn w3c_context<'a>(incoming: &Incoming<'a>) -> Result<Option<RemoteContext<'a>>, FormatError> {
    match incoming {
        Incoming::Invalid(error) => Err(FormatError::from_core(*error)),
        incoming => Ok(incoming.context().map(|context| RemoteContext::from(context.traceparent))),
    }
}
