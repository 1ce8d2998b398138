use core::fmt;

use super::sink::{Count, Sink};
use crate::{
    error::{ErrorKind, Field, ParseError},
    threshold::{Randomness, Threshold},
};

/// The value of the `tracestate` member `ot`, in which OpenTelemetry carries the data of consistent sampling.
///
/// It holds the threshold `th`, the randomness `rv`, and sub-keys that this crate does not know.
///
/// [OpenTelemetry: TraceState handling](https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/)
/// (status: Development)
///
/// ```
/// use traceparent::{OtValue, Threshold, TraceState};
///
/// let state = TraceState::from_static("congo=1,ot=th:c;x:new");
/// let ot = state.ot().unwrap();
/// assert_eq!(ot.threshold(), Threshold::from_ratio(1, 4));
///
/// let half = Threshold::from_ratio(1, 2).unwrap();
/// assert_eq!(ot.with_threshold(half)?.to_string(), "th:8;x:new");
/// assert_eq!(ot.without_threshold().to_string(), "x:new");
/// # Ok::<(), traceparent::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OtValue<'a> {
    threshold: Option<Threshold>,
    randomness: Option<Randomness>,
    /// The text that was read, for the sub-keys other than these two.
    text: &'a str,
    error: Option<ParseError>,
}

impl<'a> OtValue<'a> {
    /// The member's key, `ot`.
    pub const KEY: &'static str = "ot";
    /// The maximum length of the value in characters.
    pub const MAX_LENGTH: usize = 256;

    /// Reads a value without failing. [`error`](Self::error) returns what is wrong with the first part that is
    /// left out.
    ///
    /// A malformed or repeated `th` or `rv` is left out. Other well-formed sub-keys stay. A value of more than
    /// 256 characters is left out as a whole.
    pub fn read(text: &'a str) -> Self {
        let mut ot = Self { text, ..Self::default() };
        if text.len() > Self::MAX_LENGTH {
            ot.note(ErrorKind::TooLong, Field::Ot, Self::MAX_LENGTH);
            return Self { text: "", ..ot };
        }
        let mut malformed = [false; 2];
        for (offset, part) in parts(text) {
            let (index, result) = match part {
                Part::Threshold(value) => {
                    (0, Threshold::parse(value.as_bytes()).map(|th| ot.threshold.replace(th).is_some()))
                }
                Part::Randomness(value) => {
                    (1, Randomness::parse(value.as_bytes()).map(|rv| ot.randomness.replace(rv).is_some()))
                }
                Part::Other(_) => continue,
                Part::Malformed(at) => {
                    ot.note(ErrorKind::InvalidByte, Field::Ot, offset + at);
                    continue;
                }
            };
            let value = offset + "th:".len();
            match (result, [Field::Threshold, Field::Randomness][index]) {
                (Ok(false), _) => continue,
                (Ok(true), field) => ot.note(ErrorKind::Repeated, field, offset),
                (Err(error), field) => ot.note(error.kind(), field, value + error.offset()),
            }
            malformed[index] = true;
        }
        if malformed[0] {
            ot.threshold = None;
        }
        if malformed[1] {
            ot.randomness = None;
        }
        ot
    }

    /// Creates a value of a threshold alone.
    pub(crate) const fn of_threshold(threshold: Threshold) -> Self {
        Self { threshold: Some(threshold), randomness: None, text: "", error: None }
    }

    fn note(&mut self, kind: ErrorKind, field: Field, offset: usize) {
        self.error.get_or_insert(ParseError::new(kind, field, offset));
    }

    /// Returns the sampling threshold, the `th` sub-key.
    pub const fn threshold(&self) -> Option<Threshold> {
        self.threshold
    }

    /// Returns the explicit randomness, the `rv` sub-key.
    pub const fn randomness(&self) -> Option<Randomness> {
        self.randomness
    }

