use core::{
    fmt,
    num::{NonZeroU64, NonZeroU128},
};

use crate::{
    error::{ErrorKind, Field, ParseError},
    hex, text,
    threshold::Randomness,
};

pub(crate) mod generate;
#[cfg(all(feature = "std", not(all(target_family = "wasm", target_os = "unknown"))))]
pub(crate) mod random;
pub(crate) mod source;
pub(crate) mod xray;

/// How often a generator draws again when it draws zero.
const TRIES: usize = 16;

/// The ID of a trace: 16 bytes, never all zero, so `Option<TraceId>` is 16 bytes too.
///
/// As text, an ID always has all of its 32 digits. The formats `{:x}` and `{:X}` take a prefix, a width and
/// zero padding as integers do. `TraceId::try_from(bytes)` takes the 16 bytes themselves, and
/// [`TraceId::parse`] the bytes of the text.
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
/// assert_eq!(format!("{ID:#X}"), "0x4BF92F3577B34DA6A3CE929D0E0E4736");
/// assert_eq!(TraceId::try_from(u128::from(ID)), Ok(ID));
/// assert_eq!(TraceId::from_bytes([0; 16]), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(NonZeroU128);

/// The ID of a span: 8 bytes, never all zero, so `Option<SpanId>` is 8 bytes too.
///
/// The parent-id of a `traceparent` is the span-id of the caller's span: one value seen from two ends.
///
/// As text, an ID always has all of its 16 digits. The formats `{:x}` and `{:X}` take a prefix, a width and
/// zero padding as integers do. `SpanId::try_from(bytes)` takes the 8 bytes themselves, and
/// [`SpanId::parse`] the bytes of the text.
///
/// [W3C: parent-id](https://www.w3.org/TR/trace-context-2/#parent-id)
///
/// ```
/// use traceparent::SpanId;
///
/// const ID: SpanId = SpanId::from_static("00f067aa0ba902b7");
/// assert_eq!(SpanId::parse(b"00f067aa0ba902b7"), Ok(ID));
/// assert_eq!(ID.to_string(), "00f067aa0ba902b7");
/// assert_eq!(format!("{ID:#x}"), "0x00f067aa0ba902b7");
/// assert_eq!(SpanId::try_from(u64::from(ID)), Ok(ID));
/// assert_eq!(SpanId::from_bytes([0; 8]), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

/// Implements what both IDs can do; they differ in width and name.
macro_rules! id {
    ($Id:ident, $Int:ident, $NonZero:ident, $from_int:ident, $to_int:ident, $field:expr, $bytes:literal, $digits:literal) => {
        impl $Id {
            #[doc = concat!("The length of the text form: ", $digits, " lower-case hex digits.")]
            pub const LENGTH: usize = $digits;

            #[doc = concat!("Creates an ID from ", $bytes, " big-endian bytes, or returns `None` if they are all zero.")]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                Self::$from_int($Int::from_be_bytes(bytes))
            }

            #[doc = concat!("Returns the ", $bytes, " bytes, in big-endian order.")]
            pub const fn to_bytes(self) -> [u8; $bytes] {
                self.$to_int().to_be_bytes()
            }

            /// Creates an ID from its number, or returns `None` if it is zero.
            pub const fn $from_int(number: $Int) -> Option<Self> {
                match $NonZero::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }

            /// Returns the ID as a number, which is never zero.
            pub const fn $to_int(self) -> $Int {
                self.0.get()
            }

            #[doc = concat!("Parses exactly ", $digits, " lower-case hex digits.")]
            ///
            /// # Errors
            ///
            /// Returns an error for a wrong length, an upper-case digit, any other byte that is no hex
            /// digit, and an ID of zeroes only. The offset is that of the first byte that decides.
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

            /// Creates an ID from a literal, at compile time if the result is a `const`.
            ///
            /// # Panics
            ///
            /// Panics if the literal does not parse. In a `const`, that is a compile error.
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

        text::display!($Id);
        text::hex!($Id);
        text::from_text!($Id);

        impl fmt::Debug for $Id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($Id), "({})"), self)
            }
        }

        impl From<$NonZero> for $Id {
            fn from(number: $NonZero) -> Self {
                Self(number)
            }
        }

        impl From<$Id> for $NonZero {
            fn from(id: $Id) -> Self {
                id.0
            }
        }

        impl From<$Id> for $Int {
            fn from(id: $Id) -> Self {
                id.$to_int()
            }
        }

        impl From<$Id> for [u8; $bytes] {
            /// Returns the bytes, in big-endian order.
            fn from(id: $Id) -> Self {
                id.to_bytes()
            }
        }

        impl TryFrom<$Int> for $Id {
            type Error = ParseError;

            fn try_from(number: $Int) -> Result<Self, ParseError> {
                Self::$from_int(number).ok_or(ParseError::new(ErrorKind::AllZero, $field, 0))
            }
        }

        impl TryFrom<[u8; $bytes]> for $Id {
            type Error = ParseError;

            /// Creates an ID from big-endian bytes, not from text.
            fn try_from(bytes: [u8; $bytes]) -> Result<Self, ParseError> {
                Self::from_bytes(bytes).ok_or(ParseError::new(ErrorKind::AllZero, $field, 0))
            }
        }
    };
}

id!(TraceId, u128, NonZeroU128, from_u128, to_u128, Field::TraceId, 16, 32);
id!(SpanId, u64, NonZeroU64, from_u64, to_u64, Field::SpanId, 8, 16);

impl TraceId {
    /// Returns the right-most 7 bytes as the randomness that consistent sampling compares.
    ///
    /// It is uniform only if the ID was generated so, which the [random flag](crate::TraceFlags::RANDOM) states.
    pub const fn randomness(self) -> Randomness {
        Randomness::from_low_bits(self.to_u128() as u64)
    }
}
