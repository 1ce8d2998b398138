"""Sends the vectors of the core through Envoy: alone, with its own tracer, and with the filter.

    python test.py FILTER

FILTER is the filter's WebAssembly. Envoy is the one of `requirements.txt`. The upstream answers with the fields that it
has received, and Envoy adds the filter's notes, so each answer shows what became of the context. With the filter, that
has to be what the core's vector says. What Envoy does without it is printed.
"""

import collections
import contextlib
import copy
import http.client
import json
import math
import os
import pathlib
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from vectors import CONTEXT, VALID, read

CONFIGURATION = pathlib.Path(__file__).resolve().parents[1] / "envoy.yaml"
ENVOY = pathlib.Path(sys.executable).parent / "envoy"

# Of each listener, the filter's configuration, or None if it has no filter, and whether Envoy's tracer is on.
LISTENERS = {
    "alone": (None, False),
    "tracer": (None, True),
    "continue": ("", False),
    "resample": ("sampler = always_on\ntrust = resample\n", False),
    "restart": ("trust=restart", False),
    "off": ("sampler=parentbased_always_off", False),
    "both": ("", True),
}

# Configurations with which Envoy does not start, and what it logs.
REFUSED = {
    "trust=maybe": "unknown trust, expected one of continue, resample, restart, ignore",
    "sampler=parentbased_traceidratio\nsampler_arg=150": "OTEL_TRACES_SAMPLER_ARG",
    "sampling=10": "unknown line, expected trust=, sampler= or sampler_arg=",
    "trust=restart\ntrust=ignore": "repeated name",
}


class Upstream(socketserver.StreamRequestHandler):
    """Answers each request with its fields, exactly as they arrived."""

    def handle(self):
        while self.rfile.readline():
            fields = []
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = line.removesuffix(b"\r\n").partition(b": ")
                fields.append([name.decode(), value.decode("latin-1")])
            body = json.dumps(fields).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def configuration(wasm, upstream, listeners):
    """Returns the configuration of `envoy.yaml` with these listeners, and their ports."""
    config = yaml.safe_load(CONFIGURATION.read_text())
    static = config["static_resources"]
    [documented], [cluster] = static["listeners"], static["clusters"]
    *ports, nowhere = free_ports(len(listeners) + 1)
    collector = copy.deepcopy(cluster)
    collector["name"] = collector["load_assignment"]["cluster_name"] = "collector"
    for each, port in ((cluster, upstream), (collector, nowhere)):
        [endpoint] = each["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = port
    static["clusters"] = [cluster, collector]
    static["listeners"] = []
    for (name, (settings, tracer)), port in zip(listeners.items(), ports):
        listener = copy.deepcopy(documented)
        listener["name"] = name
        listener["address"]["socket_address"]["port_value"] = port
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        # Vectors are up to 100 KB long.
        manager["max_request_headers_kb"] = 256
        manager["route_config"]["response_headers_to_add"] = [
            {"header": {"key": note, "value": f"%FILTER_STATE(wasm.traceparent.{note}:PLAIN)%"}}
            for note in ("origin", "parent_id", "error")
        ]
        if settings is None:
            del manager["http_filters"][0], manager["access_log"]
        else:
            plugin = manager["http_filters"][0]["typed_config"]["config"]
            plugin["vm_config"]["code"]["local"]["filename"] = wasm
            plugin["configuration"]["value"] = settings
            plugin["root_id"] = name
        if tracer:
            manager["tracing"] = {"provider": {
                "name": "envoy.tracers.opentelemetry",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                    "service_name": "envoy",
                    "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}, "timeout": "1s"},
                },
            }}
        static["listeners"].append(listener)
    return config, dict(zip(listeners, ports))


@contextlib.contextmanager
def envoy(folder, config):
    """Runs Envoy with two threads, so two copies of the filter's memory; its output is in files of this folder."""
    file = folder / "envoy.json"
    file.write_text(json.dumps(config))  # JSON is YAML.
    command = [ENVOY, "-c", file, "--concurrency", "2", "--disable-hot-restart", "--log-level", "error"]
    with open(folder / "stdout", "wb") as stdout, open(folder / "stderr", "wb") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(process, ports):
    for port in ports:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)


