//! Where the propagator of OpenTelemetry's SDK answers otherwise, and by which requirement.

/// The fields of a request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) traceparents: Vec<String>,
    pub(crate) tracestates: Vec<String>,
}

impl Request {
    pub(crate) fn new(traceparents: &[&str], tracestates: &[&str]) -> Self {
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        Self { traceparents: owned(traceparents), tracestates: owned(tracestates) }
    }

    pub(crate) fn headers(&self) -> http::HeaderMap {
        let [traceparents, tracestates] =
            [&self.traceparents, &self.tracestates].map(|values| values.iter().map(String::as_str).collect::<Vec<_>>());
        super::headers(&traceparents, &tracestates)
    }

    /// Version, trace-id, parent-id, flags and whatever follows, of the first field.
    fn part(&self, i: usize) -> &str {
        self.traceparents.first().and_then(|value| value.trim().split('-').nth(i)).unwrap_or_default()
    }

    fn members(&self) -> impl Iterator<Item = &str> {
        self.tracestates.iter().flat_map(|field| field.split(',')).map(|member| member.trim_matches([' ', '\t']))
    }

    fn any_member(&self, test: impl Fn(&str, &str) -> bool) -> bool {
        self.members().filter_map(|member| member.split_once('=')).any(|(key, value)| test(key, value))
    }
}

/// What a difference can be seen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Whether the trace goes on.
    Continued,
    /// The random flag.
    Random,
    /// The list.
    List,
}

/// One row of the table in the README.
pub(crate) struct Difference {
    /// The first cell.
    pub(crate) what: &'static str,
    /// The last cell.
    pub(crate) requirement: &'static str,
    pub(crate) seen: Seen,
    pub(crate) applies: fn(&Request) -> bool,
    pub(crate) example: fn() -> Request,
    /// What goes out: whether the trace goes on, the flags where it does, and the list.
    pub(crate) stock: (bool, &'static str, Option<&'static str>),
    pub(crate) ours: (bool, &'static str, Option<&'static str>),
}

fn parent(value: &str) -> Request {
    Request::new(&[value], &["rojo=1"])
}

fn list(fields: &[&str]) -> Request {
    Request::new(&[super::SAMPLED], fields)
}

const LIST: Option<&str> = Some("rojo=1");
const CONTINUED: (bool, &str, Option<&str>) = (true, "01", LIST);
const RESTARTED: (bool, &str, Option<&str>) = (false, "", None);

pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        what: "more than one `traceparent` field",
        requirement: "RFC 9110, 5.3",
        seen: Seen::Continued,
        applies: |request| request.traceparents.len() > 1,
        example: || Request::new(&[super::SAMPLED, super::SAMPLED], &["rojo=1"]),
        stock: CONTINUED,
        ours: RESTARTED,
    },
    Difference {
        what: "a trace-id or parent-id of another width, or with a sign",
        requirement: "W3C 9, 10",
        seen: Seen::Continued,
        applies: |request| {
            let (trace_id, parent_id) = (request.part(1), request.part(2));
            trace_id.len() != 32 || parent_id.len() != 16 || trace_id.starts_with('+') || parent_id.starts_with('+')
        },
        example: || parent("00-4bf92f3577b34da6a3ce929d0e0e4736-f067aa0ba902b7-01"),
        stock: CONTINUED,
        ours: RESTARTED,
    },
    Difference {
        what: "a version that is not two lower-case hex digits",
        requirement: "W3C 7, 29",
        seen: Seen::Continued,
        applies: |request| {
            let version = request.part(0);
            version.len() != 2 || version.bytes().any(|byte| byte == b'+' || byte.is_ascii_uppercase())
        },
        example: || parent("0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        stock: CONTINUED,
        ours: RESTARTED,
    },
    Difference {
        what: "flags that are not two hex digits",
        requirement: "W3C 8, 30",
        seen: Seen::Continued,
        applies: |request| request.part(3).len() != 2 || request.part(3).starts_with('+'),
        example: || parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-001"),
        stock: CONTINUED,
        ours: RESTARTED,
    },
    Difference {
        what: "a dash at the end of version `00`",
        requirement: "W3C 33",
        seen: Seen::Continued,
        applies: |request| request.part(0) == "00" && request.traceparents.iter().any(|value| value.ends_with('-')),
        example: || parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-"),
        stock: CONTINUED,
        ours: RESTARTED,
    },
    Difference {
        what: "the random flag of the caller",
        requirement: "W3C 26",
        seen: Seen::Random,
        applies: |request| u8::from_str_radix(request.part(3), 16).is_ok_and(|flags| flags & 2 != 0),
        example: || parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"),
        stock: CONTINUED,
        ours: (true, "03", LIST),
    },
    Difference {
        what: "several `tracestate` fields",
        requirement: "W3C 43",
        seen: Seen::List,
        applies: |request| request.tracestates.len() > 1,
        example: || list(&["rojo=1", "congo=2"]),
        stock: CONTINUED,
        ours: (true, "01", Some("rojo=1,congo=2")),
    },
    Difference {
        what: "keys of Level 2 with an `@`, such as `foo@@bar`, or 14 characters and more behind it",
        requirement: "W3C 50",
        seen: Seen::List,
        applies: |request| request.any_member(|key, _| key.contains('@')),
        example: || list(&["foo@@bar=1,rojo=1"]),
        stock: (true, "01", Some("")),
        ours: (true, "01", Some("foo@@bar=1,rojo=1")),
    },
    Difference {
        what: "a member without a key",
        requirement: "W3C 50",
        seen: Seen::List,
        applies: |request| request.any_member(|key, _| key.is_empty()),
        example: || list(&["rojo=1,=2"]),
        stock: (true, "01", Some("rojo=1,=2")),
        ours: (true, "01", None),
    },
    Difference {
        what: "a value that is empty, starts with `=` or has a tab inside",
        requirement: "W3C 51",
        seen: Seen::List,
        applies: |request| {
            request.any_member(|_, value| value.is_empty() || value.starts_with('=') || value.contains('\t'))
        },
        example: || list(&["rojo=1,congo="]),
        stock: (true, "01", Some("rojo=1,congo=")),
        ours: (true, "01", None),
    },
    Difference {
        what: "more than 32 members",
        requirement: "W3C 48, 71",
        seen: Seen::List,
        applies: |request| request.members().count() > 32,
        example: || list(&[",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,rojo=1"]),
        stock: (true, "01", Some("")),
        ours: (true, "01", Some(",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,rojo=1")),
    },
    Difference {
        what: "an empty `tracestate` goes out",
        requirement: "W3C 49",
        seen: Seen::List,
        applies: |_| false,
        example: || list(&[]),
        stock: (true, "01", Some("")),
        ours: (true, "01", None),
    },
];
