"""The vectors of the core as messages, each with the context that a service has to send for it."""

import pathlib
import re

DATA = pathlib.Path(__file__).resolve().parents[1] / "traceparent" / "tests" / "data"

VALID = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OWS = b" \t"
CONTEXT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Vector:
    """The fields of a message, and what a service makes of them.

    `trace_id` is None if the trace starts. `tracestate` is comparable, or None if the vector does not say. `error` is
    the reason why a field is refused, empty if there is none, and None if the vector does not say.
    """

    def __init__(self, where, fields, trace_id=None, flags=b"03", tracestate=b"", error="", trust="continue"):
        self.where, self.trust = where, trust
        # White space around a value is no part of it in HTTP.
        self.fields = [(name, value.strip(OWS)) for name, value in fields]
        self.trace_id, self.flags, self.tracestate, self.error = trace_id, flags, tracestate, error

    @property
    def traceparents(self):
        return [value for name, value in self.fields if name == "traceparent"]

    @property
    def origin(self):
        return "continued" if self.trace_id else "restarted" if self.traceparents else "started"

    @property
    def is_valid(self):
        """Whether a proxy that takes no part in the trace may send these fields on."""
        lists = [value for name, value in self.fields if name == "tracestate"]
        refused = self.tracestate == b"" and comparable(b",".join(lists)) != b""
        return self.origin != "restarted" and not (self.traceparents and refused)

    def agrees(self, traceparent, tracestate):
        """Whether these two values are the context to send."""
        match = CONTEXT.fullmatch(traceparent)
        if match is None:
            return False
        trace_id, parent_id, flags = match.groups()
        is_new = not any(parent_id in value for value in self.traceparents)
        if self.trace_id:
            is_its = trace_id == self.trace_id
        else:
            is_its = not any(trace_id in value.lower() for value in self.traceparents)
        is_list = self.tracestate is None or comparable(tracestate) == self.tracestate
        return is_new and is_its and is_list and flags == self.flags

    @property
    def can_be_sent(self):
        """Whether no value would end its line."""
        return not any(byte in value for _, value in self.fields for byte in b"\r\n")


def comparable(tracestate):
    """Returns a list without white space, empty members and later ones of a key."""
    members = {}
    for member in filter(None, (member.strip(OWS) for member in tracestate.split(b","))):
        members.setdefault(member.split(b"=")[0], member)
    return b",".join(members.values())


def read():
    """Returns an iterator over all vectors that say what becomes of a context."""
    yield from traceparents()
    yield from tracestates()
    yield from peers()
    # Joined with a comma, these are one value that is valid, and so is the first alone.
    yield Vector("repeated", [("traceparent", b"cc" + VALID[2:] + b"-x")] * 2, error="repeated traceparent 0")


def traceparents():
    verdicts = {unescape(text): verdict for _, (text, verdict, _) in lines("traceparent.txt")}
    for where, (text, *_) in lines("traceparent.txt"):
        value = unescape(text).strip(OWS)
        if (verdict := verdicts.get(value)) == "ok":
            yield Vector(where, [("traceparent", value)], value[3:35], reserved_bits_zero(value[53:55]))
        elif verdict:
            yield Vector(where, [("traceparent", value)], error=verdict.removeprefix("err "))


def tracestates():
    for where, (text, verdict, _) in lines("tracestate.txt"):
        value = unescape(text)
        fields = [("traceparent", VALID), ("tracestate", value)]
        if verdict.startswith("ok "):
            yield Vector(where, fields, VALID[3:35], b"01", comparable(value))
        else:
            # Without the white space in front of it, the value's bytes have other offsets.
            error = verdict.removeprefix("err ") if value == value.lstrip(OWS) else None
            yield Vector(where, fields, VALID[3:35], b"01", error=error)


def peers():
    names = {"p": "traceparent", "s": "tracestate"}
    for where, (operation, outcome, *inputs) in lines("peers.txt"):
        outcome = unescape(outcome)
        # What becomes of this member is the business of the policy's vectors.
        has_ot = any("ot=" in value for value in inputs)
        if operation == "tp" and not has_ot:
            fields = [(names[field[0]], unescape(field[2:])) for field in inputs]
            if outcome in (b"reject", b"absent"):
                yield Vector(where, fields, error=None)
            elif outcome != b"valid":
                context, separator, kept = outcome.partition(b" | ")
                _, trace_id, _, flags = context.split(b" ")
                kept = comparable(kept) if separator else None
                yield Vector(where, fields, trace_id, reserved_bits_zero(flags), kept, None)
        elif operation == "policy":
            trust, *inputs = inputs
            fields = [(names[field[0]], unescape(field[2:])) for field in inputs]
            context, _, kept = outcome.partition(b" | ")
            trace_id, flags = context.split(b" ")
            yield Vector(where, fields, trace_id, flags, comparable(kept), None, trust)
        elif operation == "ts" and not has_ot:
            fields = [("traceparent", VALID), *(("tracestate", unescape(value)) for value in inputs)]
            if outcome == b"ERR":
                yield Vector(where, fields, VALID[3:35], b"01", error=None)
            else:
                yield Vector(where, fields, VALID[3:35], b"01", comparable(outcome))


def reserved_bits_zero(flags):
    return b"%02x" % (int(flags, 16) & 3)


def lines(name):
    for number, line in enumerate((DATA / name).read_text().split("\n"), 1):
        if line and not line.startswith("#"):
            yield f"{name}:{number}", line.split("\t")


def unescape(text):
    """Returns the bytes of a column, as `traceparent.txt` describes them."""
    plain = {"t": b"\t", "n": b"\n", "r": b"\r", "\\": b"\\"}

    def piece(match):
        if repeat := match["repeat"]:
            unit, count = repeat.rsplit("*", 1)
            return unit.encode() * int(count)
        if escape := match["escape"]:
            return bytes([int(escape[1:], 16)]) if escape[0] == "x" else plain[escape]
        return match[0].encode()

    pieces = re.finditer(r"\{(?P<repeat>[^}]*)\}|\\(?P<escape>x..|.)|[^\\{]+", text)
    return b"".join(map(piece, pieces))
