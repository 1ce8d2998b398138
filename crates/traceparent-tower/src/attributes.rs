use http::{Method, Version, header::USER_AGENT, request::Parts};
use traceparent::{AttributeValue, Attributes};

/// What a sampler can ask of a request, under the names of OpenTelemetry's conventions for HTTP.
///
/// [OpenTelemetry: HTTP spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/)
pub(crate) struct RequestAttributes<'a>(pub(crate) &'a Parts);

impl Attributes for RequestAttributes<'_> {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        let Self(Parts { uri, version, headers, .. }) = self;
        let header = |name: &str| headers.get(name)?.to_str().ok();
        match key {
            "http.request.method" => known(&self.0.method).or(Some("_OTHER")).map(Into::into),
            "network.protocol.version" => protocol(*version).map(Into::into),
            "server.address" => uri.host().map(Into::into),
            "server.port" => uri.port_u16().map(|port| i64::from(port).into()),
            "url.path" => Some(uri.path().into()),
            "url.query" => uri.query().map(Into::into),
            "url.scheme" => uri.scheme_str().map(Into::into),
            "user_agent.original" => header(USER_AGENT.as_str()).map(Into::into),
            _ => header(key.strip_prefix("http.request.header.")?).map(Into::into),
        }
    }
}

/// The name that a server's span has before its route is known.
pub(crate) fn span_name(request: &Parts) -> &'static str {
    known(&request.method).unwrap_or("HTTP")
}

/// The methods that the conventions know; there is no end to the others.
fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 10] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

fn protocol(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}
