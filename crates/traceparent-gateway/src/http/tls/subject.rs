//! The subject of a certificate, as text.

use std::fmt::Write;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xa0;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;

/// The short names of attributes, by the bytes of their identifiers.
///
/// [RFC 4514, section 3](https://www.rfc-editor.org/rfc/rfc4514#section-3)
const NAMES: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];

/// Returns the subject of a certificate, such as `CN=orders,O=Shop`, or `None` if it has none.
///
/// [RFC 4514, section 2](https://www.rfc-editor.org/rfc/rfc4514#section-2)
pub(super) fn subject(certificate: &[u8]) -> Option<String> {
    let mut certificate = Der(Der(certificate).read(SEQUENCE)?);
    let mut signed = Der(certificate.read(SEQUENCE)?);
    if signed.0.first() == Some(&VERSION) {
        signed.read_any()?;
    }
    // The serial number, the algorithm, the issuer and the time come first.
    for _ in 0..4 {
        signed.read_any()?;
    }
    let mut name = Der(signed.read(SEQUENCE)?);
    let mut parts = Vec::new();
    while !name.0.is_empty() {
        parts.push(relative_name(Der(name.read(SET)?))?);
    }
    parts.reverse();
    Some(parts.join(",")).filter(|subject| !subject.is_empty())
}

fn relative_name(mut set: Der<'_>) -> Option<String> {
    let mut text = String::new();
    while !set.0.is_empty() {
        let mut attribute = Der(set.read(SEQUENCE)?);
        let identifier = attribute.read(OBJECT_IDENTIFIER)?;
        let value = attribute.0;
        let (tag, content) = attribute.read_any()?;
        if !text.is_empty() {
            text.push('+');
        }
        let short = NAMES.iter().find(|(known, _)| *known == identifier);
        let content = str::from_utf8(content).ok();
        let content = content.filter(|_| [UTF8_STRING, PRINTABLE_STRING, TELETEX_STRING, IA5_STRING].contains(&tag));
        if let (Some((_, short)), Some(content)) = (short, content) {
            text.push_str(short);
            text.push('=');
            escape(content, &mut text);
        } else {
            write_identifier(identifier, &mut text);
            text.push_str("=#");
            for byte in value {
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
    Some(text)
}

/// [RFC 4514, section 2.4](https://www.rfc-editor.org/rfc/rfc4514#section-2.4)
fn escape(value: &str, text: &mut String) {
    let last = value.len().saturating_sub(1);
    for (at, character) in value.char_indices() {
        let is_special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || at == 0 && matches!(character, ' ' | '#')
            || at == last && character == ' ';
        if character.is_control() {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(text, "\\{byte:02x}");
            }
        } else {
            if is_special {
                text.push('\\');
            }
            text.push(character);
        }
    }
}

/// Writes an object identifier as numbers with dots between.
fn write_identifier(identifier: &[u8], text: &mut String) {
    let (mut number, mut is_first) = (0_u64, true);
    for byte in identifier {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if is_first {
            let root = (number / 40).min(2);
            let _ = write!(text, "{root}.{}", number - 40 * root);
        } else {
            let _ = write!(text, ".{number}");
        }
        (number, is_first) = (0, false);
    }
}

/// A reader of values in DER.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Reads a value with this tag.
    fn read(&mut self, expected: u8) -> Option<&'a [u8]> {
        self.read_any().and_then(|(tag, content)| (tag == expected).then_some(content))
    }

    fn read_any(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, short], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match usize::from(short) {
            length @ ..=0x7f => (length, rest),
            // The length takes up to four bytes.
            long @ 0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn certificate(parts: impl IntoIterator<Item = (DnType, DnValue)>) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (name, value) in parts {
            params.distinguished_name.push(name, value);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn text(value: &str) -> DnValue {
        DnValue::Utf8String(value.to_owned())
    }

    #[test]
    fn subjects_are_written_last_part_first() {
        let parts = [
            (DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap())),
            (DnType::OrganizationName, text("Müller, \"Söhne\"")),
            (DnType::OrganizationalUnitName, text(" #1 ")),
            (DnType::CommonName, text("orders\u{1b}[2J\u{85}+x")),
        ];
        let expected = "CN=orders\\1b[2J\\c2\\85\\+x,OU=\\ #1\\ ,O=Müller\\, \\\"Söhne\\\",C=DE";
        assert_eq!(subject(&certificate(parts)).unwrap(), expected);
    }

    #[test]
    fn unknown_attributes_are_numbers() {
        let parts = [(DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), text("a@b"))];
        assert_eq!(subject(&certificate(parts)).unwrap(), "1.2.840.113549.1.9.1=#0c03614062");
        let parts = [(DnType::CustomDnType(vec![2, 999, 3]), text("x"))];
        assert_eq!(subject(&certificate(parts)).unwrap(), "2.999.3=#0c0178");
    }

    #[test]
    fn no_subject_is_none() {
        assert_eq!(subject(&certificate([])), None);
    }

    #[test]
    fn broken_certificates_do_no_harm() {
        let whole = certificate([(DnType::CommonName, text("orders"))]);
        for end in 0..whole.len() {
            let _ = subject(&whole[..end]);
            for byte in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[end] = byte;
                let _ = subject(&changed);
            }
        }
        assert_eq!(subject(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(subject(&whole[..whole.len() - 1]), None);
    }
}
