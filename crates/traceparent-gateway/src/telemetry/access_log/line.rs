use std::{
    fmt::{self, Display},
    io::Write,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer, ser::SerializeStruct};
use traceparent_http::semconv::protocol_version;

use super::AccessRecord;
use crate::{
    config::LogFormat,
    http::Failure,
    span::{semconv::cut, write_json},
};

/// The status of a request whose client has left, in the combined format, which needs a number. nginx has it too.
const CLIENT_LEFT: u16 = 499;

/// Adds the line of a request.
pub(super) fn push_line(lines: &mut Vec<u8>, record: &AccessRecord, format: LogFormat) {
    // Writing to a vector cannot fail, and a record serializes.
    let _ = match format {
        LogFormat::Json => write_json(&mut *lines, record),
        LogFormat::Combined => write!(lines, "{}", Combined(record)).map_err(serde_json::Error::io),
    };
    lines.push(b'\n');
}

impl Serialize for AccessRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let trace = self.trace.as_ref();
        let mut line = serializer.serialize_struct("AccessRecord", 21)?;
        line.serialize_field("time", &Text(humantime::format_rfc3339_micros(self.time)))?;
        line.serialize_field("client", &self.client)?;
        line.serialize_field("peer", &self.peer)?;
        line.serialize_field("method", &self.method.as_ref().map(|method| cut(method.as_str())))?;
        line.serialize_field("target", &self.target)?;
        line.serialize_field("protocol", &self.version.map(|version| Text(Protocol(version))))?;
        line.serialize_field("host", &self.host)?;
        line.serialize_field("status", &self.status)?;
        line.serialize_field("error", &self.failure.map(Failure::as_str))?;
        line.serialize_field("bytes_received", &self.received)?;
        line.serialize_field("bytes_sent", &self.sent)?;
        line.serialize_field("duration_ms", &milliseconds(self.duration))?;
        line.serialize_field("upstream", &self.upstream)?;
        line.serialize_field("upstream_ms", &self.upstream_duration.map(milliseconds))?;
        line.serialize_field("referer", &self.referer)?;
        line.serialize_field("user_agent", &self.user_agent)?;
        line.serialize_field("trace_id", &trace.map(|trace| Text(trace.trace_id)))?;
        line.serialize_field("span_id", &trace.map(|trace| Text(trace.span_id)))?;
        line.serialize_field("sampled", &trace.map(|trace| trace.sampled))?;
        line.serialize_field("origin", &trace.map(|trace| trace.origin.as_str()))?;
        line.serialize_field("refused", &trace.and_then(|trace| trace.refused.as_deref()))?;
        line.end()
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// Serializes as the text it displays.
struct Text<T>(T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A version of HTTP, such as `HTTP/1.1`.
struct Protocol(hyper::Version);

impl Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP/{}", protocol_version(self.0).unwrap_or("-"))
    }
}

/// A request in the combined log format.
///
/// [Apache: combined log format](https://httpd.apache.org/docs/2.4/logs.html#combined)
struct Combined<'a>(&'a AccessRecord);

impl Display for Combined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(record) = self;
        write!(
            f,
            "{} - - [{}] \"{}\" {} {} \"{}\" \"{}\"",
            record.client,
            Clock(record.time),
            RequestLine(record),
            record.status.unwrap_or(CLIENT_LEFT),
            record.sent,
            Quoted(record.referer.as_deref().unwrap_or("-")),
            Quoted(record.user_agent.as_deref().unwrap_or("-")),
        )
    }
}

/// The first line of a request, or `-` without one.
struct RequestLine<'a>(&'a AccessRecord);

impl Display for RequestLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AccessRecord { method, target, version, .. } = self.0;
        match (method, target, version) {
            (Some(method), Some(target), Some(version)) => {
                write!(f, "{} {} {}", Quoted(cut(method.as_str())), Quoted(target), Protocol(*version))
            }
            _ => f.write_str("-"),
        }
    }
}

/// A text between double quotes: every byte that is not printable ASCII, quotes and backslashes are in the form `\x22`.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let mut rest = self.0;
        while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
            f.write_str(&rest[..at])?;
            // Bytes of one character are escaped together, so that what is left is text.
            let character = rest[at..].chars().next().unwrap_or_default();
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                write!(f, "\\x{byte:02X}")?;
            }
            rest = &rest[at + character.len_utf8()..];
        }
        f.write_str(rest)
    }
}

/// A time in the form `27/Nov/2026:04:18:43 +0000`.
struct Clock(SystemTime);

