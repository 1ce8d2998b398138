//! Shows at link time that no input makes the core panic: this program links only if the optimiser finds no way to a
//! panic in any of these functions. Build it with `cargo build --release --features no_panic --bin no_panic`.

use std::{env, hint::black_box};

use no_panic::no_panic;
use traceparent::{
    BufferTooSmall, Change, FieldsError, IdsFrom, Incoming, Member, Outgoing, ParseError, Policy, Randomness, SpanId,
    Threshold, TraceId, TraceParent, TraceResponse, TraceState, Trust, sampler::ProbabilitySampler, trim_ows,
};
use traceparent_formats::{Format, LocalContext};

#[no_panic]
fn parse(value: &[u8]) -> Result<TraceParent, ParseError> {
    TraceParent::parse(trim_ows(value))
}

#[no_panic]
fn parse_ids(value: &[u8]) -> (Option<TraceId>, Option<SpanId>) {
    (TraceId::parse(value).ok(), SpanId::parse(value).ok())
}

#[no_panic]
fn encode(value: TraceParent, buffer: &mut [u8; 55]) -> &str {
    value.encode_str(buffer)
}

#[no_panic]
fn validate(value: &[u8]) -> Result<usize, ParseError> {
    TraceState::parse(value).map(|list| list.len())
}

#[no_panic]
fn join(fields: [&[u8]; 2], buffer: &mut [u8]) -> Result<usize, FieldsError> {
    TraceState::parse_fields_in(fields, buffer).map(|list| list.len())
}

#[no_panic]
fn get(list: &TraceState<'_>, key: &str) -> usize {
    list.get(key).map_or(0, str::len)
}

#[no_panic]
fn update<'b>(list: &TraceState<'_>, member: Member<'_>, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall> {
    list.with(member).encode_into(buffer)
}

#[no_panic]
fn edit<'b>(list: &TraceState<'_>, changes: &[Change<'_>], buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall> {
    match list.edit(changes).within(512) {
        Ok(edit) => edit.encode_into(buffer),
        Err(_) => Ok(""),
    }
}

#[no_panic]
fn sampling(value: &[u8]) -> (Option<Threshold>, Option<Randomness>) {
    (Threshold::parse(value).ok(), Randomness::parse(value).ok())
}

#[no_panic]
fn read<'a>(traceparent: &'a [u8], tracestate: &'a [u8], buffer: &'a mut [u8]) -> Incoming<'a> {
    Incoming::from_fields_in([traceparent], [tracestate], buffer)
}

#[no_panic]
fn apply<'a>(policy: &Policy<ProbabilitySampler>, incoming: Incoming<'a>) -> Outgoing<'a> {
    policy.apply(incoming, &IdsFrom::new(|| 7))
}

#[no_panic]
fn write<'b>(outgoing: &Outgoing<'_>, buffer: &'b mut [u8]) -> Result<&'b str, BufferTooSmall> {
    outgoing.tracestate().encode_into(buffer)
}

#[no_panic]
fn response(field: &[u8]) -> Option<TraceResponse> {
    TraceResponse::parse(field).ok().flatten()
}

macro_rules! readers {
    ($($name:ident),*) => {$(
        #[no_panic]
        fn $name(value: &[u8]) -> bool {
            traceparent_formats::$name::parse(value).is_ok()
        }
    )*};
}

readers!(b3, xray, jaeger, cloud_trace, grpc_trace_bin);

#[no_panic]
fn b3_multi(fields: traceparent_formats::b3_multi::Fields<'_>) -> bool {
    traceparent_formats::b3_multi::parse(fields).is_ok()
}

#[no_panic]
fn datadog(fields: traceparent_formats::datadog::Fields<'_>) -> bool {
    traceparent_formats::datadog::parse(fields).is_ok()
}

#[no_panic]
fn ot_tracer(fields: traceparent_formats::ot_tracer::Fields<'_>) -> bool {
    traceparent_formats::ot_tracer::parse(fields).is_ok()
}

/// Writes the formats that walk what a caller sent.
#[no_panic]
fn carry(context: &LocalContext<'_>) -> usize {
    let mut written = traceparent_formats::xray::encode(context).as_bytes().len();
    Format::Datadog.write(context, |_, value| written += value.map_or(0, str::len));
    written
}

fn main() {
    let input = env::args().nth(1).unwrap_or_default();
    let input = input.as_bytes();
    let mut buffer = [0; 1024];
    if let Ok(parsed) = parse(input) {
        black_box(encode(parsed, &mut [0; 55]));
    }
    black_box((b3(input), xray(input), jaeger(input), cloud_trace(input), grpc_trace_bin(input)));
    let [trace_id, span_id, sampled, flags, rest] =
        std::array::from_fn(|i| env::args().nth(i + 1).map(String::into_bytes));
    let (trace_id, span_id) = (trace_id.as_deref(), span_id.as_deref());
    let (sampled, flags, rest) = (sampled.as_deref(), flags.as_deref(), rest.as_deref());
    black_box(b3_multi(traceparent_formats::b3_multi::Fields { trace_id, span_id, sampled, flags }));
    black_box(ot_tracer(traceparent_formats::ot_tracer::Fields { trace_id, span_id, sampled }));
    black_box(datadog(traceparent_formats::datadog::Fields {
        trace_id,
        parent_id: span_id,
        sampling_priority: sampled,
        tags: flags,
        origin: rest,
    }));
    if let (Some(trace_id), Some(span_id), Ok(received)) =
        (TraceId::from_u128(7), SpanId::from_u64(7), traceparent_formats::xray::parse(input))
    {
        black_box(carry(&LocalContext::new(trace_id, span_id, true).with_carried(received.carried())));
    }
    black_box((parse_ids(input), sampling(input), response(input)));
    let _ = black_box((validate(input), join([input, input], &mut buffer)));
    if let Ok(list) = TraceState::parse(input) {
        let member = Member::from_static("ours", "1");
        black_box(get(&list, "ours"));
        let _ = black_box(update(&list, member, &mut buffer));
        let _ = black_box(edit(&list, &[Change::Set(member), Change::Remove("theirs")], &mut buffer));
    }
    let policy = Policy::new(ProbabilitySampler::from_ratio(1, 2).unwrap());
    for trust in [Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore] {
        let mut fields = [0; 1024];
        let outgoing = apply(&policy.with_trust(trust), read(input, input, &mut fields));
        let _ = black_box(write(&outgoing, &mut buffer));
    }
}
