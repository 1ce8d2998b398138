"""A collector of OTLP over HTTP that fails as it is told, and counts every span whose acknowledgement it has written.

A line on its standard input is its next state; the answer is what it has counted.
"""

import http.server
import socket
import threading

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from helper import serve

#          answers 200, 503 (try again), 400 (do not), 200 for half of the spans; says nothing; is not there
STATES = ["well", "busy", "refusing", "rejecting", "hanging", "dead"]


class Collector:
    def __init__(self):
        self.state, self.changed = "well", threading.Condition()
        self.counts = dict.fromkeys(["acknowledged", "rejected", "refused", "put_off", "unanswered"], 0)
        self.streams = set()
        self.port = self.listen(0)

    def listen(self, port):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"collector": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.server.server_address[1]

    def become(self, state):
        if state in STATES:
            if self.state == "dead" != state:
                self.listen(self.port)
            # An answer is written and counted, or neither.
            with self.changed:
                died = state == "dead" != self.state
                self.state = state
                self.changed.notify_all()
                if died:
                    for stream in self.streams:
                        stream.shutdown(socket.SHUT_RDWR)
            if died:
                self.server.shutdown()
                self.server.server_close()
        return self.counts


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        super().setup()
        with self.collector.changed:
            self.collector.streams.add(self.connection)

    def finish(self):
        with self.collector.changed:
            self.collector.streams.discard(self.connection)
        super().finish()

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # The collector has died.

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if len(body) < int(self.headers["Content-Length"]):
            raise ConnectionResetError
        request = ExportTraceServiceRequest.FromString(body)
        spans = sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
        collector = self.collector
        with collector.changed:
            count = lambda key, number: collector.counts.update({key: collector.counts[key] + number})
            match "late" if self.has_left() else collector.state:
                case "late":
                    self.close_connection = True
                    count("unanswered", spans)
                case "well":
                    self.answer(200)
                    count("acknowledged", spans)
                case "rejecting":
                    answer = ExportTraceServiceResponse()
                    answer.partial_success.rejected_spans = spans // 2
                    self.answer(200, answer.SerializeToString())
                    count("acknowledged", spans - spans // 2)
                    count("rejected", spans // 2)
                case "busy":
                    self.answer(503)
                    count("put_off", spans)
                case "refusing":
                    self.answer(400)
                    count("refused", spans)
                case state:
                    collector.changed.wait_for(lambda: collector.state != state)
                    self.close_connection = True
                    count("unanswered", spans)

    def has_left(self):
        """Whether the gateway, which waits for 2 s, has closed the connection."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    collector = Collector()
    serve({"port": collector.port}, collector.become)
