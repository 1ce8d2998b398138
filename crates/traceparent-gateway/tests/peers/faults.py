"""The gateway under load while its collector is well, absent, refusing, hanging, or dies and comes back.

    faults.py [ROUNDS] [SECONDS]

No request may fail, whatever becomes of the spans, and every span is either exported or counted as dropped. Prints
the medians of all rounds. Needs Debian's nginx, which serves, and wrk, which asks.
"""

import http.server
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from peers import Gateway, Process, Rotel, eventually, free_port, listens

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 6

REPORT = """
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests": %d, "seconds": %f, "failed": %d, "p50": %f, "p99": %f}\\n', summary.requests,
    summary.duration / 1e6, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""


class Nginx(Process):
    """A service that answers at once."""

    def __init__(self, folder):
        self.port = free_port()
        configuration = pathlib.Path(folder, "nginx.conf")
        places = " ".join(f"{kind}_temp_path {folder};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        configuration.write_text(
            f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;"
            "events { worker_connections 1024; }"
            f"http {{ access_log off; keepalive_requests 100000000; {places}"
            f'server {{ listen 127.0.0.1:{self.port}; location / {{ return 200 "ok"; }} }} }}'
        )
        super().__init__(["nginx", "-e", "stderr", "-c", str(configuration)])
        eventually("service", lambda: listens(self.port))


class Hanging:
    """Takes connections and says nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.grpc = self.http = self.listener.getsockname()[1]

    def close(self):
        self.listener.close()


class Absent:
    """Nobody."""

    def __init__(self):
        self.grpc = self.http = free_port()

    def close(self):
        pass


class Refusing:
    """Answers 503 to everything; to gRPC, which is no HTTP/1.1, it is gibberish."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_error(503)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.grpc = self.http = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Dying:
    """A collector that is killed after a third of the time and comes back after the second."""

    def __init__(self):
        self.rotel = well()
        self.grpc, self.http = self.rotel.grpc, self.rotel.http
        threading.Thread(target=self._die_and_return, daemon=True).start()

    def _die_and_return(self):
        time.sleep(SECONDS / 3)
        self.rotel.process.kill()
        time.sleep(SECONDS / 3)
        self.rotel = well(grpc=self.grpc, http=self.http)

    def close(self):
        self.rotel.close()


def well(**ports):
    return Rotel("--exporter", "blackhole", **ports)


COLLECTORS = {
    "none": None, "well": well, "absent": Absent, "refusing": Refusing, "hanging": Hanging, "dies, returns": Dying,
}


def load(gateway, script):
    """Returns what the load and the gateway say in the end."""
    try:
        command = ["wrk", "-t1", "-c32", f"-d{SECONDS}", "-s", script, gateway.url]
        loaded = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(loaded.stdout.splitlines()[-1])
        status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
        found["MiB"] = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
    finally:
        told = gateway.close()
    return found, told


def measure(upstream, script, state, protocol):
    collector = COLLECTORS[state]() if COLLECTORS[state] else Absent()
    port = collector.grpc if protocol == "grpc" else collector.http
    more = {"OTEL_TRACES_EXPORTER": "none"} if state == "none" else {}
    try:
        found, told = load(Gateway(upstream.port, port, protocol=protocol, more=more), script)
    finally:
        collector.close()
    assert found["failed"] == 0, f"{found['failed']} requests failed with a collector that is {state}"
    if state != "none":
        exported, dropped = map(int, re.search(r"stopped: (\d+) spans exported, (\d+) dropped", told).groups())
        # Requests that were cut when the load ended have spans, too.
        assert 2 * found["requests"] <= exported + dropped <= 2 * (found["requests"] + 32), (found, exported, dropped)
        if state == "well":
            assert exported > 0
        elif state == "dies, returns":
            assert exported > 0 and dropped > 0 and "export recovered" in told, told
        else:
            assert exported == 0
        found["exported"], found["dropped"] = exported, dropped
    return found


def main():
    rows = [("none", "http/protobuf")] + [
        (state, protocol) for state in COLLECTORS if state != "none" for protocol in ["http/protobuf", "grpc"]
    ]
    results = {row: [] for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder, "report.lua")
        script.write_text(REPORT)
        upstream = Nginx(folder)
        try:
            for _ in range(ROUNDS):
                for row in rows:
                    results[row].append(measure(upstream, str(script), *row))
        finally:
            upstream.close()
    print(f"{ROUNDS} rounds of {SECONDS} s, wrk -t1 -c32; medians; no request failed")
    print(f"{'collector':15}{'protocol':15}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>8}{'MiB':>6}{'exported':>10}{'dropped':>9}")
    for (state, protocol), found in results.items():
        median = lambda key: statistics.median(one.get(key, 0) for one in found)
        rate = statistics.median(one["requests"] / one["seconds"] for one in found)
        print(
            f"{state:15}{protocol if state != 'none' else '-':15}{rate:8.0f}{median('p50'):8.2f}{median('p99'):8.2f}"
            f"{median('MiB'):6.0f}{median('exported'):10.0f}{median('dropped'):9.0f}"
        )


main()
