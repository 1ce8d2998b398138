"""Python clients and services with OpenTelemetry's SDK, and the gateway between them."""

import unittest

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from peers import CLIENT, HERE, PYTHON, SERVER, Collected, Gateway, Process, eventually, free_port, get, listens


class Services(unittest.TestCase):
    """client -> gateway -> first service -> gateway -> second service"""

    def setUp(self):
        self.collected = Collected()
        self.addCleanup(self.collected.close)
        first, second = free_port(), free_port()
        self.service("second", second)
        eventually("second service", lambda: listens(second))
        inner = self.gateway(second)
        self.service("first", first, inner.url)
        eventually("first service", lambda: listens(first))
        self.first = first

    def service(self, name, port, *following):
        command = [PYTHON, str(HERE / "service.py"), name, str(port), str(self.collected.port), *following]
        self.addCleanup(Process(command).close)

    def gateway(self, upstream, *flags):
        gateway = Gateway(upstream, self.collected.port, *flags)
        self.addCleanup(gateway.close)
        return gateway

    def call(self, url, sampler):
        """Calls as a client does whose `requests` are instrumented."""
        provider = TracerProvider(resource=Resource.create({"service.name": "client"}), sampler=sampler)
        exporter = OTLPSpanExporter(f"http://127.0.0.1:{self.collected.port}/v1/traces")
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        instrumentor = RequestsInstrumentor()
        instrumentor.instrument(tracer_provider=provider)
        try:
            with provider.get_tracer(__name__).start_as_current_span("ask") as span:
                answer = requests.get(url, timeout=30).json()
        finally:
            instrumentor.uninstrument()
            provider.shutdown()
        return span.get_span_context(), answer

    def test_a_sampled_client_gets_one_trace_with_every_parent_right(self):
        context, answer = self.call(self.gateway(self.first).url + "/a", ALWAYS_ON)
        spans = eventually("trace of nine spans", lambda: len(s := self.collected.spans()) >= 9 and s)
        by_parent = {span.parent_id: span for span in spans}
        self.assertEqual(len(by_parent), 9, spans)
        chain, parent = [], ""
        while parent in by_parent:
            span = by_parent[parent]
            self.assertEqual(span.trace_id, f"{context.trace_id:032x}")
            # The Python SDK does not export the flags.
            self.assertEqual(span.flags, 3 if span.service == "gateway" else 0, span)
            chain.append((span.service, span.kind))
            parent = span.span_id
        self.assertEqual(
            chain[1:],
            [
                ("client", CLIENT),
                ("gateway", SERVER),
                ("gateway", CLIENT),
                ("first", SERVER),
                ("first", CLIENT),
                ("gateway", SERVER),
                ("gateway", CLIENT),
                ("second", SERVER),
            ],
        )
        # What each service was sent names the gateway's call, and what it would send names itself.
        for hop, service in [(answer, "first"), (answer["next"], "second")]:
            span = next(span for span in spans if (span.service, span.kind) == (service, SERVER))
            self.assertEqual(hop["seen"]["traceparent"].split("-")[2], span.parent_id)
            self.assertEqual(hop["injected"]["traceparent"].split("-")[1:3], [span.trace_id, span.span_id])

    def test_a_client_that_does_not_sample_is_respected_all_the_way(self):
        context, answer = self.call(self.gateway(self.first).url, ALWAYS_OFF)
        for hop in [answer, answer["next"]]:
            _, trace_id, _, flags = hop["seen"]["traceparent"].split("-")
            self.assertEqual(trace_id, f"{context.trace_id:032x}")
            self.assertEqual(int(flags, 16) & 1, 0)
        # Another trace comes after it: had the first been exported, it would be there by now.
        self.call(self.gateway(self.first).url, ALWAYS_ON)
        spans = eventually("trace of nine spans", lambda: len(s := self.collected.spans()) >= 9 and s)
        self.assertNotIn(f"{context.trace_id:032x}", {span.trace_id for span in spans})

    def test_the_gateways_own_decision_is_respected_by_the_services(self):
        sampled = get(self.gateway(self.first, "--random-sampling", "100").url)
        dropped = get(self.gateway(self.first, "--random-sampling", "0").url)
        flags = lambda hop: int(hop["seen"]["traceparent"].split("-")[3], 16) & 1
        trace_id = lambda hop: hop["seen"]["traceparent"].split("-")[1]
        self.assertEqual([flags(sampled), flags(sampled["next"])], [1, 1])
        self.assertEqual([flags(dropped), flags(dropped["next"])], [0, 0])
        self.assertEqual(trace_id(dropped), trace_id(dropped["next"]))
        spans = eventually("trace of seven spans", lambda: len(s := self.collected.spans()) >= 7 and s)
        self.assertEqual({span.trace_id for span in spans}, {trace_id(sampled)})
        self.assertEqual([span.service for span in spans if not span.parent_id], ["gateway"])

    def test_tracestate_passes_both(self):
        traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        headers = {"traceparent": traceparent, "tracestate": "rojo=1,congo=t61rcWkgMzE"}
        answer = get(self.gateway(self.first).url, headers)
        for hop in [answer, answer["next"]]:
            self.assertEqual(hop["seen"]["tracestate"], "rojo=1,congo=t61rcWkgMzE")


if __name__ == "__main__":
    unittest.main()
