//! The value that follows a name, in the spellings of logs, JSON, HAR files and messages.

use std::{borrow::Cow, ops::Range};

use traceparent::trim_ows;

/// What follows a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Bytes(Cow<'a, [u8]>),
    /// Nothing, or what stands for nothing: `-`, `null`.
    Empty,
    /// More than there is of the text.
    Cut,
}

/// A place in a text.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(self, count: usize) -> Self {
        Self { at: self.at + count, ..self }
    }

    fn skip_while(self, skips: impl Fn(u8) -> bool) -> Self {
        self.skip(self.rest().iter().take_while(|&&byte| skips(byte)).count())
    }

    fn skip_space(self, with_lines: bool) -> Self {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t') || with_lines && matches!(byte, b'\r' | b'\n'))
    }

    fn expect(self, text: &[u8]) -> Option<Self> {
        self.rest().starts_with(text).then(|| self.skip(text.len()))
    }

    /// Skips a quotation mark, with backslashes in front where JSON is in a string. Returns it and their number.
    fn quote(self) -> (Self, Option<(u8, usize)>) {
        let escapes = self.skip_while(|byte| byte == b'\\');
        match escapes.peek() {
            Some(mark @ (b'"' | b'\'')) => (escapes.skip(1), Some((mark, escapes.at - self.at))),
            _ => (self, None),
        }
    }
}

/// Reads the value of the name at a range. Returns `None` if the name is no header's, but a word in a text.
pub(super) fn after(bytes: &[u8], name: Range<usize>, is_last: bool) -> Option<(Value<'_>, Range<usize>)> {
    let (cursor, quote) = Cursor { bytes, at: name.end }.quote();
    let is_quoted = quote.is_some();
    let cursor = separator(cursor.skip_space(is_quoted), is_quoted)?;
    let by_colon = bytes.get(cursor.at.wrapping_sub(1)) == Some(&b':');
    let is_line = by_colon && !is_quoted && begins_line(bytes, name.start);
    let cursor = cursor.skip_space(is_quoted);
    let is_array = cursor.peek() == Some(b'[') && !is_line;
    let cursor = if is_array { cursor.skip(1).skip_space(is_quoted) } else { cursor };
    let (inside, opening) = cursor.quote();
    let (start, length) = match opening {
        Some((mark, escapes)) if !is_line => (inside.at, quoted(inside.rest(), mark, escapes)),
        _ if is_line => (cursor.at, memchr::memchr(b'\n', cursor.rest())),
        _ => (cursor.at, cursor.rest().iter().position(|&byte| ends_word(byte))),
    };
    let end = match length {
        Some(length) => start + length,
        None if is_last => bytes.len(),
        None => return Some((Value::Cut, start..bytes.len())),
    };
    let value = bytes.get(start..end).unwrap_or_default();
    let is_json = opening.is_some_and(|(mark, escapes)| mark == b'"' && escapes == 0) && value.contains(&b'\\');
    let value = match opening {
        _ if is_line => Cow::Borrowed(trim_line(value)),
        Some(_) if is_json => unescape(value),
        Some(_) => Cow::Borrowed(value),
        None => Cow::Borrowed(trim_end(value)),
    };
    let stands_for_nothing = [&b""[..], b"-", b"null", b"None"].contains(&value.as_ref());
    Some((if stands_for_nothing { Value::Empty } else { Value::Bytes(value) }, start..end))
}

/// Skips what is between a name and its value: a colon, an equals sign, an arrow, or in HAR files the name `value`.
fn separator(cursor: Cursor<'_>, is_quoted: bool) -> Option<Cursor<'_>> {
    match cursor.peek()? {
        b':' => Some(cursor.skip(1)),
        b'=' => Some(cursor.skip(1).skip_while(|byte| byte == b'>')),
        b',' if is_quoted => {
            let (cursor, quote) = cursor.skip(1).skip_space(true).quote();
            let (cursor, _) = cursor.expect(b"value").filter(|_| quote.is_some())?.quote();
            cursor.skip_space(true).expect(b":")
        }
        _ => None,
    }
}

/// Whether a name is the first of its line, behind white space or the mark of a trace of curl.
fn begins_line(bytes: &[u8], name: usize) -> bool {
    let before = bytes.get(..name).unwrap_or_default();
    let mut before = before.iter().rev().take(64).skip_while(|byte| matches!(byte, b' ' | b'\t' | b'<' | b'>'));
    before.next().is_none_or(|&byte| byte == b'\n')
}

/// Returns the length of a quoted value.
fn quoted(text: &[u8], mark: u8, escapes: usize) -> Option<usize> {
    if escapes > 0 {
        return memchr::memchr2(b'\\', mark, text);
    }
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'\\', mark, text.get(from..)?)?;
        if text.get(at) == Some(&mark) {
            return Some(at);
        }
        from = at + 2;
    }
}

