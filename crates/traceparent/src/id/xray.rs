use super::{SpanId, TraceId, generate::IdGenerator};

/// A generator of trace-ids that AWS X-Ray takes without translation: the first 4 bytes are the time in seconds
/// since 1970. The other 12 are those of another generator, which also generates the span-ids.
///
/// The right-most 7 bytes stay as they are, so the random flag is as true as the other generator's.
///
/// [AWS X-Ray: trace IDs](https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids)
///
/// ```
/// use traceparent::{IdGenerator, IdsFrom, XRayIds};
///
/// let ids = XRayIds::with_clock(IdsFrom::random(|| 0xa3ce_929d_0e0e_4736), || 0x5759_e988);
/// assert_eq!(ids.new_trace_id().to_string(), "5759e9880e0e4736a3ce929d0e0e4736");
/// assert!(ids.is_random());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct XRayIds<G, C> {
    ids: G,
    clock: C,
}

impl<G: IdGenerator, C: Fn() -> u32> XRayIds<G, C> {
    /// Creates a generator from another one and a clock that returns the seconds since 1970.
    pub const fn with_clock(ids: G, clock: C) -> Self {
        Self { ids, clock }
    }
}

#[cfg(all(feature = "std", not(all(target_family = "wasm", target_os = "unknown"))))]
impl<G: IdGenerator> XRayIds<G, fn() -> u32> {
    /// Creates a generator from another one and the system's clock.
    ///
    /// `wasm32-unknown-unknown` has no clock, and there is no such constructor there.
    pub fn new(ids: G) -> Self {
        Self { ids, clock: || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() as u32 }
    }
}

impl<G: IdGenerator, C: Fn() -> u32> IdGenerator for XRayIds<G, C> {
    fn new_trace_id(&self) -> TraceId {
        let id = self.ids.new_trace_id();
        let rest = id.to_u128() & (u128::MAX >> 32);
        TraceId::from_u128(u128::from((self.clock)()) << 96 | rest).unwrap_or(id)
    }

    fn new_span_id(&self) -> SpanId {
        self.ids.new_span_id()
    }

    fn is_random(&self) -> bool {
        self.ids.is_random()
    }
}
