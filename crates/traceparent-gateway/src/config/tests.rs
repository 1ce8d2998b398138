use traceparent::{
    Percent,
    sampler::{PercentageSampler, SamplerConfig},
};

use super::*;

const LISTENER: &str =
    "listeners:\n  - address: 127.0.0.1:10000\n    routes:\n      - prefix: /\n        upstream: http://h\n";

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::read(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
}

fn load(text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    Config::parse(Path::new("gateway.yaml"), text, environment)
}

fn refused(text: &str) -> String {
    load(text, &Environment::default()).unwrap_err().to_string()
}

fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

#[test]
fn the_sample_says_what_it_means() {
    let config = load(include_str!("../../gateway.yaml"), &Environment::default()).unwrap();
    let [listener] = &config.listeners[..] else { panic!("one listener") };
    assert_eq!(listener.address.to_string(), "127.0.0.1:10000");
    assert_eq!((listener.trust, listener.forwarded), (Trust::Continue, Forwarded::Replace));
    assert_eq!(listener.limits, Limits::default());

    let chat = listener.routes.find("/v1/chat/completions").unwrap().1;
    assert_eq!(chat.upstream.to_string(), "http://127.0.0.1:9000/llm");
    assert_eq!((chat.egress.clone(), chat.http2, chat.timeout), (EgressRule::Strip, Http2::Auto, None));
    assert_eq!(listener.routes.find("/inventory.v1.Inventory/Reserve").unwrap().1.http2, Http2::Always);
    let shop = listener.routes.find("/cart").unwrap().1;
    assert_eq!(shop.connect_timeout, Duration::from_secs(5));
    assert_eq!((shop.timeout, shop.idle_timeout), (Some(Duration::from_secs(120)), Some(Duration::from_secs(300))));

    let tracing = &config.tracing;
    let sampler = PercentageSampler::new().with_random_sampling(percent("12.5"));
    assert_eq!(tracing.sampling, Sampling::Percentages(sampler));
    assert_eq!(tracing.service_name, "shop-gateway");
    assert_eq!(tracing.span_attributes.header_prefixes, ["x-shop-"]);
    assert_eq!(tracing.span_attributes.fixed, [("deployment.environment.name".to_owned(), "staging".to_owned())]);
    let otlp = tracing.otlp.as_ref().unwrap();
    assert_eq!(otlp.endpoint.as_ref().unwrap(), "http://127.0.0.1:4317");
    assert_eq!((otlp.protocol, otlp.timeout), (Some(OtlpProtocol::Grpc), Some(Duration::from_secs(10))));
    assert_eq!(otlp.headers[0].0, "x-api-key");
    assert!(otlp.headers[0].1.is_sensitive());
    assert_eq!(config.admin.unwrap().address.port(), 9901);
}

/// What the sample calls the default is the default.
#[test]
fn the_samples_comments_say_the_defaults() {
    let sample = include_str!("../../gateway.yaml");
    let spelled: String = sample
        .lines()
        .map(|line| if is_default(line) { line.replacen("# ", "", 1) } else { line.into() } + "\n")
        .collect();
    assert_ne!(spelled.lines().filter(|line| line.trim_start().starts_with('#')).count(), 0);
    assert_ne!(spelled, sample);
    let environment = Environment::default();
    assert_eq!(load(&spelled, &environment).unwrap(), load(sample, &environment).unwrap());
}

/// A line such as `# timeout: 5s # why`.
fn is_default(line: &str) -> bool {
    let key = line.trim_start().strip_prefix("# ").and_then(|line| line.split_once(": "));
    key.is_some_and(|(key, value)| key.contains('_') && !key.contains(' ') && !value.is_empty() || key == "forwarded")
}

#[test]
fn the_readmes_sample_is_right() {
    let readme = include_str!("../../README.md");
    let sample = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = load(sample, &Environment::default()).unwrap();
    assert_eq!(config.listeners[0].routes.find("/v1/chat/completions").unwrap().1.egress, EgressRule::Strip);
}

#[test]
fn little_is_enough() {
    let config = load(LISTENER, &Environment::default()).unwrap();
    assert_eq!(config.tracing, Tracing::new(None, Sampling::Percentages(PercentageSampler::new()), &environment(&[])));
    assert_eq!((config.tracing.service_name.as_str(), config.admin), ("gateway", None));
}

