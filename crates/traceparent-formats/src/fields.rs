//! Reading and writing the fields of every format by name.

use traceparent::{ErrorKind, TraceFlags, TraceId, TraceParent};

use crate::{
    b3, b3_multi, cloud_trace,
    context::{LocalContext, RemoteContext},
    datadog,
    error::{FormatError, Part},
    format::Format,
    grpc_trace_bin,
    ids::Digits,
    jaeger, ot_tracer,
    state::SamplingState,
    text::Encoded,
    words::DIGITS,
    xray,
};

impl Format {
    /// Reads the format's fields, or returns `None` if they have no context.
    ///
    /// The function is called with the name of a field in lower case. It returns all values of the field, in the order of
    /// arrival and without white space around them. Of W3C Trace Context, `traceparent` alone is read.
    ///
    /// # Errors
    ///
    /// Returns an error for the first rule that is broken. A field that occurs twice is repeated, except in B3, in which
    /// the first one counts.
    ///
    /// ```
    /// use traceparent_formats::{Format, SamplingState};
    ///
    /// let fields = [("x-b3-sampled", &b"1"[..])];
    /// let of = |name| fields.into_iter().filter(move |field| field.0 == name).map(|field| field.1);
    /// assert_eq!(Format::B3Multi.read(of)?.unwrap().state(), SamplingState::Accept);
    /// assert_eq!(Format::Jaeger.read(of)?, None);
    /// # Ok::<(), traceparent_formats::FormatError>(())
    /// ```
    pub fn read<'a, I>(self, mut get: impl FnMut(&'static str) -> I) -> Result<Option<RemoteContext<'a>>, FormatError>
    where
        I: IntoIterator<Item = &'a [u8]>,
    {
        let mut once = |name, part| {
            let mut values = get(name).into_iter();
            let first = values.next();
            match values.next() {
                Some(_) if !matches!(self, Self::B3 | Self::B3Multi) => {
                    Err(FormatError::new(self, part, ErrorKind::Repeated, 0))
                }
                _ => Ok(first),
            }
        };
        match self {
            Self::TraceContext => once("traceparent", Part::Value)?.map(trace_context).transpose(),
            Self::B3 => once("b3", Part::Value)?.map(b3::parse).transpose(),
            Self::B3Multi => b3_multi::parse(b3_multi::Fields {
                trace_id: once("x-b3-traceid", Part::TraceId)?,
                span_id: once("x-b3-spanid", Part::SpanId)?,
                sampled: once("x-b3-sampled", Part::SamplingState)?,
                flags: once("x-b3-flags", Part::SamplingState)?,
            }),
            Self::XRay => once("x-amzn-trace-id", Part::Value)?.map(xray::parse).transpose(),
            Self::Datadog => {
                let Some(trace_id) = once("x-datadog-trace-id", Part::TraceId)? else { return Ok(None) };
                datadog::parse(datadog::Fields {
                    trace_id: Some(trace_id),
                    parent_id: once("x-datadog-parent-id", Part::SpanId)?,
                    sampling_priority: once("x-datadog-sampling-priority", Part::SamplingState)?,
                    tags: once("x-datadog-tags", Part::Tags)?,
                    origin: once("x-datadog-origin", Part::Origin)?,
                })
            }
            Self::Jaeger => once("uber-trace-id", Part::Value)?.map(jaeger::parse).transpose(),
            Self::GrpcTraceBin => once("grpc-trace-bin", Part::Value)?.map(grpc_trace_bin::parse).transpose(),
            Self::CloudTrace => once("x-cloud-trace-context", Part::Value)?.map(cloud_trace::parse).transpose(),
            Self::OtTracer => ot_tracer::parse(ot_tracer::Fields {
                trace_id: once("ot-tracer-traceid", Part::TraceId)?,
                span_id: once("ot-tracer-spanid", Part::SpanId)?,
                sampled: once("ot-tracer-sampled", Part::SamplingState)?,
            }),
        }
    }

    /// Writes the format's fields. The function is called with the name of each field, and with its value or `None` if
    /// the field must be removed.
    ///
    /// All fields are removed if the format cannot hold the context. Of W3C Trace Context, `traceparent` is written
    /// without the random flag, and `tracestate` is removed. An [`Outgoing`](traceparent::Outgoing) has both.
    ///
    /// ```
    /// use traceparent::{SpanId, TraceId};
    /// use traceparent_formats::{Format, LocalContext};
    ///
    /// let trace_id = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");
    /// let context = LocalContext::new(trace_id, SpanId::from_static("00f067aa0ba902b7"), true);
    /// Format::XRay.write(&context, |name, value| {
    ///     assert_eq!(name, "x-amzn-trace-id");
    ///     assert_eq!(value, Some("Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1"));
    /// });
    /// ```
    pub fn write(self, context: &LocalContext<'_>, mut set: impl FnMut(&'static str, Option<&str>)) {
        match self {
            Self::TraceContext => {
                let flags = TraceFlags::NONE.with_sampled(context.is_sampled());
                let traceparent = TraceParent::new(context.trace_id(), context.span_id(), flags);
                set("traceparent", Some(traceparent.encode_str(&mut [0; TraceParent::LENGTH])));
                set("tracestate", None);
            }
            Self::B3 => set("b3", Some(b3::encode(context).as_str())),
            Self::B3Multi => write_b3_multi(context, false, set),
            Self::XRay => set("x-amzn-trace-id", Some(xray::encode(context).as_str())),
            Self::Datadog => write_datadog(context, set),
            Self::Jaeger => set("uber-trace-id", Some(jaeger::encode(context).as_str())),
            Self::GrpcTraceBin => set("grpc-trace-bin", Some(grpc_trace_bin::encode(context).as_str())),
            Self::CloudTrace => set("x-cloud-trace-context", Some(cloud_trace::encode(context).as_str())),
            Self::OtTracer => write_ot_tracer(context, set),
        }
    }

    /// Writes the format's fields, with a trace-id of 16 digits in B3 if its upper half is zero.
    pub(crate) fn write_short(self, context: &LocalContext<'_>, mut set: impl FnMut(&'static str, Option<&str>)) {
        match self {
            Self::B3 => set("b3", Some(b3::encode_short(context).as_str())),
            Self::B3Multi => write_b3_multi(context, true, set),
            _ => self.write(context, set),
        }
    }
}

