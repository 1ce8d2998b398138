"""No call is lost while upstreams and the gateway change.

    restarts.py NGINX H2LOAD

An nginx that ends every connection of HTTP/2 after 100 requests, and reloads and a stop of the gateway, all under load. nginx
and h2load are Debian's.
"""

import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from peers import GATEWAY, Process, eventually, free_port, listens


class Gateway(Process):
    """The gateway with a configuration of its own, in which `{port}` is a free one."""

    def __init__(self, folder, upstream, more=""):
        self.port = free_port()
        self.file = pathlib.Path(folder, f"gateway-{self.port}.yaml")
        self.file.write_text(
            f"listeners:\n- address: 127.0.0.1:{self.port}\n  routes:\n"
            f"  - {{prefix: /, upstream: \"http://127.0.0.1:{upstream}\"{more}}}\n"
        )
        environment = {"OTEL_TRACES_EXPORTER": "none"}
        super().__init__([GATEWAY, "run", "--config", str(self.file)], environment)
        eventually("greeting", lambda: self.find("listening on"))


def nginx(program, folder, port, http2):
    places = " ".join(f"{kind}_temp_path {folder};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
    file = pathlib.Path(folder, f"nginx-{port}.conf")
    file.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx-{port}.pid; error_log stderr crit;"
        "events { worker_connections 1024; }"
        f"http {{ access_log off; keepalive_requests {100 if http2 else 100000000}; {places} server {{"
        f'listen 127.0.0.1:{port}{" http2" if http2 else ""}; location / {{ return 200 "ok"; }} }} }}'
    )
    process = Process([program, "-e", "stderr", "-c", str(file)])
    eventually("nginx", lambda: listens(port))
    return process


def short_lived_connections(folder, program, h2load):
    port = free_port()
    upstream = nginx(program, folder, port, http2=True)
    gateway = Gateway(folder, port, ", http2: true")
    try:
        command = [h2load, "-n", "3000", "-c", "4", "-m", "1", "--h1", f"http://127.0.0.1:{gateway.port}/"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    finally:
        gateway.close()
        upstream.close()
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", told)
    print(f"nginx, keepalive_requests 100, HTTP/2: 3000 requests, {codes[0]}")
    assert codes[1] == "3000", told


class Load(threading.Thread):
    """One client with one connection after another. Requests fail unless the answer is whole, or nothing of one has been
    received on a connection that was used before, which any client sends again."""

    def __init__(self, port):
        super().__init__()
        self.port, self.answered, self.failures, self.done = port, 0, [], threading.Event()

    def run(self):
        stream, fresh = None, True
        while not self.done.is_set():
            try:
                if stream is None:
                    stream, fresh = socket.create_connection(("127.0.0.1", self.port), timeout=10), True
            except OSError:
                return  # The gateway listens no more.
            received = b""
            try:
                stream.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                while b"\r\n\r\n" not in received or not received.endswith(b"ok"):
                    part = stream.recv(4096)
                    if not part:
                        raise ConnectionResetError
                    received += part
            except OSError as error:
                if received or fresh:
                    self.failures.append(f"{error!r} after {received!r}")
                stream.close()
                stream = None
                continue
            fresh = False
            self.answered += 1
            if not received.startswith(b"HTTP/1.1 200"):
                self.failures.append(received)
            if b"connection: close" in received.lower():
                stream.close()
                stream = None


def reloads_and_stop(folder, program):
    port = free_port()
    upstream = nginx(program, folder, port, http2=False)
    gateway = Gateway(folder, port)
    clients = [Load(gateway.port) for _ in range(8)]
    try:
        for client in clients:
            client.start()
        for number in range(20):
            time.sleep(0.1)
            gateway.process.send_signal(signal.SIGHUP)
        eventually("20 reloads", lambda: sum("configuration reloaded" in line for line in list(gateway.told)) == 20)
        answered = sum(client.answered for client in clients)
        failures = [failure for client in clients for failure in client.failures]
        print(f"20 reloads: {answered} requests, {len(failures)} failed")
        assert not failures and answered > 1000, failures[:5]
    finally:
        told = gateway.close()
        for client in clients:
            client.done.set()
            client.join()
        upstream.close()
    answered = sum(client.answered for client in clients)
    # A connection that waits to be accepted when the listener closes is reset by the system.
    cut = [failure for client in clients for failure in client.failures if "after b''" not in str(failure)]
    print(f"stop: {answered} requests, {len(cut)} answers cut; {told.splitlines()[-1]}")
    assert not cut and told.endswith("0 connections cut"), (cut[:5], told)


with tempfile.TemporaryDirectory() as folder:
    short_lived_connections(folder, *sys.argv[1:])
    reloads_and_stop(folder, sys.argv[1])
