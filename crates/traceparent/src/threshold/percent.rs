use core::fmt;

use super::Threshold;
use crate::{
    error::{ErrorKind, Field, ParseError},
    text,
};

/// A percentage as proxies write it, `random_sampling: 12.5`: 0 to 100 with up to six decimals, exact.
///
/// ```
/// use traceparent::{Percent, Threshold};
///
/// const EIGHTH: Percent = Percent::from_static("12.5");
/// assert_eq!(EIGHTH.threshold(), Threshold::from_ratio(1, 8));
/// assert_eq!("12.50".parse(), Ok(EIGHTH));
/// assert_eq!(Percent::ZERO.threshold(), None);
/// assert!("100.1".parse::<Percent>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent {
    /// Millionths of a percent.
    millionths: u32,
}

/// One percent, in millionths of a percent.
const ONE: u32 = 1_000_000;
const DECIMALS: u32 = 6;

impl Percent {
    /// 0 %: never.
    pub const ZERO: Self = Self { millionths: 0 };
    /// 100 %: always.
    pub const HUNDRED: Self = Self { millionths: 100 * ONE };

    /// Creates a whole percentage, or returns `None` over 100.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent > 100 { None } else { Some(Self { millionths: percent as u32 * ONE }) }
    }

    /// Parses a decimal number such as `0`, `12.5` or `99.999999`: digits, and after a point one to six
    /// digits more.
    ///
    /// # Errors
    ///
    /// Returns an error for an empty value, a sign, an exponent, a seventh decimal, and a number over 100.
    pub const fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut millionths = 0u32;
        let mut unit = ONE;
        let mut point = false;
        let mut digits = 0;
        let mut i = 0;
        while i < value.len() {
            match value[i] {
                digit @ b'0'..=b'9' => {
                    let digit = (digit - b'0') as u32;
                    if point {
                        if unit == 1 {
                            return Err(ParseError::new(ErrorKind::TooLong, Field::Percent, i));
                        }
                        unit /= 10;
                        millionths += digit * unit;
                    } else {
                        millionths = millionths * 10 + digit * ONE;
                    }
                    if millionths > Self::HUNDRED.millionths {
                        return Err(ParseError::new(ErrorKind::OutOfRange, Field::Percent, i));
                    }
                    digits += 1;
                }
                b'.' if !point && digits > 0 => {
                    point = true;
                    digits = 0;
                }
                _ => return Err(ParseError::new(ErrorKind::InvalidByte, Field::Percent, i)),
            }
            i += 1;
        }
        if digits == 0 {
            return Err(ParseError::new(ErrorKind::TooShort, Field::Percent, i));
        }
        Ok(Self { millionths })
    }

    /// Creates a percentage from a literal, at compile time if the result is a `const`.
    ///
    /// # Panics
    ///
    /// Panics if the literal does not parse. In a `const`, that is a compile error.
    #[track_caller]
    pub const fn from_static(literal: &'static str) -> Self {
        match Self::parse(literal.as_bytes()) {
            Ok(percentage) => percentage,
            #[expect(clippy::panic, reason = "a literal is the programmer's own")]
            Err(_) => panic!("not a valid percentage"),
        }
    }

    /// Returns the threshold that keeps this share of traces, rounded to the default precision, or `None`
    /// for 0 %.
    pub const fn threshold(self) -> Option<Threshold> {
        Threshold::from_ratio(self.millionths as u64, Self::HUNDRED.millionths as u64)
    }
}

impl Threshold {
    /// Creates the threshold that keeps a percentage of traces, or returns `None` for 0 %, which has none.
    pub const fn from_percent(percent: Percent) -> Option<Self> {
        percent.threshold()
    }
}

impl fmt::Display for Percent {
    /// Writes the number without trailing zeroes and without a sign: `12.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut fraction) = (self.millionths / ONE, self.millionths % ONE);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let mut decimals = DECIMALS as usize;
        while fraction % 10 == 0 {
            fraction /= 10;
            decimals -= 1;
        }
        write!(f, "{whole}.{fraction:0decimals$}")
    }
}

impl fmt::Debug for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Percent({self})")
    }
}

text::from_text!(Percent);
