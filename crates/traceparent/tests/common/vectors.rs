//! Reads `tests/data/*.txt`, whose format is described on top of each file. Fuzz seeds and benches use this file too.

pub(crate) const TRACEPARENT: &str = include_str!("../data/traceparent.txt");
pub(crate) const TRACESTATE: &str = include_str!("../data/tracestate.txt");

pub(crate) struct Vector {
    pub(crate) line: usize,
    pub(crate) input: Vec<u8>,
    pub(crate) verdict: &'static str,
    pub(crate) why: &'static str,
}

pub(crate) fn read(file: &'static str) -> impl Iterator<Item = Vector> {
    let lines = file.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(i, text)| {
        let line = i + 1;
        let mut columns = text.split('\t');
        let (Some(input), Some(verdict), Some(why), None) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            panic!("line {line} has not three columns");
        };
        Vector { line, input: unescape(input), verdict, why }
    })
}

pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let (byte, length) = match rest.as_bytes()[0] {
                    b't' => (b'\t', 1),
                    b'n' => (b'\n', 1),
                    b'r' => (b'\r', 1),
                    b'\\' => (b'\\', 1),
                    b'x' => (u8::from_str_radix(&rest[1..3], 16).unwrap(), 3),
                    other => panic!("no escape: {other}"),
                };
                bytes.push(byte);
                rest = &rest[length..];
            }
            '{' => {
                let (repeat, after) = rest.split_once('}').unwrap();
                let (unit, count) = repeat.rsplit_once('*').unwrap();
                bytes.extend(unit.repeat(count.parse().unwrap()).bytes());
                rest = after;
            }
            _ => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}
