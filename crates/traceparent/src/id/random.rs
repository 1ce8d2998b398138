use core::{
    cell::Cell,
    num::{NonZeroU64, NonZeroU128},
};
use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io::Read,
    thread_local,
    time::SystemTime,
};

use super::{SpanId, TRIES, TraceId, generate::IdGenerator};

/// A generator of random IDs: uniform over their whole width, never zero, without a lock or a system call.
///
/// Each thread draws from generators of its own: wyrand, one for each 64 bits, seeded once from the operating
/// system's randomness, so IDs differ between threads, processes and machines.
///
/// IDs are not secrets: the next can be computed from enough of them. Never use one as a token.
///
/// # Copies of a process
///
/// The state of the generators is memory, and a copy of the memory continues with the same IDs. This concerns a
/// process that forks without `exec`, a virtual machine or a process that is restored twice from one snapshot, and
/// a WebAssembly module that is initialized before it is deployed. There are two remedies:
///
/// - After a fork or a restore, call [`reseed`](Self::reseed) on each thread that generates IDs.
/// - If the program does not learn of a restore, use [`IdsFrom`](crate::IdsFrom) over a source that asks the system
///   each time. That is a system call for each 64 bits:
///
/// ```
/// use std::{fs::File, io::Read};
/// use traceparent::{IdGenerator, IdsFrom};
///
/// # #[cfg(unix)] {
/// let system = File::open("/dev/urandom")?;
/// let ids = IdsFrom::random(move || {
///     let mut number = [0; 8];
///     (&system).read_exact(&mut number).expect("the system has random numbers");
///     u64::from_be_bytes(number)
/// });
/// assert_ne!(ids.new_trace_id(), ids.new_trace_id());
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # WebAssembly
///
/// `wasm32-wasip1` and its successors have a source of randomness, and this generator works there.
/// `wasm32-unknown-unknown` has none, and this type does not exist there, even with the feature `std`: hand the
/// host's randomness to [`IdsFrom`](crate::IdsFrom).
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
    /// Seeds the current thread's generators anew.
    ///
    /// The seeds come from the time, the process's number, the randomness that the standard library keeps for the
    /// thread, and on Unix from `/dev/urandom`. All but the last may be equal in two copies of a virtual machine.
    pub fn reseed() {
        GENERATORS.with(|generators| generators.seed(system_random()));
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

/// One generator for each half of a trace-id, which so has 128 bits of state behind it, and one for span-ids.
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

    /// Seeds the generators, and draws from them.
    #[cold]
    fn seeded<T>(&self, draw: fn(&Self) -> Option<T>) -> Option<T> {
        self.seed([0; 16]);
        (0..TRIES).find_map(|_| draw(self))
    }

    fn seed(&self, fresh: [u8; 16]) {
        self.0.iter().for_each(|generator| generator.seed(fresh));
    }
}

/// wyrand, of Wang Yi's wyhash, final version 4 (<https://github.com/wangyi-fudan/wyhash>). Zero is not seeded.
struct WyRand(Cell<u64>);

impl WyRand {
    /// Returns the next number, or `None` if it is zero or the generator is not seeded.
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

    fn seed(&self, fresh: [u8; 16]) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        self.0.set(RandomState::new().hash_one((process(), now, fresh)));
    }
}

/// Returns the process's number. WebAssembly has no processes, and asking for the number panics there.
fn process() -> u32 {
    if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
}

/// Returns random bytes that the system has not given out before, or zeroes if it has no file of them.
fn system_random() -> [u8; 16] {
    let mut bytes = [0; 16];
    let file = if cfg!(unix) { File::open("/dev/urandom").ok() } else { None };
    if let Some(mut file) = file {
        // What cannot be read is missing in the seed, which has other parts.
        let _ = file.read_exact(&mut bytes);
    }
    bytes
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
    #[cfg(unix)]
    fn fresh_bytes_come_from_the_system() {
        assert_ne!(system_random(), system_random());
    }

    #[test]
    fn generators_are_seeded_each_for_itself() {
        let seeds = [(); 1000].map(|()| {
            let generator = WyRand(Cell::new(0));
            generator.seed([0; 16]);
            generator.0.get()
        });
        let distinct: std::collections::HashSet<_> = seeds.into_iter().collect();
        assert_eq!(distinct.len(), seeds.len());
    }
}
