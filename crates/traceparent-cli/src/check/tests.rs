use super::{judge::Verdict, tally::Place, *};

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const BAD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";

fn tally(text: &[u8], block: usize, threads: usize) -> Tally {
    let source = Source::new(vec![Input::Bytes(text.to_vec())], block, Progress::hidden());
    run(source, threads, 3).unwrap().0
}

/// The numbers of valid, invalid, empty and cut headers of a name.
fn numbers(tally: &Tally, name: &str) -> [u64; 4] {
    let mut numbers = [0; 4];
    for ((header, verdict), count) in &tally.counts {
        let i = match verdict {
            Verdict::Valid => 0,
            Verdict::Invalid(_) => 1,
            Verdict::Empty => 2,
            Verdict::Cut => 3,
        };
        numbers[i] += if *header == name { count.number } else { 0 };
    }
    numbers
}

fn examples(tally: &Tally) -> Vec<Place> {
    tally.counts.values().flat_map(|count| count.examples.clone()).collect()
}

#[test]
fn each_header_counts_once_whatever_its_spelling() {
    let text = format!(
        "10.0.0.1 - - \"GET / HTTP/1.1\" 200 \"{GOOD}\" traceparent=-\n\
         {{\"traceparent\":\"{GOOD}\",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\",\"b3\":\"0\"}}\n\
         {{\"name\":\"Traceparent\",\"value\":\"{BAD}\"}},{{\"name\":\"x-b3-traceid\",\"value\":\"1\"}}\n\
         tracestate: b=1,traceparent=1;{GOOD}\n\
         the traceparent is missing, b3 too\n\
         x-datadog-trace-id=12 uber-trace-id=1:2:0:1 X-Amzn-Trace-Id: Root=1\n"
    );
    let tally = tally(text.as_bytes(), 1 << 20, 1);
    assert_eq!(numbers(&tally, "traceparent"), [2, 1, 1, 0], "{tally:?}");
    assert_eq!(numbers(&tally, "b3"), [1, 0, 0, 0]);
    assert_eq!(numbers(&tally, "x-b3-traceid"), [0, 1, 0, 0]);
    assert_eq!(numbers(&tally, "x-datadog-trace-id"), [1, 0, 0, 0]);
    assert_eq!(numbers(&tally, "uber-trace-id"), [1, 0, 0, 0]);
    assert_eq!(numbers(&tally, "x-amzn-trace-id"), [0, 1, 0, 0]);
}

#[test]
fn a_header_inside_of_a_list_is_part_of_the_list() {
    // Member `traceparent=1` is in the value of tracestate, and so is the value of b.
    let tally = tally(format!("tracestate: a=1,traceparent={GOOD}\n").as_bytes(), 1 << 20, 1);
    assert_eq!(numbers(&tally, "tracestate"), [1, 0, 0, 0]);
    assert_eq!(numbers(&tally, "traceparent"), [0; 4], "{tally:?}");
}

#[test]
fn a_bare_value_is_found_at_every_offset() {
    for offset in 0..70 {
        for (value, expected) in [(GOOD, [1, 0, 0, 0]), (BAD, [0, 1, 0, 0])] {
            let text = format!("{} {value} {}", "-".repeat(offset), "x".repeat(offset % 3));
            assert_eq!(numbers(&tally(text.as_bytes(), 1 << 20, 1), "traceparent"), expected, "{offset}");
        }
    }
    let upper = GOOD.to_uppercase();
    assert_eq!(numbers(&tally(upper.as_bytes(), 1 << 20, 1), "traceparent"), [0, 1, 0, 0]);
    for none in ["4bf92f3577b34da6a3ce929d0e0e4736", &GOOD[1..], &format!("a{GOOD}"), &GOOD.replace('-', "_")] {
        assert_eq!(numbers(&tally(none.as_bytes(), 1 << 20, 1), "traceparent"), [0; 4], "{none}");
    }
}

#[test]
fn blocks_of_every_length_give_the_same_counts_and_places() {
    let text =
        format!("a\nx {BAD}\n\"traceparent\": \"{GOOD}\", b3: 2\n\n> tracestate: A=1\r\n{GOOD}\nX-B3-TraceId: 0");
    let whole = tally(text.as_bytes(), 1 << 20, 1);
    assert_eq!(examples(&whole).iter().map(|place| place.line).collect::<Vec<_>>(), [3, 2, 5, 7]);
    for block in 1..text.len() {
        assert_eq!(tally(text.as_bytes(), block, 1), whole, "{block}");
    }
    assert_eq!(tally(text.as_bytes(), 16, 4), whole);
}

#[test]
fn places_are_those_of_the_first_in_a_long_input() {
    let filler = "no header here, nor in any of these lines\n".repeat(3000);
    let text = format!("{filler}{BAD}\n{filler}traceparent: {BAD}\n{filler}\n\n{BAD}\n{filler}{BAD}");
    let whole = tally(text.as_bytes(), 1 << 20, 1);
    assert_eq!(numbers(&whole, "traceparent"), [0, 4, 0, 0]);
    let places = examples(&whole);
    assert_eq!(places.iter().map(|place| place.line).collect::<Vec<_>>(), [3001, 6002, 9005]);
    let third = places[2].offset as usize;
    assert!(text[third..].starts_with(BAD));
    for (block, threads) in [(4096, 1), (4096, 4), (50_000, 3)] {
        assert_eq!(tally(text.as_bytes(), block, threads), whole, "{block}");
    }
}

#[test]
fn a_value_longer_than_what_is_seen_is_cut_and_a_long_line_is_none() {
    let endless = format!("tracestate: a=1{}", " ".repeat(100_000));
    assert_eq!(numbers(&tally(endless.as_bytes(), 1000, 1), "tracestate"), [0, 0, 0, 1]);
    let line =
        format!("{{\"a\":\"{}\",\"traceparent\":\"{GOOD}\",\"b\":\"{}\"}}", "x".repeat(90_000), "y".repeat(90_000));
    assert_eq!(numbers(&tally(line.as_bytes(), 1000, 1), "traceparent"), [1, 0, 0, 0]);
}

#[test]
fn reports_echo_no_byte_of_the_input() {
    let (text, json) = check_bytes(b"traceparent: \x1b[31mEVIL\ntracestate: EVIL=1\nb3: EVIL", 8);
    assert!(text.contains("invalid") && json.contains("\"invalid\""));
    for report in [text, json] {
        assert!(!report.contains("EVIL") && !report.contains('\x1b'), "{report}");
    }
}
