//! Reads `tests/data/formats.txt`, whose format is described on top of it. Fuzz seeds use this file too.

use traceparent_formats::{Format, FormatError, RemoteContext};

pub(crate) const FORMATS: &str = include_str!("../data/formats.txt");

/// The fields of a message.
pub(crate) type Message = Vec<(String, Vec<u8>)>;

pub(crate) struct Vector {
    pub(crate) line: usize,
    pub(crate) format: Format,
    pub(crate) fields: Message,
    pub(crate) verdict: String,
    pub(crate) why: &'static str,
}

pub(crate) fn read() -> impl Iterator<Item = Vector> {
    let lines = FORMATS.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(i, text)| {
        let line = i + 1;
        let columns: Vec<_> = text.split('\t').collect();
        let [format, fields, verdict, why] = columns[..] else { panic!("line {line} has not four columns") };
        let fields = fields.split(" | ").filter(|field| !field.is_empty()).map(|field| {
            let (name, value) = field.split_once(": ").or(field.split_once(':')).unwrap();
            (name.to_owned(), unescape(value))
        });
        let verdict = String::from_utf8(unescape(verdict)).unwrap();
        Vector { line, format: format.parse().unwrap(), fields: fields.collect(), verdict, why }
    })
}

/// Returns the values of a field in a message.
pub(crate) fn values<'a>(message: &'a Message, name: &'static str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    message.iter().filter(move |(other, _)| other == name).map(|(_, value)| &value[..])
}

/// Returns the answer of a reader in the words of the file.
pub(crate) fn verdict(format: Format, read: &Result<Option<RemoteContext<'_>>, FormatError>) -> String {
    let context = match read {
        Ok(None) => return "absent".to_owned(),
        Err(error) => {
            assert_eq!(error.format(), format);
            return format!("err {} {} {}", error.kind().as_str(), error.part(), error.offset());
        }
        Ok(Some(context)) => context,
    };
    let trace_id = context.trace_id().map_or("-".to_owned(), |id| id.to_string());
    let span_id = context.span_id().map_or("-".to_owned(), |id| id.to_string());
    let mut verdict = format!("{trace_id} {span_id} {}", context.state());
    if context.is_short() {
        verdict += " short";
    }
    let carried = context.carried();
    let pairs: Vec<_> =
        carried.xray_pairs().chain(carried.datadog_tags()).map(|(key, value)| format!("{key}={value}")).collect();
    if !pairs.is_empty() {
        verdict.push_str(" extra ");
        verdict.push_str(&pairs.join(if format == Format::XRay { ";" } else { "," }));
    }
    if let Some(error) = context.tags_error() {
        verdict.push_str(" tags ");
        verdict.push_str(error.kind().as_str());
    }
    verdict
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[1..];
        match c {
            '\\' if rest.starts_with('t') => {
                bytes.push(b'\t');
                rest = &rest[1..];
            }
            '\\' => {
                bytes.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
                rest = &rest[3..];
            }
            '{' => {
                let (repeat, after) = rest.split_once('}').unwrap();
                let (unit, count) = repeat.rsplit_once('*').unwrap();
                bytes.extend(unit.repeat(count.parse().unwrap()).bytes());
                rest = after;
            }
            c => bytes.push(u8::try_from(c).unwrap()),
        }
    }
    bytes
}
