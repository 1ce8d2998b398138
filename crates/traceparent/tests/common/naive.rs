//! The two grammars once more, read off the specification's ABNF without a thought for speed.

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
