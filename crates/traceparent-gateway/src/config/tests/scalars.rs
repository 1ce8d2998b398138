//! Every value of the file can be a reference.

use std::{fs, process};

use hyper::{
    Uri,
    header::{HeaderName, HeaderValue},
};
use traceparent_formats::{Format, Propagators};

use super::*;

/// A file with every key, one value in a line.
const ALL: &str = include_str!("all.yaml");

/// The value of a line and the column where it starts, if the line has one.
fn value(line: &str) -> Option<(&str, usize)> {
    let trimmed = line.trim_start();
    let value = match trimmed.split_once(": ") {
        Some((_, value)) => value,
        None => trimmed.strip_prefix("- ")?,
    };
    Some((value, line.len() - value.len() + 1))
}

fn values() -> impl Iterator<Item = (usize, &'static str, usize)> {
    let lines = ALL.lines().enumerate();
    lines.filter_map(|(number, line)| value(line).map(|(value, column)| (number, value, column)))
}

/// The file with the value of one line replaced.
fn with(number: usize, new: &str) -> String {
    let lines = ALL.lines().enumerate().map(|(other, line)| match value(line) {
        Some((_, column)) if other == number => format!("{}{new}\n", &line[..column - 1]),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn every_value_can_be_in_another_file() {
    let folder = std::env::temp_dir().join(format!("traceparent-scalars-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("gateway.yaml");
    let parse = |text: &str| Config::parse(&path, text, &Environment::default()).map_err(|error| error.to_string());
    let plain = parse(ALL).unwrap();
    assert_ne!(plain, parse(LISTENER).unwrap());
    for (number, value, _) in values() {
        fs::write(folder.join(number.to_string()), format!("{}\n", value.trim_matches('\''))).unwrap();
        assert_eq!(parse(&with(number, &format!("${{file:{number}}}"))).as_ref(), Ok(&plain), "{value}");
    }
    let all = values().fold(ALL.to_owned(), |text, (number, value, _)| {
        let lines = text.lines().enumerate().map(|(other, line)| {
            let replaced = line.strip_suffix(value).filter(|_| other == number);
            replaced.map_or(format!("{line}\n"), |key| format!("{key}'${{file:{number}}}'\n"))
        });
        lines.collect()
    });
    assert_eq!(parse(&all).as_ref(), Ok(&plain));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_value_is_that_of_its_key() {
    let file = |name: &str| Path::new("/etc/traceparent").join(name);
    let tls = |server_name: &str| ClientTls {
        ca: Some(file("ca.pem")),
        identity: Some(Identity { certificate: file("client.pem"), key: file("client.key") }),
        server_name: Some(server_name.to_owned()),
    };
    let seconds = Duration::from_secs;
    let environment = Environment::default();
    let config = Config::parse(&file("gateway.yaml"), ALL, &environment).unwrap();

    let tracing = RequestTracing {
        propagators: Propagators::new(&[Format::B3, Format::B3Multi], &[Format::XRay]),
        ..RequestTracing::default()
    };
    let shop = Route {
        prefix: "/shop".to_owned(),
        tls: tls("shop.internal"),
        http2: Http2::Always,
        connect_timeout: seconds(1),
        timeout: Some(seconds(2)),
        idle_timeout: Some(seconds(3)),
        pool_idle_timeout: seconds(4),
        retries: 2,
        ping_interval: seconds(5),
        ping_timeout: seconds(6),
        header_bytes: 32_768,
        header_fields: 60,
        egress: EgressRule::Strip,
        baggage: Baggage::Strip,
        tracing: RequestTracing {
            is_traced: false,
            random_sampling: Some(percent("12.5")),
            propagators: Propagators::new(&[Format::Jaeger], &[Format::Datadog]),
        },
        ..Route::to("https://shop.example".parse().unwrap())
    };
    let other = Route {
        egress: EgressRule::Only(vec!["shop".to_owned()]),
        tracing,
        ..Route::to("https://other.example".parse().unwrap())
    };
    let listener = Listener {
        address: ([127, 0, 0, 1], 10443).into(),
        tls: Some(ServerTls {
            identity: Identity { certificate: file("server.pem"), key: file("server.key") },
            client_ca: Some(file("clients.pem")),
        }),
        trust: Trust::Restart,
        forwarded: Forwarded::Append,
        underscores: Underscores::Drop,
        trace_fields: TraceFields {
            remove: vec![HeaderName::from_static("x-trace")],
            keep: vec![HeaderName::from_static("baggage")],
        },
        tracing,
        limits: Limits {
            header_bytes: 16_384,
            header_fields: 50,
            header_timeout: seconds(10),
            idle_timeout: seconds(20),
            connections: 100,
            connections_per_address: 10,
        },
        routes: Routes::new(vec![shop, other]),
    };
    assert_eq!(config.listeners, [listener]);
    let watched = ["server.pem", "server.key", "clients.pem", "ca.pem", "client.pem", "client.key"];
    assert_eq!(config.tls_files(), watched.map(file));

    let sampler = PercentageSampler::new()
        .with_random_sampling(percent("1"))
        .with_client_sampling(percent("2"))
        .with_overall_sampling(percent("3.5"));
    let tracing = Tracing {
        keep: Keep { errors: true, slower_than: Some(seconds(2)) },
        span_attributes: SpanAttributes {
            header_prefixes: vec!["x-shop-".to_owned()],
            attribute_prefix: Some("shop".to_owned()),
            fixed: vec![("shop.stage".to_owned(), "staging".to_owned())],
        },
        otlp: Some(Otlp {
            endpoint: Some(Uri::from_static("https://collector.example:4317")),
            protocol: Some(OtlpProtocol::HttpProtobuf),
            headers: vec![(HeaderName::from_static("x-key"), HeaderValue::from_static("secret"))],
            timeout: Some(seconds(7)),
            tls: Some(tls("collector.internal")),
        }),
        ..Tracing::new(Some("shop".to_owned()), Sampling::Percentages(sampler), &environment)
    };
    assert_eq!(config.tracing, tracing);
    let admin = Admin { address: ([127, 0, 0, 1], 9901).into(), hosts: vec!["admin.example".to_owned()] };
    assert_eq!(config.admin, Some(admin));
    let access_log = AccessLog { path: Some("access.log".into()), format: LogFormat::Combined };
    assert_eq!(config.access_log, Some(access_log));
}

/// The path of the key of a line's value, out of the error about a value that is missing.
fn key(number: usize, column: usize) -> String {
    let told = refused(&with(number, "${ABSENT_HERE}"));
    let place = format!("gateway.yaml:{}:{column}: ", number + 1);
    let rest = told.strip_prefix(&place).unwrap_or_else(|| panic!("{told}, not at {place}"));
    rest.strip_suffix(": the variable ABSENT_HERE is not set").unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[test]
fn every_missing_value_is_told_with_line_and_key() {
    for (number, _, column) in values() {
        let (key, line) = (key(number, column), ALL.lines().nth(number).unwrap());
        let name = line.trim_start().trim_start_matches("- ").split_once(": ").map_or("]", |(name, _)| name);
        assert!(key.ends_with(name) && !key.contains("value"), "{key} of {line}");
    }
}

/// The error about an unknown key names those that there are.
#[test]
fn the_file_has_every_key() {
    // The second route has fewer.
    let of_first = |key: &str| key.replace("routes[1]", "routes[0]");
    let keys: Vec<_> = values().map(|(number, _, column)| of_first(&key(number, column))).collect();
    let mut blocks = std::collections::BTreeSet::new();
    for (number, line) in ALL.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let unknown = format!("{}unknown: 1\n{line}\n", " ".repeat(indent));
        let lines = ALL.lines().enumerate();
        let text: String =
            lines.map(|(other, line)| if other == number { unknown.clone() } else { format!("{line}\n") }).collect();
        let Err(error) = load(&text, &Environment::default()) else { continue };
        let told = error.to_string();
        let Some((place, names)) = told.split_once("unknown: unknown field `unknown`, expected ") else { continue };
        let block = of_first(place.rsplit(": ").next().unwrap());
        for name in names.trim_start_matches("one of ").split(", ") {
            let whole = format!("{block}{}", name.trim_matches('`'));
            let is_there = |key: &String| {
                key.strip_prefix(&whole).is_some_and(|rest| matches!(rest.bytes().next(), None | Some(b'.' | b'[')))
            };
            assert!(keys.iter().any(is_there), "{whole} is not in the file");
        }
        blocks.insert(block);
    }
    assert_eq!(blocks.len(), 18, "{blocks:?}");
}
