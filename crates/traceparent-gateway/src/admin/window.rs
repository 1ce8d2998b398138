use std::ops::Range;

/// The number of traces on one page of a list.
pub(super) const PAGE_TRACES: usize = 50;

/// The number of spans on one page of a trace.
pub(super) const PAGE_SPANS: usize = 100;

/// The part of a list that is on one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    from: usize,
    size: usize,
    /// The length of the whole list.
    pub(super) total: usize,
}

impl Window {
    /// Creates the window of up to `size` items, from a place that is in the list unless that is empty.
    pub(super) fn new(from: usize, size: usize, total: usize) -> Self {
        Self { from: from.min(total.saturating_sub(1)), size, total }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.from..(self.from + self.size).min(self.total)
    }

    /// Returns the place from which the page before this one starts.
    pub(super) fn previous(self) -> Option<usize> {
        (self.from > 0).then(|| self.from.saturating_sub(self.size))
    }

    /// Returns the place from which the page after this one starts.
    pub(super) fn next(self) -> Option<usize> {
        Some(self.range().end).filter(|end| *end < self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_a_list() {
        for (from, total, range, previous, next) in [
            (0, 0, 0..0, None, None),
            (5, 0, 0..0, None, None),
            (0, 3, 0..3, None, None),
            (0, 25, 0..10, None, Some(10)),
            (10, 25, 10..20, Some(0), Some(20)),
            (20, 25, 20..25, Some(10), None),
            (5, 25, 5..15, Some(0), Some(15)),
            (usize::MAX, 25, 24..25, Some(14), None),
        ] {
            let window = Window::new(from, 10, total);
            assert_eq!(
                (window.range(), window.previous(), window.next()),
                (range, previous, next),
                "{from} of {total}"
            );
        }
    }
}