impl Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let text = humantime::format_rfc3339_seconds(self.0).to_string();
        let (date, time) = text.trim_end_matches('Z').split_once('T').unwrap_or_default();
        let mut parts = date.split('-');
        let (year, month, day) =
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let month = month.parse().ok().and_then(|month: usize| MONTHS.get(month.checked_sub(1)?)).unwrap_or(&"-");
        write!(f, "{day}/{month}/{year}:{time} +0000")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hyper::Version;
    use traceparent::{Origin, SpanId, TraceId};

    use super::*;
    use crate::telemetry::TraceRecord;

    fn record() -> AccessRecord {
        AccessRecord {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_753_123_500),
            duration: Duration::from_micros(12_345),
            client: "192.0.2.1".parse().unwrap(),
            peer: "10.0.0.1:4711".parse().unwrap(),
            method: Some(hyper::Method::GET),
            target: Some("/a?b=REDACTED".to_owned()),
            version: Some(Version::HTTP_11),
            host: Some("shop.example".to_owned()),
            referer: None,
            user_agent: Some("curl/8".to_owned()),
            status: Some(200),
            failure: None,
            received: 3,
            sent: 5,
            upstream: Some("127.0.0.1:8080".parse().unwrap()),
            upstream_duration: Some(Duration::from_millis(7)),
            trace: Some(TraceRecord {
                trace_id: TraceId::from_bytes([1; 16]).unwrap(),
                span_id: SpanId::from_u64(2).unwrap(),
                sampled: true,
                origin: Origin::Started,
                refused: None,
            }),
        }
    }

    fn line(record: &AccessRecord, format: LogFormat) -> String {
        let mut lines = Vec::new();
        push_line(&mut lines, record, format);
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn a_request_is_a_json_object() {
        assert_eq!(
            line(&record(), LogFormat::Json),
            "{\"time\":\"2026-11-27T04:18:43.500000Z\",\"client\":\"192.0.2.1\",\
             \"peer\":\"10.0.0.1:4711\",\"method\":\"GET\",\"target\":\"/a?b=REDACTED\",\"protocol\":\"HTTP/1.1\",\"host\":\"shop.example\",\"status\":200,\"error\":null,\"bytes_received\":3,\
             \"bytes_sent\":5,\"duration_ms\":12.345,\"upstream\":\"127.0.0.1:8080\",\"upstream_ms\":7.0,\"referer\":null,\
             \"user_agent\":\"curl/8\",\"trace_id\":\"01010101010101010101010101010101\",\"span_id\":\"0000000000000002\",\
             \"sampled\":true,\"origin\":\"started\",\"refused\":null}\n"
        );
    }

    #[test]
    fn a_request_is_a_line_of_the_combined_format() {
        assert_eq!(
            line(&record(), LogFormat::Combined),
            "192.0.2.1 - - [27/Nov/2026:04:18:43 +0000] \"GET /a?b=REDACTED HTTP/1.1\" 200 5 \"-\" \"curl/8\"\n"
        );
        let left = AccessRecord { status: None, failure: Some(Failure::ClientLeft), ..record() };
        assert!(line(&left, LogFormat::Combined).contains("\" 499 5 \""));
        assert!(line(&left, LogFormat::Json).contains("\"status\":null,\"error\":\"client_left\""));
    }

    #[test]
    fn a_request_without_a_head_has_no_first_line() {
        let refused = AccessRecord {
            method: None,
            target: None,
            version: None,
            status: Some(408),
            failure: Some(Failure::HeadTooSlow),
            trace: None,
            ..record()
        };
        assert!(line(&refused, LogFormat::Combined).contains("] \"-\" 408 5 "));
        let json: serde_json::Value = serde_json::from_str(&line(&refused, LogFormat::Json)).unwrap();
        for field in ["method", "target", "protocol", "trace_id"] {
            assert!(json[field].is_null(), "{json}");
        }
        assert_eq!((json["status"].as_u64(), json["error"].as_str()), (Some(408), Some("head_too_slow")));
    }

    #[test]
    fn nothing_forges_a_field_or_breaks_a_line() {
        for hostile in [
            "\" 200 5 \"-\" \"forged",
            "\\\" x",
            "a\r\n192.0.2.9 - - forged",
            "a\u{85}b\u{2028}c\u{2029}d",
            "\x1b[2J\x07\x7f\u{9b}31m",
            "\u{202e}txt\u{2066}",
            "\",\"status\":200,\"x\":\"",
        ] {
            let text = || Some(hostile.to_owned());
            let record = AccessRecord { target: text(), host: text(), referer: text(), user_agent: text(), ..record() };
            let json = line(&record, LogFormat::Json);
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            for field in ["target", "host", "referer", "user_agent"] {
                assert_eq!(parsed[field], hostile);
            }
            assert_eq!((parsed["status"].as_u64(), parsed.as_object().unwrap().len()), (Some(200), 21));
            let combined = line(&record, LogFormat::Combined);
            assert_eq!(combined.matches('"').count(), 6, "{combined}");
            assert!(combined.is_ascii());
            for line in [json, combined] {
                let line = line.strip_suffix('\n').unwrap();
                assert!(!line.contains(crate::operator::is_control), "{line}");
            }
        }
    }

    #[test]
    fn refused_headers_are_told_without_a_byte_of_them() {
        let mut record = record();
        record.trace.as_mut().unwrap().refused = Some("traceparent is too short".into());
        assert!(
            line(&record, LogFormat::Json).contains("\"refused\":\"traceparent is too short"),
            "{}",
            line(&record, LogFormat::Json)
        );
    }
}
