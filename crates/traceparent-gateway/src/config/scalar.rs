//! The values of the file's keys, each with its own rule.

use std::{convert::Infallible, fmt::Display, net::SocketAddr, path::PathBuf, time::Duration};

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
    http::uri::Scheme,
};
use serde::{Deserialize, Deserializer, de::Error};
use traceparent::{Percent, TraceState, Trust};
use traceparent_formats::Format;

use super::{
    Baggage, Forwarded, Http2, LogFormat, OtlpProtocol, Underscores, Upstream, percent_encoded, references::expand,
};

/// Declares a type that is parsed from a scalar by a function.
macro_rules! scalar {
    ($(#[$doc:meta])* $name:ident($type:ty) = $read:expr) => {
        $(#[$doc])*
        pub(super) struct $name(pub(super) $type);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read(deserializer, $read).map(Self)
            }
        }
    };
}

scalar!(
    #[derive(Debug)]
    Address(SocketAddr) = parse_address
);
scalar!(
    #[derive(Debug)]
    TrustLevel(Trust) = str::parse::<Trust>
);
scalar!(
    #[derive(Debug)]
    UpstreamUrl(Upstream) = str::parse::<Upstream>
);
scalar!(
    #[derive(Debug)]
    Percentage(Percent) = parse_percent
);
scalar!(
    #[derive(Debug)]
    Period(Duration) = period
);
scalar!(
    /// A path, which is not decoded.
    #[derive(Debug)]
    Prefix(String) = prefix
);
scalar!(
    /// A text that is not blank.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
    Name(String) = name
);
scalar!(
    /// Any text.
    #[derive(Debug)]
    Text(String) = |text| Ok::<_, Infallible>(text.to_owned())
);
scalar!(
    /// The name of a header, or its beginning.
    #[derive(Debug, PartialEq, Eq, Hash)]
    Field(HeaderName) = field
);
scalar!(
    /// The value of a header, hidden in debug output.
    #[derive(Debug)]
    Secret(HeaderValue) = secret
);
scalar!(
    #[derive(Debug)]
    Collector(Uri) = parse_collector
);
scalar!(
    #[derive(Debug)]
    Http2Use(Http2) = |text| one_of(text, &[("auto", Http2::Auto), ("true", Http2::Always), ("false", Http2::Never)])
);
scalar!(
    #[derive(Debug)]
    ForwardedUse(Forwarded) = |text| one_of(text, &[("replace", Forwarded::Replace), ("append", Forwarded::Append)])
);
scalar!(
    #[derive(Debug)]
    UnderscoresUse(Underscores) = |text| one_of(text, &[("keep", Underscores::Keep), ("drop", Underscores::Drop)])
);
scalar!(
    #[derive(Debug)]
    BaggageUse(Baggage) = |text| one_of(text, &[("keep", Baggage::Keep), ("strip", Baggage::Strip)])
);
scalar!(
    #[derive(Debug)]
    Protocol(OtlpProtocol) =
        |text| one_of(text, &[("grpc", OtlpProtocol::Grpc), ("http/protobuf", OtlpProtocol::HttpProtobuf)])
);
scalar!(
    #[derive(Debug)]
    LogForm(LogFormat) = |text| one_of(text, &[("json", LogFormat::Json), ("combined", LogFormat::Combined)])
);
scalar!(
    /// A switch.
    #[derive(Debug)]
    Flag(bool) = |text| one_of(text, &[("true", true), ("false", false)])
);
scalar!(
    /// A path of the file system, not empty.
    #[derive(Debug)]
    FilePath(PathBuf) = |text| name(text).map(PathBuf::from)
);
scalar!(
    /// A size that suits HTTP/1.1 and HTTP/2.
    #[derive(Debug)]
    HeaderBytes(u32) = |text| number(text, 8192, 1024 * 1024)
);
scalar!(
    #[derive(Debug)]
    HeaderFields(u16) = |text| number(text, 1, 4096)
);
scalar!(
    #[derive(Debug)]
    Connections(u32) = |text| number(text, 1, 1_000_000)
);
scalar!(
    #[derive(Debug)]
    Retries(u8) = |text| number(text, 0, 10)
);

scalar!(
    /// A format by its name in `OTEL_PROPAGATORS`; `None` for `baggage`, which goes on in any case.
    #[derive(Debug)]
    Propagator(Option<Format>) = propagator
);
scalar!(
    /// A namespace of attributes that is none of the conventions.
    #[derive(Debug)]
    AttributePrefix(String) = attribute_prefix
);
scalar!(
    /// The key of an attribute that the gateway does not set itself.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
    AttributeKey(String) = attribute_key
);
scalar!(
    /// The key of a member of `tracestate`.
    #[derive(Debug)]
    MemberKey(String) = member_key
);

fn read<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    let text = expand(String::deserialize(deserializer)?).map_err(D::Error::custom)?;
    read(&text).map_err(D::Error::custom)
}

/// Parses an IP address and a port.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "give an IP address and a port, such as 127.0.0.1:10000")
}

/// Parses a percentage.
pub(crate) fn parse_percent(text: &str) -> Result<Percent, String> {
    text.parse().map_err(|error| format!("{error}; give a number from 0 to 100, such as 12.5"))
}

fn period(text: &str) -> Result<Duration, &'static str> {
    match humantime::parse_duration(text) {
        Ok(period) if !period.is_zero() => Ok(period),
        _ => Err("give a time with its unit, such as 500ms, 30s or 5min"),
    }
}