def ask(port, path, fields):
    """Returns the response to a request with these fields, and the two lists of values that the upstream received."""
    head = b"".join(b"%s: %s\r\n" % (name.encode(), value) for name, value in fields)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\nhost: test\r\n%s\r\n" % (path.encode(), head))
        response = http.client.HTTPResponse(connection)
        response.begin()
        received = json.loads(response.read()) if response.status == 200 else []
    values = lambda wanted: [value.encode("latin-1") for name, value in received if name == wanted]
    return response, (values("traceparent"), values("tracestate"))


def agrees(vector, received, empty_list=False):
    """Whether the upstream received the context that the vector says, whether or not with an empty list."""
    traceparents, tracestates = received
    is_single = len(traceparents) == 1 and len(tracestates) <= 1 and (empty_list or tracestates != [b""])
    return is_single and vector.agrees(traceparents[0], b"".join(tracestates))


def is_noted(vector, headers):
    """Whether the filter has noted what the vector says."""
    # Envoy writes a dash for what is not set.
    note = lambda name: (headers[name] or "").removeprefix("-")
    parent = vector.traceparents[0][36:52].decode() if vector.origin == "continued" else ""
    error = note("error") if vector.error is None else vector.error
    return [note("origin"), note("parent_id"), note("error")] == [vector.origin, parent, error]


def described(vector, status, received):
    """Returns in a few words what Envoy did with a context."""
    if status != 200:
        return f"answers {status}"
    values = lambda wanted: [value for name, value in vector.fields if name == wanted]
    if received == (values("traceparent"), values("tracestate")):
        return "sends it on"
    traceparents, tracestates = received
    match = CONTEXT.fullmatch(traceparents[0]) if len(traceparents) == 1 else None
    if match is None:
        return f"sends {len(traceparents)} traceparent"
    known = any(match[1] in value.lower() for value in vector.traceparents)
    words = "continues" if known else "restarts" if vector.traceparents else "starts"
    return f"{words} {match[3].decode()}{', empty list' if tracestates == [b''] else ', list' if tracestates else ''}"


def play(ports):
    """Sends every vector three ways, prints what happens, and returns what the filter sent on by path."""
    vectors = list(read())
    sendable = [vector for vector in vectors if vector.can_be_sent]
    outcomes, rows, failures, ids, sent = collections.Counter(), {}, [], [], {}
    for number, vector in enumerate(sendable):
        row = []
        for listener in ("alone", "tracer", vector.trust):
            path = f"/{listener}/{number}"
            response, received = ask(ports[listener], path, vector.fields)
            row.append(described(vector, response.status, received))
            if listener == "alone":
                right = vector.is_valid
            elif listener == "tracer":
                right = agrees(vector, received, empty_list=True)
            else:
                right = agrees(vector, received) and is_noted(vector, response.headers)
            outcomes[len(row), "refused" if response.status != 200 else "right" if right else "wrong"] += 1
        if response.status == 200:
            if not right:
                failures.append(f"{vector.where}: {vector.fields}: {received}, {response.headers.items()}")
            [traceparent], _ = received
            sent[path] = traceparent.decode()
            ids += [traceparent[36:52]] + [traceparent[3:35]] * (vector.origin != "continued")
        elif row[0] != row[2]:
            failures.append(f"{vector.where}: the filter answers {response.status}")
        rows.setdefault(tuple(row), []).append(vector.where)

    print(f"{'Envoy alone':<14} {'its tracer':<26} {'the filter':<20} requests")
    for row, places in sorted(rows.items(), key=lambda row: -len(row[1])):
        print(f"{row[0]:<14} {row[1]:<26} {row[2]:<20} {len(places):>8}, such as {places[0]}")
    print(f"\n{len(vectors)} vectors, of which {len(vectors) - len(sendable)} are no values of HTTP")
    print(f"Envoy refuses {outcomes[1, 'refused']} requests")
    print(f"Envoy alone sends on {outcomes[1, 'right']} valid contexts and {outcomes[1, 'wrong']} invalid ones")
    for column, name in ((2, "its tracer"), (3, "the filter")):
        print(f"{name} is right {outcomes[column, 'right']} times and wrong {outcomes[column, 'wrong']} times")
    assert not failures, "\n".join(failures)
    assert outcomes[3, "right"] > 700, outcomes
    assert len(set(ids)) == len(ids), "an ID occurs twice"
    return sent


