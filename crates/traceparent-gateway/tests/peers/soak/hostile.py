"""Clients that do not keep to the protocols. What they get is counted; what they may not get is an error."""

import asyncio
import socket
import struct
from collections import Counter

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
INNER = b"GET /echo/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

# 64 KiB of a list, all of whose members are valid.
MEMBERS = ",".join(f"k{number}={'v' * 250}" for number in range(256))

# Heads that can be read in two ways, each with the second request that one of the two would see, and the right answer.
SMUGGLING = [
    (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(INNER)), 400),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    (b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(INNER), 400),
    (b"Content-Length: +0\r\n\r\n", 400),
    (b"Content-Length : 0\r\n\r\n", 400),
    (b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400),
]

# Contexts that break a rule, none of which costs the request its answer.
CONTEXTS = [
    f"traceparent: 00-{TRACE}-{SPAN}",
    f"traceparent: 00-{TRACE.upper()}-{SPAN}-01",
    f"traceparent: ff-{TRACE}-{SPAN}-01",
    f"traceparent: 00-{'0' * 32}-{SPAN}-01",
    f"traceparent: 00-{TRACE}-{SPAN}-01\r\ntraceparent: 00-{TRACE}-{SPAN}-01",
    f"traceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: a=1,a=2,=",
    f"traceparent: 00-{TRACE}-{SPAN}-01\r\ntracestate: {MEMBERS[:16_000]}",
    f"traceparent: {'0' * 20_000}",
]


class Hostile:
    """All of them at once, each again and again until it is told to stop."""

    def __init__(self, port, tls_port):
        self.port, self.tls_port, self.counts, self.unexpected = port, tls_port, Counter(), Counter()

    async def run(self, stop):
        await asyncio.gather(*(self.repeat(stop, attack) for attack in ATTACKS))

    async def repeat(self, stop, attack):
        while not stop.is_set():
            try:
                await asyncio.wait_for(attack(self), 120)
                self.counts[attack.__name__] += 1
            except asyncio.TimeoutError:
                self.unexpected[f"{attack.__name__}: goes on for 120 s"] += 1
            except AssertionError as error:
                self.unexpected[f"{attack.__name__}: {error}"] += 1
            except (OSError, EOFError):
                pass  # The gateway has closed the connection.
            await asyncio.sleep(0.05)


async def connect(port):
    return await asyncio.open_connection("127.0.0.1", port)


async def send(port, data):
    """Returns all that is received for these bytes, without waiting for more once they have been answered for a second."""
    reader, writer = await connect(port)
    received = b""
    try:
        writer.write(data)
        while part := await asyncio.wait_for(reader.read(1 << 16), 15 if not received else 1):
            received += part
    except (OSError, asyncio.TimeoutError):
        pass
    finally:
        writer.transport.abort()
    return received


async def half_heads(hostile):
    """Heads without an end: 408, once their time is over."""
    opened = [await connect(hostile.port) for _ in range(20)]
    for _, writer in opened:
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\nX-")
    for reader, writer in opened:
        answer = await reader.read(1 << 16)
        assert not answer or answer.startswith(b"HTTP/1.1 408 "), answer[:40]
        writer.close()


async def slow_readers(hostile):
    """A large answer, of which a little is read now and then."""
    opened = [await connect(hostile.port) for _ in range(10)]
    for _, writer in opened:
        writer.write(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
    for _ in range(4):
        await asyncio.sleep(0.5)
        for reader, _ in opened:
            await reader.read(1000)
    for _, writer in opened:
        writer.transport.abort()


async def cut_bodies(hostile):
    """A reset in the midst of a body."""
    for framing in [b"Content-Length: 100000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nffff\r\n"]:
        _, writer = await connect(hostile.port)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: h\r\n" + framing + b"x" * 10_000)
        await asyncio.sleep(0.1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def smuggling(hostile):
    for framing, status in SMUGGLING:
        answer = await send(hostile.port, b"POST /echo HTTP/1.1\r\nHost: h\r\n" + framing + INNER)
        assert answer.startswith(b"HTTP/1.1 %d " % status) and answer.count(b"HTTP/1.1 ") == 1, (framing, answer[:200])


async def broken_contexts(hostile):
    for fields in CONTEXTS:
        answer = await send(hostile.port, f"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n\r\n".encode("latin-1"))
        assert answer.startswith(b"HTTP/1.1 200 "), (fields[:100], answer[:100])


async def long_tracestate(hostile):
    answer = await send(hostile.port, f"GET / HTTP/1.1\r\nHost: h\r\ntracestate: {MEMBERS}\r\n\r\n".encode())
    assert not answer or answer.startswith(b"HTTP/1.1 431 "), answer[:100]


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def head(path):
    return b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x01\x09localhost"


async def flood(hostile, frames, first=b"\x00\x04\x00\xff\xff\xff"):
    """Sends frames of HTTP/2, and expects the end of the connection, with a GOAWAY or a reset."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, first)
    reader, writer = await connect(hostile.port)
    try:
        writer.write(preface + frames)
        while await reader.read(1 << 16):
            pass
    finally:
        writer.transport.abort()


async def pings(hostile):
    await flood(hostile, frame(6, 0, 0, b"12345678") * 30_000)


async def settings(hostile):
    await flood(hostile, frame(4, 0, 0, b"\x00\x03\x00\x00\x00\x64") * 30_000)


async def resets(hostile):
    requests = (frame(1, 5, stream, head(b"/")) + frame(3, 0, stream, b"\x00\x00\x00\x08") for stream in range(1, 6000, 2))
    await flood(hostile, b"".join(requests))


async def empty_data(hostile):
    await flood(hostile, frame(1, 4, 1, head(b"/echo").replace(b"\x82", b"\x83")) + frame(0, 0, 1) * 30_000)


async def endless_head(hostile):
    await flood(hostile, frame(1, 0, 1, head(b"/")) + frame(9, 0, 1, b"\x00\x01x\x01y") * 30_000)


async def closed_windows(hostile):
    """Large answers for which there is no window."""
    requests = b"".join(frame(1, 5, stream, head(b"/large")) for stream in range(1, 100, 2))
    await flood(hostile, requests, first=b"\x00\x04\x00\x00\x00\x00")


async def no_tls(hostile):
    """No TLS, and the beginning of some."""
    for data in [b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 1000]:
        reader, writer = await connect(hostile.tls_port)
        writer.write(data)
        await reader.read(1 << 16)
        writer.close()


ATTACKS = [
    half_heads, slow_readers, cut_bodies, smuggling, broken_contexts, long_tracestate, pings, settings, resets, empty_data, endless_head,
    closed_windows, no_tls,
]  # fmt: skip
