use alloc::{boxed::Box, vec::Vec};

use super::Carried;

/// A [`Carried`] that owns its data, for spans that outlive the fields of their request.
///
/// It keeps what can go out again: at most 256 bytes of X-Ray's pairs, and 512 bytes each of Datadog's tags and origin.
/// Nothing is allocated unless the caller sent one of them.
///
/// ```
/// use traceparent_formats::xray;
///
/// let context = xray::parse(b"Root=1-5759e988-bd862e3fe1be46a994272793;Lineage=a87bd80c:1")?;
/// let owned = context.carried().into_owned();
/// assert!(owned.borrow().xray_pairs().eq([("Lineage", "a87bd80c:1")]));
/// # Ok::<(), traceparent_formats::FormatError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedCarried {
    is_debug: bool,
    is_decided: bool,
    priority: Option<i64>,
    xray: Box<[u8]>,
    tags: Box<[u8]>,
    origin: Box<[u8]>,
}

impl OwnedCarried {
    /// Returns the same data, borrowed.
    pub const fn borrow(&self) -> Carried<'_> {
        let Self { is_debug, is_decided, priority, xray, tags, origin } = self;
        Carried { is_debug: *is_debug, is_decided: *is_decided, priority: *priority, xray, tags, origin }
    }
}

impl Carried<'_> {
    /// Copies the data that can go out again.
    pub fn into_owned(self) -> OwnedCarried {
        let mut xray = Vec::new();
        for (key, value) in self.written_xray_pairs() {
            if !xray.is_empty() {
                xray.push(b';');
            }
            xray.extend([key.as_bytes(), b"=", value.as_bytes()].into_iter().flatten());
        }
        let Self { is_debug, is_decided, priority, tags, origin, .. } = self;
        OwnedCarried { is_debug, is_decided, priority, xray: xray.into(), tags: tags.into(), origin: origin.into() }
    }
}

impl Default for OwnedCarried {
    /// Nothing beside the IDs.
    fn default() -> Self {
        Carried::EMPTY.into_owned()
    }
}

impl From<Carried<'_>> for OwnedCarried {
    fn from(carried: Carried<'_>) -> Self {
        carried.into_owned()
    }
}
