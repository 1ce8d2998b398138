use core::num::NonZeroU64;

use super::{SpanId, TraceId};

/// Makes new trace-ids and span-ids.
///
/// Object-safe; also implemented for `&G` and, with the feature `alloc`, for `Box<G>` and `Arc<G>`.
pub trait IdGenerator {
    /// Makes a trace-id for a trace that starts here.
    fn new_trace_id(&self) -> TraceId;

    /// Makes a span-id.
    fn new_span_id(&self) -> SpanId;

    /// Whether the right-most 7 bytes of every new trace-id are uniformly random, which is what the
    /// [random flag](crate::TraceFlags::RANDOM) tells everybody downstream.
    ///
    /// [W3C: random trace-id flag](https://www.w3.org/TR/trace-context-2/#random-trace-id-flag)
    fn is_random(&self) -> bool {
        false
    }
}

/// Passes a generator's questions on to what a pointer points to.
macro_rules! generator_behind {
    ($($(#[$attribute:meta])* $Pointer:ty),*) => {$(
        $(#[$attribute])*
        impl<G: IdGenerator + ?Sized> IdGenerator for $Pointer {
            fn new_trace_id(&self) -> TraceId {
                (**self).new_trace_id()
            }

            fn new_span_id(&self) -> SpanId {
                (**self).new_span_id()
            }

            fn is_random(&self) -> bool {
                (**self).is_random()
            }
        }
    )*};
}

generator_behind! {
    &G,
    #[cfg(feature = "alloc")] alloc::boxed::Box<G>,
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))] alloc::sync::Arc<G>
}

/// How often a source of numbers may answer zero before [`nonzero`] stops asking it.
const TRIES: usize = 16;

/// Draws until the number is not zero, so that every other number stays equally likely. A source
/// that says nothing but zero is broken; it gets 1, not an endless loop.
fn nonzero(mut draw: impl FnMut() -> u64) -> NonZeroU64 {
    (0..TRIES).find_map(|_| NonZeroU64::new(draw())).unwrap_or(NonZeroU64::MIN)
}

fn span_id(draw: impl FnMut() -> u64) -> SpanId {
    SpanId(nonzero(draw))
}

fn trace_id(mut draw: impl FnMut() -> u64) -> TraceId {
    let id = (0..TRIES).find_map(|_| TraceId::from_u128(u128::from(draw()) << 64 | u128::from(draw())));
    id.unwrap_or(TraceId(core::num::NonZeroU128::MIN))
}

/// Makes ids of the 64-bit numbers a closure returns: the generator for targets without `std`.
///
/// A trace-id takes two numbers, the first on the left; a span-id takes one. Zeroes are drawn again.
///
/// ```
/// use std::cell::Cell;
/// use traceparent::{IdGenerator, IdsFrom};
///
/// let counter = Cell::new(0);
/// let ids = IdsFrom::new(|| { counter.set(counter.get() + 1); counter.get() });
/// assert_eq!(ids.new_trace_id().to_string(), "00000000000000010000000000000002");
/// assert_eq!(ids.new_span_id().to_string(), "0000000000000003");
/// assert!(!ids.is_random());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct IdsFrom<F> {
    draw: F,
    random: bool,
}

impl<F: Fn() -> u64> IdsFrom<F> {
    /// Takes any source of numbers; the random flag will not be set.
    pub const fn new(draw: F) -> Self {
        Self { draw, random: false }
    }

    /// Takes a source whose every bit is uniformly random, such as a hardware generator; the random
    /// flag will be set.
    pub const fn random(draw: F) -> Self {
        Self { draw, random: true }
    }
}

impl<F: Fn() -> u64> IdGenerator for IdsFrom<F> {
    fn new_trace_id(&self) -> TraceId {
        trace_id(&self.draw)
    }

    fn new_span_id(&self) -> SpanId {
        span_id(&self.draw)
    }

    fn is_random(&self) -> bool {
        self.random
    }
}

/// Makes trace-ids that AWS X-Ray takes without translation: the first 4 bytes are the time in seconds
/// since 1970, the other 12 are those of another generator, which makes the span-ids too.
///
/// The right-most 7 bytes stay what they were, so the random flag is as true as the other generator's.
///
/// [AWS X-Ray: trace IDs](https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids)
///
/// ```
/// use traceparent::{IdGenerator, RandomIdGenerator, XRayIds};
///
/// let ids = XRayIds::with_clock(RandomIdGenerator, || 0x5759_e988);
/// assert!(ids.new_trace_id().to_string().starts_with("5759e988"));
/// assert!(ids.is_random());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct XRayIds<G, C> {
    ids: G,
    clock: C,
}

impl<G: IdGenerator, C: Fn() -> u32> XRayIds<G, C> {
    /// Takes the other bytes from this generator, and the seconds since 1970 from this clock.
    pub const fn with_clock(ids: G, clock: C) -> Self {
        Self { ids, clock }
    }
}

#[cfg(feature = "std")]
impl<G: IdGenerator> XRayIds<G, fn() -> u32> {
    /// Takes the other bytes from this generator, and the time from the system's clock.
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

#[cfg(feature = "std")]
pub use self::thread::RandomIdGenerator;

#[cfg(feature = "std")]
mod thread {
    use core::{
        cell::Cell,
        num::{NonZeroU64, NonZeroU128},
    };
    use std::{
        hash::{BuildHasher, RandomState},
        thread_local,
        time::SystemTime,
    };

