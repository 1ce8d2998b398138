//! A second reader for each format, written from the formats' texts with owned strings and regular tools, as plainly as
//! possible. It tells what was found, not why something was refused.

use traceparent_formats::Format;

use super::vectors::Message;

/// Trace-id, span-id and state.
pub(crate) type Found = (Option<u128>, Option<u64>, &'static str);

pub(crate) enum Answer {
    Absent,
    Refused,
    Found(Found),
}

pub(crate) fn read(format: Format, message: &Message) -> Answer {
    let all = |name: &str| -> Vec<String> {
        let values = message.iter().filter(|(other, _)| other == name);
        // A byte that is no ASCII becomes a character that no format knows.
        values.map(|(_, value)| value.iter().map(|&byte| char::from(byte)).collect()).collect()
    };
    let first = |name: &str| all(name).first().cloned();
    if format == Format::Datadog && all("x-datadog-trace-id").is_empty() {
        return Answer::Absent;
    }
    let is_repeated = format.field_names().iter().any(|name| all(name).len() > 1);
    if is_repeated && !matches!(format, Format::B3 | Format::B3Multi) {
        return Answer::Refused;
    }
    let single = |read: fn(&str) -> Option<Found>| match first(format.field_names()[0]) {
        None => Answer::Absent,
        Some(value) => read(&value).map_or(Answer::Refused, Answer::Found),
    };
    match format {
        Format::B3 => single(b3),
        Format::B3Multi => b3_multi(
            first("x-b3-traceid"),
            first("x-b3-spanid"),
            first("x-b3-sampled"),
            first("x-b3-flags").as_deref() == Some("1"),
        ),
        Format::XRay => single(xray),
        Format::Datadog => datadog(
            &first("x-datadog-trace-id").unwrap_or_default(),
            first("x-datadog-parent-id"),
            first("x-datadog-sampling-priority"),
            &first("x-datadog-tags").unwrap_or_default(),
        )
        .map_or(Answer::Refused, Answer::Found),
        Format::Jaeger => single(jaeger),
        Format::GrpcTraceBin => single(grpc),
        Format::CloudTrace => single(cloud_trace),
        Format::OtTracer => {
            ot_tracer(first("ot-tracer-traceid"), first("ot-tracer-spanid"), first("ot-tracer-sampled"))
        }
        other => panic!("no second reader for {other}"),
    }
}

fn lower_hex(text: &str, length: usize) -> Option<u128> {
    let is_hex = text.len() == length && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    if is_hex { u128::from_str_radix(text, 16).ok().filter(|number| *number != 0) } else { None }
}

fn any_hex(text: &str, longest: usize) -> Option<u128> {
    let is_hex = (1..=longest).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit());
    if is_hex { u128::from_str_radix(text, 16).ok() } else { None }
}

fn decimal(text: &str, longest: usize) -> Option<u64> {
    let is_decimal = (1..=longest).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
    if is_decimal { text.parse().ok() } else { None }
}

fn trace_id(text: &str) -> Option<u128> {
    lower_hex(text, 32).or(lower_hex(text, 16))
}

fn span_id(text: &str) -> Option<u64> {
    lower_hex(text, 16).map(|id| u64::try_from(id).unwrap())
}

fn b3(value: &str) -> Option<Found> {
    let state = |text: &str| match text {
        "0" => Some("deny"),
        "1" => Some("accept"),
        "d" => Some("debug"),
        _ => None,
    };
    let parts: Vec<_> = value.split('-').collect();
    let ids = |trace, span| Some((Some(trace_id(trace)?), Some(span_id(span)?)));
    let ((trace, span), state) = match parts[..] {
        [alone] => ((None, None), state(alone)?),
        [trace, span] => (ids(trace, span)?, "defer"),
        [trace, span, third] if third.len() == 16 => {
            span_id(third)?;
            (ids(trace, span)?, "defer")
        }
        [trace, span, third] => (ids(trace, span)?, state(third)?),
        [trace, span, third, parent] => {
            span_id(parent)?;
            (ids(trace, span)?, state(third)?)
        }
        _ => return None,
    };
    Some((trace, span, state))
}

fn word(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Some("accept"),
        "0" | "false" => Some("deny"),
        _ => None,
    }
}

fn b3_multi(trace: Option<String>, span: Option<String>, sampled: Option<String>, is_debug: bool) -> Answer {
    match sampled {
        _ if is_debug => pair(trace, span, Some("debug"), "defer"),
        Some(text) => word(&text).map_or(Answer::Refused, |state| pair(trace, span, Some(state), "defer")),
        None => pair(trace, span, None, "defer"),
    }
}

fn ot_tracer(trace: Option<String>, span: Option<String>, sampled: Option<String>) -> Answer {
    match sampled {
        Some(text) => word(&text).map_or(Answer::Refused, |state| pair(trace, span, Some(state), "deny")),
        None => pair(trace, span, None, "deny"),
    }
}

/// IDs of which there are two or none, and the state that two without one have.
fn pair(trace: Option<String>, span: Option<String>, state: Option<&'static str>, default: &'static str) -> Answer {
    match (trace, span, state) {
        (None, None, None) => Answer::Absent,
        (None, None, Some(state)) => Answer::Found((None, None, state)),
        (Some(trace), Some(span), state) => match (trace_id(&trace), span_id(&span)) {
            (Some(trace), Some(span)) => Answer::Found((Some(trace), Some(span), state.unwrap_or(default))),
            _ => Answer::Refused,
        },
        _ => Answer::Refused,
    }
}

