//! Shows at link time that no input makes the core panic: this program links only if the optimiser finds no way to a
//! panic in any of these functions. Build it with `cargo build --release --features no_panic --bin no_panic`.

use std::{env, hint::black_box};

use no_panic::no_panic;
use traceparent::{
    BufferTooSmall, Change, FieldsError, IdsFrom, Incoming, Member, Outgoing, ParseError, Policy, Randomness, SpanId,
    Threshold, TraceId, TraceParent, TraceResponse, TraceState, Trust, sampler::ProbabilitySampler, trim_ows,
};

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

fn main() {
    let input = env::args().nth(1).unwrap_or_default();
    let input = input.as_bytes();
    let mut buffer = [0; 1024];
    if let Ok(parsed) = parse(input) {
        black_box(encode(parsed, &mut [0; 55]));
    }
    black_box((b3(input), xray(input), jaeger(input), cloud_trace(input), grpc_trace_bin(input)));
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
