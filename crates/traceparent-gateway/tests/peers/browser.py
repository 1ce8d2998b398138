"""Pages in a headless browser: the gateway's own, with the scene's trace and with hostile ones, and Jaeger's.

Screenshots to look at are left in the folder SCREENSHOTS.
"""

import html
import http.client
import http.server
import os
import pathlib
import re
import threading
import unittest

from chromium import Chromium
from peers import GATEWAY, Process, demo, eventually, free_port, get, listens

SERVICES = [
    "customer", "agent 1 gateway", "agent 1 main", "agent 2 gateway", "agent 2 support", "technical support",
    "agent 3 gateway", "agent 3 orders", "inventory", "payment service",
]
SCREENSHOTS = pathlib.Path(os.environ["SCREENSHOTS"])


# Widths of a desk's window and of a phone.
WIDTHS = [1280, 390]
DEPTH = 30
WIDE = 150
LONG = "the-longest-name-of-all-services-" * 6
MARKUP = "<img src=x onerror=alert(1)>"
BIDI = "/safe\u202egpj.exe\u2066/\u05d0\u05d1"

# What is wrong with a page: what sticks out of the window, and rows whose service, kind or name is not to be read.
FAULTS = """(() => {
  const faults = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) faults.push(`scrolls to ${document.documentElement.scrollWidth}`);
  for (const part of document.querySelectorAll("main .row .what > *, main .traces td.name b, .facts dd, .legend li")) {
    const box = part.getBoundingClientRect();
    if (part.matches("b, bdi, .kind, mark") && (box.width < 8 || box.height < 8)) faults.push(`unseen: ${part.textContent}`);
    if (box.left < 0 || box.right > width + 1) faults.push(`outside, ${box.left} to ${box.right}: ${part.textContent}`);
  }
  for (const row of document.querySelectorAll("main .row .what")) {
    if (row.scrollWidth > row.clientWidth + 1) faults.push(`overflows: ${row.textContent}`);
    if (row.clientWidth < 150) faults.push(`narrow: ${row.textContent}`);
  }
  return faults;
})()"""

