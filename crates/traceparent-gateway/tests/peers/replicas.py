"""Three replicas of the gateway behind HAProxy: one trace, whichever replicas its hops meet.

    python3 replicas.py GATEWAY [HAPROXY]

Each request goes through the load balancer three times, from service to service, and meets another replica each time. The
replicas know nothing of each other. They decide about sampling anew at every hop, at 10 %, and have to agree. The arguments are the
programs.
"""

import collections
import http.client
import http.server
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

REQUESTS = 1000
PERCENT = 10
HOPS = 3
REPLICAS = 3


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def get(port, path, headers={}):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def wait_for(port):
    for _ in range(200):
        try:
            get(port, "/healthz")
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers on port {port}")


class Service(http.server.BaseHTTPRequestHandler):
    """Three services in one: hop n calls hop n + 1 through the load balancer and hands the context on."""

    protocol_version = "HTTP/1.1"
    balancer = None
    seen = collections.defaultdict(dict)  # trace-id -> hop -> (parent-id, flags)

    def do_GET(self):
        version, trace_id, parent_id, flags = self.headers["traceparent"].split("-")
        status, (_, kind, hop) = 200, f"{self.path}/1".split("/")[:3]
        if kind == "hop":
            Service.seen[trace_id][int(hop)] = (parent_id, flags)
        if kind == "hop" and int(hop) < HOPS:
            context = {name: self.headers[name] for name in ("traceparent", "tracestate") if self.headers[name]}
            status, _ = get(Service.balancer, f"/hop/{int(hop) + 1}", context)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main(gateway, haproxy="haproxy"):
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    balancer, *ports = free_ports(1 + 2 * REPLICAS)
    listen, admin = ports[:REPLICAS], ports[REPLICAS:]
    Service.balancer = balancer

    with tempfile.TemporaryDirectory() as work:
        children = []
        try:
            for i in range(REPLICAS):
                config = os.path.join(work, f"replica-{i}.yaml")
                with open(config, "w") as file:
                    json.dump({  # JSON is YAML
                        "listeners": [{
                            "address": f"127.0.0.1:{listen[i]}",
                            "trust": "resample",
                            "routes": [{"prefix": "/", "upstream": f"http://127.0.0.1:{service.server_port}"}],
                        }],
                        "tracing": {"overall_sampling": PERCENT, "service_name": f"replica-{i}"},
                        "admin": {"address": f"127.0.0.1:{admin[i]}"},
                    }, file)
                children.append(subprocess.Popen(
                    [gateway, "run", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            config = os.path.join(work, "haproxy.cfg")
            servers = "\n".join(f"  server replica-{i} 127.0.0.1:{port}" for i, port in enumerate(listen))
            with open(config, "w") as file:
                file.write(
                    "defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
                    f"listen gateway\n  bind 127.0.0.1:{balancer}\n  balance roundrobin\n{servers}\n")
            for port in listen + admin:
                wait_for(port)
            children.append(subprocess.Popen([haproxy, "-q", "-db", "-f", config]))
            wait_for(balancer)
            Service.seen.clear()
            play(balancer)
            time.sleep(0.5)
            check(collect(admin))
        finally:
            for child in children:
                child.send_signal(signal.SIGTERM)
            for child in children:
                child.wait(timeout=30)


def play(balancer):
    """Half of the requests start a trace here; the others come with one whose caller sampled it."""
    for i in range(REQUESTS):
        context = {}
        if i % 2:
            trace_id, parent_id = random.getrandbits(128), random.getrandbits(64) | 1
            context = {"traceparent": f"00-{trace_id:032x}-{parent_id:016x}-03"}
        status, _ = get(balancer, "/hop/1", context)
        assert status == 200, status


def listed(port, path, name):
    """The items of a list, of which an answer has a part and the path of the next part."""
    while path:
        _, body = get(port, path)
        part = json.loads(body)
        yield from part[name]
        path = part["next"]


def collect(admin):
    """All spans of all replicas, by trace."""
    spans = collections.defaultdict(list)
    for replica, port in enumerate(admin):
        for trace in listed(port, "/api/traces", "traces"):
            for span in listed(port, f"/api/traces/{trace['trace_id']}", "spans"):
                spans[span["trace_id"]].append((replica, span))
    return spans


def check(spans):
    seen = Service.seen
    assert len(seen) == REQUESTS, len(seen)
    assert all(len(hops) == HOPS for hops in seen.values()), "a trace broke between two hops"
    disagreements = [hops for hops in seen.values() if len({flags for _, flags in hops.values()}) != 1]
    assert not disagreements, disagreements[:3]
    sampled = {trace_id for trace_id, hops in seen.items() if int(hops[1][1], 16) & 1}
    share = 100 * len(sampled) / REQUESTS
    margin = 5 * 100 * math.sqrt(PERCENT / 100 * (1 - PERCENT / 100) / REQUESTS)
    assert abs(share - PERCENT) < margin, share

    spans = {trace_id: found for trace_id, found in spans.items() if trace_id in seen}
    assert set(spans) == sampled, "a trace was recorded and not sampled, or the other way round"
    orphans = 0
    for trace_id, found in spans.items():
        assert len({replica for replica, _ in found}) == REPLICAS, "a replica served two hops of one trace"
        assert len(found) == 2 * HOPS, len(found)
        ids = {span["span_id"] for _, span in found}
        outside = [span for _, span in found if span["parent_id"] not in ids]
        orphans += len(outside) - 1
        # What each service was sent is the id of a recorded span.
        assert all(parent_id in ids for parent_id, _ in seen[trace_id].values())
    assert orphans == 0, orphans
    print(f"{REQUESTS} traces over {HOPS} hops and {REPLICAS} replicas: {len(sampled)} sampled ({share:.1f} %), "
          f"0 disagreements, {sum(map(len, spans.values()))} spans, {orphans} orphans")


if __name__ == "__main__":
    main(*sys.argv[1:])
