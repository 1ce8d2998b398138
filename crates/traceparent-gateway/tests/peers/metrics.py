"""Prometheus scrapes the gateway and finds its metrics, with a sampled trace as the exemplar of a latency.

    metrics.py GATEWAY PROMETHEUS

Prometheus is Debian's.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

GATEWAY, PROMETHEUS = sys.argv[1:]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def fetch(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
        return response.read()


def eventually(what, check, seconds=60):
    """Returns the first answer of `check` that is not empty."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answer := check():
                return answer
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"in {seconds} s, there is no {what}")


def find(process, pattern):
    """Returns what the pattern finds first in the standard error of a process."""
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"there is no {pattern}")


def main(folder, running):
    service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    Thread(target=service.serve_forever, daemon=True).start()
    command = [GATEWAY, "run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    command += ["--upstream", f"http://127.0.0.1:{service.server_address[1]}"]
    gateway = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    running.append(gateway)
    proxy = find(gateway, r"listening on (http://[0-9.:]+)")
    admin = find(gateway, r"health at http://([0-9.:]+)")
    for _ in range(20):
        fetch(proxy, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")

    configuration = pathlib.Path(folder, "prometheus.yml")
    configuration.write_text(
        "global: {scrape_interval: 1s}\n"
        f'scrape_configs: [{{job_name: gateway, static_configs: [{{targets: ["{admin}"]}}]}}]\n'
    )
    prometheus = subprocess.Popen(
        [
            PROMETHEUS, f"--config.file={configuration}", f"--storage.tsdb.path={folder}/data",
            "--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage",
        ],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    running.append(prometheus)
    address = find(prometheus, r"[Ll]istening on.*?address=(127\.0\.0\.1:\d+)")
    Thread(target=lambda: [None for _ in prometheus.stderr], daemon=True).start()

    def ask(path, **parameters):
        answer = fetch(f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        return json.loads(answer)["data"]

    def value(query):
        result = ask("query", query=query)["result"]
        return result and float(result[0]["value"][1])

    eventually("scrape", lambda: value("up") == 1)
    for query, least in [
        ('traceparent_gateway_requests_total{status="2xx"}', 20),
        ('traceparent_gateway_contexts_total{origin="continued"}', 20),
        ("traceparent_gateway_upstream_response_seconds_count", 20),
        ("histogram_quantile(0.99, traceparent_gateway_upstream_response_seconds_bucket)", 1e-6),
        ("traceparent_build_info", 1),
        ("process_resident_memory_bytes", 1 << 20),
        ("process_open_fds", 5),
        ("process_start_time_seconds", time.time() - 300),
    ]:
        print(f"{query} = {eventually(query, lambda: (found := value(query)) and found >= least and found)}")
    targets = ask("targets")["activeTargets"]
    assert [target["lastError"] for target in targets] == [""], targets
    kind = ask("metadata", metric="traceparent_gateway_requests")
    assert [entry["type"] for entry in kind["traceparent_gateway_requests"]] == ["counter"], kind

    def exemplars():
        query = "traceparent_gateway_upstream_response_seconds_bucket"
        found = ask("query_exemplars", query=query, start=time.time() - 600, end=time.time() + 60)
        return [exemplar for series in found for exemplar in series["exemplars"]]

    found = eventually("exemplar", exemplars)
    assert all(exemplar["labels"] == {"trace_id": TRACE} for exemplar in found), found
    print(f"exemplar: {found[0]}")


running = []
with tempfile.TemporaryDirectory() as folder:
    try:
        main(folder, running)
    finally:
        for process in running:
            process.kill()
            process.wait()
