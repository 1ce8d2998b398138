//! The bytes that the texts of the rows stand for. Fuzz seeds are read with this too.

/// A line's bytes: `\r`, `\n`, `\t`, `\xhh`, `{text*count}`, and CRLF unless a backslash ends it.
pub(crate) fn line(text: &str) -> Vec<u8> {
    let (text, end): (_, &[u8]) = match text.strip_suffix('\\') {
        Some(text) => (text, b""),
        None => (text, b"\r\n"),
    };
    [&bytes(text), end].concat()
}

/// A text's bytes, with escapes and repetitions.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        if let Some(((unit, count), after)) = braces.and_then(|(inner, after)| Some((inner.rsplit_once('*')?, after))) {
            bytes.extend(self::bytes(unit).repeat(count.parse().expect("a count")));
            rest = after;
            continue;
        }
        let (byte, taken) = match rest.get(..2) {
            Some("\\r") => (b'\r', 2),
            Some("\\n") => (b'\n', 2),
            Some("\\t") => (b'\t', 2),
            Some("\\x") => (u8::from_str_radix(&rest[2..4], 16).expect("two digits"), 4),
            _ => {
                bytes.extend(first.to_string().bytes());
                rest = &rest[first.len_utf8()..];
                continue;
            }
        };
        bytes.push(byte);
        rest = &rest[taken..];
    }
    bytes
}