#[test]
fn the_file_comes_before_the_environment() {
    let environment = environment(&[
        ("OTEL_SERVICE_NAME", "from environment"),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=shop"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ]);
    let config = load(LISTENER, &environment).unwrap();
    assert_eq!(config.tracing.service_name, "from environment");
    assert_eq!(config.tracing.resource, [("team".to_owned(), "shop".to_owned())]);
    let sampler = SamplerConfig::parse(Some("always_off"), None).unwrap();
    assert_eq!(config.tracing.sampling, Sampling::Environment(sampler));

    let text = format!("{LISTENER}tracing:\n  service_name: from file\n  overall_sampling: 0.5\n");
    let config = load(&text, &environment).unwrap();
    assert_eq!(config.tracing.service_name, "from file");
    let sampler = PercentageSampler::new().with_overall_sampling(percent("0.5"));
    assert_eq!(config.tracing.sampling, Sampling::Percentages(sampler));
}

#[cfg(feature = "tls")]
#[test]
fn settings_of_tls_need_each_other() {
    let route = |keys: &str| format!("{LISTENER}        {keys}\n");
    let cases = [
        (route("tls: {}"), "gateway.yaml:5:19: listeners[0].routes[0].upstream: tls is set, so write https://"),
        (
            route("tls: {certificate: client.pem}").replace("http://", "https://"),
            "gateway.yaml:6:28: listeners[0].routes[0].tls.certificate: the certificate needs its key",
        ),
        (
            route("tls: {key: client.key}").replace("http://", "https://"),
            "gateway.yaml:6:20: listeners[0].routes[0].tls.key: the key needs its certificate",
        ),
        (
            route("tls: {ca: ''}").replace("http://", "https://"),
            "gateway.yaml:6:19: listeners[0].routes[0].tls.ca: the text is empty",
        ),
        (
            format!("{LISTENER}tracing:\n  otlp: {{endpoint: 'http://c', tls: {{}}}}\n"),
            "gateway.yaml:7:20: tracing.otlp.endpoint: tls is set, so write https://",
        ),
    ];
    for (text, told) in cases {
        assert_eq!(refused(&text), told);
    }
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_key() {
    let route = |line: &str| format!("{LISTENER}        {line}\n");
    let tracing = |line: &str| format!("{LISTENER}tracing:\n  {line}\n");
    let cases = [
        (String::new(), "gateway.yaml:1:1: unexpected end of file"),
        ("listeners: []".into(), "gateway.yaml:1:12: listeners: the list is empty"),
        ("tracing: {}".into(), "gateway.yaml:1:1: missing field `listeners`"),
        (
            format!("{LISTENER}route: 1\n"),
            "gateway.yaml:6:1: route: unknown field `route`, expected one of listeners, tracing, admin, access_log",
        ),
        (
            format!("{LISTENER}admin:\n  address: 80\n"),
            "gateway.yaml:7:12: admin.address: give an IP address and a port, such as 127.0.0.1:10000",
        ),
        (
            format!("{LISTENER}admin:\n  address: 127.0.0.1:10000\n"),
            "gateway.yaml:7:12: admin.address: a listener has this address",
        ),
        (
            LISTENER.repeat(2).replacen("\nlisteners:", "", 1),
            "gateway.yaml:6:14: listeners[1].address: another listener has this address",
        ),
        (
            route("- prefix: /\n        upstream: http://i").replace("        - ", "      - "),
            "gateway.yaml:6:17: listeners[0].routes[1].prefix: another route has this prefix",
        ),
        (
            LISTENER.replace("http://", "ftp://"),
            "gateway.yaml:5:19: listeners[0].routes[0].upstream: only http:// and https:// are supported",
        ),
        (
            LISTENER.replace("prefix: /", "prefix: shop"),
            "gateway.yaml:4:17: listeners[0].routes[0].prefix: give a path, such as / or /shop",
        ),
        (
            LISTENER.replace("prefix: /", "prefix: /?a"),
            "gateway.yaml:4:17: listeners[0].routes[0].prefix: give a path, such as / or /shop",
        ),
        (route("http2: maybe"), "gateway.yaml:6:16: listeners[0].routes[0].http2: give auto, true or false"),
        (
            route("timeout: 30"),
            "gateway.yaml:6:18: listeners[0].routes[0].timeout: give a time with its unit, such as 500ms, 30s or 5min",
        ),
        (
            route("timeout: 0s"),
            "gateway.yaml:6:18: listeners[0].routes[0].timeout: give a time with its unit, such as 500ms, 30s or 5min",
        ),
        (
            route("timeout: 1s\n        timeout: 2s"),
            "gateway.yaml:7:9: listeners[0].routes[0]: duplicate mapping key `timeout` is not allowed here",
        ),
        (route("egress: drop"), "gateway.yaml:6:17: listeners[0].routes[0].egress: give inject or strip"),
        (
            tracing("random_sampling: 100.1"),
            "gateway.yaml:7:20: tracing.random_sampling: percentage is out of range; give a number from 0 to 100, such as 12.5",
        ),
        (
            tracing("client_sampling: -1"),
            "gateway.yaml:7:20: tracing.client_sampling: invalid byte in percentage at offset 0; give a number from 0 to 100, such as 12.5",
        ),
        (
            tracing("overall_sampling: all"),
            "gateway.yaml:7:21: tracing.overall_sampling: invalid byte in percentage at offset 0; give a number from 0 to 100, such as 12.5",
        ),
        (tracing("service_name: ''"), "gateway.yaml:7:17: tracing.service_name: the text is empty"),
        (tracing("service_name: ' '"), "gateway.yaml:7:17: tracing.service_name: the text is empty"),
        (tracing("service_name: [a]"), "gateway.yaml:7:17: tracing.service_name: expected string scalar"),
        (
            tracing("span_attributes: {header_prefixes: [a b]}"),
            "gateway.yaml:7:39: tracing.span_attributes.header_prefixes[0]: not a header name",
        ),
        (
            tracing("otlp: {endpoint: 'ftp://c'}"),
            "gateway.yaml:7:20: tracing.otlp.endpoint: only http:// and https:// are supported",
        ),
        (
            tracing("otlp: {endpoint: 'collector:4317'}"),
            "gateway.yaml:7:20: tracing.otlp.endpoint: not a URL; write it in full, such as http://127.0.0.1:4317",
        ),
        (
            tracing("otlp: {protocol: http/json}"),
            "gateway.yaml:7:20: tracing.otlp.protocol: give grpc or http/protobuf",
        ),
        (
            format!("{LISTENER}    limits: {{header_bytes: 100}}\n"),
            "gateway.yaml:6:28: listeners[0].limits.header_bytes: give a number from 8192 to 1048576",
        ),
        (
            format!("{LISTENER}    limits: {{connections: 0}}\n"),
            "gateway.yaml:6:27: listeners[0].limits.connections: give a number from 1 to 1000000",
        ),
        ("listeners: [\n".into(), "gateway.yaml:1:12: listeners: unclosed bracket '['"),
    ];
    for (text, told) in cases {
        assert_eq!(refused(&text), told, "{text}");
    }
}

#[test]
fn numbers_go_from_the_least_to_the_most() {
    for (key, least, most) in
        [("header_bytes", 8192, 1024 * 1024), ("header_fields", 1, 4096), ("connections", 1, 1_000_000)]
    {
        let limits = |number| load(&format!("{LISTENER}    limits: {{{key}: {number}}}\n"), &Environment::default());
        assert!(limits(least).is_ok() && limits(most).is_ok(), "{key}");
        assert!(limits(least - 1).is_err() && limits(most + 1).is_err(), "{key}");
    }
}

#[test]
fn an_access_log_goes_to_a_file_or_to_standard_output() {
    for (path, expected) in [("'-'", None), ("./-", Some(PathBuf::from("./-")))] {
        let config = load(&format!("{LISTENER}access_log: {{path: {path}}}\n"), &Environment::default()).unwrap();
        assert_eq!(config.access_log.unwrap().path, expected);
    }
}

#[test]
fn headers_of_exports_are_in_order() {
    let text = format!("{LISTENER}tracing: {{otlp: {{headers: {{x-d: 1, x-b: 2, x-a: 3, x-c: 4}}}}}}\n");
    let headers = load(&text, &Environment::default()).unwrap().tracing.otlp.unwrap().headers;
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["x-a", "x-b", "x-c", "x-d"]);
}

#[test]
fn a_prefix_of_attributes_may_end_with_its_dot() {
    let prefix = |prefix: &str| {
        let text = format!("{LISTENER}tracing: {{span_attributes: {{attribute_prefix: '{prefix}'}}}}\n");
        load(&text, &Environment::default()).map(|config| config.tracing.span_attributes.attribute_prefix.unwrap())
    };
    for (text, expected) in [("shop", "shop"), ("shop.", "shop"), ("shop.v2.", "shop.v2"), ("my_shop", "my_shop")] {
        assert_eq!(prefix(text).unwrap(), expected);
    }
    for text in ["", ".", "Shop", "shop..", "shop.2", "2shop", "_shop", "shop-eu"] {
        assert!(prefix(text).is_err(), "{text}");
    }
}

#[test]
fn a_wrong_access_log_is_told() {
    let cases = [
        (
            format!("{LISTENER}access_log: {{path: '-', format: clf}}\n"),
            "gateway.yaml:6:33: access_log.format: give json or combined",
        ),
        (format!("{LISTENER}access_log: {{path: ''}}\n"), "gateway.yaml:6:20: access_log.path: the text is empty"),
        (format!("{LISTENER}access_log: {{format: json}}\n"), "gateway.yaml:6:14: access_log: missing field `path`"),
    ];
    for (text, told) in cases {
        assert_eq!(refused(&text), told, "{text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let told = Config::load(Path::new("/nowhere/gateway.yaml"), &Environment::default()).unwrap_err().to_string();
    assert!(told.starts_with("/nowhere/gateway.yaml: cannot be read: "), "{told}");
}

fn routes(prefixes: &[&str]) -> Routes {
    let route = |prefix: &&str| Route { prefix: (*prefix).into(), ..Route::to("http://h".parse().unwrap()) };
    Routes::new(prefixes.iter().map(route).collect())
}

#[test]
fn the_longest_prefix_of_whole_segments_counts() {
    let routes = routes(&["/", "/shop", "/shop/cart", "/files/"]);
    let cases = [
        ("/", "/"),
        ("*", "/"),
        ("/shopping", "/"),
        ("/shop", "/shop"),
        ("/shop/", "/shop"),
        ("/shop/carts", "/shop"),
        ("/shop/cart", "/shop/cart"),
        ("/shop/cart/1", "/shop/cart"),
        ("/Shop/cart", "/"),
        ("/shop%2Fcart", "/"),
        ("/files", "/"),
        ("/files/a", "/files/"),
    ];
    for (path, prefix) in cases {
        assert_eq!(routes.find(path).unwrap().1.prefix, prefix, "{path}");
    }
}

#[test]
fn there_may_be_no_route() {
    let routes = routes(&["/shop"]);
    for path in ["/", "/sho", "*", ""] {
        assert_eq!(routes.find(path), None, "{path}");
    }
}

#[test]
fn what_is_wrong_about_propagation_is_told() {
    let route = |line: &str| format!("{LISTENER}        {line}\n");
    let cases = [
        (
            route("egress: {only: [Upper]}"),
            "gateway.yaml:6:25: listeners[0].routes[0].egress.only[0]: not a key of tracestate",
        ),
        (
            route("egress: {only: ['a=1,b']}"),
            "gateway.yaml:6:25: listeners[0].routes[0].egress.only[0]: not a key of tracestate",
        ),
        (
            route("propagators: {extract: [b3, sw8]}"),
            "gateway.yaml:6:37: listeners[0].routes[0].propagators.extract[1]: not a propagator; there are tracecontext, \
             b3, b3multi, xray, datadog, jaeger, grpc-trace-bin, cloudtrace, ottrace",
        ),
        (
            format!("{LISTENER}tracing: {{span_attributes: {{attribute_prefix: otel.mine}}}}\n"),
            "gateway.yaml:6:47: tracing.span_attributes.attribute_prefix: the conventions have this namespace; give a name of your own",
        ),
        (
            format!("{LISTENER}tracing: {{span_attributes: {{static: {{http.route: x}}}}}}\n"),
            "gateway.yaml:6:38: tracing.span_attributes.static.http.route: the gateway sets attributes of this namespace",
        ),
        (
            route("random_sampling: 101"),
            "gateway.yaml:6:26: listeners[0].routes[0].random_sampling: percentage is out of range; give a number from 0 to 100, such as 12.5",
        ),
    ];
    for (text, told) in cases {
        assert_eq!(refused(&text), told, "{text}");
    }
}

#[cfg(feature = "tls")]
mod scalars;