fn prefix(text: &str) -> Result<String, &'static str> {
    let is_path = text.starts_with('/') && text.parse::<Uri>().is_ok_and(|uri| uri.path() == text);
    if is_path { Ok(percent_encoded(text).into_owned()) } else { Err("give a path, such as / or /shop") }
}

fn name(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("the text is empty") } else { Ok(text.to_owned()) }
}

/// Returns what one of a few words stands for.
pub(super) fn one_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    Err(match words.split_last() {
        Some((last, others)) => format!("give {} or {last}", others.join(", ")),
        None => "give nothing".to_owned(),
    })
}

fn field(text: &str) -> Result<HeaderName, &'static str> {
    text.parse().map_err(|_| "not a header name")
}

fn secret(text: &str) -> Result<HeaderValue, &'static str> {
    let mut value = HeaderValue::from_str(text).map_err(|_| "not a header value")?;
    value.set_sensitive(true);
    Ok(value)
}

/// Parses the URL of a collector.
pub(crate) fn parse_collector(text: &str) -> Result<Uri, &'static str> {
    let uri: Uri = text.parse().map_err(|_| "not a URL; write it in full, such as http://127.0.0.1:4317")?;
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => Ok(uri),
        Some(scheme) if *scheme == Scheme::HTTPS && cfg!(feature = "tls") => Ok(uri),
        Some(scheme) if *scheme == Scheme::HTTPS => Err("https:// needs a build with the feature tls"),
        Some(_) => Err("only http:// and https:// are supported"),
        None => Err("not a URL; write it in full, such as http://127.0.0.1:4317"),
    }
}

fn propagator(name: &str) -> Result<Option<Format>, String> {
    match name.parse() {
        Ok(format) => Ok(Some(format)),
        Err(_) if name == "baggage" => Ok(None),
        Err(_) => Err(format!("not a propagator; there are {}", Format::ALL.map(Format::as_str).join(", "))),
    }
}

/// The namespaces of OpenTelemetry's conventions, and those of the gateway.
///
/// [OpenTelemetry: attribute registry](https://opentelemetry.io/docs/specs/semconv/registry/attributes/)
const RESERVED: [&str; 80] = [
    "android",
    "app",
    "artifact",
    "aspnetcore",
    "aws",
    "azure",
    "browser",
    "cassandra",
    "cicd",
    "client",
    "cloud",
    "cloudevents",
    "cloudfoundry",
    "code",
    "container",
    "cpu",
    "cpython",
    "db",
    "deployment",
    "destination",
    "device",
    "disk",
    "dns",
    "dotnet",
    "elasticsearch",
    "enduser",
    "error",
    "event",
    "exception",
    "faas",
    "feature_flag",
    "file",
    "gcp",
    "gen_ai",
    "geo",
    "go",
    "graphql",
    "hardware",
    "heroku",
    "host",
    "http",
    "hw",
    "ios",
    "jvm",
    "k8s",
    "linux",
    "log",
    "mainframe",
    "mcp",
    "messaging",
    "net",
    "network",
    "nodejs",
    "oci",
    "onc_rpc",
    "openai",
    "opentracing",
    "os",
    "otel",
    "peer",
    "pool",
    "pprof",
    "process",
    "profile",
    "rpc",
    "security_rule",
    "server",
    "service",
    "session",
    "signalr",
    "source",
    "system",
    "telemetry",
    "test",
    "thread",
    "tls",
    "traceparent",
    "url",
    "user",
    "user_agent",
];

fn attribute_prefix(text: &str) -> Result<String, &'static str> {
    let prefix = text.strip_suffix('.').unwrap_or(text);
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if !prefix.split('.').all(is_name) {
        return Err("give a name in lower case, such as shop or shop.request");
    }
    let is_reserved = prefix.split('.').next().is_some_and(|first| RESERVED.contains(&first));
    if is_reserved {
        Err("the conventions have this namespace; give a name of your own")
    } else {
        Ok(prefix.to_owned())
    }
}

/// The beginnings of the keys of attributes that the gateway sets.
const OWN: [&str; 10] =
    ["http.", "url.", "server.", "client.", "network.", "tls.", "user_agent.", "error.", "rpc.", "traceparent."];

fn attribute_key(text: &str) -> Result<String, &'static str> {
    let key = name(text)?;
    if OWN.iter().any(|own| key.starts_with(own)) {
        Err("the gateway sets attributes of this namespace")
    } else {
        Ok(key)
    }
}

fn member_key(key: &str) -> Result<String, &'static str> {
    match TraceState::parse(format!("{key}=1").as_bytes()) {
        Ok(list) if list.get(key).is_some() => Ok(key.to_owned()),
        _ => Err("not a key of tracestate"),
    }
}

fn number<T: TryFrom<u32>>(text: &str, least: u32, most: u32) -> Result<T, String> {
    let number = text.parse::<u32>().ok().filter(|number| (least..=most).contains(number));
    number.and_then(|number| number.try_into().ok()).ok_or_else(|| format!("give a number from {least} to {most}"))
}

impl Default for Percentage {
    /// Everything.
    fn default() -> Self {
        Self(Percent::HUNDRED)
    }
}

/// A list that is not empty.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(deserializer)?;
        if list.is_empty() { Err(D::Error::custom("the list is empty")) } else { Ok(Self(list)) }
    }
}
