"""A real collector, and what it makes of the gateway's spans for X-Ray and for Datadog."""

import gzip
import json
import unittest

from peers import CLIENT, SERVER, Collected, Gateway, Rotel, Sink, demo, eventually, get

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID, PARENT_ID = TRACEPARENT.split("-")[1:3]


class Collectors(unittest.TestCase):
    def open(self, resource):
        self.addCleanup(resource.close)
        return resource

    def request(self, rotel, protocol="http/protobuf"):
        """Sends one request through a gateway that exports to this collector; returns what the upstream was sent."""
        upstream = self.open(Sink(b"{}"))
        port = rotel.grpc if protocol == "grpc" else rotel.http
        gateway = self.open(Gateway(upstream.port, port, protocol=protocol))
        get(gateway.url + "/orders/7", {"traceparent": TRACEPARENT})
        return upstream.requests[0][1]["traceparent"]

    def test_spans_pass_a_collector_over_both_protocols(self):
        for protocol in ["grpc", "http/protobuf"]:
            with self.subTest(protocol):
                collected = self.open(Collected())
                rotel = self.open(Rotel("--exporter", "otlp", "--otlp-exporter-protocol", "http",
                                        "--otlp-exporter-endpoint", f"http://127.0.0.1:{collected.port}"))
                sent = self.request(rotel, protocol)
                spans = eventually("two spans", lambda: len(s := collected.spans()) >= 2 and s)
                server, call = sorted(spans, key=lambda span: span.kind)
                self.assertEqual([server.kind, call.kind], [SERVER, CLIENT])
                self.assertEqual([server.trace_id, server.parent_id], [TRACE_ID, PARENT_ID])
                self.assertEqual(call.parent_id, server.span_id)
                self.assertEqual(sent, f"00-{call.trace_id}-{call.span_id}-01")

    def test_the_scene_passes_a_collector_over_both_protocols(self):
        collected = self.open(Collected())
        rotel = self.open(Rotel("--exporter", "otlp", "--otlp-exporter-protocol", "http",
                                "--otlp-exporter-endpoint", f"http://127.0.0.1:{collected.port}"))
        for endpoint, variable in [(rotel.grpc, "grpc"), (rotel.http, "http/protobuf")]:
            with self.subTest(variable):
                trace_id, rows = demo(f"http://127.0.0.1:{endpoint}", variable)
                ours = lambda: [span for span in collected.spans() if span.trace_id == trace_id]
                spans = eventually("trace of 13 spans", lambda: len(s := ours()) >= 13 and s)
                self.assertEqual(
                    sorted((span.service, span.span_id, span.parent_id or "-") for span in spans), sorted(rows)
                )

    def test_x_ray_has_our_ids_in_its_form(self):
        sink = self.open(Sink(b'{"UnprocessedTraceSegments":[]}'))
        credentials = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        rotel = self.open(Rotel("--exporter", "aws-xray", "--xray-exporter-region", "eu-central-1",
                                "--xray-exporter-custom-endpoint", f"http://127.0.0.1:{sink.port}", environment=credentials))
        _, _, call_id, _ = self.request(rotel).split("-")

        def segments():
            found = {}
            for path, _, body in list(sink.requests):
                self.assertEqual(path, "/TraceSegments")
                for document in json.loads(body)["TraceSegmentDocuments"]:
                    segment = json.loads(document)
                    found[segment["id"]] = segment
            return len(found) >= 2 and found

        found = eventually("two segments", segments)
        call = found[call_id]
        server = found[call["parent_id"]]
        for segment in [server, call]:
            self.assertEqual(segment["trace_id"], f"1-{TRACE_ID[:8]}-{TRACE_ID[8:]}")
            self.assertEqual(segment["http"]["request"]["method"], "GET")
        self.assertEqual(server["parent_id"], PARENT_ID)

    def test_datadog_has_our_ids_in_its_form(self):
        sink = self.open(Sink())
        rotel = self.open(Rotel("--exporter", "datadog", "--datadog-exporter-api-key", "x",
                                "--datadog-exporter-custom-endpoint", f"http://127.0.0.1:{sink.port}"))
        _, _, call_id, _ = self.request(rotel).split("-")

        def payload():
            bodies = [gzip.decompress(body) for path, _, body in list(sink.requests) if path == "/api/v0.2/traces"]
            return b"".join(bodies)

        body = eventually("payload", payload)
        spans = list(datadog_spans(body))
        by_id = {span[SPAN_ID]: span for span in spans}
        call = by_id[int(call_id, 16)]
        server = by_id[call[PARENT]]
        self.assertEqual(server[PARENT], int(PARENT_ID, 16))
        for span in [server, call]:
            # 64 bits of the id are Datadog's own; all 128 are in a tag.
            self.assertEqual(span[TRACE], int(TRACE_ID[16:], 16))
            self.assertIn(TRACE_ID.encode(), span["raw"])


# The numbers of the fields of Datadog's span, whose id fields are 64-bit integers.
TRACE, SPAN_ID, PARENT = 4, 5, 6


def datadog_spans(message):
    """Finds the spans in a payload of agents, tracers' payloads and chunks."""
    for _, tracer_payload in fields(message, 5):
        for _, chunk in fields(tracer_payload, 6):
            for _, span in fields(chunk, 3):
                yield {"raw": span, **{number: value for number, value in fields(span) if isinstance(value, int)}}


def fields(message, only=None):
    """Reads the fields of a protobuf message whose schema is not at hand."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            value = varint()
        elif kind == 2:
            length = varint()
            value, at = message[at:at + length], at + length
        else:
            length = {1: 8, 5: 4}[kind]
            value, at = message[at:at + length], at + length
        if only in (None, number):
            yield number, value


if __name__ == "__main__":
    unittest.main()
