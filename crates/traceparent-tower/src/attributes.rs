use http::{header::USER_AGENT, request::Parts};
use traceparent::sampler::{AttributeValue, Attributes};
use traceparent_http::semconv::{self, known_method, protocol_version};

/// What a sampler can ask of a request, under the names of OpenTelemetry's conventions for HTTP.
///
/// [OpenTelemetry: HTTP spans](https://opentelemetry.io/docs/specs/semconv/http/http-spans/)
pub(crate) struct RequestAttributes<'a>(pub(crate) &'a Parts);

impl Attributes for RequestAttributes<'_> {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        let Self(Parts { uri, version, headers, .. }) = self;
        let header = |name: &str| headers.get(name)?.to_str().ok();
        match key {
            semconv::HTTP_REQUEST_METHOD => {
                known_method(&self.0.method).or(Some(semconv::OTHER_METHOD)).map(Into::into)
            }
            semconv::NETWORK_PROTOCOL_VERSION => protocol_version(*version).map(Into::into),
            semconv::SERVER_ADDRESS => uri.host().map(Into::into),
            semconv::SERVER_PORT => uri.port_u16().map(|port| i64::from(port).into()),
            semconv::URL_PATH => Some(uri.path().into()),
            semconv::URL_QUERY => uri.query().map(Into::into),
            semconv::URL_SCHEME => uri.scheme_str().map(Into::into),
            semconv::USER_AGENT_ORIGINAL => header(USER_AGENT.as_str()).map(Into::into),
            _ => header(key.strip_prefix(semconv::HTTP_REQUEST_HEADER)?).map(Into::into),
        }
    }
}

/// The name that a server's span has before its route is known.
pub(crate) fn span_name(request: &Parts) -> &'static str {
    known_method(&request.method).unwrap_or("HTTP")
}
