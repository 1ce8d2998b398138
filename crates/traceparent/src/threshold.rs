use core::fmt;

use crate::{
    error::{ErrorKind, Field, ParseError},
    hex, text,
};

pub(crate) mod percent;

/// Thresholds and randomness values are numbers below 2^56.
const BITS: u32 = 56;
const LIMIT: u64 = 1 << BITS;
/// 14 hex digits make 56 bits.
const DIGITS: usize = 14;

/// The rejection threshold `T` of consistent probability sampling, the `th` sub-key of the
/// `tracestate` member `ot`.
///
/// A span is kept when its [`Randomness`] is at least the threshold, so `T` of the 2^56 possible
/// values are rejected: the sampling probability is `(2^56 - T) / 2^56`, from 2^-56 to 1. A probability of
/// 0 has no threshold.
///
/// [OpenTelemetry: TraceState probability sampling](https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/)
/// (status: Development)
///
/// ```
/// use traceparent::{Randomness, Threshold};
///
/// const TENTH: Threshold = Threshold::from_ratio(1, 10).unwrap();
/// assert_eq!(TENTH.to_string(), "e666");
/// assert_eq!(Threshold::parse(b"e666"), Ok(TENTH));
/// assert!(TENTH.keeps(Randomness::parse(b"f0000000000000")?));
/// assert!(!TENTH.keeps(Randomness::parse(b"80000000000000")?));
/// # Ok::<(), traceparent::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Threshold(u64);

impl Threshold {
    /// Rejects nothing: probability 1, `th:0`.
    pub const ALWAYS: Self = Self(0);

    /// The significant digits, after any leading `f`s, that the constructors from ratios keep.
    pub const DEFAULT_PRECISION: u32 = 4;

    /// Creates a threshold from its 56-bit number, or returns `None` from 2^56 up.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits < LIMIT { Some(Self(bits)) } else { None }
    }

    /// Returns the number of rejected randomness values, 0 to 2^56 - 1.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Creates the threshold of the probability `numerator / denominator`, in integer arithmetic,
    /// [rounded](Self::rounded) to the default precision of four significant digits.
    ///
    /// Returns `None` unless the ratio is at least 2^-56 and at most 1.
    pub const fn from_ratio(numerator: u64, denominator: u64) -> Option<Self> {
        match Self::from_ratio_exact(numerator, denominator) {
            Some(threshold) => Some(threshold.rounded(Self::DEFAULT_PRECISION)),
            None => None,
        }
    }

    /// Creates the threshold of the probability `numerator / denominator` to the last of its 56 bits,
    /// which takes up to 14 digits in every header.
    ///
    /// Returns `None` unless the ratio is at least 2^-56 and at most 1.
    pub const fn from_ratio_exact(numerator: u64, denominator: u64) -> Option<Self> {
        if denominator == 0 || numerator > denominator {
            return None;
        }
        let denominator = denominator as u128;
        if ((numerator as u128) << BITS) < denominator {
            return None;
        }
        // Half up: floor(n * 2^56 / d + 1/2).
        let kept = ((numerator as u128) << (BITS + 1)).saturating_add(denominator) / (2 * denominator);
        if kept == 0 { None } else { Self::from_bits(LIMIT - kept as u64) }
    }

    /// Creates the threshold of a probability, [rounded](Self::rounded) to the default precision of
    /// four significant digits. Prefer [`from_ratio`](Self::from_ratio): `0.1` is no binary fraction.
    ///
    /// Returns `None` unless the probability is a number from 2^-56 to 1.
    pub const fn from_probability(probability: f64) -> Option<Self> {
        if !(probability > 0.0 && probability <= 1.0) {
            return None;
        }
        // A power of two scales without loss; the fraction that is left is rounded half up.
        let scaled = probability * LIMIT as f64;
        if scaled < 1.0 {
            return None;
        }
        let whole = scaled as u64;
        let kept = whole + (scaled - whole as f64 >= 0.5) as u64;
        match LIMIT.checked_sub(kept) {
            Some(bits) if kept > 0 => Some(Self(bits).rounded(Self::DEFAULT_PRECISION)),
            _ => None,
        }
    }

    /// Rounds half up to a number of significant hex digits, counted after the leading `f`s; 0 counts as 1,
    /// and 14 or more change nothing.
    #[must_use]
    pub const fn rounded(self, digits: u32) -> Self {
        let digits = if digits == 0 { 1 } else { digits };
        let leading_fs = (!(self.0 << (64 - BITS))).leading_zeros() / 4;
        let kept = leading_fs.saturating_add(digits);
        if kept >= DIGITS as u32 {
            return self;
        }
        // The first digit kept is no `f`, so the carry ends there at the latest.
        let dropped = 4 * (DIGITS as u32 - kept);
        Self((self.0 + (1 << (dropped - 1))) >> dropped << dropped)
    }

    /// Parses 1 to 14 lower-case hex digits; missing ones on the right are zeroes.
    ///
    /// # Errors
    ///
    /// Returns an error for no digit, a fifteenth one, an upper-case one, and any other byte.
    pub const fn parse(value: &[u8]) -> Result<Self, ParseError> {
        if value.is_empty() {
            return Err(ParseError::new(ErrorKind::Empty, Field::Threshold, 0));
        }
        match parse_digits(value, Field::Threshold) {
            Ok(bits) => Ok(Self(bits << (4 * (DIGITS - value.len())))),
            Err(error) => Err(error),
        }
    }

    /// Creates a threshold from a literal, at compile time if the result is a `const`.
    ///
    /// # Panics
    ///
    /// Panics if the literal does not parse. In a `const`, that is a compile error.
    #[track_caller]
    pub const fn from_static(literal: &'static str) -> Self {
        match Self::parse(literal.as_bytes()) {
            Ok(threshold) => threshold,
            #[expect(clippy::panic, reason = "a literal is the programmer's own")]
            Err(_) => panic!("not a valid threshold"),
        }
    }

    /// Returns `true` if a span with this randomness is kept: `R >= T`.
    pub const fn keeps(self, randomness: Randomness) -> bool {
        randomness.0 >= self.0
    }

    /// Returns the sampling probability, 2^-56 to 1.
    pub const fn probability(self) -> f64 {
        (LIMIT - self.0) as f64 / LIMIT as f64
    }

    /// Returns how many spans each kept one stands for, 1 to 2^56.
    pub const fn adjusted_count(self) -> f64 {
        LIMIT as f64 / (LIMIT - self.0) as f64
    }

    /// Writes the digits without trailing zeroes into the buffer and returns them.
    pub(crate) fn encode(self, buffer: &mut [u8; DIGITS]) -> &str {
        *buffer = digits(self.0);
        let length = DIGITS - (self.0.trailing_zeros() / 4).min(DIGITS as u32 - 1) as usize;
        buffer.get(..length).and_then(|digits| core::str::from_utf8(digits).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Threshold {
    /// Writes the `th` sub-value: lower-case hex digits without trailing zeroes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; DIGITS]))
    }
}

impl fmt::Debug for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Threshold({self})")
    }
}