fn xray(value: &str) -> Option<Found> {
    if value.is_empty() || value.chars().count() > 4096 || !value.chars().all(|c| matches!(c, ' '..='~')) {
        return None;
    }
    let mut pairs: Vec<_> = value.split(';').map(|pair| pair.trim_matches(' ')).collect();
    if pairs.len() > 1 && pairs.last() == Some(&"") {
        pairs.pop();
    }
    let pairs: Vec<_> = pairs.iter().map(|pair| pair.split_once('=')).collect::<Option<_>>()?;
    let get = |key: &str| {
        let mut values = pairs.iter().filter(|pair| pair.0 == key).map(|pair| pair.1);
        (values.next(), values.next().is_some())
    };
    if ["Root", "Parent", "Sampled", "Self"].iter().any(|key| get(key).1) {
        return None;
    }
    let root = match get("Root").0 {
        None => None,
        Some(root) => match root.split('-').collect::<Vec<_>>()[..] {
            ["1", time, random] if time.len() == 8 && random.len() == 24 => {
                Some(lower_hex(&[time, random].concat(), 32)?)
            }
            _ => return None,
        },
    };
    let parent = match get("Parent").0 {
        Some(parent) => Some(span_id(parent)?),
        None => None,
    };
    let state = match get("Sampled").0 {
        Some("0") => "deny",
        Some("1") => "accept",
        Some("?") | None => "defer",
        Some(_) => return None,
    };
    if root.is_none() && (parent.is_some() || get("Sampled").0.is_none()) {
        return None;
    }
    Some((root, parent, state))
}

fn datadog(id: &str, parent: Option<String>, priority: Option<String>, tags: &str) -> Option<Found> {
    let lower = decimal(id, 20).filter(|id| *id != 0)?;
    let parent = match parent {
        Some(parent) => Some(decimal(&parent, 20)?).filter(|id| *id != 0),
        None => None,
    };
    let state = match priority {
        Some(text) => {
            let digits = text.strip_prefix('-').unwrap_or(&text);
            decimal(digits, 20)?;
            if text.parse::<i64>().ok()? > 0 { "accept" } else { "deny" }
        }
        None => "defer",
    };
    let halves: Vec<_> = tags.split(',').filter_map(|tag| tag.strip_prefix("_dd.p.tid=")).collect();
    let upper = match halves[..] {
        [half] if tags.chars().count() <= 512 => lower_hex(half, 16).unwrap_or(0),
        _ => 0,
    };
    Some((Some(upper << 64 | u128::from(lower)), parent, state))
}

fn jaeger(value: &str) -> Option<Found> {
    let value = if value.contains(':') { value.to_owned() } else { value.replace("%3A", ":").replace("%3a", ":") };
    let parts: Vec<_> = value.split(':').collect();
    let [trace, span, parent, flags] = parts[..] else { return None };
    let trace = any_hex(trace, 32).filter(|id| *id != 0)?;
    let span = any_hex(span, 16).filter(|id| *id != 0)?;
    let flags = any_hex(flags, 2)?;
    if parent.chars().count() > 16 {
        return None;
    }
    let state = match flags & 3 {
        1 => "accept",
        3 => "debug",
        _ => "deny",
    };
    Some((Some(trace), Some(u64::try_from(span).unwrap()), state))
}

fn cloud_trace(value: &str) -> Option<Found> {
    let (ids, options) = match value.split_once(';') {
        Some((ids, options)) => (ids, Some(options.strip_prefix("o=")?)),
        None => (value, None),
    };
    let (trace, span) = ids.split_once('/').unwrap_or((ids, ""));
    let trace = any_hex(trace, 32).filter(|id| trace.len() == 32 && *id != 0)?;
    let span = if span.is_empty() { None } else { Some(decimal(span, 20)?).filter(|id| *id != 0) };
    let state = match options {
        None | Some("") => "defer",
        Some(options) => match decimal(options, 3).filter(|bits| *bits < 256)? % 2 {
            1 => "accept",
            _ => "deny",
        },
    };
    Some((Some(trace), span, state))
}

fn grpc(value: &str) -> Option<Found> {
    let bytes = base64(value)?;
    let mut rest = bytes.strip_prefix(&[0])?;
    let (mut trace, mut span, mut options) = (None, None, None);
    while let [number @ 0..=2, content @ ..] = rest {
        let length = [16, 8, 1][usize::from(*number)];
        if content.len() < length {
            return None;
        }
        let id = content[..length].iter().fold(0_u128, |id, byte| id << 8 | u128::from(*byte));
        let field = [&mut trace, &mut span, &mut options][usize::from(*number)].replace(id);
        if field.is_some() || (id == 0 && *number < 2) {
            return None;
        }
        rest = &content[length..];
    }
    let state = if options.unwrap_or(0) % 2 == 1 { "accept" } else { "deny" };
    Some((Some(trace?), span.map(|id| u64::try_from(id).unwrap()), state))
}

/// Decodes the first 40 characters; what is behind them is not read.
fn base64(value: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let data: String = value.chars().take(40).take_while(|c| ALPHABET.contains(*c)).collect();
    if data.len() < 40 {
        let padding = &value[data.len()..];
        let needed = (4 - data.len() % 4) % 4;
        if data.len() % 4 == 1 || !(padding.is_empty() || padding == "=".repeat(needed) && needed < 3) {
            return None;
        }
    }
    let bits = data.chars().map(|c| ALPHABET.find(c).unwrap());
    let bits: Vec<_> = bits.flat_map(|sextet| (0..6).rev().map(move |i| sextet >> i & 1)).collect();
    Some(bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect())
}
