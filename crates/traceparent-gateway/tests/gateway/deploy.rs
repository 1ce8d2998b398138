//! The files of `deploy/` are well-formed and agree with each other and with the program. They are not run.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(FOLDER).join(name)).unwrap()
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect()
}

/// Returns the host and the port of a URL, or of an endpoint without a scheme.
fn endpoint(text: &Value) -> (&str, &str) {
    let text = text.as_str().unwrap();
    text.strip_prefix("http://").unwrap_or(text).split_once(':').unwrap()
}

#[test]
fn the_gateways_configuration_is_valid() {
    let file = Path::new(FOLDER).join("gateway.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_traceparent-gateway"))
        .args(["run", "--config", file.to_str().unwrap(), "--check"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "configuration OK\n");
}

#[test]
fn the_services_of_the_compose_file_find_each_other() {
    let (compose, gateway, collector) = (yaml("compose.yaml"), yaml("gateway.yaml"), yaml("collector.yaml"));
    let services = compose["services"].as_object().unwrap();
    let (upstream, _) = endpoint(&gateway["listeners"][0]["routes"][0]["upstream"]);
    let (otlp, otlp_port) = endpoint(&gateway["tracing"]["otlp"]["endpoint"]);
    let (jaeger, _) = endpoint(&collector["exporters"]["otlp/jaeger"]["endpoint"]);
    for name in [upstream, otlp, jaeger] {
        assert!(services.contains_key(name), "{name}");
    }
    let (_, taken) = endpoint(&collector["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]);
    assert_eq!(otlp_port, taken);
    for (kind, part) in [("receivers", "receivers"), ("processors", "processors"), ("exporters", "exporters")] {
        for name in strings(&collector["service"]["pipelines"]["traces"][kind]) {
            assert!(collector[part].as_object().unwrap().contains_key(name), "{name}");
        }
    }
    let published: BTreeSet<_> =
        strings(&services["gateway"]["ports"]).into_iter().map(|port| port.rsplit_once(':').unwrap().1).collect();
    let (_, port) = endpoint(&gateway["listeners"][0]["address"]);
    let (_, admin) = endpoint(&gateway["admin"]["address"]);
    assert_eq!(published, BTreeSet::from([port, admin]));
    for service in services.values() {
        let depends_on = service.get("depends_on").map(strings).unwrap_or_default();
        assert!(depends_on.iter().all(|name| services.contains_key(*name)), "{service}");
        for volume in service.get("volumes").map(strings).unwrap_or_default() {
            let file = volume.split(':').next().unwrap();
            assert!(Path::new(FOLDER).join(file).exists(), "{file}");
        }
    }
    let build = &services["gateway"]["build"];
    let root = Path::new(FOLDER).join(build["context"].as_str().unwrap());
    assert!(root.join("Cargo.lock").exists() && root.join(build["dockerfile"].as_str().unwrap()).exists());
}

#[test]
fn the_container_runs_without_root_and_without_a_shell() {
    let text = text("Containerfile");
    let instructions: Vec<_> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let last = instructions.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    assert_eq!(instructions[last], "FROM scratch");
    let of = |name: &str| instructions[last..].iter().filter_map(|line| line.strip_prefix(name)).collect::<Vec<_>>();
    assert_eq!(of("USER "), ["65532:65532"]);
    assert!(of("RUN ").is_empty());
    let (entry, arguments): (Value, Value) =
        (serde_json::from_str(of("ENTRYPOINT ")[0]).unwrap(), serde_json::from_str(of("CMD ")[0]).unwrap());
    assert!(of("COPY ").iter().any(|copy| copy.ends_with(entry[0].as_str().unwrap())));
    let compose = yaml("compose.yaml");
    let mounted = strings(&compose["services"]["gateway"]["volumes"])[0].split(':').nth(1).unwrap();
    assert_eq!(strings(&arguments), ["run", "--config", mounted]);
}

#[test]
fn the_unit_starts_the_program_with_its_flags() {
    let unit = text("traceparent-gateway.service");
    let command = |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let start = "/usr/local/bin/traceparent-gateway run --config /etc/traceparent-gateway/gateway.yaml";
    assert_eq!(command("ExecStart="), start);
    assert_eq!(command("ExecStartPre="), format!("{start} --check"));
    assert_eq!(command("ExecReload="), "kill -HUP $MAINPID");
    for hardening in ["DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="] {
        assert!(unit.lines().any(|line| line == hardening), "{hardening}");
    }
}