# The contrast of all texts to what is behind them, by WCAG; the least counts.
CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
                          return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = color => rgba(color).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  let least = [21, ""];
  for (const part of document.querySelectorAll("main *, .top *")) {
    const color = getComputedStyle(part).color;
    if (![...part.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || rgba(color)[3] < 255) continue;
    let behind = part;
    while (behind && rgba(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
    const [one, other] = [light(color), light(behind ? getComputedStyle(behind).backgroundColor : "white")];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < least[0]) least = [ratio, part.className + ": " + part.textContent];
  }
  return least;
})()"""


class Services(http.server.ThreadingHTTPServer):
    """All services behind a gateway: `/deep/N` calls the gateway N times in a row, each time within the one before, and
    `/wide/N` one after the other."""

    daemon_threads = True

    def __init__(self, port):
        self.gateway = None
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                _, kind, number = (self.path.split("/") + ["", ""])[:3]
                within = {"traceparent": self.headers["traceparent"]}
                number = int(number) if number.isdigit() else 0
                for path in [f"/deep/{number - 1}"] * (kind == "deep" and number > 0) + ["/leaf"] * (kind == "wide") * number:
                    server.ask(path, within)
                self.send_response(503 if kind == "deep" and not number else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def ask(self, path, headers=None):
        """Gets a path, whatever bytes it has."""
        lines = [f"GET {path} HTTP/1.1", "Host: h", "Connection: close", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway, timeout=60)
        connection.connect()
        connection.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while connection.sock.recv(1 << 16):
            pass
        connection.close()


class Pages(unittest.TestCase):
    def setUp(self):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.browser = Chromium()
        self.addCleanup(self.browser.close)

    def check(self, url, name):
        """Looks at a page in every width, light and dark."""
        for width in WIDTHS:
            for scheme in ["light", "dark"]:
                with self.subTest(name, width=width, scheme=scheme):
                    self.browser.look(width, scheme)
                    self.browser.open(url)
                    self.browser.screenshot(SCREENSHOTS / f"{name}-{width}-{scheme}.png", whole=True)
                    self.assertEqual(self.browser.evaluate(FAULTS), [])
                    ratio, text = self.browser.evaluate(CONTRAST)
                    self.assertGreaterEqual(ratio, 4.5, text)
        return self.browser.evaluate("document.documentElement.outerHTML")

    def test_the_gateways_own_pages_show_the_scene(self):
        port = free_port()
        served = Process([GATEWAY, "demo", "--serve", "--admin", f"127.0.0.1:{port}"])
        self.addCleanup(served.close)
        eventually("page", lambda: listens(port))
        [trace] = eventually("trace", lambda: get(f"http://127.0.0.1:{port}/api/traces")["traces"])
        self.assertEqual((trace["spans"], sorted(trace["services"])), (13, sorted(SERVICES)))
        listed = self.check(f"http://127.0.0.1:{port}/traces", "traces")
        self.assertIn(f'href="/traces/{trace["trace_id"]}"', listed)
        shown = self.check(f"http://127.0.0.1:{port}/traces/{trace['trace_id']}", "trace")
        self.assertEqual(len(re.findall(r'class="bar c\d+"', shown)), 13)
        for service in SERVICES:
            self.assertIn(f"<b><bdi>{html.escape(service)}</bdi></b>", shown)
        # Scripts there are none, and the policy would not let them run.
        self.assertNotIn("<script", listed + shown)
        self.browser.look(1200, "light", 800)
        self.browser.open(f"http://127.0.0.1:{port}/traces/{trace['trace_id']}")
        self.browser.screenshot(SCREENSHOTS / "trace.png")

    def test_hostile_traces_stay_readable(self):
        port, admin = free_port(), free_port()
        services = Services(port)
        self.addCleanup(services.server_close)
        self.addCleanup(services.shutdown)
        config = SCREENSHOTS / "gateway.yaml"
        config.write_text(
            "listeners:\n  - address: 127.0.0.1:0\n    routes: "
            f"[{{prefix: /, upstream: 'http://127.0.0.1:{port}'}}, {{prefix: /deep, upstream: 'http://127.0.0.1:{port}'}}]\n"
            f"admin: {{address: '127.0.0.1:{admin}'}}\ntracing: {{service_name: {LONG}}}\n"
        )
        gateway = Process([GATEWAY, "run", "--config", str(config)])
        self.addCleanup(gateway.close)
        services.gateway = int(eventually("greeting", lambda: gateway.find(r"listening on http://[0-9.]+:(\d+),"))[1])
        for path in [f"/deep/{DEPTH}", f"/wide/{WIDE}", BIDI, f"/{MARKUP.replace(' ', '/')}", "/" + "long" * 200]:
            services.ask(path, {"User-Agent": MARKUP, "traceparent": "00-refused"})
        spans = 2 * (DEPTH + 1) + 2 * (WIDE + 1) + 4
        traces = f"http://127.0.0.1:{admin}/api/traces"
        eventually("spans", lambda: sum(trace["spans"] for trace in get(traces)["traces"]) >= spans)
        self.check(f"http://127.0.0.1:{admin}/traces", "hostile-traces")
        for number, trace in enumerate(get(traces)["traces"]):
            name = {2 * (DEPTH + 1): "deep", 2 * (WIDE + 1): "wide"}.get(trace["spans"], f"hostile-{number}")
            shown = self.check(f"http://127.0.0.1:{admin}/traces/{trace['trace_id']}", name)
            self.assertNotIn("<img", shown)
            self.assertFalse(re.search("[\u202a-\u202e\u2066-\u2069]", shown))
            if name == "deep":
                self.assertIn(f">{2 * DEPTH}</small>", shown)
                names = self.browser.evaluate("[...document.querySelectorAll('.what')].filter(row => row.textContent.includes('/deep')).length")
                self.assertGreater(names, DEPTH)
            if name == "wide":
                self.browser.open(f"http://127.0.0.1:{admin}/traces/{trace['trace_id']}")
                self.browser.evaluate("document.querySelector('a[rel=next]').click()")
                eventually("page", lambda: "101 to 200" in self.browser.evaluate("document.body?.textContent ?? ''"))

    def test_all_is_reached_by_the_keyboard(self):
        port = free_port()
        served = Process([GATEWAY, "demo", "--serve", "--admin", f"127.0.0.1:{port}"])
        self.addCleanup(served.close)
        eventually("page", lambda: listens(port))
        self.browser.look(1280, "light")
        self.browser.open(f"http://127.0.0.1:{port}/traces")
        focused = "document.activeElement.outerHTML"
        for _ in range(20):
            self.browser.press("Tab", 9)
            if 'href="/traces/' in self.browser.evaluate(focused).split(">")[0]:
                break
        # The whole row is marked, not the link alone.
        outline = self.browser.evaluate("getComputedStyle(document.activeElement, '::after').outlineStyle")
        self.assertEqual(outline, "solid")
        self.browser.press("Enter", 13)
        eventually("trace", lambda: self.browser.evaluate("document.querySelectorAll('.row').length") == 13)
        rows = []
        for _ in range(40):
            self.browser.press("Tab", 9)
            if self.browser.evaluate(focused).startswith("<summary"):
                self.browser.press("Enter", 13)
                rows.append(self.browser.evaluate("document.activeElement.parentElement.open"))
        self.assertEqual(rows[:13], [True] * 13)

    def test_jaeger_shows_the_scene(self):
        ui, otlp = free_port(), free_port()
        jaeger = Process([os.environ["JAEGER"], f"127.0.0.1:{ui}", f"127.0.0.1:{otlp}"])
        self.addCleanup(jaeger.close)
        eventually("Jaeger", lambda: listens(ui) and listens(otlp))
        trace_id, rows = demo(f"http://127.0.0.1:{otlp}", "grpc")
        [trace] = get(f"http://127.0.0.1:{ui}/api/traces/{trace_id}")["data"]
        parents = {
            span["spanID"]: next((other["spanID"] for other in span["references"] or []), "-") for span in trace["spans"]
        }
        self.assertEqual(parents, {span_id: parent_id for _, span_id, parent_id in rows})
        self.browser.look(1400, "light")
        self.browser.open(f"http://127.0.0.1:{ui}/trace/{trace_id}")
        text = lambda: self.browser.evaluate("document.body?.textContent ?? ''")
        eventually("trace in Jaeger", lambda: "verify the payment" in text())
        self.browser.screenshot(SCREENSHOTS / "jaeger.png")
        for service in SERVICES:
            self.assertIn(service, text())


if __name__ == "__main__":
    unittest.main()