text::from_text!(Threshold);

/// The randomness `R` of consistent probability sampling: 56 bits that all stages of a trace share.
///
/// It is the explicit `rv` sub-key of the `tracestate` member `ot` if the caller sent it, and otherwise
/// the right-most 7 bytes of the trace-id.
///
/// [OpenTelemetry: TraceState probability sampling](https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/)
/// (status: Development)
///
/// ```
/// use traceparent::{Randomness, TraceId};
///
/// const TRACE: TraceId = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(TRACE.randomness(), Randomness::from_static("ce929d0e0e4736"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Randomness(u64);

impl Randomness {
    /// Creates a randomness value from its 56-bit number, or returns `None` from 2^56 up.
    pub const fn from_bits(bits: u64) -> Option<Self> {
        if bits < LIMIT { Some(Self(bits)) } else { None }
    }

    /// Creates a randomness value from the low 56 bits of a number.
    pub const fn from_low_bits(bits: u64) -> Self {
        Self(bits & (LIMIT - 1))
    }

    /// Returns the number, 0 to 2^56 - 1.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Parses exactly 14 lower-case hex digits.
    ///
    /// # Errors
    ///
    /// Returns an error for a wrong length, an upper-case digit, and any other byte.
    pub const fn parse(value: &[u8]) -> Result<Self, ParseError> {
        if value.len() < DIGITS {
            return Err(ParseError::new(ErrorKind::TooShort, Field::Randomness, value.len()));
        }
        match parse_digits(value, Field::Randomness) {
            Ok(bits) => Ok(Self(bits)),
            Err(error) => Err(error),
        }
    }

    /// Creates a randomness value from a literal, at compile time if the result is a `const`.
    ///
    /// # Panics
    ///
    /// Panics if the literal does not parse. In a `const`, that is a compile error.
    #[track_caller]
    pub const fn from_static(literal: &'static str) -> Self {
        match Self::parse(literal.as_bytes()) {
            Ok(randomness) => randomness,
            #[expect(clippy::panic, reason = "a literal is the programmer's own")]
            Err(_) => panic!("not a valid randomness value"),
        }
    }

    /// Writes the digits into the buffer and returns them.
    pub(crate) fn encode(self, buffer: &mut [u8; DIGITS]) -> &str {
        *buffer = digits(self.0);
        core::str::from_utf8(buffer).unwrap_or_default()
    }
}

impl fmt::Display for Randomness {
    /// Writes the `rv` sub-value: 14 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; DIGITS]))
    }
}

impl fmt::Debug for Randomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Randomness({self})")
    }
}

text::from_text!(Randomness);

/// Reads at most 14 lower-case hex digits as one number.
const fn parse_digits(value: &[u8], field: Field) -> Result<u64, ParseError> {
    if value.len() > DIGITS {
        return Err(ParseError::new(ErrorKind::TooLong, field, DIGITS));
    }
    let mut bits = 0;
    let mut i = 0;
    while i < value.len() {
        let Some(nibble) = hex::nibble(value[i]) else {
            return Err(hex::fault(value, i, value.len(), field));
        };
        bits = bits << 4 | nibble as u64;
        i += 1;
    }
    Ok(bits)
}

/// Returns the 14 digits of a 56-bit number.
fn digits(bits: u64) -> [u8; DIGITS] {
    let [_, bytes @ ..] = bits.to_be_bytes();
    hex::encode(&bytes)
}
