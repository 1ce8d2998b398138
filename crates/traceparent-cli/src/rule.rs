//! The rules that refused values break: in words, by number, and with the specification's link.

use serde::Serialize;
use traceparent::{ErrorKind, Field};
use traceparent_formats::{Format, Part};

/// A rule of a specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Rule {
    /// The number in the conformance tables of the libraries, such as `W3C 9`.
    pub(crate) requirement: &'static str,
    /// The rule in words.
    #[serde(rename = "rule")]
    pub(crate) text: &'static str,
    /// The section of the specification.
    pub(crate) link: &'static str,
}

const fn rule(requirement: &'static str, text: &'static str, link: &'static str) -> Rule {
    Rule { requirement, text, link }
}

/// Returns the rule of W3C Trace Context or OpenTelemetry that an error of the core is about.
pub(crate) fn of_core(field: Field, kind: ErrorKind) -> Rule {
    const HEADER: &str = "https://www.w3.org/TR/trace-context-2/#traceparent-header";
    const VERSION: &str = "https://www.w3.org/TR/trace-context-2/#version";
    const VERSIONING: &str = "https://www.w3.org/TR/trace-context-2/#versioning-of-traceparent";
    const RECEIVED: &str = "https://www.w3.org/TR/trace-context-2/#a-traceparent-is-received";
    const STATE: &str = "https://www.w3.org/TR/trace-context-2/#tracestate-header";
    const LIST: &str = "https://www.w3.org/TR/trace-context-2/#list";
    const HANDLING: &str = "https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/";
    const DRAFT: &str = "https://w3c.github.io/trace-context/";
    const SAMPLING: &str = "https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/";
    match (field, kind) {
        (Field::TraceParent, ErrorKind::Repeated) => {
            rule("W3C 6", "a message has one traceparent; of several, none is believed", HEADER)
        }
        (Field::TraceParent, ErrorKind::TooLong) => {
            rule("W3C 33", "version 00 has exactly 55 characters, and nothing after them", VERSIONING)
        }
        (Field::TraceParent, _) => {
            rule("W3C 8", "a traceparent has at least 55 characters: 2, 32, 16 and 2 hex digits, and dashes", HEADER)
        }
        (Field::Version, ErrorKind::ForbiddenVersion) => rule("W3C 7", "the version ff is forbidden", VERSION),
        (Field::Version, ErrorKind::OutOfRange) => rule("W3C 88", "a response context has the version 00", DRAFT),
        (Field::Version, _) => {
            rule("W3C 29", "a traceparent begins with a version: two lower-case hex digits and a dash", VERSIONING)
        }
        (Field::TraceId, ErrorKind::AllZero) => {
            rule("W3C 9", "a trace-id of zeroes is invalid", "https://www.w3.org/TR/trace-context-2/#trace-id")
        }
        (Field::TraceId, ErrorKind::MissingDash) => {
            rule("W3C 30", "a dash follows the 32 digits of the trace-id", VERSIONING)
        }
        (Field::TraceId, _) => {
            rule("W3C 9", "a trace-id is 32 lower-case hex digits", "https://www.w3.org/TR/trace-context-2/#trace-id")
        }
        (Field::ParentId | Field::SpanId, ErrorKind::AllZero) => {
            rule("W3C 10", "a parent-id of zeroes is invalid", "https://www.w3.org/TR/trace-context-2/#parent-id")
        }
        (Field::ParentId | Field::SpanId, ErrorKind::MissingDash) => {
            rule("W3C 30", "a dash follows the 16 digits of the parent-id", VERSIONING)
        }
        (Field::ParentId | Field::SpanId, _) => rule(
            "W3C 10",
            "a parent-id is 16 lower-case hex digits",
            "https://www.w3.org/TR/trace-context-2/#parent-id",
        ),
        (Field::TraceFlags, ErrorKind::MissingDash) => {
            rule("W3C 30", "in a higher version, a dash follows the flags or nothing does", VERSIONING)
        }
        (Field::TraceFlags, _) => rule("W3C 69", "trace-flags are two lower-case hex digits", RECEIVED),
        (Field::TraceState, _) => rule("W3C 48", "a list has at most 32 members", LIST),
        (Field::Key, ErrorKind::MissingEquals) => rule("W3C 45", "a member is a key, an equals sign and a value", LIST),
        (Field::Key, _) => rule(
            "W3C 50",
            "a key is 1 to 256 of a-z 0-9 _ - * / @, and begins with a letter or digit",
            "https://www.w3.org/TR/trace-context-2/#key",
        ),
        (Field::Value, _) => rule(
            "W3C 51",
            "a value is 1 to 256 printable ASCII characters without comma and equals sign, the last one no space",
            "https://www.w3.org/TR/trace-context-2/#value",
        ),
        (Field::Threshold | Field::Randomness, ErrorKind::Repeated) | (Field::Ot, _) => {
            rule("OTel 5", "the value of ot is key:value between semicolons, each key once, 256 characters", HANDLING)
        }
        (Field::Threshold, _) => rule("OTel 8", "th is 1 to 14 lower-case hex digits", SAMPLING),
        (Field::Randomness, _) => rule("OTel 9", "rv is exactly 14 lower-case hex digits", SAMPLING),
        (Field::ChildId, _) => rule("W3C 88", "a child-id is 16 lower-case hex digits, not all zero", DRAFT),
        (Field::ServerTiming, _) => {
            rule("W3C 88", "the metric trace has a desc of 55 characters, as a traceparent of version 00", DRAFT)
        }
        _ => rule("W3C 6", "the value has the grammar of its header", STATE),
    }
}

