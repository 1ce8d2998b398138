// OpenTelemetry's propagators for JavaScript, a line each, as the example `lines` does it.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";

// Modules are looked for where they have been installed.
const require = createRequire(`${process.env.PEERS_MODULES}/`);
const { ROOT_CONTEXT, defaultTextMapGetter, defaultTextMapSetter, isSpanContextValid, trace } = require("@opentelemetry/api");
const { AWSXRayPropagator } = require("@opentelemetry/propagator-aws-xray");
const { B3InjectEncoding, B3Propagator } = require("@opentelemetry/propagator-b3");
const { JaegerPropagator } = require("@opentelemetry/propagator-jaeger");

const propagators = {
  b3: new B3Propagator({ injectEncoding: B3InjectEncoding.SINGLE_HEADER }),
  b3multi: new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
  xray: new AWSXRayPropagator(),
  jaeger: new JaegerPropagator(),
};

function read(name, fields) {
  const carrier = Object.fromEntries(fields.map((field) => field.split(/: (.*)/s)));
  const span = trace.getSpanContext(propagators[name].extract(ROOT_CONTEXT, carrier, defaultTextMapGetter));
  if (!span || !isSpanContextValid(span)) return "absent";
  return `${span.traceId} ${span.spanId} ${span.traceFlags & 1 ? "accept" : "deny"}`;
}

function write(name, [traceId, spanId, state]) {
  const span = { traceId, spanId, traceFlags: state === "deny" ? 0 : 1 };
  const carrier = {};
  propagators[name].inject(trace.setSpanContext(ROOT_CONTEXT, span), carrier, defaultTextMapSetter);
  return Object.entries(carrier).map(([name, value]) => `${name.toLowerCase()}: ${value}`).join("\t");
}

const answers = [];
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, name, ...columns] = line.split("\t");
  answers.push(verb === "read" ? read(name, columns) : write(name, columns[0].split(" ")));
}
process.stdout.write(answers.map((answer) => `${answer}\n`).join(""));