    use super::{IdGenerator, SpanId, TRIES, TraceId};

    /// Makes random ids: uniform over their whole width, never zero, without a lock or a system call.
    ///
    /// Each thread draws from generators of its own: wyrand, one for each 64 bits, seeded once from the operating
    /// system's randomness, so ids differ between threads, processes and machines.
    ///
    /// Ids are not secrets: somebody who sees enough of them can compute the next. Never use one as
    /// a token. A process that forks without `exec` calls [`reseed`](Self::reseed) in the child,
    /// otherwise both halves go on with the same ids.
    ///
    /// [W3C: trace-id generation](https://www.w3.org/TR/trace-context-2/#considerations-for-trace-id-field-generation)
    ///
    /// ```
    /// use traceparent::{IdGenerator, RandomIdGenerator};
    ///
    /// assert_ne!(RandomIdGenerator.new_trace_id(), RandomIdGenerator.new_trace_id());
    /// assert!(RandomIdGenerator.is_random());
    /// ```
    #[derive(Clone, Copy, Debug, Default)]
    #[expect(clippy::exhaustive_structs, reason = "without settings, and written as a value")]
    pub struct RandomIdGenerator;

    impl RandomIdGenerator {
        /// Seeds the current thread's generator anew.
        pub fn reseed() {
            GENERATORS.with(Generators::seed);
        }
    }

    impl IdGenerator for RandomIdGenerator {
        #[inline]
        fn new_trace_id(&self) -> TraceId {
            GENERATORS.with(|generators| match generators.trace_id() {
                Some(id) => TraceId(id),
                None => TraceId(generators.seeded(Generators::trace_id).unwrap_or(NonZeroU128::MIN)),
            })
        }

        #[inline]
        fn new_span_id(&self) -> SpanId {
            GENERATORS.with(|generators| match generators.span_id() {
                Some(id) => SpanId(id),
                None => SpanId(generators.seeded(Generators::span_id).unwrap_or(NonZeroU64::MIN)),
            })
        }

        fn is_random(&self) -> bool {
            true
        }
    }

    thread_local! {
        static GENERATORS: Generators = const { Generators([const { WyRand(Cell::new(0)) }; 3]) };
    }

    /// For the two halves of a trace-id, which so has 128 bits of state behind it, and for a span-id.
    struct Generators([WyRand; 3]);

    impl Generators {
        #[inline]
        fn trace_id(&self) -> Option<NonZeroU128> {
            let [left, right, _] = &self.0;
            // That neither half alone is ever zero costs two values in 2^64, and is quicker to see to.
            let (right, left) = (right.next()?, left.next()?);
            Some(NonZeroU128::from(right) | u128::from(left.get()) << 64)
        }

        #[inline]
        fn span_id(&self) -> Option<NonZeroU64> {
            let [.., span] = &self.0;
            span.next()
        }

        /// Draws from newly seeded generators.
        #[cold]
        fn seeded<T>(&self, draw: fn(&Self) -> Option<T>) -> Option<T> {
            self.seed();
            (0..TRIES).find_map(|_| draw(self))
        }

        fn seed(&self) {
            self.0.iter().for_each(WyRand::seed);
        }
    }

    /// wyrand, of Wang Yi's wyhash, final version 4 (<https://github.com/wangyi-fudan/wyhash>). Zero is not seeded.
    struct WyRand(Cell<u64>);

    impl WyRand {
        /// Returns the next number; `None` when it is zero, or the generator not seeded.
        #[inline]
        fn next(&self) -> Option<NonZeroU64> {
            let state = self.0.get();
            if state == 0 {
                return None;
            }
            let state = state.wrapping_add(0x2d35_8dcc_aa6c_78a5);
            self.0.set(state);
            let product = u128::from(state) * u128::from(state ^ 0x8bb8_4b93_962e_acc9);
            NonZeroU64::new(product as u64 ^ (product >> 64) as u64)
        }

        fn seed(&self) {
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            self.0.set(RandomState::new().hash_one((std::process::id(), now)));
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn numbers_are_those_of_wyrand() {
            let generator = WyRand(Cell::new(42));
            assert_eq!(
                [(); 3].map(|()| generator.next().map_or(0, NonZeroU64::get)),
                [0xca71_d87c_7698_3989, 0x7e5b_a615_5208_5fc6, 0xcdf1_01e3_bab8_8b9f]
            );
        }

        #[test]
        fn all_generators_of_a_thread_are_seeded_anew() {
            let states = || GENERATORS.with(|generators| generators.0.each_ref().map(|one| one.0.get()));
            RandomIdGenerator::reseed();
            let before = states();
            RandomIdGenerator::reseed();
            assert!(states().iter().zip(before).all(|(now, before)| *now != before && before != 0));
        }

        #[test]
        fn generators_are_seeded_each_for_itself() {
            let seeds = [(); 1000].map(|()| {
                let generator = WyRand(Cell::new(0));
                generator.seed();
                generator.0.get()
            });
            let distinct: std::collections::HashSet<_> = seeds.into_iter().collect();
            assert_eq!(distinct.len(), seeds.len());
        }
    }
}
