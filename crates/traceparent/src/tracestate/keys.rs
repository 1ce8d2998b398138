//! The keys of a list, found by reading backwards from the equals signs.

use core::ops::Range;

use super::offsets::{Offsets, marks};

/// The last bytes of a key, eight at most, in which most keys differ.
#[derive(Clone, Copy, PartialEq, Eq)]
struct End(u64);

impl End {
    /// Returns the end of the key before an equals sign of a tidy list.
    #[inline]
    fn before(equals: usize, list: &[u8]) -> Option<Self> {
        let text = list.get(..equals)?;
        let eight = match (text.last_chunk(), list.first_chunk()) {
            (Some(end), _) => u64::from_le_bytes(*end),
            (None, Some(start)) => u64::from_le_bytes(*start) << ((64 - 8 * equals) % 64),
            (None, None) => short(text),
        };
        // The key starts after the last comma. The last byte is not a comma, because no key is empty.
        let commas = marks(eight, b',');
        Some(Self(eight & u64::MAX << ((64 - commas.leading_zeros()) % 64)))
    }

    #[inline]
    fn of(key: &[u8]) -> Self {
        Self(key.last_chunk().map_or_else(|| short(key), |end| u64::from_le_bytes(*end)))
    }
}

/// Returns fewer than eight bytes as the last of eight.
fn short(text: &[u8]) -> u64 {
    text.iter().fold(0, |eight, byte| eight >> 8 | u64::from(*byte) << 56)
}

/// A Bloom filter over the ends of the keys seen so far.
pub(crate) struct Seen([u64; 16]);

impl Seen {
    pub(crate) const fn new() -> Self {
        Self([0; 16])
    }

    /// Inserts a key, and returns whether it is certainly new.
    pub(crate) fn insert(&mut self, key: &[u8]) -> bool {
        self.insert_end(End::of(key))
    }

    #[inline]
    const fn insert_end(&mut self, end: End) -> bool {
        // The top ten bits of a product with the golden ratio, on which all bits of the factor have an effect.
        let hash = (end.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize;
        let bit = 1 << (hash % 64);
        let filter = &mut self.0[hash / 64 % 16];
        let is_new = *filter & bit == 0;
        *filter |= bit;
        is_new
    }
}

/// Returns the range of the member with a key in a tidy list, or an empty range at the end of the list if no
/// member has the key. Returns `None` if any key may be repeated.
pub(crate) fn find(list: &[u8], key: &[u8]) -> Option<Range<usize>> {
    let wanted = End::of(key);
    let mut seen = Seen::new();
    let mut found = list.len()..list.len();
    // Each member has one equals sign.
    for equals in Offsets::of(b'=', list) {
        let end = End::before(equals, list)?;
        if !seen.insert_end(end) {
            return None;
        }
        if end == wanted {
            let (head, value) = list.split_at_checked(equals)?;
            if let Some(before) = head.strip_suffix(key).filter(|before| matches!(before.last(), None | Some(b','))) {
                let length = Offsets::of(b',', value).next().unwrap_or(value.len());
                found = before.len()..equals + length;
            }
        }
    }
    Some(found)
}

#[cfg(all(test, feature = "std"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{string::String, vec::Vec};

    use super::*;

    /// The key is found by `find` itself and not by the fallback for lists with duplicates.
    #[test]
    fn a_key_is_found_among_32() {
        let keys: Vec<String> = (0..32).map(|i| std::format!("{}{i}", "vendor".get(i % 5..).unwrap())).collect();
        let list = keys.iter().map(|key| std::format!("{key}=a1")).collect::<Vec<_>>().join(",");
        for key in &keys {
            let member = std::format!("{key}=a1");
            assert_eq!(list.get(find(list.as_bytes(), key.as_bytes()).unwrap()), Some(&*member), "{key}");
        }
        assert_eq!(find(list.as_bytes(), b"vendor"), Some(list.len()..list.len()));
        assert_eq!(find(b"a=1", b"a"), Some(0..3));
        assert_eq!(find(b"a=1,b=2,a=3", b"c"), None);
        assert_eq!(find(b"", b"a"), Some(0..0));
    }
}
