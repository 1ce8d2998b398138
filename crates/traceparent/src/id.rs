use core::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
    str::FromStr,
};

use crate::{
    error::{ErrorKind, Field, ParseError},
    hex,
    threshold::Randomness,
};

pub(crate) mod generate;

/// Identifies a trace: 16 bytes, never all zero, so `Option<TraceId>` is 16 bytes too.
///
/// [W3C: trace-id](https://www.w3.org/TR/trace-context-2/#trace-id)
///
/// ```
/// use traceparent::TraceId;
///
/// const ID: TraceId = TraceId::from_static("4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(ID.to_bytes()[0], 0x4b);
/// assert_eq!(TraceId::parse(b"4bf92f3577b34da6a3ce929d0e0e4736"), Ok(ID));
/// assert_eq!(ID.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(TraceId::from_bytes([0; 16]), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(NonZeroU128);

/// Identifies a span: 8 bytes, never all zero, so `Option<SpanId>` is 8 bytes too.
///
/// The parent-id of a `traceparent` is the span-id of the caller's span: one value seen from two ends.
///
/// [W3C: parent-id](https://www.w3.org/TR/trace-context-2/#parent-id)
///
/// ```
/// use traceparent::SpanId;
///
/// const ID: SpanId = SpanId::from_static("00f067aa0ba902b7");
/// assert_eq!(SpanId::parse(b"00f067aa0ba902b7"), Ok(ID));
/// assert_eq!(ID.to_string(), "00f067aa0ba902b7");
/// assert_eq!(SpanId::from_bytes([0; 8]), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

/// What both ids can do; they differ in width and name.
macro_rules! id {
    ($Id:ident, $Int:ident, $NonZero:ident, $from_int:ident, $to_int:ident, $field:expr, $bytes:literal, $digits:literal) => {
        impl $Id {
            #[doc = concat!("The length of the text form: ", $digits, " lower-case hex digits.")]
            pub const LENGTH: usize = $digits;

            #[doc = concat!("Makes an id of its ", $bytes, " bytes, most significant first; `None` when all are zero.")]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                Self::$from_int($Int::from_be_bytes(bytes))
            }

            #[doc = concat!("Returns the ", $bytes, " bytes, most significant first.")]
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.$to_int().to_be_bytes()
            }

            /// Makes an id of its number; `None` when it is zero.
            pub const fn $from_int(number: $Int) -> Option<Self> {
                match $NonZero::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// Returns the id as a number, never zero.
            pub const fn $to_int(self) -> $Int {
                self.0.get()
            }

            #[doc = concat!("Parses exactly ", $digits, " lower-case hex digits.")]
            ///
            /// # Errors
            ///
            /// A wrong length, an upper-case digit, any other byte that is no hex digit, and an id
            /// of zeroes only; the offset is that of the first byte that decided.
            pub const fn parse(value: &[u8]) -> Result<Self, ParseError> {
                let bytes = match hex::exactly::<$digits, $bytes>(value, $field) {
                    Ok(bytes) => bytes,
                    Err(error) => return Err(error),
                };
                match Self::from_bytes(bytes) {
                    Some(id) => Ok(id),
                    None => Err(ParseError::new(ErrorKind::AllZero, $field, 0)),
                }
            }

            /// Parses a literal, at compile time where the result is a `const`.
            ///
            /// # Panics
            ///
            /// When the literal does not parse; in a `const`, that is a compile error.
            #[track_caller]
            pub const fn from_static(literal: &'static str) -> Self {
                match Self::parse(literal.as_bytes()) {
                    Ok(id) => id,
                    Err(_) => panic!("not a valid id"),
                }
            }

            #[doc = concat!("Returns the ", $digits, " lower-case hex digits.")]
            pub const fn encode(self) -> [u8; $digits] {
                hex::encode(&self.to_bytes())
            }
        }

        impl fmt::Display for $Id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(core::str::from_utf8(&self.encode()).unwrap_or_default())
            }
        }

        impl fmt::Debug for $Id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($Id), "({})"), self)
            }
        }

        impl FromStr for $Id {
            type Err = ParseError;

            fn from_str(value: &str) -> Result<Self, ParseError> {
                Self::parse(value.as_bytes())
            }
        }

        impl TryFrom<&[u8]> for $Id {
            type Error = ParseError;

            fn try_from(value: &[u8]) -> Result<Self, ParseError> {
                Self::parse(value)
            }
        }
    };
}

id!(TraceId, u128, NonZeroU128, from_u128, to_u128, Field::TraceId, 16, 32);
id!(SpanId, u64, NonZeroU64, from_u64, to_u64, Field::SpanId, 8, 16);

impl TraceId {
    /// Returns the right-most 7 bytes as the randomness that consistent sampling compares.
    ///
    /// Uniform only if the id was generated so, which the [random flag](crate::TraceFlags::RANDOM) states.
    pub const fn randomness(self) -> Randomness {
        Randomness::from_low_bits(self.to_u128() as u64)
    }
}
