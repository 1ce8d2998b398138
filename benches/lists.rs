use std::hint::black_box;

use traceparent::{Member, TraceState};

use crate::{LEVEL3, OTEL, OURS, Operation, list};

/// Checked by the compiler.
const MEMBER: Member<'_> = Member::from_static("ours", "00f067aa0ba902b7");

pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for members in [1, 3, 32] {
        let name = format!("tracestate, validate {members}");
        let value = list(members);
        let (ours, otel, level3) = (value.clone(), value.clone(), value.clone());
        all.push(Operation::new(&name, OURS, move || {
            assert!(black_box(TraceState::parse(black_box(ours.as_bytes()))).is_ok())
        }));
        all.push(Operation::new(&name, OTEL, move || {
            assert!(black_box(black_box(&otel).parse::<opentelemetry::trace::TraceState>()).is_ok());
        }));
        all.push(Operation::new(&name, LEVEL3, move || {
            assert!(black_box(black_box(&level3).parse::<trace_context_level3::TraceState>()).is_ok());
        }));

        let name = format!("tracestate, update {members}");
        let (ours, otel, level3) = (value.clone(), value.clone(), value);
        let mut buffer = [0; 4096];
        all.push(Operation::new(&name, OURS, move || {
            let list = TraceState::parse(black_box(ours.as_bytes())).unwrap();
            let header = list.with(MEMBER).encode_into(&mut buffer).unwrap();
            assert!(black_box(header).starts_with("ours="));
        }));
        all.push(Operation::new(&name, OTEL, move || {
            let list: opentelemetry::trace::TraceState = black_box(&otel).parse().unwrap();
            assert!(black_box(list.insert("ours", "00f067aa0ba902b7").unwrap().header()).starts_with("ours="));
        }));
        // It takes no 33rd member.
        if members < 32 {
            all.push(Operation::new(&name, LEVEL3, move || {
                let mut list: trace_context_level3::TraceState = black_box(&level3).parse().unwrap();
                list.insert("ours", "00f067aa0ba902b7").unwrap();
                assert!(black_box(list.to_string()).starts_with("ours="));
            }));
        }
    }
    all
}
