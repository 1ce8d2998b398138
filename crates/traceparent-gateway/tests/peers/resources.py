"""What clients that take much and give little cost the gateway, and what they cost other clients.

    resources.py GATEWAY NGINX [SCENARIO...]

Prints, for each scenario, the gateway's peak memory and descriptors, and what a client saw meanwhile that asks for a small
answer again and again, on a connection of its own each time. All on loopback; every scenario ends by itself. nginx is Debian's.
"""

import asyncio
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

GATEWAY, NGINX = sys.argv[1:3]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LARGE = 256 * 1024
SECONDS = 8


class Upstream:
    """An nginx that answers at once; `/large` has a large body."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    async def __aenter__(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        (self.folder / "large").write_bytes(b"x" * LARGE)
        places = " ".join(f"{kind}_temp_path {self.folder};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        file = self.folder / "nginx.conf"
        file.write_text(
            f"daemon off; worker_processes 1; pid {self.folder}/nginx.pid; error_log stderr crit; user root;"
            "events { worker_connections 16384; }"
            f"http {{ access_log off; keepalive_requests 100000000; {places}"
            f"server {{ listen 127.0.0.1:{self.port} backlog=4096; location = /large {{ root {self.folder}; }}"
            'location / { return 200 "ok"; } } }'
        )
        self.process = subprocess.Popen([NGINX, "-e", "stderr", "-c", file])
        for _ in range(100):
            await asyncio.sleep(0.05)
            try:
                return await get(self.port) and self
            except OSError:
                pass
        raise AssertionError("nginx does not start")

    async def __aexit__(self, *_):
        self.process.terminate()
        self.process.wait(30)


class Hanging:
    """Takes connections and says nothing."""

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        try:
            while await reader.read(1 << 16):
                await asyncio.sleep(3600)
        except (OSError, asyncio.CancelledError):
            writer.close()


class Gateway:
    """The gateway's process, behind a limit of open files."""

    def __init__(self, folder, upstream, limits="", tracing="", descriptors=None, environment=None):
        self.file = pathlib.Path(folder, "gateway.yaml")
        self.file.write_text(
            f'listeners:\n- address: 127.0.0.1:0\n  limits: {{{limits}}}\n  routes: [{{prefix: /, upstream: "http://127.0.0.1:{upstream}"}}]\n'
            f"admin: {{address: 127.0.0.1:0}}\n{tracing}\n"
        )
        self.descriptors, self.environment = descriptors, environment or {"OTEL_TRACES_EXPORTER": "none"}

    async def __aenter__(self):
        limit = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors,) * 2)) if self.descriptors else None
        self.process = subprocess.Popen(
            [GATEWAY, "run", "--config", self.file], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            preexec_fn=limit, env={**os.environ, **self.environment},
        )  # fmt: skip
        self.told = []
        for line in self.process.stderr:
            self.told.append(line.rstrip())
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
            if found := re.search(r"health at http://127\.0\.0\.1:(\d+)", line):
                self.admin = int(found[1])
                break
        return self

    async def __aexit__(self, *_):
        self.process.terminate()
        await asyncio.sleep(0.2)
        self.process.terminate()
        try:
            _, rest = await asyncio.to_thread(self.process.communicate, timeout=30)
            self.told += rest.splitlines()
        finally:
            self.process.kill()

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return [int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024 for key in ["VmHWM", "VmRSS"]]

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


