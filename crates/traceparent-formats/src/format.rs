use core::{fmt, str::FromStr};

/// A format in which a trace context travels.
///
/// ```
/// use traceparent_formats::Format;
///
/// assert_eq!("b3multi".parse(), Ok(Format::B3Multi));
/// assert_eq!(Format::XRay.field_names(), ["x-amzn-trace-id"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// [W3C Trace Context](https://www.w3.org/TR/trace-context-2/): `traceparent` and `tracestate`.
    TraceContext,
    /// [B3](https://github.com/openzipkin/b3-propagation#single-header) in the single field `b3`.
    B3,
    /// [B3](https://github.com/openzipkin/b3-propagation#multiple-headers) in several fields, `x-b3-traceid` and others.
    B3Multi,
    /// [AWS X-Ray](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader):
    /// `x-amzn-trace-id`.
    XRay,
    /// [Datadog](https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/):
    /// `x-datadog-trace-id` and others.
    Datadog,
    /// [Jaeger](https://www.jaegertracing.io/sdk-migration/#propagation-format): `uber-trace-id`, deprecated by its authors.
    Jaeger,
    /// [OpenCensus](https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md)
    /// over gRPC: `grpc-trace-bin`.
    GrpcTraceBin,
    /// [Google Cloud](https://cloud.google.com/trace/docs/trace-context#legacy-http-header): `x-cloud-trace-context`.
    CloudTrace,
    /// [OpenTracing's basictracer](https://opentelemetry.io/docs/specs/otel/context/api-propagators/#ot-trace):
    /// `ot-tracer-traceid` and others, deprecated.
    OtTracer,
}

/// The names of all fields of all formats, the environment variable of AWS Lambda, and `baggage`: what has to be removed
/// where no context may pass, whatever formats are in use.
///
/// ```
/// use traceparent_formats::{Format, KNOWN_FIELDS};
///
/// let names = Format::ALL.iter().flat_map(|format| format.field_names());
/// assert!(names.into_iter().all(|name| KNOWN_FIELDS.contains(name)));
/// ```
pub const KNOWN_FIELDS: [&str; 22] = [
    "traceparent",
    "tracestate",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-amzn-trace-id",
    "_x_amzn_trace_id",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-tags",
    "x-datadog-origin",
    "uber-trace-id",
    "grpc-trace-bin",
    "x-cloud-trace-context",
    "ot-tracer-traceid",
    "ot-tracer-spanid",
    "ot-tracer-sampled",
    "baggage",
];

/// The fields of tracing systems whose formats are not read or written here.
const VENDOR_FIELDS: [&str; 9] = [
    "traceresponse",
    "sentry-trace",
    "newrelic",
    "sw8",
    "sw8-correlation",
    "sw8-x",
    "elastic-apm-traceparent",
    "x-instana-t",
    "x-instana-s",
];

/// The beginnings of the names of fields that belong to a trace, whatever follows.
const PREFIXES: [&str; 5] = ["x-b3-", "x-datadog-", "ot-tracer-", "ot-baggage-", "uberctx-"];

/// Returns whether a field belongs to a trace: one of [`KNOWN_FIELDS`], of a tracing system whose format is not read or
/// written here, or baggage of a format. The name is in lower case.
///
/// ```
/// use traceparent_formats::is_trace_field;
///
/// assert!(is_trace_field("b3") && is_trace_field("sentry-trace") && is_trace_field("uberctx-user"));
/// assert!(!is_trace_field("x-request-id"));
/// ```
pub fn is_trace_field(name: &str) -> bool {
    KNOWN_FIELDS.iter().chain(&VENDOR_FIELDS).any(|known| *known == name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl Format {
    /// All formats, W3C Trace Context first.
    pub const ALL: [Self; 9] = [
        Self::TraceContext,
        Self::B3,
        Self::B3Multi,
        Self::XRay,
        Self::Datadog,
        Self::Jaeger,
        Self::GrpcTraceBin,
        Self::CloudTrace,
        Self::OtTracer,
    ];

    /// Returns the format's name as `OTEL_PROPAGATORS` spells it: `tracecontext`, `b3`, `b3multi`, `xray`, `datadog`,
    /// `jaeger`, `grpc-trace-bin`, `cloudtrace` or `ottrace`.
    ///
    /// [OpenTelemetry: known values](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration)
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TraceContext => "tracecontext",
            Self::B3 => "b3",
            Self::B3Multi => "b3multi",
            Self::XRay => "xray",
            Self::Datadog => "datadog",
            Self::Jaeger => "jaeger",
            Self::GrpcTraceBin => "grpc-trace-bin",
            Self::CloudTrace => "cloudtrace",
            Self::OtTracer => "ottrace",
        }
    }

    /// Returns the names of the format's fields, in lower case. Their case does not matter when reading.
    pub const fn field_names(self) -> &'static [&'static str] {
        match self {
            Self::TraceContext => &["traceparent", "tracestate"],
            Self::B3 => &["b3"],
            Self::B3Multi => &["x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"],
            Self::XRay => &["x-amzn-trace-id"],
            Self::Datadog => &[
                "x-datadog-trace-id",
                "x-datadog-parent-id",
                "x-datadog-sampling-priority",
                "x-datadog-tags",
                "x-datadog-origin",
            ],
            Self::Jaeger => &["uber-trace-id"],
            Self::GrpcTraceBin => &["grpc-trace-bin"],
            Self::CloudTrace => &["x-cloud-trace-context"],
            Self::OtTracer => &["ot-tracer-traceid", "ot-tracer-spanid", "ot-tracer-sampled"],
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == name).ok_or(UnknownFormat)
    }
}

/// The error returned when a name is not the name of a [`Format`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnknownFormat;

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown propagation format")
    }
}

impl core::error::Error for UnknownFormat {}
