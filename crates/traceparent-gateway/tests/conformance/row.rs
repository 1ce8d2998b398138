use crate::{frames, text::line};

/// A step of the client, or of the upstream when it answers.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(Vec<u8>),
    /// Waits for a response, or reads the body of a request.
    Answer,
    /// Closes the sending side.
    Shut,
    /// Closes the connection.
    Close,
    /// A pause, which gives bytes time to arrive.
    Pause,
    /// Ends the answer to a request; what follows is for the next one.
    Next,
    /// An HTTP/2 frame.
    Frame(frames::Frame),
}

/// A row of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) section: String,
    pub(crate) client: Vec<Step>,
    pub(crate) upstream: Vec<Step>,
    /// Whether the upstream answers once it has read the head.
    pub(crate) early: bool,
    pub(crate) listener: Vec<String>,
    pub(crate) route: Vec<String>,
    /// What must hold: key and value.
    pub(crate) rules: Vec<(String, String)>,
}

impl Row {
    /// Reads the rows of a file.
    pub(crate) fn all(text: &str) -> Vec<Self> {
        let mut rows: Vec<Self> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if let Some(title) = line.strip_prefix("== ") {
                let (name, section) = title.split_once(" | ").expect("a name and a section");
                rows.push(Self { name: name.to_owned(), section: section.to_owned(), ..Self::default() });
                continue;
            }
            let row = rows.last_mut().expect("a title first");
            match line.as_bytes()[0] {
                b'>' => row.client.push(step(&line[1..])),
                b'<' if line == "<! early" => row.early = true,
                b'<' => row.upstream.push(step(&line[1..])),
                _ => {
                    let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("no rule: {line}"));
                    let value = value.trim_start().to_owned();
                    match key {
                        "listener" => row.listener.push(value),
                        "route" => row.route.push(value),
                        _ => row.rules.push((key.to_owned(), value)),
                    }
                }
            }
        }
        rows
    }

    pub(crate) fn rule(&self, key: &str) -> Option<&str> {
        self.rules.iter().find(|rule| rule.0 == key).map(|rule| rule.1.as_str())
    }

    /// Whether the client speaks HTTP/2.
    pub(crate) fn has_http2_client(&self) -> bool {
        self.client.iter().any(|step| matches!(step, Step::Frame(_)))
    }

    /// Whether the upstream speaks HTTP/2.
    pub(crate) fn has_http2_upstream(&self) -> bool {
        self.upstream.iter().any(|step| matches!(step, Step::Frame(_)))
    }

    /// Whether a reference can be asked, which knows none of the gateway's settings.
    pub(crate) fn is_comparable(&self, reference: &str) -> bool {
        let settings = self.listener.is_empty() && self.route.is_empty() && self.rule("route to").is_none();
        settings && !(self.has_http2_upstream() && reference == "CONFORMANCE_NGINX")
    }
}

fn step(text: &str) -> Step {
    if let Some(frame) = text.strip_prefix('+') {
        return Step::Frame(frames::Frame::parse(frame.trim_start()));
    }
    match text {
        "! answer" | "! read" => Step::Answer,
        "! shut" => Step::Shut,
        "! close" => Step::Close,
        "! pause" => Step::Pause,
        "! next" => Step::Next,
        _ => Step::Write(line(text.strip_prefix(' ').unwrap_or(text))),
    }
}