async def get(port, path="/", fields=""):
    """Returns the status of an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n".encode())
        return int((await reader.read(-1)).split(b" ", 2)[1])
    finally:
        writer.close()


class Probe:
    """Another client, while a scenario runs."""

    def __init__(self, gateway):
        self.gateway, self.times, self.failed, self.healthy, self.unhealthy, self.files = gateway, [], {}, 0, 0, 0

    async def __aenter__(self):
        self.task = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()

    async def ask(self, port, path):
        started = time.perf_counter()
        try:
            outcome = await asyncio.wait_for(get(port, path), 10)
        except (OSError, IndexError, asyncio.TimeoutError) as error:
            outcome = type(error).__name__
        return outcome, time.perf_counter() - started

    async def run(self):
        while True:
            outcome, seconds = await self.ask(self.gateway.port, "/")
            if outcome == 200:
                self.times.append(seconds * 1000)
            else:
                self.failed[outcome] = self.failed.get(outcome, 0) + 1
            outcome, _ = await self.ask(self.gateway.admin, "/healthz")
            self.healthy += outcome == 200
            self.unhealthy += outcome != 200
            self.files = max(self.files, self.gateway.open_files())
            await asyncio.sleep(0.02)

    def report(self, name, more=""):
        times = sorted(self.times) or [0]
        peak, now = self.gateway.memory()
        print(
            f"{name}: peak {peak:.0f} MiB, now {now:.0f} MiB, up to {self.files} descriptors; "
            f"another client: {len(self.times)} answers, {sum(self.failed.values())} failed {self.failed or ''}, "
            f"median {statistics.median(times):.1f} ms, 99 % {times[len(times) * 99 // 100 - 1]:.1f} ms, most {times[-1]:.1f} ms; "
            f"/healthz {self.healthy} of {self.healthy + self.unhealthy}{more}",
            flush=True,
        )


async def connect(port, count, first=b""):
    """Opens many connections, and sends these bytes on each."""
    opened, at_once = [], asyncio.Semaphore(200)

    async def one():
        async with at_once:
            opened.append(await asyncio.open_connection("127.0.0.1", port))
            opened[-1][1].write(first)

    await asyncio.gather(*(one() for _ in range(count)))
    return opened


def close(connections):
    for _, writer in connections:
        writer.transport.abort()


async def idle(folder):
    async with Upstream(folder) as upstream:
        limits = "connections: 11000, connections_per_address: 11000"
        async with Gateway(folder, upstream.port, limits) as gateway, Probe(gateway) as probe:
            connections = await connect(gateway.port, 10_000)
            await asyncio.sleep(SECONDS)
            probe.report("10,000 idle connections")
            close(connections)


async def slow(folder):
    async with Upstream(folder) as upstream:
        limits = "connections: 11000, connections_per_address: 11000"
        async with Gateway(folder, upstream.port, limits) as gateway, Probe(gateway) as probe:
            heads = await connect(gateway.port, 2500, b"GET / HTTP/1.1\r\nHost: h\r\nX: ")
            bodies = await connect(gateway.port, 2500, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(SECONDS):
                await asyncio.sleep(1)
                for _, writer in heads + bodies:
                    writer.write(b"x")
            probe.report("5,000 slow clients, half of them in a head and half in a body")
            close(heads + bodies)


async def closed_windows(folder):
    def field(index, value):
        return bytes([index, len(value)]) + value

    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    head = b"\x82\x86" + field(0x04, b"/large") + field(0x01, b"localhost")
    requests = b"".join(frame(1, 5, 2 * number + 1, head) for number in range(100))
    settings = frame(4, 0, 0, (4).to_bytes(2, "big") + (0).to_bytes(4, "big"))
    async with Upstream(folder) as upstream:
        async with Gateway(folder, upstream.port, "idle_timeout: 3s") as gateway, Probe(gateway) as probe:
            connections = await connect(gateway.port, 50, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + requests)
            await asyncio.sleep(SECONDS + 4)
            left = gateway.open_files()
            probe.report("50 clients of HTTP/2 with a closed window and 100 requests each", f"; {left} descriptors in the end")
            close(connections)


async def half_open(folder):
    async with Upstream(folder) as upstream:
        async with Gateway(folder, upstream.port, descriptors=256) as gateway, Probe(gateway) as probe:
            connections = await connect(gateway.port, 300, b"GET / HTTP/1.1\r\nHost: h")
            await asyncio.sleep(SECONDS)
            probe.report("ulimit -n 256, 300 half-open clients")
            close(connections)
        print("  " + "; ".join(line for line in gateway.told if "connections instead" in line or "failed" in line))


async def hanging_collector(folder):
    members = ",".join(f"{'k' * 250}{number:02}={'v' * 250}" for number in range(32))
    names = "".join(f"X-Shop-{number:02}-{'n' * 900}: v\r\n" for number in range(14))
    fields = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\ntracestate: {members}\r\n{names}"
    request = f"GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode()
    for protocol in ["http/protobuf", "grpc"]:
        async with Upstream(folder) as upstream, Hanging() as collector:
            tracing = (
                f'tracing: {{span_attributes: {{header_prefixes: [x-shop-]}}, '
                f'otlp: {{endpoint: "http://127.0.0.1:{collector.port}", protocol: {protocol}}}}}'
            )
            environment = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
            async with Gateway(folder, upstream.port, tracing=tracing, environment=environment) as gateway, Probe(gateway) as probe:
                sent = 0

                async def load():
                    nonlocal sent
                    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                    while True:
                        writer.write(request)
                        await reader.readuntil(b"\r\n\r\n")
                        await reader.readexactly(2)
                        sent += 1

                loads = [asyncio.create_task(load()) for _ in range(16)]
                await asyncio.sleep(3 * SECONDS)
                for task in loads:
                    task.cancel()
                    assert task.cancelled() or not task.done(), task.exception()
                probe.report(f"a collector that hangs ({protocol}), {sent} requests with hostile spans of some 30 KB")
            print("  " + "; ".join(line for line in gateway.told if "queue" in line or "stopped" in line))


async def trace_pages(folder):
    """20 readers of pages with large traces: 20 traces of 500 spans, half of which have attributes of 4 KiB."""
    fields = "".join(f"X-Shop-{number}: {'v' * 500}\r\n" for number in range(8))
    # The other client makes no traces that would take the place of these.
    tracing = "tracing: {random_sampling: 0, span_attributes: {header_prefixes: [x-shop-]}}"
    async with Upstream(folder) as upstream:
        async with Gateway(folder, upstream.port, tracing=tracing) as gateway:
            traces = [f"{number:032x}" for number in range(1, 21)]
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            for trace in traces:
                request = f"GET / HTTP/1.1\r\nHost: h\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n{fields}\r\n".encode()
                for _ in range(250):
                    writer.write(request)
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(2)
                # Of more than 10,000 spans per second, only a portion would be kept.
                await asyncio.sleep(0.1)
            writer.close()
            before = gateway.memory()[1]
            paths = ["/traces", "/api/traces"]
            paths += [f"/{view}/{trace}?from={start}" for view in ["traces", "api/traces"] for trace in traces[-4:] for start in [0, 100]]
            pages, sizes = [], []

            async def read(number):
                while True:
                    path = paths[(number + len(pages)) % len(paths)]
                    started = time.perf_counter()
                    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.admin)
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                    answer = await reader.read(-1)
                    writer.close()
                    assert answer.startswith(b"HTTP/1.1 200 "), (path, answer[:100])
                    pages.append((time.perf_counter() - started) * 1000)
                    sizes.append(len(answer))

            async with Probe(gateway) as alone:
                await asyncio.sleep(SECONDS)
                alone.report("20 large traces, and no reader")
            async with Probe(gateway) as probe:
                readers = [asyncio.create_task(read(number)) for number in range(20)]
                await asyncio.sleep(SECONDS)
                for task in readers:
                    task.cancel()
                    assert task.cancelled() or not task.done(), task.exception()
                probe.report(
                    "20 large traces, and 20 readers",
                    f"; {before:.0f} MiB before; {len(pages)} pages of up to {max(sizes) // 1024} KiB, median {statistics.median(pages):.0f} ms",
                )


SCENARIOS = [idle, slow, closed_windows, half_open, hanging_collector, trace_pages]


async def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for scenario in SCENARIOS:
        if not sys.argv[3:] or scenario.__name__ in sys.argv[3:]:
            with tempfile.TemporaryDirectory() as folder:
                await asyncio.wait_for(scenario(folder), 180)


asyncio.run(main())
