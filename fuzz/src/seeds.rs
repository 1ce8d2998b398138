//! Inputs to start from, made of the vectors that the tests of the core read.

use crate::{differential::DIFFERENCES, foreign, rows, vectors};

const EXAMPLE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn inputs(file: &'static str) -> Vec<Vec<u8>> {
    vectors::read(file).map(|vector| vector.input).collect()
}

/// The values of the `ot` member to try.
const OT: [&[u8]; 14] = [
    b"th:c",
    b"th:0",
    b"rv:d0000000000000",
    b"th:c;rv:ce929d0e0e4736;x:new",
    b"th:ce929d0e0e4737;a:1;b2:._-Az09",
    b"th:x;rv:x;x:1",
    b"th:8;th:8;rv:00000000000000",
    b"th:;rv:;Bad:1;x",
    b"th:fd70a",
    b"e666",
    b"ce929d0e0e4736",
    b"12.5",
    b"99.999999",
    b"100",
];

const SERVER_TIMING: [&[u8]; 6] = [
    b"trace;desc=V",
    b"db;dur=53, Trace ; dur=1;\tdesc = \"V\" , cache;desc=\"a, b \\\" c\"",
    b"trace",
    b"a;desc=\"trace;desc=V",
    b"trace;desc=V;desc=no, trace;desc=no",
    b"trace;;desc=cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more;x=\"\\\\\"",
];

/// Returns the seeds of a target.
///
/// # Panics
///
/// Where there is no such target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let (traceparents, tracestates) = (inputs(vectors::TRACEPARENT), inputs(vectors::TRACESTATE));
    let server_timing = || SERVER_TIMING.iter().map(|field| replace(field, EXAMPLE));
    match target {
        "traceparent" => traceparents,
        "tracestate" => {
            let edits = [&b"\nrojo=2"[..], b"\nours=1\nrojo", b"\na=1\na\nb=2\ncongo=3\n=\nBad=1"];
            let edited = tracestates.iter().flat_map(|list| edits.map(|edit| [list, edit].concat()));
            edited.chain(tracestates.iter().cloned()).collect()
        }
        "policy" => {
            let ot = OT.iter().map(|value| [&b"ot="[..], value, b",rojo=1"].concat());
            let lists = tracestates.iter().cloned().chain(ot).map(|list| [b"p", EXAMPLE, b"\ns", &list[..]].concat());
            let headers =
                traceparents.iter().map(|value| [b"p", &value[..], b"\nsrojo=1,ot=th:c\nscongo=2\ncours=1"].concat());
            let twice = [b"p", EXAMPLE, b"\np", EXAMPLE].concat();
            let messages = headers.chain(lists).chain([twice, b"srojo=1".to_vec()]).enumerate();
            messages.map(|(i, message)| [&[i as u8 ^ (i >> 3) as u8], &message[..]].concat()).collect()
        }
        "ot" => OT.iter().map(|value| value.to_vec()).collect(),
        "server_timing" => server_timing().collect(),
        "http" => {
            let headers = traceparents
                .iter()
                .map(|value| [b"TraceParent:", &value[..], b"\naccept:*/*\ntracestate: a=1"].concat());
            let lists = tracestates
                .iter()
                .map(|list| [b"traceparent: ", EXAMPLE, b"\ntracestate:", list, b"\ntracestate:b=2"].concat());
            let responses =
                server_timing().map(|field| [b"server-timing:", &field[..], b"\nServer-Timing:db;dur=5"].concat());
            headers.chain(lists).chain(responses).collect()
        }
        "formats" | "formats_differential" => foreign::vectors::read()
            .map(|vector| {
                let fields = vector.fields.iter().map(|(name, value)| [name.as_bytes(), b": ", &value[..]].concat());
                let state =
                    b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\ntracestate: a=1".to_vec();
                fields.chain([state].into_iter().filter(|_| vector.line % 3 == 0)).collect::<Vec<_>>().join(&b'\n')
            })
            .collect(),
        "explain" | "check" => {
            let foreign = of("formats").into_iter();
            let lines =
                traceparents.iter().map(|value| [b"> Traceparent: ", &value[..], b"\r\ntracestate: a=1"].concat());
            let json = tracestates.iter().map(|list| {
                let head = [b"{\"traceparent\":\"", EXAMPLE, b"\",\n\"name\":\"tracestate\", \"value\":\""].concat();
                [&head[..], list, b"\"}"].concat()
            });
            let bare = traceparents.iter().map(|value| [b"GET / 200 \"", &value[..], b"\" b3=0"].concat());
            let lists = tracestates
                .iter()
                .cloned()
                .chain([b"tracestate: invalid=2".to_vec(), b"x-amzn-trace-id: invalid  pair=2".to_vec()]);
            let texts = foreign.chain(lines).chain(json).chain(bare).chain(lists).enumerate();
            // The first byte is the length of blocks of `check`.
            texts.map(|(i, text)| if target == "check" { [&[i as u8], &text[..]].concat() } else { text }).collect()
        }
        "gateway" => gateway(),
        "differential" => {
            let examples = DIFFERENCES.iter().map(|difference| difference.example.as_bytes().to_vec());
            let lists = tracestates.iter().map(|list| [EXAMPLE, b"\n", list].concat());
            examples.chain(lists).chain(traceparents.iter().cloned()).collect()
        }
        _ => panic!("no such target: {target}"),
    }
}

/// The requests of the rows that the conformance test of the gateway plays, for each of its configurations.
fn gateway() -> Vec<Vec<u8>> {
    let rows = [
        include_str!("../../crates/traceparent-gateway/tests/conformance/rows/01-request-framing.txt"),
        include_str!("../../crates/traceparent-gateway/tests/conformance/rows/02-request-heads.txt"),
        include_str!("../../crates/traceparent-gateway/tests/conformance/rows/03-hosts-and-targets.txt"),
        include_str!("../../crates/traceparent-gateway/tests/conformance/rows/04-connection-fields.txt"),
        include_str!("../../crates/traceparent-gateway/tests/conformance/rows/08-trailers.txt"),
        include_str!("../../crates/traceparent-gateway/tests/conformance/rows/09-traces.txt"),
    ];
    let rows = rows.iter().flat_map(|file| file.split("\n== "));
    let requests = rows.map(request).filter(|request| !request.is_empty());
    requests.enumerate().map(|(i, request)| [&[i as u8][..], &request].concat()).collect()
}

/// The bytes that the client of a row writes.
fn request(row: &str) -> Vec<u8> {
    let lines = row.lines().filter_map(|line| line.strip_prefix('>')).filter(|line| !line.starts_with(['!', '+']));
    lines.flat_map(|line| rows::line(line.strip_prefix(' ').unwrap_or(line))).collect()
}

/// The text with every `V` of it replaced.
fn replace(text: &[u8], value: &[u8]) -> Vec<u8> {
    text.split(|byte| *byte == b'V').collect::<Vec<_>>().join(value)
}
