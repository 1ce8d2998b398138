use core::fmt;

use crate::{
    error::{ErrorKind, Field, ParseError},
    hex, text,
};

/// The version of a `traceparent`, 0 to 254.
///
/// Version 255, `ff`, is forbidden and cannot be held. This crate writes version `00`, the only one
/// defined, and reads higher ones by the specification's forward rule.
///
/// [W3C: version](https://www.w3.org/TR/trace-context-2/#version)
///
/// ```
/// use traceparent::Version;
///
/// assert_eq!(Version::parse(b"cc")?.to_u8(), 0xcc);
/// assert!(Version::parse(b"ff").is_err());
/// # Ok::<(), traceparent::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Version(u8);

impl Version {
    /// Version `00`, the one this crate writes.
    pub const V00: Self = Self(0);

    /// Creates a version from its number, or returns `None` for 255, which is forbidden.
    pub const fn from_u8(number: u8) -> Option<Self> {
        if number == 0xff { None } else { Some(Self(number)) }
    }

    /// Parses two lower-case hex digits.
    ///
    /// # Errors
    ///
    /// `f` is too short, `000` too long, `0F` has an upper-case digit, `ff` is forbidden.
    pub const fn parse(value: &[u8]) -> Result<Self, ParseError> {
        match hex::exactly::<2, 1>(value, Field::Version) {
            Ok([0xff]) => Err(ParseError::new(ErrorKind::ForbiddenVersion, Field::Version, 0)),
            Ok([number]) => Ok(Self(number)),
            Err(error) => Err(error),
        }
    }

    /// Returns the number, 0 to 254.
    pub const fn to_u8(self) -> u8 {
        self.0
    }

    /// Returns the two lower-case hex digits.
    pub const fn encode(self) -> [u8; 2] {
        hex::encode(&[self.0])
    }
}

text::display!(Version);
text::hex!(Version);
text::from_text!(Version);

impl From<Version> for u8 {
    fn from(version: Version) -> Self {
        version.to_u8()
    }
}

impl TryFrom<u8> for Version {
    type Error = ParseError;

    fn try_from(number: u8) -> Result<Self, ParseError> {
        Self::from_u8(number).ok_or(ParseError::new(ErrorKind::ForbiddenVersion, Field::Version, 0))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}
