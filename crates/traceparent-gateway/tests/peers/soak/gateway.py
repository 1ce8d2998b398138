"""The gateway, its configurations and certificates, and what it takes of the system."""

import asyncio
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import time
import urllib.request

from peers import GATEWAY, Process, eventually, free_port

LIMITS = "{header_timeout: 3s, idle_timeout: 8s}"
# What changes with each reload, beside the certificate. Everything is sampled all the time.
VARIANTS = [
    (", pool_idle_timeout: 4s", "header_prefixes: [x-shop-]"),
    (", pool_idle_timeout: 4s, timeout: 20s, retries: 2", "static: {deployment.environment.name: soak}"),
    (", pool_idle_timeout: 5s", "header_prefixes: [x-shop-, x-other-], attribute_prefix: shop"),
]


class Certificates:
    """One authority, and certificates of it that take turns."""

    def __init__(self, folder):
        self.folder, self.count = pathlib.Path(folder), 3
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
        self.openssl("req", "-x509", *key, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        for number in range(self.count):
            self.openssl("req", *key, "-keyout", f"{number}.key", "-out", f"{number}.csr")
            self.openssl("x509", "-req", "-in", f"{number}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                         "-days", "1", "-extfile", "names", "-out", f"{number}.pem")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def use(self, number):
        for kind in ["key", "pem"]:
            shutil.copy(self.folder / f"{number % self.count}.{kind}", self.folder / f"next.{kind}")
            os.replace(self.folder / f"next.{kind}", self.folder / f"server.{kind}")


class Gateway(Process):
    def __init__(self, folder, steady, flaky, services, collector):
        self.file, self.certificates = pathlib.Path(folder, "gateway.yaml"), Certificates(folder)
        self.port, self.tls_port, self.admin = free_port(), free_port(), free_port()
        self.routes = (
            f"{{prefix: /, upstream: 'http://127.0.0.1:{steady}'%s}}, {{prefix: /flaky, upstream: 'http://127.0.0.1:{flaky}'%s}}, "
            f"{{prefix: /echo, upstream: 'http://127.0.0.1:{services['echo']}'%s}}, "
            f"{{prefix: /soak.Echo, upstream: 'http://127.0.0.1:{services['grpc']}', http2: true, pool_idle_timeout: 4s}}"
        )
        self.otlp = f"otlp: {{endpoint: 'http://127.0.0.1:{collector}', protocol: http/protobuf, timeout: 2s}}"
        self.reloads = 0
        self.configure()
        super().__init__([GATEWAY, "run", "--config", str(self.file)], {"OTEL_BSP_SCHEDULE_DELAY": "1000"})
        eventually("greeting", lambda: self.find("health at"))

    def configure(self):
        route, attributes = VARIANTS[self.reloads % len(VARIANTS)]
        routes = self.routes % (route, route, route)
        self.certificates.use(self.reloads)
        self.file.write_text(
            f"listeners:\n- {{address: '127.0.0.1:{self.port}', limits: {LIMITS}, routes: [{routes}]}}\n"
            f"- {{address: '127.0.0.1:{self.tls_port}', trust: restart, tls: {{certificate: server.pem, key: server.key}},"
            f" limits: {LIMITS}, routes: [{routes}]}}\n"
            f"tracing: {{random_sampling: 100, service_name: soak, span_attributes: {{{attributes}}}, {self.otlp}}}\n"
            f"admin: {{address: '127.0.0.1:{self.admin}'}}\n"
        )

    def reload(self):
        self.reloads += 1
        self.configure()
        self.process.send_signal(signal.SIGHUP)

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=30) as response:
            text = response.read().decode()
        return {name: float(value) for name, value in re.findall(r"^traceparent_gateway_(\S+) (\S+)$", text, re.MULTILINE)}

    def usage(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        peak, memory, threads = (int(re.search(rf"{key}:\s+(\d+)", status)[1]) for key in ["VmHWM", "VmRSS", "Threads"])
        return Usage(memory / 1024, peak / 1024, len(os.listdir(f"/proc/{self.process.pid}/fd")), threads)

    def count(self, words):
        return sum(words in line for line in list(self.told))

    def is_at_rest(self, before, after):
        """Whether no more is in use than before: but for a connection to the collector and two that clients have left."""
        return after.descriptors <= before.descriptors + 3 and after.threads <= before.threads

    def rest(self, before, seconds=60):
        """Waits until what is idle has been given back, if it ever is."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.is_at_rest(before, self.usage()):
            time.sleep(1)


@dataclasses.dataclass
class Usage:
    """What the gateway has of the system: memory and its peak in MiB, descriptors and threads."""

    memory: float
    peak: float
    descriptors: int
    threads: int


class Watch:
    """What the gateway uses, once a second."""

    def __init__(self, gateway):
        self.gateway, self.times, self.usages = gateway, [], []

    async def run(self, stop):
        started = time.monotonic()
        while not stop.is_set():
            self.times.append(time.monotonic() - started)
            self.usages.append(self.gateway.usage())
            await asyncio.sleep(1)

    def most(self, what):
        return max(getattr(usage, what) for usage in self.usages)

    def memory(self, first, last):
        """Returns the memory from one share of the time to another."""
        count = len(self.usages)
        return [usage.memory for usage in self.usages[int(first * count) : int(last * count)]]

    def slope(self):
        """Returns MiB a minute, by least squares over what follows the first quarter."""
        sizes = self.memory(0.25, 1)
        return statistics.linear_regression(self.times[-len(sizes) :], sizes).slope * 60

    def growth(self):
        """Returns by how many MiB the last quarter is above the second, by their medians."""
        return statistics.median(self.memory(0.75, 1)) - statistics.median(self.memory(0.25, 0.5))
