use core::{
    cell::RefCell,
    num::{NonZeroU64, NonZeroU128},
};

use super::{SpanId, TRIES, TraceId, generate::IdGenerator};

/// A source of 64-bit numbers for [`IdsFrom`].
///
/// It is implemented for closures: for those that can be called through a shared reference (`Fn() -> u64`), and
/// in a `RefCell` or, with the feature `std`, in a `Mutex` for those that change what they capture
/// (`FnMut() -> u64`). [`U32Pairs`] is one for closures that return 32-bit numbers.
pub trait NumberSource {
    /// Returns the next number. Zero means that there is none: the generator asks again.
    fn next_u64(&self) -> u64;
}

impl<F: Fn() -> u64> NumberSource for F {
    fn next_u64(&self) -> u64 {
        self()
    }
}

impl<F: FnMut() -> u64> NumberSource for RefCell<F> {
    /// Returns the closure's next number, or zero if it is being called.
    fn next_u64(&self) -> u64 {
        self.try_borrow_mut().map_or(0, |mut draw| draw())
    }
}

#[cfg(feature = "std")]
impl<F: FnMut() -> u64> NumberSource for std::sync::Mutex<F> {
    /// Returns the closure's next number, also after a panic in another thread that called it.
    fn next_u64(&self) -> u64 {
        (self.lock().unwrap_or_else(std::sync::PoisonError::into_inner))()
    }
}

/// A source that joins two 32-bit numbers, as many hardware generators return them, to one 64-bit number. The
/// first is on the left.
///
/// ```
/// use traceparent::{IdGenerator, IdsFrom, U32Pairs};
///
/// fn data_register() -> u32 {
///     // The data register of the chip's random number generator.
/// #   0x5759_e988
/// }
///
/// let ids = IdsFrom::random(U32Pairs(data_register));
/// assert_eq!(ids.new_span_id().to_string(), "5759e9885759e988");
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "wraps one closure, and nothing more")]
pub struct U32Pairs<F>(
    /// The closure that returns 32-bit numbers.
    pub F,
);

impl<F: Fn() -> u32> NumberSource for U32Pairs<F> {
    fn next_u64(&self) -> u64 {
        let left = (self.0)();
        u64::from(left) << 32 | u64::from((self.0)())
    }
}

/// A generator of IDs from the 64-bit numbers of a [source](NumberSource), such as a closure: the generator for
/// targets without `std`.
///
/// A trace-id takes two numbers, the first on the left, and a span-id takes one. An ID of zeroes is drawn again.
/// A source that returns zero sixteen times in a row is broken, and the ID is 1.
///
/// ```
/// use std::cell::RefCell;
/// use traceparent::{IdGenerator, IdsFrom};
///
/// let mut counter = 0;
/// let ids = IdsFrom::new(RefCell::new(|| { counter += 1; counter }));
/// assert_eq!(ids.new_trace_id().to_string(), "00000000000000010000000000000002");
/// assert_eq!(ids.new_span_id().to_string(), "0000000000000003");
/// assert!(!ids.is_random());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct IdsFrom<S> {
    source: S,
    random: bool,
}

impl<S: NumberSource> IdsFrom<S> {
    /// Creates a generator from any source of numbers. The random flag will not be set.
    pub const fn new(source: S) -> Self {
        Self { source, random: false }
    }

    /// Creates a generator from a source whose every bit is uniformly random, such as a hardware generator. The
    /// random flag will be set.
    pub const fn random(source: S) -> Self {
        Self { source, random: true }
    }
}

impl<S: NumberSource> IdGenerator for IdsFrom<S> {
    fn new_trace_id(&self) -> TraceId {
        let draw = || u128::from(self.source.next_u64());
        TraceId((0..TRIES).find_map(|_| NonZeroU128::new(draw() << 64 | draw())).unwrap_or(NonZeroU128::MIN))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId((0..TRIES).find_map(|_| NonZeroU64::new(self.source.next_u64())).unwrap_or(NonZeroU64::MIN))
    }

    fn is_random(&self) -> bool {
        self.random
    }
}
