use std::time::Duration;

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
};

use super::*;
use crate::config::{ClientTls, Identity, NO_LIMIT, OtlpEndpoint, OtlpProtocol};

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
}

#[track_caller]
fn assert_ignored(name: &str, value: &str, expected: &str) {
    let found = environment(&[(name, value)]);
    let errors: Vec<_> = found.errors().iter().map(ToString::to_string).collect();
    assert_eq!(errors, [format!("{name} is ignored: expected {expected}")], "{value}");
    assert_eq!(Environment { errors: Vec::new(), ..found }, Environment::default(), "{value}");
}

#[test]
fn empty_variables_count_as_not_set() {
    assert_eq!(environment(&[]), Environment::default());
    assert_eq!(environment(&[("OTEL_SERVICE_NAME", " "), ("OTEL_TRACES_SAMPLER", "")]), Environment::default());
    assert_eq!(environment(&[("OTEL_BSP_SCHEDULE_DELAY", ""), ("COLUMNS", "")]), Environment::default());
}

#[test]
fn invalid_variables_are_ignored_and_reported() {
    for list in ["team", "a=b,=c", "a=%ff"] {
        let expected = "a list such as team=shop,deployment.environment.name=test";
        assert_ignored("OTEL_RESOURCE_ATTRIBUTES", list, expected);
    }
    for list in ["jaeger", "otlp,zipkin"] {
        assert_ignored("OTEL_TRACES_EXPORTER", list, "a list of otlp and console, or none");
    }
    assert_ignored("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf");
    for name in [
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_BSP_SCHEDULE_DELAY",
    ] {
        for value in ["soon", "10s", "-1", "1.5", "99999999999999999999"] {
            assert_ignored(name, value, "a number of milliseconds");
        }
    }
    for name in ["OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "COLUMNS"] {
        for value in ["0", "many", "-1"] {
            assert_ignored(name, value, "a number of at least 1");
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
        for value in ["127.0.0.1:4317", "localhost", "not a url", "/v1/traces", "ftp://h"] {
            assert_ignored(name, value, "a URL such as http://127.0.0.1:4318");
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"] {
        for value in ["key", "a b=c", "a=%0a", "a=b,=c"] {
            assert_ignored(name, value, "a list such as x-key=secret,x-team=shop");
        }
    }
    assert_ignored("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "snappy", "gzip or none");
    for name in [
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_SPAN_LINK_COUNT_LIMIT",
    ] {
        assert_ignored(name, "-1", "a number of at least 0");
    }
    assert_ignored("OTEL_SDK_DISABLED", "1", "true or false");
    assert_ignored("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,A B", "a list such as GET,POST");
}

#[test]
fn the_service_name_comes_before_the_attribute() {
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a, team=sh%6Fp ,service.name=b");
    let found = environment(&[attributes]);
    assert_eq!(found.service_name.as_deref(), Some("b"));
    assert_eq!(found.resource, [("team".to_owned(), "shop".to_owned())]);
    assert_eq!(environment(&[attributes, ("OTEL_SERVICE_NAME", "c")]).service_name.as_deref(), Some("c"));
    assert_eq!(environment(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=")]).service_name, None);
}

#[test]
fn samplers_go_by_their_names() {
    let found = environment(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")]);
    assert_eq!(found.sampler, SamplerConfig::parse(Some("traceidratio"), Some("0.5")).ok());
    let found = environment(&[("OTEL_TRACES_SAMPLER", "TraceIdRatio"), ("OTEL_TRACES_SAMPLER_ARG", "50%")]);
    assert_eq!(found.sampler, SamplerConfig::parse(Some("traceidratio"), None).ok());
    assert_eq!(found.errors().len(), 1);
    let found = environment(&[("OTEL_TRACES_SAMPLER", "sometimes")]);
    assert_eq!(found.sampler, None);
    assert_eq!(found.errors(), [EnvironmentError::Sampler(SamplerConfigError::UnknownSampler)]);
}

#[test]
fn exporters_are_listed_in_any_case() {
    let exporters = |list| environment(&[("OTEL_TRACES_EXPORTER", list)]).exporters;
    assert_eq!(exporters("OTLP, console"), Some(Exporters { otlp: true, console: true }));
    assert_eq!(exporters("none"), Some(Exporters { otlp: false, console: false }));
    assert_eq!(exporters(" "), None);
}

#[test]
fn variables_of_traces_come_before_those_of_all_signals() {
    let found = environment(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", ""),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", " GRPC "),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, X-Other = c"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
    ]);
    let expected = OtlpVariables {
        endpoint: Some(OtlpEndpoint::of_traces(Uri::from_static("http://traces:4318"))),
        protocol: Some(OtlpProtocol::Grpc),
        headers: vec![
            (HeaderName::from_static("x-key"), HeaderValue::from_static("a b")),
            (HeaderName::from_static("x-other"), HeaderValue::from_static("c")),
        ],
        timeout: Some(Duration::from_millis(250)),
        gzip: true,
        tls: ClientTls::default(),
    };
    assert_eq!(found.otlp, expected);
    assert!(found.otlp.headers.iter().all(|(_, value)| value.is_sensitive()));
}

#[test]
fn files_for_tls_are_those_of_traces_first() {
    let found = environment(&[
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "all.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "traces.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "client.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "client.key"),
    ]);
    let identity = Identity { certificate: "client.pem".into(), key: "client.key".into() };
    let expected = ClientTls { ca: Some("traces.pem".into()), identity: Some(identity), server_name: None };
    assert_eq!(found.otlp.tls, expected);
    assert!(found.errors().is_empty());
    let expected = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE beside it";
    assert_ignored("OTEL_EXPORTER_OTLP_CLIENT_KEY", "client.key", expected);
    assert_ignored("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "client.pem", "OTEL_EXPORTER_OTLP_CLIENT_KEY beside it");
}

#[test]
fn a_url_without_a_scheme_is_as_secure_as_the_environment_says() {
    let endpoint = |insecure| {
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "h:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", insecure)];
        environment(&variables).otlp.endpoint.map(|endpoint| endpoint.url(OtlpProtocol::Grpc).to_string())
    };
    assert_eq!(endpoint("TRUE").as_deref(), Some("http://h:4317/"));
    assert_eq!(endpoint("false").as_deref(), cfg!(feature = "tls").then_some("https://h:4317/"));
    assert_eq!(endpoint(""), None);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://h:4317"), ("OTEL_EXPORTER_OTLP_INSECURE", "true")];
    let url = environment(&variables).otlp.endpoint.map(|endpoint| endpoint.url(OtlpProtocol::Grpc).to_string());
    assert_eq!(url.as_deref(), cfg!(feature = "tls").then_some("https://h:4317/"));
}

#[test]
fn an_invalid_variable_of_traces_leaves_that_of_all_signals() {
    let found = environment(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "traces:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ]);
    let endpoint = OtlpEndpoint::of_all_signals(Uri::from_static("http://all:4318"));
    assert_eq!((found.otlp.endpoint, found.otlp.protocol), (Some(endpoint), Some(OtlpProtocol::Grpc)));
    assert_eq!(found.errors.len(), 2);
}

#[test]
fn a_time_limit_of_0_is_none() {
    let found = environment(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0"), ("OTEL_BSP_EXPORT_TIMEOUT", " 0 ")]);
    assert_eq!((found.otlp.timeout, found.batch.timeout), (Some(NO_LIMIT), NO_LIMIT));
    assert!(found.errors.is_empty());
}

#[test]
fn limits_of_spans_come_before_those_of_all_signals() {
    let found = environment(&[
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", " 7 "),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
    ]);
    assert_eq!(found.limits, SpanLimits { attributes: 3, value_length: 7, links: 0 });
}

#[test]
fn flags_are_true_in_any_case() {
    for (value, expected) in [("true", true), (" TRUE ", true), ("False", false), ("", false)] {
        let found = environment(&[("OTEL_SDK_DISABLED", value)]);
        assert_eq!((found.is_disabled, found.errors.is_empty()), (expected, true), "{value}");
    }
}

#[test]
fn a_batch_fits_its_queue() {
    let found = environment(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100"), ("OTEL_BSP_SCHEDULE_DELAY", "250")]);
    let expected = Batch { queue: 100, size: 100, delay: Duration::from_millis(250), ..Batch::default() };
    assert_eq!(found.batch, expected);
    assert_eq!(environment(&[("OTEL_BSP_MAX_QUEUE_SIZE", "1048577")]).batch.queue, 1_048_576);
}

#[test]
fn known_methods_are_a_list() {
    let found = environment(&[("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET, BREW,")]);
    assert_eq!(found.known_methods, Some(&["GET", "BREW"][..]));
}
