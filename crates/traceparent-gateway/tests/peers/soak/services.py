"""Services that echo: bodies over HTTP/1.1, anything over an upgraded connection, and messages of gRPC.

The answer to any line on its standard input is how many requests of `/smuggled` have arrived.
"""

import asyncio
import concurrent.futures
import threading

import grpc

from helper import serve

smuggled = 0


async def body(reader, fields):
    if fields.get(b"transfer-encoding") == b"chunked":
        received = b""
        while size := int(await reader.readline(), 16):
            received += await reader.readexactly(size)
            await reader.readline()
        while await reader.readline() != b"\r\n":
            pass
        return received
    return await reader.readexactly(int(fields.get(b"content-length", 0)))


async def exchange(reader, writer):
    """Answers one request; returns whether there may be another."""
    global smuggled
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    smuggled += b"/smuggled" in first
    if fields.get(b"upgrade"):
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        while part := await reader.read(1 << 16):
            writer.write(part)
            await writer.drain()
        return False
    received = await body(reader, fields)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Length\r\n\r\n")
    if received:
        writer.write(b"%x\r\n%b\r\n" % (len(received), received))
    writer.write(b"0\r\nLength: %d\r\n\r\n" % len(received))
    await writer.drain()
    return True


async def connection(reader, writer):
    try:
        while await exchange(reader, writer):
            pass
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    writer.close()


class Echo(grpc.GenericRpcHandler):
    """Echoes a message, with trailers."""

    def service(self, details):
        def echo(message, context):
            context.set_trailing_metadata([("length", str(len(message)))])
            return message

        return grpc.unary_unary_rpc_method_handler(echo)


def start():
    calls = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Echo()])
    calls_port = calls.add_insecure_port("127.0.0.1:0")
    calls.start()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(connection, "127.0.0.1", 0, backlog=1024))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return calls, {"echo": server.sockets[0].getsockname()[1], "grpc": calls_port}


if __name__ == "__main__":
    calls, facts = start()
    serve(facts, lambda _: smuggled)