fn trace_context(value: &[u8]) -> Result<RemoteContext<'_>, FormatError> {
    TraceParent::parse(value).map(RemoteContext::from).map_err(FormatError::from_core)
}

impl From<TraceParent> for RemoteContext<'_> {
    fn from(traceparent: TraceParent) -> Self {
        let state = SamplingState::from_sampled(traceparent.flags().is_sampled());
        Self::of_ids(traceparent.trace_id(), Some(traceparent.parent_id()), state)
    }
}

fn write_b3_multi(context: &LocalContext<'_>, is_short: bool, mut set: impl FnMut(&'static str, Option<&str>)) {
    let digits = Digits::of(context);
    let (trace_id, span_id) = digits.as_strs();
    let trace_id = match trace_id.strip_prefix("0000000000000000") {
        Some(lower) if is_short => lower,
        _ => trace_id,
    };
    let (sampled, flags) = match (context.is_debug(), context.is_sampled()) {
        (true, _) => (None, Some("1")),
        (false, true) => (Some("1"), None),
        (false, false) => (Some("0"), None),
    };
    set("x-b3-traceid", Some(trace_id));
    set("x-b3-spanid", Some(span_id));
    set("x-b3-parentspanid", None);
    set("x-b3-sampled", sampled);
    set("x-b3-flags", flags);
}

fn write_datadog(context: &LocalContext<'_>, mut set: impl FnMut(&'static str, Option<&str>)) {
    const PRIORITY: &str = "x-datadog-sampling-priority";
    const TAGS: &str = "x-datadog-tags";
    let mut buffer = [0; 2 * DIGITS];
    let Some((trace_id, span_id)) = datadog::encode_ids(context, &mut buffer) else {
        for name in Format::Datadog.field_names() {
            set(name, None);
        }
        return;
    };
    set("x-datadog-trace-id", Some(trace_id));
    set("x-datadog-parent-id", Some(span_id));
    match datadog::priority(context) {
        // Those that Datadog documents need no buffer.
        -1 => set(PRIORITY, Some("-1")),
        0 => set(PRIORITY, Some("0")),
        1 => set(PRIORITY, Some("1")),
        2 => set(PRIORITY, Some("2")),
        other => set(PRIORITY, Some(datadog::encode_priority(other).as_str())),
    }
    // Tags of a caller can take 512 bytes, ours a few.
    if context.carried().has_tags() {
        set(TAGS, Some(datadog::encode_tags(context).as_str()).filter(|tags| !tags.is_empty()));
    } else {
        let upper_half = datadog::encode_upper_half::<{ datadog::UPPER_HALF_LENGTH }>(context);
        set(TAGS, upper_half.as_ref().map(Encoded::as_str));
    }
    set("x-datadog-origin", context.carried().datadog_origin());
}

fn write_ot_tracer(context: &LocalContext<'_>, mut set: impl FnMut(&'static str, Option<&str>)) {
    if context.trace_id().to_u128() as u64 == 0 {
        for name in Format::OtTracer.field_names() {
            set(name, None);
        }
        return;
    }
    let digits = Digits::of(context);
    let (trace_id, span_id) = digits.as_strs();
    // The lower half.
    set("ot-tracer-traceid", trace_id.get(TraceId::LENGTH / 2..));
    set("ot-tracer-spanid", Some(span_id));
    set("ot-tracer-sampled", Some(if context.is_sampled() { "true" } else { "false" }));
}
