"""What became of requests and spans, as tables."""

import re

# Failures of requests that have a context and no call, because they are refused before.
WITHOUT_CALL = [
    "too_many_fields", "not_one_host", "invalid_target", "unknown_coding", "repeated_chunked", "invalid_max_forwards", "loop",
    "no_route", "tunnel",
]  # fmt: skip


class Accounts:
    """Every span, from the sampled requests on one side and from the collector's acknowledgements on the other."""

    def __init__(self, metrics, collected, told):
        self.metrics, self.collected = metrics, collected
        self.failures = self.labelled("failures_total", "kind")
        self.sampled = int(metrics["contexts_sampled_total"])
        self.requests = sum(self.labelled("contexts_total", "origin").values())
        # One of serving a request, and one of calling the upstream unless the request was refused before.
        self.created = 2 * self.sampled - sum(self.failures.get(kind, 0) for kind in WITHOUT_CALL)
        self.waiting = int(metrics['spans_waiting{sink="otlp"}'])
        self.exported, self.dropped = map(int, re.search(r"stopped: (\d+) spans exported, (\d+) dropped", told).groups())

    def labelled(self, name, label):
        """Returns the values of a metric by its label."""
        pattern = re.compile(rf'{name}{{{label}="(\w+)"}}')
        return {found[1]: int(value) for key, value in self.metrics.items() if (found := pattern.fullmatch(key))}

    def rows(self):
        rejected, refused = self.collected["rejected"], self.collected["refused"]
        return [
            ("sampled requests", self.sampled),
            ("spans created: two each, one if refused", self.created),
            ("exported", self.exported),
            ("acknowledged by the collector", self.collected["acknowledged"]),
            ("dropped", self.dropped),
            ("  rejected (partial success)", rejected),
            ("  refused (400)", refused),
            ("  no room in the queue, or no answer in time", self.dropped - rejected - refused),
            ("waiting", self.waiting),
            ("created and not accounted for", self.created - self.exported - self.dropped),
        ]

    def checks(self, answered):
        collected = self.collected
        return [
            (f"{answered} answers are of {self.sampled} sampled requests", answered <= self.sampled == self.requests),
            ("every span is exported or dropped", self.created == self.exported + self.dropped and not self.waiting),
            ("what is exported is acknowledged", self.exported == collected["acknowledged"] > 0),
            ("what is rejected and refused is dropped", self.dropped >= collected["rejected"] + collected["refused"]),
            (f"the collector failed in all ways: {collected}", all(collected.values())),
        ]


def report(tallies, hostile, watch, accounts, before, after):
    table("well-behaved clients", [("", "answered", "failed", "failed, allowed", "p99 ms")] + [
        (tally.name, tally.answered, tally.failures.total(), tally.excused.total(), f"{tally.p99():.1f}" if tally.p99() else "")
        for tally in tallies
    ])
    table("hostile clients, and how often", sorted(hostile.counts.items()))
    table("requests that failed, by the gateway", sorted(accounts.failures.items()))
    table("spans", accounts.rows())
    table("the gateway", [("", "before", "highest", "after")] + [
        ("memory, MiB", f"{before.memory:.0f}", f"{after.peak:.0f}", f"{after.memory:.0f}"),
        ("descriptors", before.descriptors, watch.most("descriptors"), after.descriptors),
        ("threads", before.threads, watch.most("threads"), after.threads),
    ])
    print(f"memory after the first quarter: {watch.slope():+.2f} MiB a minute; the last quarter to the second: {watch.growth():+.1f} MiB")


def table(title, rows):
    print(f"\n{title}")
    widths = [max(len(str(row[place])) for row in rows) for place in range(len(rows[0]))]
    for first, *others in rows:
        print("  " + "  ".join([str(first).ljust(widths[0]), *(str(cell).rjust(width) for cell, width in zip(others, widths[1:]))]))
