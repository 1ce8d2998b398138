"""The gateway at full load while everything around it fails: no request is lost, nothing leaks, and every span is accounted for.

    GATEWAY=... python3 -m soak [SECONDS]

Meanwhile the collector is busy, refuses, rejects half, hangs, and dies and comes back; one upstream is restarted gently, another is
killed; the gateway is given other configurations and certificates; and hostile clients do what they can. Needs nginx, wrk and h2load.

May fail, and is counted: a request to the upstream that is killed, if it was under way at any time from then until it is back; nothing else.
"""

import asyncio
import ssl
import sys
import tempfile

from peers import eventually
from soak.clients import BODY, Calls, Http1, Load, Tally, Upgraded
from soak.gateway import Gateway, Watch
from soak.helper import Helper
from soak.hostile import ATTACKS, Hostile
from soak.report import Accounts, report
from soak.upstreams import Nginx

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 600
GROWTH = 16  # MiB
PEAK = 256  # MiB

async def collector_faults(stop, collector):
    while not stop.is_set():
        for state in ["busy", "refusing", "rejecting", "hanging", "dead"]:
            for state, seconds in [("well", 4), (state, 3)]:
                await asyncio.to_thread(collector.ask, state)
                await wait(stop, seconds)
    await asyncio.to_thread(collector.ask, "well")


async def gentle_restarts(stop, upstream):
    while not await wait(stop, 2):
        upstream.reload()


async def crashes(stop, upstream):
    while not await wait(stop, 5):
        await upstream.crash(0.5)


async def reloads(stop, gateway):
    while not await wait(stop, 1.5):
        gateway.reload()


async def wait(stop, seconds):
    """Waits, and returns whether it is time to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except asyncio.TimeoutError:
        pass
    return stop.is_set()


def clients(gateway, flaky):
    """All well-behaved clients: what became of their requests, and which they are."""
    tls = ssl.create_default_context(cafile=gateway.certificates.folder / "ca.pem")
    port = gateway.port
    return [
        (Tally("GET, HTTP/1.1"), Http1(port)),
        (Tally("GET, HTTP/1.1, TLS"), Http1(gateway.tls_port, tls=tls)),
        (Tally("POST with a length"), Http1(port, "POST", "/echo", BODY)),
        (Tally("POST in chunks"), Http1(port, "POST", "/echo", BODY, chunked=True)),
        (Tally("upgrades"), Upgraded(port)),
        (Tally("gRPC"), Calls(port)),
        (Tally("GET, upstream killed", flaky.was_down), Http1(port, path="/flaky")),
        (Tally("POST, upstream killed", flaky.was_down), Http1(port, "POST", "/flaky", b"ok")),
    ]


async def play(gateway, folder, steady, flaky, collector):
    """Everything at once. Returns what became of requests, what the hostile clients met, and what the gateway took."""
    stop, watch, hostile = asyncio.Event(), Watch(gateway), Hostile(gateway.port, gateway.tls_port)
    polite, http1, http2 = clients(gateway, flaky), Load("wrk, HTTP/1.1"), Load("h2load, HTTP/2, TLS")
    tasks = [
        collector_faults(stop, collector), gentle_restarts(stop, steady), crashes(stop, flaky), reloads(stop, gateway),
        watch.run(stop), hostile.run(stop), http2.h2load(gateway.tls_port, stop), *(tally.run(stop, client) for tally, client in polite),
    ]  # fmt: skip
    running = [asyncio.create_task(task) for task in tasks]
    await http1.wrk(gateway.port, folder, SECONDS)
    stop.set()
    await asyncio.gather(*running)
    return [http1, http2, *(tally for tally, _ in polite)], hostile, watch


def main():
    with tempfile.TemporaryDirectory() as folder:
        running = []

        def start(process):
            running.append(process)
            return process

        try:
            steady, flaky = (start(Nginx(folder, name)) for name in ["steady", "flaky"])
            services, collector = start(Helper("services")), start(Helper("collector"))
            gateway = start(Gateway(folder, steady.port, flaky.port, services.facts, collector.facts["port"]))
            return soak(folder, gateway, steady, flaky, services, collector)
        finally:
            for process in reversed(running):
                process.close()


def soak(folder, gateway, steady, flaky, services, collector):
    """Plays, waits until the gateway has come to rest, stops it, and judges."""
    before = gateway.usage()
    tallies, hostile, watch = asyncio.run(play(gateway, folder, steady, flaky, collector))
    eventually("end of all requests", lambda: gateway.metrics()["requests_open"] == 0, 60)
    eventually("last span", lambda: gateway.metrics()['spans_waiting{sink="otlp"}'] == 0, 60)
    eventually("last reload", lambda: gateway.count("configuration reloaded") >= gateway.reloads)
    gateway.rest(before)
    after, metrics = gateway.usage(), gateway.metrics()
    told = gateway.close()
    accounts = Accounts(metrics, collector.ask("counts"), told)
    report(tallies, hostile, watch, accounts, before, after)
    checks = [
        *((f"no {tally.name} failed: {tally.failures.most_common(3)}", tally.answered and not tally.failures.total()) for tally in tallies),
        (f"hostile clients got what they should: {hostile.unexpected.most_common(5)}", not hostile.unexpected),
        (f"all attacks went on: {hostile.counts}", len(hostile.counts) == len(ATTACKS)),
        ("nothing was smuggled", services.ask("smuggled") == 0),
        *accounts.checks(sum(tally.answered for tally in tallies)),
        (f"memory grows by less than {GROWTH} MiB", watch.growth() < GROWTH),
        (f"memory stays below {PEAK} MiB", after.peak < PEAK),
        (f"descriptors and threads are given back: {before}, {after}", gateway.is_at_rest(before, after)),
        (f"{gateway.reloads} reloads succeed", gateway.count("configuration reloaded") == gateway.reloads),
        (f"it stops cleanly: {told.splitlines()[-1]}", gateway.process.returncode == 0 and told.endswith(" 0 connections cut")),
    ]
    wrong = [what for what, right in checks if not right]
    print(f"\n{len(checks) - len(wrong)} of {len(checks)} checks hold; {told.splitlines()[-1]}")
    for what in wrong:
        print(f"WRONG: {what}")
    return not wrong


sys.exit(0 if main() else 1)