def change_settings(ports):
    """The filter's configuration decides about traces."""
    fields = [("traceparent", VALID), ("tracestate", b"rojo=1")]
    response, received = ask(ports["restart"], "/", fields)
    [traceparent], tracestates = received
    assert VALID[3:35] not in traceparent and traceparent.endswith(b"-03") and not tracestates, received
    assert response.headers["origin"] == "restarted", response.headers.items()
    for fields, flags in (([], b"-02"), (fields, b"-01")):
        _, ([traceparent], _) = ask(ports["off"], "/", fields)
        assert traceparent.endswith(flags), traceparent
    print("the filter follows its settings")


def overwrite(ports):
    """Envoy's tracer has read the context before the filter, and writes its own after it."""
    upper = VALID[:3] + VALID[3:35].upper() + VALID[35:]
    response, ([traceparent], _) = ask(ports["both"], "/", [("traceparent", upper)])
    assert response.headers["origin"] == "restarted", response.headers.items()
    assert traceparent[3:35] == VALID[3:35], traceparent
    print("with Envoy's tracer and the filter, the filter restarts a trace in upper case, and the tracer continues it")


def measure(process, ports):
    """Prints the processor time that Envoy takes for a request, with the filter and without, at the least."""
    request = b"GET / HTTP/1.1\r\nhost: test\r\ntraceparent: %s\r\ntracestate: rojo=1\r\n\r\n" % VALID

    def spent():
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    least = {}
    for listener in ("alone", "continue") * 5:
        before = spent()
        with socket.create_connection(("127.0.0.1", ports[listener]), timeout=60) as connection:
            for _ in range(3000):
                connection.sendall(request)
                response = http.client.HTTPResponse(connection)
                response.begin()
                response.read()
        least[listener] = min(least.get(listener, math.inf), (spent() - before) / 3000 * 1e6)
    with_filter, alone = least["continue"], least["alone"]
    print(f"Envoy's processor time for a request: {with_filter:.0f} µs with filter and log, {alone:.0f} µs without")


def read_access_log(folder, sent):
    """Each request of the filter has its span in the access log."""
    entries = [json.loads(line) for line in (folder / "stdout").read_text().splitlines()]
    logged = {entry["path"]: entry["traceparent"] for entry in entries}
    assert sent and not [path for path, traceparent in sent.items() if logged.get(path) != traceparent]
    print(f"the access log has the spans of {len(sent)} requests")


def refuse(folder, wasm, upstream):
    """Envoy does not start with a configuration that the filter refuses."""
    for settings, why in REFUSED.items():
        config, _ = configuration(wasm, upstream, {"refused": (settings, False)})
        with envoy(folder, config) as process:
            status = process.wait(60)
        log = (folder / "stderr").read_text()
        assert status != 0 and why in log, (settings, status, log)
    print(f"Envoy does not start with {len(REFUSED)} invalid configurations")


def main(wasm):
    wasm = str(pathlib.Path(wasm).resolve())
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    upstream = server.server_address[1]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        config, ports = configuration(wasm, upstream, LISTENERS)
        with envoy(folder, config) as process:
            wait_for(process, ports.values())
            assert process.poll() is None, (folder / "stderr").read_text()
            sent = play(ports)
            change_settings(ports)
            overwrite(ports)
            measure(process, ports)
            # What is written to the access log is flushed at the end.
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        read_access_log(folder, sent)
        refuse(folder, wasm, upstream)


if __name__ == "__main__":
    main(*sys.argv[1:])
