"""What the tests share: the gateway's process, a collector's process, and places where HTTP requests end up."""

import gzip
import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import rotel
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

GATEWAY = os.environ["GATEWAY"]
HERE = pathlib.Path(__file__).parent
CLIENT, SERVER = 3, 2


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def eventually(what, check, seconds=30):
    """Returns the first answer of `check` that is not empty."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"in {seconds} s, there is no {what}")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Sink:
    """Takes all HTTP requests, keeps their paths, headers and bodies, and answers 200."""

    def __init__(self, answer=b"", port=0):
        self.requests = []
        requests = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                requests.append((self.path, self.headers, body))
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Span:
    """An exported span, with ids as they are written."""

    def __init__(self, service, span):
        self.service, self.name, self.kind = service, span.name, span.kind
        self.trace_id, self.span_id = span.trace_id.hex(), span.span_id.hex()
        self.parent_id, self.flags = span.parent_span_id.hex(), span.flags & 0xFF

    def __repr__(self):
        return f"{self.service} {self.name} {self.kind} {self.span_id} < {self.parent_id or '-'}"


class Collected(Sink):
    """A sink for OTLP over HTTP."""

    def spans(self):
        spans = []
        for path, headers, body in list(self.requests):
            assert path == "/v1/traces", path
            if headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
                attributes = {item.key: item.value.string_value for item in resource_spans.resource.attributes}
                for scope_spans in resource_spans.scope_spans:
                    spans += [Span(attributes["service.name"], span) for span in scope_spans.spans]
        return spans


class Process:
    """A process that is stopped at the end, with what it says on standard error."""

    def __init__(self, command, environment=None):
        environment = {**os.environ, **(environment or {})}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.told = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.told.append(line.rstrip())

    def find(self, pattern):
        return next((found for line in list(self.told) if (found := re.search(pattern, line))), None)

    def close(self):
        """Ends it by a signal, which lets it send its last spans; returns what it said."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.reader.join()
        self.process.stderr.close()
        return "\n".join(self.told)


class Gateway(Process):
    """The gateway in front of a service, exporting to a collector."""

    def __init__(self, upstream, collector, *flags, protocol="http/protobuf", more=None):
        environment = {
            "OTEL_SERVICE_NAME": "gateway",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            **(more or {}),
        }
        command = [GATEWAY, "run", "--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream}", *flags]
        super().__init__(command, environment)
        greeting = eventually("greeting", lambda: self.find(r"listening on (http://[0-9.:]+),"))
        self.url = greeting[1]


class Rotel(Process):
    """A collector that passes traces on as it is told."""

    def __init__(self, *flags, environment=None, grpc=None, http=None):
        self.grpc, self.http = grpc or free_port(), http or free_port()
        command = [
            str(pathlib.Path(rotel.__file__).parent / "rotel-agent"), "start",
            "--otlp-grpc-endpoint", f"127.0.0.1:{self.grpc}", "--otlp-http-endpoint", f"127.0.0.1:{self.http}",
            "--batch-timeout", "100ms", *flags,
        ]
        super().__init__(command, environment)
        eventually("collector", lambda: listens(self.grpc) and listens(self.http))


def demo(endpoint, protocol):
    """Plays the gateway's scene and exports it; returns its id and the rows: service, span id, parent id."""
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    command = [GATEWAY, "demo", "--otlp", endpoint]
    played = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert played.returncode == 0, played.stdout + played.stderr
    trace_id = re.search(r"^trace ([0-9a-f]{32})$", played.stdout, re.MULTILINE)[1]
    rows = re.findall(r"^ *\d+ +[├└│ ]*(\S.*?)  +.* ([0-9a-f]{16})  ([0-9a-f]{16}|-)$", played.stdout, re.MULTILINE)
    assert len(rows) == 13, played.stdout
    return trace_id, rows


def get(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=30) as response:
        return json.loads(response.read() or b"null")


PYTHON = sys.executable