    /// Returns the value of a sub-key that is neither `th` nor `rv`.
    pub fn get(&self, sub_key: &str) -> Option<&'a str> {
        self.others().map(|part| cut(part, b':')).find(|(key, _)| *key == sub_key)?.1
    }

    /// Returns the error for the first malformed part of the value that was read.
    pub const fn error(&self) -> Option<ParseError> {
        self.error
    }

    /// Sets the threshold.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::TooLong`] if the value would have more than 256 characters.
    pub fn with_threshold(self, threshold: Threshold) -> Result<Self, ParseError> {
        Self { threshold: Some(threshold), ..self }.checked()
    }

    /// Removes the threshold. A sampler does this if it drops a span or does not know its probability.
    #[must_use]
    pub const fn without_threshold(self) -> Self {
        Self { threshold: None, ..self }
    }

    /// Inserts an explicit randomness value. Only the sampler of a root span may do this, and only if the
    /// trace-id is not random.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Repeated`] if the value has a randomness, which must not be replaced, and
    /// [`ErrorKind::TooLong`] if the value would have more than 256 characters.
    pub fn with_randomness(self, randomness: Randomness) -> Result<Self, ParseError> {
        if self.randomness.is_some() {
            return Err(ParseError::new(ErrorKind::Repeated, Field::Randomness, 0));
        }
        Self { randomness: Some(randomness), ..self }.checked()
    }

    fn checked(self) -> Result<Self, ParseError> {
        if self.len() > Self::MAX_LENGTH {
            return Err(ParseError::new(ErrorKind::TooLong, Field::Ot, Self::MAX_LENGTH));
        }
        Ok(self)
    }

    /// Returns the number of characters in the value.
    pub fn len(&self) -> usize {
        let mut count = Count(0);
        // Counting cannot fail.
        let _ = self.write(&mut count);
        count.0
    }

    /// Whether the value has no sub-keys. An empty member is not written.
    pub fn is_empty(&self) -> bool {
        self.threshold.is_none() && self.randomness.is_none() && self.others().next().is_none()
    }

    fn others(&self) -> impl Iterator<Item = &'a str> {
        parts(self.text).filter_map(|(_, part)| match part {
            Part::Other(text) => Some(text),
            _ => None,
        })
    }

    /// Writes `th`, then `rv`, then the other sub-keys in their order.
    pub(crate) fn write(&self, out: &mut impl Sink) -> fmt::Result {
        let mut separator: &[u8] = b"";
        if let Some(threshold) = self.threshold {
            out.put(b"th:")?;
            out.put(threshold.encode(&mut [0; 14]).as_bytes())?;
            separator = b";";
        }
        if let Some(randomness) = self.randomness {
            out.put(separator)?;
            out.put(b"rv:")?;
            out.put(randomness.encode(&mut [0; 14]).as_bytes())?;
            separator = b";";
        }
        for other in self.others() {
            out.put(separator)?;
            out.put(other.as_bytes())?;
            separator = b";";
        }
        Ok(())
    }
}

impl fmt::Display for OtValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f)
    }
}

enum Part<'a> {
    Threshold(&'a str),
    Randomness(&'a str),
    /// A sub-key this crate does not know, with its value: `x:new`.
    Other(&'a str),
    /// Anything else, with the offset of the first wrong byte.
    Malformed(usize),
}

/// Returns an iterator over the parts of a value and their offsets. An empty value has no parts.
///
/// ```abnf
/// list    = key ":" value *( ";" key ":" value )
/// key     = lcalpha *( lcalpha / DIGIT )
/// value   = *( ALPHA / DIGIT / "." / "_" / "-" )
/// ```
fn parts(text: &str) -> impl Iterator<Item = (usize, Part<'_>)> {
    let mut rest = Some(text).filter(|text| !text.is_empty());
    core::iter::from_fn(move || {
        let here = rest?;
        let (part, after) = cut(here, b';');
        rest = after;
        Some((text.len() - here.len(), classify(part)))
    })
}

/// Cuts at the first separator, if there is one. Unlike `str::split_once`, it shows the compiler that it
/// cannot panic.
fn cut(text: &str, separator: u8) -> (&str, Option<&str>) {
    let at = text.bytes().position(|byte| byte == separator);
    match at.map(|at| (text.get(..at), text.get(at + 1..))) {
        Some((Some(before), after)) => (before, after),
        _ => (text, None),
    }
}

fn classify(part: &str) -> Part<'_> {
    let (key, value) = cut(part, b':');
    if let Some(value) = part.strip_prefix("th:") {
        return Part::Threshold(value);
    }
    if let Some(value) = part.strip_prefix("rv:") {
        return Part::Randomness(value);
    }
    let in_key = |(i, byte): (usize, u8)| byte.is_ascii_lowercase() || i > 0 && byte.is_ascii_digit();
    let in_value = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if let Some(at) = key.bytes().enumerate().position(|byte| !in_key(byte)) {
        Part::Malformed(at)
    } else if key.is_empty() || value.is_none() {
        Part::Malformed(key.len())
    } else if let Some(at) = value.unwrap_or_default().bytes().position(|byte| !in_value(byte)) {
        Part::Malformed(key.len() + 1 + at)
    } else {
        Part::Other(part)
    }
}
