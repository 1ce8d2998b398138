//! Naive parsers, written from the ABNF of the specification.

/// version, trace-id, parent-id, flag byte
pub(crate) type TraceParent = (u8, u128, u64, u8);

/// ```abnf
/// value          = version "-" version-format
/// version-format = 32HEXDIGLC "-" 16HEXDIGLC "-" 2HEXDIGLC
/// ```
/// and, for versions over `00`, whatever follows another dash.
pub(crate) fn traceparent(value: &[u8]) -> Option<TraceParent> {
    let parts: Vec<&[u8]> = value.splitn(5, |byte| *byte == b'-').collect();
    let (&[version, trace_id, parent_id, flags] | &[version, trace_id, parent_id, flags, _]) = parts.as_slice() else {
        return None;
    };
    let version = u8::try_from(hexdiglc(version, 2)?).ok()?;
    let trace_id = hexdiglc(trace_id, 32)?;
    let parent_id = u64::try_from(hexdiglc(parent_id, 16)?).ok()?;
    let flags = u8::try_from(hexdiglc(flags, 2)?).ok()?;
    let forbidden = version == 0xff || trace_id == 0 || parent_id == 0 || version == 0 && parts.len() == 5;
    (!forbidden).then_some((version, trace_id, parent_id, flags))
}

fn hexdiglc(digits: &[u8], length: usize) -> Option<u128> {
    let valid = digits.len() == length && digits.iter().all(|digit| b"0123456789abcdef".contains(digit));
    u128::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|_| valid)
}

/// ```abnf
/// list        = list-member 0*31( OWS "," OWS list-member )
/// list-member = key "=" value
/// list-member = OWS
/// ```
pub(crate) fn tracestate(value: &[u8]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(value).ok()?;
    let members = text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    let members: Vec<_> = members.map(member).collect::<Option<_>>()?;
    (members.len() <= 32).then_some(members)
}

fn member(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    (is_key(key) && is_value(value)).then(|| (key.to_owned(), value.to_owned()))
}

/// ```abnf
/// key     = ( lcalpha / DIGIT ) 0*255 ( keychar )
/// keychar = lcalpha / DIGIT / "_" / "-"/ "*" / "/" / "@"
/// ```
pub(crate) fn is_key(key: &str) -> bool {
    let first = |c: char| matches!(c, 'a'..='z' | '0'..='9');
    key.len() <= 256 && key.starts_with(first) && key.chars().all(|c| first(c) || "_-*/@".contains(c))
}

/// ```abnf
/// value    = 0*255(chr) nblk-chr
/// nblk-chr = %x21-2B / %x2D-3C / %x3E-7E
/// chr      = %x20 / nblk-chr
/// ```
pub(crate) fn is_value(value: &str) -> bool {
    let chr = |c: char| matches!(c, ' '..='~') && c != ',' && c != '=';
    !value.is_empty() && value.len() <= 256 && value.chars().all(chr) && !value.ends_with(' ')
}

/// The content of the `ot` member's value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ot {
    pub(crate) threshold: Option<u64>,
    pub(crate) randomness: Option<u64>,
    pub(crate) others: Vec<(String, String)>,
    /// Whether every part of it was well formed.
    pub(crate) clean: bool,
}

/// ```abnf
/// list    = key ":" value *( ";" key ":" value )
/// key     = lcalpha *( lcalpha / DIGIT )
/// value   = *( ALPHA / DIGIT / "." / "_" / "-" )
/// ```
/// without malformed parts: a `th` or `rv` that comes twice is malformed, each by itself.
pub(crate) fn ot(text: &str) -> Ot {
    if text.len() > 256 {
        return Ot::default();
    }
    let parts: Vec<_> = text.split(';').filter(|_| !text.is_empty()).map(|part| part.split_once(':')).collect();
    let known = |name: &str| {
        parts.iter().flatten().filter(|(key, _)| *key == name).map(|(_, value)| *value).collect::<Vec<_>>()
    };
    let only = |name: &str, parse: fn(&str) -> Option<u64>| match known(name)[..] {
        [] => Ok(None),
        [value] => parse(value).map(Some).ok_or(()),
        _ => Err(()),
    };
    let threshold = only("th", |digits| {
        let length = digits.len();
        let number = (1..=14).contains(&length).then(|| hexdiglc(digits.as_bytes(), length))??;
        Some(u64::try_from(number).ok()? << (4 * (14 - length)))
    });
    let randomness = only("rv", |digits| u64::try_from(hexdiglc(digits.as_bytes(), 14)?).ok());
    let others: Vec<_> =
        parts.iter().map(|part| part.filter(|(key, value)| is_sub_key(key) && is_sub_value(value))).collect();
    let well_formed =
        parts.iter().zip(&others).all(|(part, other)| other.is_some() || matches!(part, Some(("th" | "rv", _))));
    Ot {
        clean: well_formed && threshold.is_ok() && randomness.is_ok(),
        threshold: threshold.unwrap_or_default(),
        randomness: randomness.unwrap_or_default(),
        others: others
            .into_iter()
            .flatten()
            .filter(|(key, _)| !["th", "rv"].contains(key))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn is_sub_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase()) && key.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9'))
}

fn is_sub_value(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// A metric of a `Server-Timing` field: its text, its name, and the value of its first parameter `desc`.
pub(crate) type Metric = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);

/// ```abnf
/// Server-Timing             = #server-timing-metric
/// server-timing-metric      = metric-name *( OWS ";" OWS server-timing-param )
/// server-timing-param       = server-timing-param-name OWS "=" OWS server-timing-param-value
/// server-timing-param-value = token / quoted-string
/// ```
/// First every byte in quotes is marked, then the field is cut at the separators that are not.
pub(crate) fn server_timing(field: &[u8]) -> Vec<Metric> {
    let (mut quoted, mut after_backslash) = (false, false);
    let mut marked = Vec::new();
    for &byte in field {
        let escaped = after_backslash;
        after_backslash = quoted && !escaped && byte == b'\\';
        quoted ^= byte == b'"' && !escaped;
        marked.push((byte, quoted));
    }
    let cut = |text: &[(u8, bool)], separator: u8| -> Vec<Vec<(u8, bool)>> {
        let parts = text.split(|&(byte, quoted)| byte == separator && !quoted);
        parts.map(|part| trim(part).to_vec()).collect()
    };
    let bytes = |text: &[(u8, bool)]| text.iter().map(|&(byte, _)| byte).collect::<Vec<u8>>();
    let metric = |text: Vec<(u8, bool)>| {
        let parts = cut(&text, b';');
        let mut parameters = parts.iter().skip(1).map(|parameter| cut(parameter, b'='));
        let desc = parameters.find(|sides| bytes(&sides[0]).eq_ignore_ascii_case(b"desc"));
        let value = desc.and_then(|sides| sides.get(1).map(|value| bytes(value)));
        let value = value.map(|value| match &value[..] {
            [b'"', inner @ .., b'"'] => inner.to_vec(),
            _ => value,
        });
        (bytes(&text), bytes(&parts[0]), value)
    };
    cut(&marked, b',').into_iter().filter(|text| !text.is_empty()).map(metric).collect()
}

fn trim(mut text: &[(u8, bool)]) -> &[(u8, bool)] {
    while let [(b' ' | b'\t', _), rest @ ..] | [rest @ .., (b' ' | b'\t', _)] = text {
        text = rest;
    }
    text
}
