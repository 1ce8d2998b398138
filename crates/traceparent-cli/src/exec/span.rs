//! A command that has ended, as a span of OpenTelemetry.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Ended, child::Ending, protobuf::Message};

/// The number of the kind of a span that serves and calls nothing.
const INTERNAL: i64 = 1;

/// The number of the status of a span that has failed.
const ERROR: i64 = 2;

/// Flags beside those of W3C Trace Context: it is known that the parent is another process's.
const HAS_REMOTE_PARENT: u32 = 0x300;

/// Creates the body of an export request with the span of a command.
///
/// The arguments of the command are left out, because they may be secret.
pub(super) fn request(ended: &Ended<'_>, name: Option<&str>, service: Option<&str>) -> Vec<u8> {
    let resource = Message::default().message(1, attribute("service.name", text(service.unwrap_or(ended.program))));
    let scope = Message::default().bytes(1, env!("CARGO_PKG_NAME")).bytes(2, env!("CARGO_PKG_VERSION"));
    let spans = Message::default().message(1, scope).message(2, span(ended, name));
    let resource_spans = Message::default().message(1, resource).message(2, spans);
    Message::default().message(1, resource_spans).into_bytes()
}

fn span(ended: &Ended<'_>, name: Option<&str>) -> Message {
    let traceparent = ended.outgoing.traceparent();
    let parent = ended.outgoing.parent_id().map(|id| id.to_bytes().to_vec()).unwrap_or_default();
    let flags = u32::from(traceparent.flags().bits());
    let mut span = Message::default()
        .bytes(1, traceparent.trace_id().to_bytes())
        .bytes(2, ended.outgoing.span_id().to_bytes())
        .bytes(3, ended.outgoing.tracestate().to_string())
        .bytes(4, &parent)
        .bytes(5, name.unwrap_or(ended.program))
        .number(6, INTERNAL)
        .fixed64(7, nanoseconds(ended.start))
        .fixed64(8, nanoseconds(ended.start + ended.duration))
        .message(9, attribute("process.executable.name", text(ended.program)));
    if let Some(code) = ended.ending.code() {
        span = span.message(9, attribute("process.exit.code", Message::default().number(3, code.into())));
    }
    if let Some(error) = error(ended.ending) {
        let status = Message::default().bytes(2, format!("the command has ended with {error}")).number(3, ERROR);
        span = span.message(9, attribute("error.type", text(&error))).message(15, status);
    }
    span.fixed32(16, if parent.is_empty() { flags } else { flags | HAS_REMOTE_PARENT })
}

fn attribute(key: &str, value: Message) -> Message {
    Message::default().bytes(1, key).message(2, value)
}

fn text(value: &str) -> Message {
    Message::default().bytes(1, value)
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_nanos() as u64)
}

/// Returns the type of a failure: the exit code, the name of a signal, or why the command could not be started.
fn error(ending: Ending) -> Option<String> {
    match ending {
        Ending::Exited(0) => None,
        Ending::Exited(code) => Some(code.to_string()),
        #[cfg(unix)]
        Ending::Signalled(signal) => {
            let name = signal_hook::low_level::signal_name(signal);
            Some(name.map_or_else(|| format!("signal {signal}"), str::to_owned))
        }
        Ending::NotStarted(kind) => Some(kind.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::time::Duration;

    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
    };
    use prost::Message as _;
    use traceparent::{IdsFrom, Incoming, Policy, sampler::AlwaysOn};

    use super::*;

    const TRACEPARENT: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03";

    /// Returns the service's name and the span of a request, as the types of OpenTelemetry decode it.
    fn decoded(incoming: Incoming<'_>, ending: Ending, name: Option<&str>, service: Option<&str>) -> (String, Span) {
        let outgoing = Policy::new(AlwaysOn).apply(incoming, &IdsFrom::new(|| 0x0102_0304_0506_0708));
        let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let ended =
            Ended { outgoing: &outgoing, program: "make", start, duration: Duration::from_millis(1500), ending };
        let bytes = request(&ended, name, service);
        let mut request = ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap();
        // Nothing is lost or unknown: encoded again, it is the same.
        assert_eq!(request.encode_to_vec(), bytes);
        let mut resource_spans = request.resource_spans.remove(0);
        let service = resource_spans.resource.unwrap().attributes.remove(0);
        assert_eq!(service.key, "service.name");
        let Some(Value::StringValue(service)) = service.value.unwrap().value else { panic!("no text") };
        (service, resource_spans.scope_spans.remove(0).spans.remove(0))
    }

    fn attribute(span: &Span, key: &str) -> Option<Value> {
        span.attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
    }

    #[test]
    fn a_span_has_what_the_command_did() {
        let incoming = Incoming::from_values(Some(TRACEPARENT), Some(b"rojo=1"));
        let (service, span) = decoded(incoming, Ending::Exited(0), None, None);
        assert_eq!(service, "make");
        assert_eq!(span.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
        assert_eq!(span.span_id, 0x0102_0304_0506_0708_u64.to_be_bytes());
        assert_eq!(span.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
        assert_eq!((span.name.as_str(), span.kind, span.trace_state.as_str()), ("make", 1, "rojo=1"));
        assert_eq!(span.flags, 0x303);
        assert_eq!(span.start_time_unix_nano, 1_700_000_000_000_000_000);
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 1_500_000_000);
        assert_eq!(attribute(&span, "process.exit.code"), Some(Value::IntValue(0)));
        assert_eq!(attribute(&span, "process.executable.name"), Some(Value::StringValue("make".to_owned())));
        assert_eq!((span.status.as_ref(), attribute(&span, "error.type")), (None, None));
    }

    #[test]
    fn a_root_has_no_parent_and_a_failure_has_a_type() {
        let (service, span) = decoded(Incoming::Absent, Ending::Exited(3), Some("build"), Some("ci"));
        assert_eq!((service.as_str(), span.name.as_str()), ("ci", "build"));
        assert!(span.parent_span_id.is_empty());
        assert_eq!(span.flags & 0x300, 0);
        assert_eq!(span.status.as_ref().unwrap().code, 2);
        assert_eq!(attribute(&span, "process.exit.code"), Some(Value::IntValue(3)));
        assert_eq!(attribute(&span, "error.type"), Some(Value::StringValue("3".to_owned())));

        let ending = Ending::NotStarted(std::io::ErrorKind::NotFound);
        let (_, span) = decoded(Incoming::Absent, ending, None, None);
        assert_eq!(attribute(&span, "process.exit.code"), None);
        assert_eq!(attribute(&span, "error.type"), Some(Value::StringValue("entity not found".to_owned())));
    }

    #[cfg(unix)]
    #[test]
    fn a_signal_has_its_name() {
        let (_, span) = decoded(Incoming::Absent, Ending::Signalled(15), None, None);
        assert_eq!(attribute(&span, "error.type"), Some(Value::StringValue("SIGTERM".to_owned())));
    }
}
