use core::{fmt, ops};

use crate::{
    error::{Field, ParseError},
    hex, text,
};

/// The trace-flags: `sampled` and `random`.
///
/// The six other bits of the byte are reserved. They are ignored when read and zero when written, so
/// this type does not hold them and two values are equal exactly when both flags are. There is no
/// `From<u8>`, because [`from_bits`](Self::from_bits) drops these bits.
///
/// [W3C: trace-flags](https://www.w3.org/TR/trace-context-2/#trace-flags)
///
/// ```
/// use traceparent::TraceFlags;
///
/// let flags = TraceFlags::from_bits(0x01);
/// assert!(flags.is_sampled() && !flags.is_random());
/// assert_eq!(TraceFlags::SAMPLED | TraceFlags::RANDOM, TraceFlags::from_bits(0xff));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// No flag set.
    pub const NONE: Self = Self(0);
    /// Bit 0: the caller may have recorded the request.
    ///
    /// [W3C: sampled flag](https://www.w3.org/TR/trace-context-2/#sampled-flag)
    pub const SAMPLED: Self = Self(0x01);
    /// Bit 1: at least the right-most 7 bytes of the trace-id are uniformly random.
    ///
    /// [W3C: random trace-id flag](https://www.w3.org/TR/trace-context-2/#random-trace-id-flag)
    pub const RANDOM: Self = Self(0x02);

    /// Creates flags from the bits of a byte, ignoring the reserved ones.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & (Self::SAMPLED.0 | Self::RANDOM.0))
    }

    /// Returns the byte to write: `sampled` in bit 0, `random` in bit 1, all others zero.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Parses two lower-case hex digits; reserved bits are ignored.
    ///
    /// # Errors
    ///
    /// `1` is too short, `001` too long, `0A` has an upper-case digit, `0x` an invalid byte.
    pub const fn parse(value: &[u8]) -> Result<Self, ParseError> {
        match hex::exactly::<2, 1>(value, Field::TraceFlags) {
            Ok([bits]) => Ok(Self::from_bits(bits)),
            Err(error) => Err(error),
        }
    }

    /// Returns the two lower-case hex digits.
    pub const fn encode(self) -> [u8; 2] {
        hex::encode(&[self.0])
    }

    /// Returns `true` if `sampled` is set.
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Returns `true` if `random` is set.
    pub const fn is_random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }

    /// Sets or clears `sampled`.
    #[must_use]
    pub const fn with_sampled(self, sampled: bool) -> Self {
        Self(self.0 & !Self::SAMPLED.0 | sampled as u8)
    }

    /// Sets or clears `random`.
    #[must_use]
    pub const fn with_random(self, random: bool) -> Self {
        Self(self.0 & !Self::RANDOM.0 | (random as u8) << 1)
    }
}

impl ops::BitOr for TraceFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

text::display!(TraceFlags);
text::hex!(TraceFlags);
text::from_text!(TraceFlags);

impl From<TraceFlags> for u8 {
    fn from(flags: TraceFlags) -> Self {
        flags.bits()
    }
}

impl fmt::Debug for TraceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_sampled(), self.is_random()) {
            (false, false) => "TraceFlags(NONE)",
            (true, false) => "TraceFlags(SAMPLED)",
            (false, true) => "TraceFlags(RANDOM)",
            (true, true) => "TraceFlags(SAMPLED | RANDOM)",
        })
    }
}
