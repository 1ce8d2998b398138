"""Pages in a headless browser: the gateway's own, and Jaeger's, with the scene's trace in them.

Screenshots to look at are left in the folder SCREENSHOTS.
"""

import html
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from peers import GATEWAY, Process, demo, eventually, free_port, get, listens

SERVICES = [
    "customer", "agent 1 gateway", "agent 1 main", "agent 2 gateway", "agent 2 support", "technical support",
    "agent 3 gateway", "agent 3 orders", "inventory", "payment service",
]
SCREENSHOTS = pathlib.Path(os.environ["SCREENSHOTS"])


def browse(url, name, *flags, size="1400,900"):
    """Returns the page as the browser shows it, and leaves a screenshot."""
    common = [
        os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
        "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--hide-scrollbars", f"--window-size={size}", *flags,
    ]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    picture = SCREENSHOTS / f"{name}.png"
    picture.unlink(missing_ok=True)
    for wanted in [f"--screenshot={picture}", "--dump-dom"]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
            command = [*common, f"--user-data-dir={data}", wanted, url]
            shown = subprocess.run(command, capture_output=True, text=True, timeout=120)
            assert shown.returncode == 0, shown.stderr
    assert picture.stat().st_size > 10_000, f"{picture} is empty"
    return shown.stdout


class Pages(unittest.TestCase):
    def test_the_gateways_own_pages_show_the_scene(self):
        port = free_port()
        served = Process([GATEWAY, "demo", "--serve", "--admin", f"127.0.0.1:{port}"])
        self.addCleanup(served.close)
        eventually("page", lambda: listens(port))
        [trace] = eventually("trace", lambda: get(f"http://127.0.0.1:{port}/api/traces")["traces"])
        self.assertEqual((trace["spans"], sorted(trace["services"])), (13, sorted(SERVICES)))
        listed = browse(f"http://127.0.0.1:{port}/traces", "traces")
        self.assertIn(f'href="/traces/{trace["trace_id"]}"', listed)
        shown = browse(f"http://127.0.0.1:{port}/traces/{trace['trace_id']}", "trace", size="1200,800")
        self.assertEqual(len(re.findall(r'class="bar c\d+"', shown)), 13)
        for service in SERVICES:
            self.assertIn(f"<b>{html.escape(service)}</b>", shown)
        # Scripts there are none, and the policy would not let them run.
        self.assertNotIn("<script", listed + shown)

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
        shown = browse(f"http://127.0.0.1:{ui}/trace/{trace_id}", "jaeger", "--virtual-time-budget=10000")
        for service in SERVICES:
            self.assertIn(service, shown)
        self.assertIn("verify the payment", shown)


if __name__ == "__main__":
    unittest.main()
