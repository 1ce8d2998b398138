use traceparent::{IdsFrom, Policy, SpanId, TraceId, Trust, sampler::AlwaysOn};
use traceparent_formats::{Carried, Format, LocalContext, Propagators, SamplingState, grpc_trace_bin};

use crate::{
    foreign::{
        naive::{self, Answer},
        vectors::{Message, values},
    },
    message::lines,
};

/// Reads and writes all formats, W3C Trace Context first.
const ALL: Propagators = Propagators::new(&Format::ALL, &Format::ALL);

/// Any fields: each format is read as the second reader does, what is written is within bounds and read back equal,
/// and no state of a caller survives where the caller is not trusted.
///
/// Each line of the input is a field, `name: value`.
pub fn formats(input: &[u8]) {
    let message = message_of(input);
    for format in Format::ALL {
        read(format, &message);
    }
    let _ = grpc_trace_bin::parse_bytes(input);

    let extracted = ALL.extract(|name| values(&message, name));
    let mut buffer = vec![0; input.len()];
    assert_eq!(ALL.extract_in(|name| values(&message, name), &mut buffer).incoming(), extracted.incoming());
    for trust in [Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore] {
        let policy = Policy::new(AlwaysOn).with_trust(trust);
        let outgoing = policy.apply(extracted.incoming().clone(), &IdsFrom::new(|| 7));
        let carried = extracted.carried(&outgoing);
        let (trace_id, is_sampled) = (outgoing.traceparent().trace_id(), outgoing.decision().is_sampled());
        written(&LocalContext::new(trace_id, outgoing.span_id(), is_sampled).with_carried(carried));
        match trust {
            Trust::Continue => assert!(!carried.is_debug() || extracted.state() == Some(SamplingState::Debug)),
            Trust::Resample => assert_eq!((carried.is_debug(), carried.datadog_priority()), (false, None)),
            // A caller may have guessed the IDs of this test's generator.
            _ if extracted.context().and_then(|context| context.trace_id()) == Some(trace_id) => {}
            _ => assert_eq!(carried, Carried::EMPTY.without_decision()),
        }
    }
}

/// Returns the fields of an input, a line each.
pub(crate) fn message_of(input: &[u8]) -> Message {
    let field = |line: &[u8]| {
        let at = line.windows(2).position(|pair| pair == b": ")?;
        Some((String::from_utf8(line[..at].to_vec()).ok()?, line[at + 2..].to_vec()))
    };
    lines(input).filter_map(field).collect()
}

fn read(format: Format, message: &Message) {
    let answer = format.read(|name| values(message, name));
    if let Err(error) = answer {
        let longest = message.iter().map(|(_, value)| value.len()).max().unwrap_or_default();
        assert!(error.offset() <= longest);
    }
    if format == Format::TraceContext {
        return;
    }
    match (naive::read(format, message), answer) {
        (Answer::Absent, Ok(None)) | (Answer::Refused, Err(_)) => {}
        (Answer::Found(expected), Ok(Some(context))) => {
            let ids = (context.trace_id().map(TraceId::to_u128), context.span_id().map(SpanId::to_u64));
            assert_eq!((ids.0, ids.1, context.state().as_str()), expected);
        }
        (_, answer) => panic!("{format} answers {answer:?}, the second reader does not"),
    }
}

fn written(context: &LocalContext<'_>) {
    for format in Format::ALL {
        let mut message = Message::new();
        format.write(context, |name, value| {
            if let Some(value) = value {
                assert!(value.len() <= 512 && value.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
                message.push((name.to_owned(), value.as_bytes().to_vec()));
            }
        });
        let Some(back) = format.read(|name| values(&message, name)).unwrap() else {
            assert_eq!(context.trace_id().to_u128() as u64, 0);
            continue;
        };
        if format != Format::OtTracer {
            assert_eq!(back.trace_id(), Some(context.trace_id()));
        }
        assert_eq!(back.span_id(), Some(context.span_id()));
        assert_eq!(back.state().is_sampled(), Some(context.is_sampled()));
        assert_eq!(back.tags_error(), None);
        // Pairs go on unchanged and in order.
        let (carried, back) = (context.carried(), back.carried());
        if format == Format::XRay {
            let mut pairs = carried.xray_pairs();
            assert!(back.xray_pairs().all(|pair| pairs.any(|other| other == pair)));
        }
        if format == Format::Datadog {
            let mut tags = carried.datadog_tags();
            assert!(back.datadog_tags().all(|tag| tags.any(|other| other == tag)));
            assert_eq!(back.datadog_origin(), carried.datadog_origin());
        }
    }
}
