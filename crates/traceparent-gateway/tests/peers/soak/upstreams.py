"""nginx as a service that is restarted, gently or not."""

import asyncio
import contextlib
import os
import pathlib
import signal
import time

from peers import Process, eventually, free_port, listens

LARGE = 4 << 20


class Nginx:
    def __init__(self, folder, name):
        self.folder, self.name, self.port = folder, name, free_port()
        self.outages = []  # (from, to), by the monotonic clock
        pathlib.Path(folder, "large").write_bytes(b"x" * LARGE)
        places = " ".join(f"{kind}_temp_path {folder};" for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        self.file = pathlib.Path(folder, f"{name}.conf")
        self.file.write_text(
            f"daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log stderr crit; user root;"
            "worker_shutdown_timeout 10s; events { worker_connections 4096; }"
            f"http {{ access_log off; keepalive_requests 100000000; {places} server {{ listen 127.0.0.1:{self.port} backlog=4096;"
            f'location = /large {{ root {folder}; }} location / {{ return 200 "ok"; }} }} }}'
        )
        self.start()

    def start(self):
        self.process = Process(["nginx", "-e", "stderr", "-c", str(self.file)])
        eventually("nginx", lambda: listens(self.port))

    def reload(self):
        """New workers; the old ones answer what they have begun and close."""
        self.process.process.send_signal(signal.SIGHUP)

    async def crash(self, seconds):
        """All connections end at once, and new ones are refused for a while."""
        outage = [time.monotonic(), float("inf")]
        self.outages.append(outage)
        workers = pathlib.Path(f"/proc/{self.process.process.pid}/task/{self.process.process.pid}/children").read_text()
        for process in [self.process.process.pid, *map(int, workers.split())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.process.wait()
        await asyncio.sleep(seconds)
        await asyncio.to_thread(self.start)
        outage[1] = time.monotonic()

    def was_down(self, started, ended):
        """Whether a request of this time can have met an outage."""
        return any(started <= upper and ended >= lower for lower, upper in self.outages)

    def close(self):
        self.process.close()
