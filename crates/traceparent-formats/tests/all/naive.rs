//! Each reader against the second one of `common::naive`, over the vectors, small changes of them, and made-up values.

use proptest::{collection::vec, prelude::*, sample::Index};
use traceparent::{SpanId, TraceId};
use traceparent_formats::Format;

use crate::common::{
    naive::{self, Answer},
    vectors::{Message, read, values},
};

fn assert_equal(format: Format, message: &Message) {
    if format == Format::TraceContext {
        return;
    }
    let answer = format.read(|name| values(message, name));
    match (naive::read(format, message), answer) {
        (Answer::Absent, Ok(None)) | (Answer::Refused, Err(_)) => {}
        (Answer::Found(expected), Ok(Some(context))) => assert_eq!(
            (context.trace_id().map(TraceId::to_u128), context.span_id().map(SpanId::to_u64), context.state().as_str()),
            expected,
            "{format}: {message:?}"
        ),
        (_, answer) => panic!("{format} answers {answer:?} to {message:?}, the second reader does not"),
    }
}

/// F 1.
#[test]
fn the_vectors_agree() {
    for vector in read() {
        assert_equal(vector.format, &vector.fields);
    }
}

/// The first and the last bytes of what is a digit, a letter or printable, those beside them, separators, and letters that
/// differ from digits in fewer bits than others.
const EDGES: &[u8] = b"\x00\x1f \x21/09:@AFG`afgqvz~\x7f\x80\xb0\xff-;=,%";

/// F 7.
#[test]
fn bytes_at_the_edges_agree_at_every_place() {
    let valid = read().filter(|vector| !vector.verdict.starts_with("err") && vector.fields.len() < 6);
    for vector in valid.filter(|vector| vector.fields.iter().all(|(_, value)| value.len() < 100)) {
        let mut message = vector.fields.clone();
        for field in 0..message.len() {
            for at in 0..message[field].1.len() {
                let before = message[field].1[at];
                for &byte in EDGES {
                    message[field].1[at] = byte;
                    assert_equal(vector.format, &message);
                }
                message[field].1[at] = before;
            }
        }
    }
}

/// Bytes that mean something in one of the formats, and some that mean nothing.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![6 => prop::sample::select(&b"0123456789abcdefABFdD-:;=/,%?+ oRSP_xt"[..]), 1 => any::<u8>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// F 7, 14, 18, 23, 29-32, 35-37, 39, 42, 43, 45.
    #[test]
    fn changed_vectors_agree(
        which: Index,
        changes in vec((any::<Index>(), any::<Index>(), 0..5, byte()), 1..4),
    ) {
        let vectors: &[_] = VECTORS.get_or_init(|| read().collect());
        let vector = which.get(vectors);
        let mut message = vector.fields.clone();
        for (field, at, change, byte) in changes {
            let Some(count) = Some(message.len()).filter(|count| *count > 0) else { break };
            let value = &mut message[field.index(count)].1;
            let at = at.index(value.len() + 1);
            match change {
                0 if at < value.len() => drop(value.remove(at)),
                1 => value.insert(at, byte),
                2 => value.truncate(at),
                3 => drop(message.remove(field.index(count))),
                _ if at < value.len() => value[at] = byte,
                _ => {}
            }
        }
        assert_equal(vector.format, &message);
    }

    /// F 7, 8.
    #[test]
    fn made_up_values_agree(format in 1_usize..9, values in vec(vec(byte(), 0..80), 1..5)) {
        let format = Format::ALL[format];
        let names = format.field_names().iter().map(|name| (*name).to_owned());
        assert_equal(format, &names.zip(values).collect());
    }
}

static VECTORS: std::sync::OnceLock<Vec<crate::common::vectors::Vector>> = std::sync::OnceLock::new();
