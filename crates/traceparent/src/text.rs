//! The traits of types with a text form, each written once.

/// Implements `FromStr` and `TryFrom<&str>` by the type's own `parse`.
macro_rules! from_text {
    ($($Type:ident),+) => {$(
        impl core::str::FromStr for $Type {
            type Err = crate::error::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text.as_bytes())
            }
        }

        impl TryFrom<&str> for $Type {
            type Error = crate::error::ParseError;

            fn try_from(text: &str) -> Result<Self, Self::Error> {
                Self::parse(text.as_bytes())
            }
        }
    )+};
}

/// Implements `Display` by the digits that the type's own `encode` returns.
macro_rules! display {
    ($($Type:ident),+) => {$(
        impl core::fmt::Display for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(core::str::from_utf8(&self.encode()).unwrap_or_default())
            }
        }
    )+};
}

/// Implements `LowerHex` and `UpperHex` by the digits that the type's own `encode` returns: all of them, with
/// the prefix, the width and the zero padding that integers take.
macro_rules! hex {
    ($($Type:ident),+) => {$(
        impl core::fmt::LowerHex for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad_integral(true, "0x", core::str::from_utf8(&self.encode()).unwrap_or_default())
            }
        }

        impl core::fmt::UpperHex for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let digits = self.encode().map(|digit| digit.to_ascii_uppercase());
                f.pad_integral(true, "0x", core::str::from_utf8(&digits).unwrap_or_default())
            }
        }
    )+};
}

pub(crate) use {display, from_text, hex};
