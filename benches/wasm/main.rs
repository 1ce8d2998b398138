//! What the core does in WebAssembly, with the feature `std`. `.ci/run wasm` builds this for `wasm32-wasip1` and
//! `wasm32-unknown-unknown`, and runs both in Node. The exit code has the number of checks that passed in its low
//! four bits, and of those that failed in the others, because the second target can print nothing.
#![forbid(unsafe_code)]

use std::{
    cell::{Cell, RefCell},
    process::ExitCode,
    time::Duration,
};

use traceparent::{
    ErrorKind, IdGenerator, IdsFrom, Incoming, Policy, TraceId, TraceParent, U32Pairs, XRayIds,
    sampler::{AlwaysOn, RateLimited, Sampler, SamplingInput},
};

const RECEIVED: TraceParent = TraceParent::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

type Check = (&'static str, fn() -> bool);

const EVERYWHERE: [Check; 5] = [
    ("headers are parsed and written", || {
        TraceParent::parse(&RECEIVED.encode()) == Ok(RECEIVED)
            && TraceParent::parse(b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")
                .map_err(|error| error.kind())
                == Err(ErrorKind::UpperCase)
    }),
    ("traces are continued", || {
        let received = RECEIVED.encode();
        let incoming = Incoming::from_fields([&received[..]], [&b"rojo=1"[..], b"congo=2"]);
        let span = Policy::new(AlwaysOn).apply(incoming, &IdsFrom::new(|| 7));
        span.traceparent().to_string() == "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000007-01"
            && span.tracestate().to_string() == "rojo=1,congo=2"
    }),
    ("randomness is handed in", || {
        let mut state = 0_u64;
        let ids = IdsFrom::random(RefCell::new(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            state
        }));
        ids.new_trace_id().to_string() == "9e3779b97f4a7c153c6ef372fe94f82a"
            && IdsFrom::random(U32Pairs(|| 9)).new_span_id().to_u64() == 9 << 32 | 9
    }),
    ("the time is handed in", || {
        let ids = XRayIds::with_clock(IdsFrom::new(|| 7), || 0x5759_e988);
        ids.new_trace_id().to_string().starts_with("5759e988")
    }),
    ("a clock is handed in", || {
        let now = Cell::new(Duration::ZERO);
        let sampler = RateLimited::new(AlwaysOn, 1, Duration::from_secs(1), || now.get());
        let sampled =
            || sampler.should_sample(&SamplingInput::root(TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736")));
        let before = [(); 2].map(|()| sampled().decision.is_sampled());
        now.set(Duration::from_secs(1));
        before == [true, false] && sampled().decision.is_sampled()
    }),
];

#[cfg(target_os = "wasi")]
mod here {
    use traceparent::{
        IdGenerator, RandomIdGenerator, TraceId, XRayIds,
        sampler::{AlwaysOn, RateLimited, Sampler, SamplingInput},
    };

    pub(crate) const CHECKS: [super::Check; 4] = [
        ("random IDs differ", || {
            let ids: std::collections::HashSet<_> = (0..1000).map(|_| RandomIdGenerator.new_trace_id()).collect();
            ids.len() == 1000 && RandomIdGenerator.is_random()
        }),
        ("random IDs are seeded anew", || {
            let before = RandomIdGenerator.new_span_id();
            RandomIdGenerator::reseed();
            RandomIdGenerator.new_span_id() != before
        }),
        ("the system's time is in X-Ray's IDs", || {
            // Later than 2024.
            XRayIds::new(RandomIdGenerator).new_trace_id().to_u128() >> 96 > 0x6592_0080
        }),
        ("the system's clock limits the rate", || {
            let sampler = RateLimited::per_second(AlwaysOn, 1);
            let input = SamplingInput::root(TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736"));
            sampler.should_sample(&input).decision.is_sampled()
        }),
    ];
}

/// The core exports these names on other targets. If it did here, they would be ambiguous, and this would not compile.
#[cfg(not(target_os = "wasi"))]
#[deny(ambiguous_glob_imports)]
mod here {
    mod absent {
        pub(crate) struct RandomIdGenerator;
        pub(crate) struct MonotonicClock;
    }

    #[allow(unused_imports, reason = "nothing of the core is used")]
    use traceparent::{sampler::*, *};

    use self::absent::*;

    pub(crate) const CHECKS: [super::Check; 1] = [("there is no randomness and no clock of a system", || {
        let names: (absent::RandomIdGenerator, absent::MonotonicClock) = (RandomIdGenerator, MonotonicClock);
        size_of_val(&names) == 0
    })];
}

fn main() -> ExitCode {
    let (passed, failed): (Vec<_>, Vec<_>) = EVERYWHERE.iter().chain(&here::CHECKS).partition(|(_, check)| check());
    failed.iter().for_each(|(name, _)| println!("failed: {name}"));
    ExitCode::from((failed.len() << 4 | passed.len()) as u8)
}
