use std::io::{BufRead, Read};

/// A message of HTTP/1.1, read strictly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) first: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether it came to its end.
    pub(crate) complete: bool,
}

impl Message {
    /// Reads a head, or returns `None` where the connection ends first.
    pub(crate) fn head(stream: &mut impl BufRead) -> Option<Self> {
        let first = line(stream)?;
        Some(Self { first, fields: fields(stream)?, ..Self::default() })
    }

    /// Reads the body. A response without a length ends with its connection.
    pub(crate) fn read_body(&mut self, stream: &mut impl BufRead, until_closed: bool) {
        self.complete = self.try_body(stream, until_closed).is_some();
    }

    fn try_body(&mut self, stream: &mut impl BufRead, until_closed: bool) -> Option<()> {
        if let Some(coding) = self.value("transfer-encoding") {
            if !coding.eq_ignore_ascii_case("chunked") {
                return None;
            }
            loop {
                let size = line(stream)?;
                let size = size.split(';').next()?.trim_end().to_owned();
                let size = usize::from_str_radix(&size, 16).ok()?;
                if size == 0 {
                    break;
                }
                self.take(stream, size)?;
                line(stream).filter(String::is_empty)?;
            }
            self.trailers = fields(stream)?;
        } else if let Some(length) = self.value("content-length") {
            let length = length.parse().ok()?;
            self.take(stream, length)?;
        } else if until_closed {
            stream.read_to_end(&mut self.body).ok()?;
        }
        Some(())
    }

    fn take(&mut self, stream: &mut impl BufRead, length: usize) -> Option<()> {
        let before = self.body.len();
        stream.take(length as u64).read_to_end(&mut self.body).ok()?;
        (self.body.len() - before == length).then_some(())
    }

    /// Returns the values of a field, joined by a comma.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.fields.iter().filter(|field| field.0 == name).map(|field| field.1.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

/// Reads a line that ends in CRLF, a byte as a character.
fn line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).ok()?;
    let line = line.strip_suffix(b"\r\n")?;
    Some(line.iter().copied().map(char::from).collect())
}

fn fields(stream: &mut impl BufRead) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = line(stream)?;
        if line.is_empty() {
            return Some(fields);
        }
        let (name, value) = line.split_once(':')?;
        fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
}