const fn ends_word(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'\\' | b'|' | b')' | b']' | b'}' | b'<' | b'>')
}

/// Removes the end of a line, also as Wireshark spells it, and white space.
fn trim_line(value: &[u8]) -> &[u8] {
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    trim_ows(value.strip_suffix(br"\r\n").unwrap_or(value))
}

fn trim_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., b',' | b';'] = value {
        value = rest;
    }
    value
}

/// Returns the bytes of a JSON string. What is no escape of JSON stays.
fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    let mut json = Vec::with_capacity(text.len() + 2);
    json.push(b'"');
    json.extend_from_slice(text);
    json.push(b'"');
    match serde_json::from_slice::<String>(&json) {
        Ok(value) => Cow::Owned(value.into_bytes()),
        Err(_) => Cow::Borrowed(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Result<String, Value<'_>>> {
        let name = text.find("traceparent").unwrap();
        let (value, _) = after(text.as_bytes(), name..name + "traceparent".len(), true)?;
        Some(match value {
            Value::Bytes(bytes) => Ok(String::from_utf8(bytes.into_owned()).unwrap()),
            other => Err(other),
        })
    }

    #[test]
    fn values_are_read_in_every_spelling() {
        for text in [
            "traceparent: 00-1-2-01",
            "\n> traceparent: 00-1-2-01 \r\nnext: a",
            "    traceparent: 00-1-2-01\\r\\n\n",
            "Header: traceparent: 00-1-2-01\n",
            "GET / traceparent=00-1-2-01 200",
            "GET / traceparent=00-1-2-01, 200",
            "log {traceparent: 00-1-2-01}",
            "\"traceparent=00-1-2-01\"",
            "traceparent=\"00-1-2-01\"",
            r#"{"traceparent":"00-1-2-01"}"#,
            r#"{"traceparent" : "00\u002d1-2-01"}"#,
            r#"{"traceparent":["00-1-2-01"]}"#,
            r#"{"body":"{\"traceparent\":\"00-1-2-01\"}"}"#,
            r#"{"raw":"GET /\r\ntraceparent: 00-1-2-01\r\n"}"#,
            r#"{"name":"traceparent","value":"00-1-2-01"}"#,
            "{\n  \"name\": \"traceparent\",\n  \"value\": \"00-1-2-01\"\n}",
            "{'traceparent': '00-1-2-01'}",
            "'traceparent' => '00-1-2-01'",
        ] {
            assert_eq!(of(text), Some(Ok("00-1-2-01".to_owned())), "{text}");
        }
    }

    #[test]
    fn what_stands_for_nothing_is_empty_and_a_word_is_no_header() {
        assert_eq!(of("traceparent: [00-1"), Some(Ok("[00-1".to_owned())));
        for text in
            ["\"traceparent\":null", "\"traceparent\":\"\"", "a traceparent=- b", "traceparent:\n", "traceparent="]
        {
            assert_eq!(of(text), Some(Err(Value::Empty)), "{text}");
        }
        for text in ["a traceparent is missing", "\"traceparent\", \"tracestate\"", "traceparent", "'traceparent'"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_without_an_end_is_cut_unless_the_text_ends() {
        let text = b"\"traceparent\": \"00-1";
        let cut = after(text, 1..12, false).unwrap();
        assert_eq!(cut, (Value::Cut, 16..20));
        assert_eq!(after(text, 1..12, true).unwrap().0, Value::Bytes(Cow::Borrowed(b"00-1")));
    }
}
