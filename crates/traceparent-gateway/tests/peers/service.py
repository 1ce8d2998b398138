"""A service as a user of OpenTelemetry writes it: `service.py NAME PORT COLLECTOR [NEXT]`.

It takes the caller's context from the headers, serves in a span of its own, and calls the next service by
instrumented `requests`. It answers what headers it saw, with the next service's answer.
"""

import http.server
import json
import sys

import requests
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

name, port, collector, following = [*sys.argv[1:], ""][:4]
provider = TracerProvider(resource=Resource.create({"service.name": name}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://127.0.0.1:{collector}/v1/traces")))
trace.set_tracer_provider(provider)
RequestsInstrumentor().instrument()
tracer = trace.get_tracer(__name__)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        context = propagate.extract(dict(self.headers.items()))
        with tracer.start_as_current_span("serve", context=context, kind=trace.SpanKind.SERVER):
            # What goes on by hand, beside what `requests` does by itself.
            injected = {}
            propagate.inject(injected)
            answer = requests.get(following, timeout=30).json() if following else None
            seen = {key.lower(): value for key, value in self.headers.items()}
            body = json.dumps({"seen": seen, "injected": injected, "next": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
