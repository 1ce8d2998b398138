use crate::{
    scan::{Piece, is_printable},
    xray,
};

#[cfg(feature = "alloc")]
mod owned;

#[cfg(feature = "alloc")]
pub use self::owned::OwnedCarried;

/// What a caller sent beside the IDs, for the formats that carry it on: the debug flag, X-Ray's other pairs, and
/// Datadog's priority, tags and origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried<'a> {
    is_debug: bool,
    is_decided: bool,
    priority: Option<i64>,
    xray: &'a [u8],
    tags: &'a [u8],
    origin: &'a [u8],
}

impl<'a> Carried<'a> {
    /// Nothing beside the IDs.
    pub const EMPTY: Carried<'static> =
        Carried { is_debug: false, is_decided: true, priority: None, xray: b"", tags: b"", origin: b"" };

    /// Sets whether the caller asked for debugging.
    #[must_use]
    pub const fn with_debug(self, is_debug: bool) -> Self {
        Self { is_debug, ..self }
    }

    pub(crate) const fn with_xray(self, value: &'a [u8]) -> Self {
        Self { xray: value, ..self }
    }

    pub(crate) const fn with_datadog(self, priority: Option<i64>, tags: &'a [u8], origin: &'a [u8]) -> Self {
        Self { priority, tags, origin, ..self }
    }

    /// Removes what belongs to the caller's decision: the debug flag, Datadog's priority and its tag `_dd.p.dm`. To be
    /// called where the decision is not the caller's.
    #[must_use]
    pub const fn without_decision(self) -> Self {
        Self { is_debug: false, is_decided: false, priority: None, ..self }
    }

    /// Adds what another format carried for the same trace, except for its debug flag.
    pub(crate) const fn merge(self, other: Self) -> Self {
        Self {
            priority: if self.priority.is_some() { self.priority } else { other.priority },
            xray: if self.xray.is_empty() { other.xray } else { self.xray },
            tags: if self.tags.is_empty() { other.tags } else { self.tags },
            origin: if self.origin.is_empty() { other.origin } else { self.origin },
            ..self
        }
    }

    /// Whether the caller asked for debugging.
    pub const fn is_debug(&self) -> bool {
        self.is_debug
    }

    /// Returns Datadog's sampling priority: positive to keep the trace, otherwise to drop it.
    pub const fn datadog_priority(&self) -> Option<i64> {
        self.priority
    }

    /// Returns Datadog's origin, such as `synthetics`, if it is printable ASCII of at most 512 bytes.
    pub fn datadog_origin(&self) -> Option<&'a str> {
        if self.origin.is_empty() { None } else { text(self.origin) }
    }

    pub(crate) const fn has_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    /// Returns an iterator over Datadog's propagated tags, `_dd.p.*`, without the upper half of the trace-id, and
    /// without the decision maker once the decision is not the caller's. Malformed tags are left out.
    pub fn datadog_tags(&self) -> Pairs<'a> {
        Pairs { rest: Some(Piece::whole(self.tags)), of: Of::Datadog { is_decided: self.is_decided } }
    }

    /// Returns an iterator over X-Ray's pairs other than `Root`, `Parent`, `Sampled` and `Self`, in order.
    pub const fn xray_pairs(&self) -> Pairs<'a> {
        Pairs { rest: Some(Piece::whole(self.xray)), of: Of::XRay }
    }

    /// Returns an iterator over X-Ray's pairs that go out: whole ones, of [`xray::MAX_CARRIED`] bytes in all.
    pub(crate) fn written_xray_pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut room = xray::MAX_CARRIED;
        self.xray_pairs().filter(move |(key, value)| {
            // A separator before the key, and one before the value.
            let left = room.checked_sub(key.len() + value.len() + 2);
            room = left.unwrap_or(room);
            left.is_some()
        })
    }
}

impl Default for Carried<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// An iterator over the keys and values of carried pairs.
///
/// Created by [`Carried::xray_pairs`] and [`Carried::datadog_tags`].
#[derive(Clone)]
pub struct Pairs<'a> {
    rest: Option<Piece<'a>>,
    of: Of,
}

#[derive(Clone, Copy)]
enum Of {
    XRay,
    Datadog { is_decided: bool },
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let separator = if matches!(self.of, Of::XRay) { b';' } else { b',' };
            let (pair, rest) = self.rest?.cut(separator);
            self.rest = rest;
            let pair = if matches!(self.of, Of::XRay) { pair.trim_spaces() } else { pair };
            let (key, Some(value)) = pair.cut(b'=') else { continue };
            let (Some(key), Some(value)) = (text(key.bytes()), text(value.bytes())) else { continue };
            let is_carried = match self.of {
                Of::XRay => !matches!(key, "Root" | "Parent" | "Sampled" | "Self"),
                Of::Datadog { is_decided } => {
                    key.starts_with("_dd.p.")
                        && !key.contains(' ')
                        && key != "_dd.p.tid"
                        && (is_decided || key != "_dd.p.dm")
                }
            };
            if is_carried {
                return Some((key, value));
            }
        }
    }
}

impl core::iter::FusedIterator for Pairs<'_> {}

impl core::fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().all(|&byte| is_printable(byte)) { core::str::from_utf8(bytes).ok() } else { None }
}
