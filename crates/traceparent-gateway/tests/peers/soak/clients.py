"""Clients that keep to the protocols, and whose requests may not fail."""

import asyncio
import json
import pathlib
import random
import re
import time
from collections import Counter

import grpc

# Seconds: a machine that is full is no failure, a request that hangs is one.
TIMEOUT = 60
REQUESTS = 5000
BODY = random.Random(1).randbytes(20_000)
GREETING = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

REPORT = """
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"answered": %d, "failed": %d, "seconds": %f, "p99": %f}\\n', summary.requests,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, summary.duration / 1e6,
    latency:percentile(99) / 1e3))
end
"""


class Tally:
    """What became of the requests of one kind. `excuse` tells of a failure, by its beginning and its end, whether it may be."""

    def __init__(self, name, excuse=None):
        self.name, self.excuse = name, excuse
        self.answered, self.excused, self.failures, self.milliseconds = 0, Counter(), Counter(), []

    async def run(self, stop, client):
        async with client:
            while not stop.is_set():
                started = time.monotonic()
                try:
                    await asyncio.wait_for(client.request(), TIMEOUT)
                    self.answered += 1
                    self.milliseconds.append((time.monotonic() - started) * 1000)
                except (OSError, Wrong, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError, grpc.RpcError) as error:
                    self.failed(started, f"{type(error).__name__}: {error}"[:200])
                    await client.reconnect()
                    await asyncio.sleep(0.01)

    def failed(self, started, error):
        is_excused = self.excuse and self.excuse(started, time.monotonic())
        (self.excused if is_excused else self.failures)[error] += 1

    def p99(self):
        return sorted(self.milliseconds)[len(self.milliseconds) * 99 // 100] if self.milliseconds else 0


class Wrong(Exception):
    """An answer that is not the expected one."""


class Http1:
    """One connection after another, each kept for as long as the gateway keeps it."""

    def __init__(self, port, method="GET", path="/", body=b"", chunked=False, tls=None):
        self.port, self.tls, self.expected = port, tls, body or b"ok"
        framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(body) if body else b""
        self.head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Shop-Tenant: t\r\n".encode() + framing
        halves = [body[: len(body) // 2], body[len(body) // 2 :]]
        self.body = b"".join(b"%x\r\n%b\r\n" % (len(half), half) for half in halves) + b"0\r\n\r\n" if chunked else body
        self.writer = None

    async def __aenter__(self):
        pass

    async def __aexit__(self, *_):
        await self.reconnect()

    async def reconnect(self):
        if self.writer:
            self.writer.transport.abort()
        self.writer = None

    async def request(self):
        if not self.writer:
            name = "localhost" if self.tls else None
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls, server_hostname=name)
        context = f"traceparent: 00-{random.getrandbits(128):032x}-{random.getrandbits(63) + 1:016x}-03\r\n\r\n"
        self.writer.write(self.head + context.encode() + self.body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        body = await self.answer_body(head)
        if not head.startswith(b"http/1.1 200 ") or body != self.expected:
            raise Wrong(f"{head[:20]!r} {body[:80]!r}")
        if b"\r\nconnection: close\r\n" in head:
            await self.reconnect()

    async def answer_body(self, head):
        if length := re.search(rb"\r\ncontent-length: (\d+)\r\n", head):
            return await self.reader.readexactly(int(length[1]))
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        while await self.reader.readline() != b"\r\n":
            pass
        return body


class Upgraded(Http1):
    """Twenty messages over an upgraded connection, and another connection for the next."""

    async def request(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(GREETING)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Wrong(f"{head[:20]!r}")
        for _ in range(20):
            self.writer.write(BODY[:1000])
            if await self.reader.readexactly(1000) != BODY[:1000]:
                raise Wrong("another message")
        self.writer.close()
        self.writer = None


class Calls:
    """Calls of gRPC on one connection, each with the trailers of the service."""

    def __init__(self, port):
        self.port = port

    async def __aenter__(self):
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}")
        self.echo = self.channel.unary_unary("/soak.Echo/Echo")

    async def __aexit__(self, *_):
        await self.channel.close()

    async def reconnect(self):
        pass

    async def request(self):
        call = self.echo(BODY, timeout=TIMEOUT)
        answer = await call
        trailers = dict(await call.trailing_metadata())
        if answer != BODY or trailers.get("length") != str(len(BODY)):
            raise Wrong(f"{len(answer)} bytes, trailers {trailers}")


class Load:
    """Programs that ask for as much as they get: wrk over HTTP/1.1, and h2load over HTTP/2 and TLS."""

    def __init__(self, name):
        self.name, self.answered, self.excused, self.failures, self.milliseconds = name, 0, Counter(), Counter(), 0

    async def wrk(self, port, folder, seconds):
        script = pathlib.Path(folder, "report.lua")
        script.write_text(REPORT)
        out = await output("wrk", "-t1", "-c32", f"-d{seconds}", "--timeout", str(TIMEOUT), "-s", script, f"http://127.0.0.1:{port}/")
        report = json.loads(out.splitlines()[-1])
        self.answered, self.milliseconds, self.seconds = report["answered"], report["p99"], report["seconds"]
        self.failures["by wrk"] += report["failed"]

    async def h2load(self, port, stop):
        """The next connections with each turn. The p99 is not known; the slowest request of all is."""
        while not stop.is_set():
            out = await output("h2load", "-n", REQUESTS, "-c", "4", "-m", "8", f"https://127.0.0.1:{port}/")
            codes = re.search(r"status codes: (\d+) 2xx.*", out)
            self.answered += int(codes[1])
            self.failures[codes[0]] += REQUESTS - int(codes[1])

    def p99(self):
        return self.milliseconds


async def output(*command):
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()
