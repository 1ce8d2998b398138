//! The metrics of a `Server-Timing` field.

use crate::ows::trim_ows;

/// One metric of a field: its text without white space around it, and the offset of that text.
pub(super) struct Metric<'a> {
    pub(super) text: &'a [u8],
    offset: usize,
}

impl<'a> Metric<'a> {
    fn parts(&self) -> impl Iterator<Item = Metric<'a>> {
        split(self.text, self.offset, b';')
    }

    pub(super) fn is_trace(&self) -> bool {
        self.parts().next().is_some_and(|name| {
            name.text.eq_ignore_ascii_case(b"trace") || name.text.eq_ignore_ascii_case(b"traceparent")
        })
    }

    /// Returns the value of the parameter `desc`, without its quotes, and its offset.
    pub(super) fn desc(&self) -> Option<(&'a [u8], usize)> {
        let desc = self.parts().skip(1).find_map(|parameter| {
            let mut sides = split(parameter.text, parameter.offset, b'=');
            let name = sides.next()?;
            name.text.eq_ignore_ascii_case(b"desc").then(|| sides.next())
        })??;
        Some(match desc.text {
            [b'"', value @ .., b'"'] => (value, desc.offset + 1),
            value => (value, desc.offset),
        })
    }
}

/// Splits a field into its metrics.
///
/// ```abnf
/// Server-Timing             = #server-timing-metric
/// server-timing-metric      = metric-name *( OWS ";" OWS server-timing-param )
/// server-timing-param       = server-timing-param-name OWS "=" OWS server-timing-param-value
/// server-timing-param-value = token / quoted-string
/// ```
pub(super) fn metrics(field: &[u8]) -> impl Iterator<Item = Metric<'_>> {
    split(field, 0, b',').filter(|metric| !metric.text.is_empty())
}

/// Splits at a separator, but not inside quotes, in which a backslash takes the next byte along.
fn split(text: &[u8], offset: usize, separator: u8) -> impl Iterator<Item = Metric<'_>> {
    let mut rest = Some((text, offset));
    core::iter::from_fn(move || {
        let (text, offset) = rest.take()?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.iter().position(|&byte| {
            let plain = !core::mem::take(&mut escaped);
            match byte {
                b'"' if plain => quoted = !quoted,
                b'\\' if plain && quoted => escaped = true,
                _ => return byte == separator && !quoted,
            }
            false
        });
        let part = match end {
            Some(end) => {
                let (part, after) = text.split_at(end);
                rest = after.split_first().map(|(_, after)| (after, offset + end + 1));
                part
            }
            None => text,
        };
        let leading = part.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        Some(Metric { text: trim_ows(part), offset: offset + leading })
    })
}
