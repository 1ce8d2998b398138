// OpenTelemetry's propagators for JavaScript and that of Datadog's tracer, a line each, as the example `lines` does it.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";

// Modules are looked for where they have been installed.
const require = createRequire(`${process.env.PEERS_MODULES}/`);
const { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter, isSpanContextValid, trace } = require("@opentelemetry/api");
const { AWSXRayPropagator } = require("@opentelemetry/propagator-aws-xray");
const { B3InjectEncoding, B3Propagator } = require("@opentelemetry/propagator-b3");
const { JaegerPropagator } = require("@opentelemetry/propagator-jaeger");
// The tracer itself would report to an agent. Its propagator stands alone.
const datadog = (name) => require(`dd-trace/packages/dd-trace/src/${name}.js`);
const DatadogPropagator = datadog("opentracing/propagation/text_map");
const DatadogSpanContext = datadog("opentracing/span_context");
const datadogId = datadog("id");

const tracer = new DatadogPropagator({
  tracePropagationStyle: { extract: ["datadog"], inject: ["datadog"] },
  DD_TRACE_X_DATADOG_TAGS_MAX_LENGTH: 512,
  baggageTagKeys: "",
});

const propagators = {
  b3: new B3Propagator({ injectEncoding: B3InjectEncoding.SINGLE_HEADER }),
  b3multi: new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
  xray: new AWSXRayPropagator(),
  jaeger: new JaegerPropagator(),
};

function read(name, fields) {
  const carrier = Object.fromEntries(fields.map((field) => field.split(/: (.*)/s)));
  if (name === "datadog") {
    const context = tracer.extract(carrier);
    if (!context) return "absent";
    return `${context.toTraceId(true)} ${context.toSpanId(true)} ${context._sampling.priority > 0 ? "accept" : "deny"}`;
  }
  const span = trace.getSpanContext(propagators[name].extract(ROOT_CONTEXT, carrier, defaultTextMapGetter));
  if (!span || !isSpanContextValid(span)) return "absent";
  return `${span.traceId} ${span.spanId} ${span.traceFlags & 1 ? "accept" : "deny"}`;
}

const lines = (carrier) => Object.entries(carrier).map(([name, value]) => `${name.toLowerCase()}: ${value}`).join("\t");

function write(name, [traceId, spanId, state]) {
  if (name === "datadog") {
    const [upper, lower] = [traceId.slice(0, 16), traceId.slice(16)];
    const context = new DatadogSpanContext({
      traceId: datadogId(lower, 16),
      spanId: datadogId(spanId, 16),
      sampling: { priority: { deny: 0, accept: 1, debug: 2 }[state] },
      trace: { tags: /^0+$/.test(upper) ? {} : { "_dd.p.tid": upper }, started: [], finished: [] },
    });
    return lines(tracer.inject(context, {}));
  }
  const span = { traceId, spanId, traceFlags: state === "deny" ? 0 : 1 };
  const carrier = {};
  propagators[name].inject(trace.setSpanContext(ROOT_CONTEXT, span), carrier, defaultTextMapSetter);
  return lines(carrier);
}

const answers = [];
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, name, ...columns] = line.split("\t");
  answers.push(verb === "read" ? read(name, columns) : write(name, columns[0].split(" ")));
}
process.stdout.write(answers.map((answer) => `${answer}\n`).join(""));