/// Returns the rule that an error of a format is about.
pub(crate) fn of_format(format: Format, part: Part, kind: ErrorKind) -> Rule {
    if format == Format::TraceContext {
        return of_core(core_field(part), kind);
    }
    let link = link(format);
    if kind == ErrorKind::Repeated && !matches!(format, Format::XRay | Format::GrpcTraceBin) {
        return rule("F 8", "each field occurs once", link);
    }
    if kind == ErrorKind::AllZero {
        return rule("F 6", "an ID of zeroes is invalid", link);
    }
    match (format, part, kind) {
        (Format::B3, _, ErrorKind::UpperCase | ErrorKind::Empty) => {
            rule("F 16", "b3 has lower-case hex digits, and no dash at the end", link)
        }
        (Format::B3, Part::SamplingState, _) => rule("F 14", "the sampling state is 0, 1 or d", link),
        (Format::B3, ..) => {
            rule("F 14", "b3 is a state, or trace-id-span-id with a state and a parent after them", link)
        }
        (Format::B3Multi, Part::SamplingState, _) => rule("F 18", "x-b3-sampled is 1, 0, true or false", link),
        (Format::B3Multi, ..) => {
            rule("F 18", "x-b3-traceid has 16 or 32 lower-case hex digits, x-b3-spanid 16: both or neither", link)
        }
        (Format::XRay, _, ErrorKind::Repeated | ErrorKind::Missing) => {
            rule("F 26", "each key occurs once, and Root is there unless Sampled stands alone", link)
        }
        (Format::XRay, Part::TraceId | Part::Version, _) => {
            rule("F 24", "Root is 1, 8 and 24 lower-case hex digits with dashes in between", link)
        }
        (Format::XRay, Part::SpanId, _) => rule("F 25", "Parent is 16 lower-case hex digits", link),
        (Format::XRay, Part::SamplingState, _) => rule("F 25", "Sampled is 1, 0 or ?", link),
        (Format::XRay, ..) => rule("F 23", "the value is pairs of key=value between semicolons", link),
        (Format::Datadog, Part::UpperTraceId | Part::Tags, _) => {
            rule("F 30", "_dd.p.tid is 16 lower-case hex digits, once in tags of at most 512 bytes", link)
        }
        (Format::Datadog, Part::SpanId, _) => rule("F 31", "x-datadog-parent-id is a decimal number below 2^64", link),
        (Format::Datadog, Part::SamplingState, _) => rule("F 32", "x-datadog-sampling-priority is an integer", link),
        (Format::Datadog, ..) => rule("F 29", "x-datadog-trace-id is a decimal number from 1 to 2^64-1", link),
        (Format::Jaeger, Part::SamplingState, _) => rule("F 36", "the flags are one or two hex digits", link),
        (Format::Jaeger, ..) => {
            rule("F 35", "the value is trace-id:span-id:parent:flags, of 1-32 and 1-16 hex digits", link)
        }
        (Format::CloudTrace, Part::SamplingState, _) => rule("F 39", "the options are a number from 0 to 255", link),
        (Format::CloudTrace, ..) => {
            rule("F 39", "the value is 32 hex digits, a slash, a decimal span-id, and ;o= with options", link)
        }
        (Format::GrpcTraceBin, _, ErrorKind::Repeated)
        | (Format::GrpcTraceBin, Part::Value, ErrorKind::InvalidByte) => {
            rule("F 43", "the value is base64 of one context", link)
        }
        (Format::GrpcTraceBin, ..) => {
            rule("F 42", "the bytes are version 0, then numbered fields of 16, 8 and 1 bytes", link)
        }
        (Format::OtTracer, Part::SamplingState, _) => rule("F 45", "ot-tracer-sampled is true, false, 1 or 0", link),
        (Format::OtTracer, ..) => rule(
            "F 45",
            "ot-tracer-traceid has 16 or 32 lower-case hex digits, ot-tracer-spanid 16: both or neither",
            link,
        ),
        _ => rule("F 1", "the value has the grammar of its format", link),
    }
}

/// Returns the specification of a format.
pub(crate) const fn link(format: Format) -> &'static str {
    match format {
        Format::B3 => "https://github.com/openzipkin/b3-propagation#single-header",
        Format::B3Multi => "https://github.com/openzipkin/b3-propagation#multiple-headers",
        Format::XRay => {
            "https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader"
        }
        Format::Datadog => "https://docs.datadoghq.com/tracing/trace_collection/trace_context_propagation/",
        Format::Jaeger => "https://www.jaegertracing.io/sdk-migration/#propagation-format",
        Format::GrpcTraceBin => {
            "https://github.com/census-instrumentation/opencensus-specs/blob/master/encodings/BinaryEncoding.md"
        }
        Format::CloudTrace => "https://cloud.google.com/trace/docs/trace-context#legacy-http-header",
        Format::OtTracer => "https://opentelemetry.io/docs/specs/otel/context/api-propagators/#ot-trace",
        _ => "https://www.w3.org/TR/trace-context-2/",
    }
}

const fn core_field(part: Part) -> Field {
    match part {
        Part::Version => Field::Version,
        Part::TraceId => Field::TraceId,
        Part::SpanId => Field::ParentId,
        Part::SamplingState => Field::TraceFlags,
        _ => Field::TraceParent,
    }
}
