"""OpenTelemetry's propagators for Python and Datadog's tracer, a line each, as the example `lines` does it."""

import sys

from ddtrace.propagation.http import _DatadogMultiHeader
from ddtrace.trace import Context as DatadogContext
from opentelemetry import trace
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.propagators.ot_trace import OTTracePropagator

PROPAGATORS = {
    "b3": B3SingleFormat(),
    "b3multi": B3MultiFormat(),
    "xray": AwsXRayPropagator(),
    "jaeger": JaegerPropagator(),
    "ottrace": OTTracePropagator(),
}


class Lower(dict):
    """A carrier that knows names in any case."""

    def __init__(self, fields):
        super().__init__((name.lower(), value) for name, value in fields)

    def get(self, key, default=None):
        return super().get(key.lower(), default)


def read(name, fields):
    if name == "datadog":
        context = _DatadogMultiHeader._extract(dict(fields))
        if context is None or not context.trace_id:
            return "absent"
        return f"{context.trace_id:032x} {context.span_id:016x} {'accept' if context.sampling_priority > 0 else 'deny'}"
    context = PROPAGATORS[name].extract(Lower(fields), trace.set_span_in_context(trace.INVALID_SPAN))
    span = trace.get_current_span(context).get_span_context()
    if not span.is_valid:
        return "absent"
    return f"{span.trace_id:032x} {span.span_id:016x} {'accept' if span.trace_flags & 1 else 'deny'}"


def write(name, trace_id, span_id, state):
    trace_id, span_id = int(trace_id, 16), int(span_id, 16)
    fields = {}
    if name == "datadog":
        priority = {"deny": 0, "accept": 1, "debug": 2}[state]
        _DatadogMultiHeader._inject(DatadogContext(trace_id=trace_id, span_id=span_id, sampling_priority=priority), fields)
    else:
        flags = trace.TraceFlags(state != "deny")
        span = trace.NonRecordingSpan(trace.SpanContext(trace_id, span_id, False, flags))
        PROPAGATORS[name].inject(fields, trace.set_span_in_context(span))
    return "\t".join(f"{name.lower()}: {value}" for name, value in fields.items())


for line in sys.stdin:
    verb, name, *columns = line.rstrip("\n").split("\t")
    print(read(name, [field.split(": ", 1) for field in columns]) if verb == "read" else write(name, *columns[0].split(" ")))
