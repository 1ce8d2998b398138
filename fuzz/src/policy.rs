use std::cell::Cell;

use traceparent::{
    IdsFrom, Incoming, Origin, Outgoing, Policy, Threshold, TraceParent, TraceStateEdit, Trust,
    sampler::{
        AlwaysOff, AlwaysOn, AlwaysRecord, ParentBased, ProbabilitySampler, Sampler, TraceIdRatioBased,
        composite::{self, CompositeSampler},
    },
};

use crate::{
    message::Message,
    model::{OwnedChange, model},
    naive,
    tracestate::borrow,
};

/// Whatever comes in, what goes out is valid and as the specification's processing model has it.
///
/// The first byte of the input chooses trust, sampler, ids and budget; the rest is a [`Message`].
pub fn policy(input: &[u8]) {
    let Some((&knobs, text)) = input.split_first() else { return };
    let message = Message::read(text);
    let trust = [Trust::Continue, Trust::Resample, Trust::Restart, Trust::Ignore][usize::from(knobs & 3)];
    let random = knobs & 0x20 != 0;
    let apply = |traceparents: &[_]| {
        let ids = ids(random);
        let incoming = Incoming::from_fields(traceparents.iter().copied(), message.tracestates.iter().copied());
        Policy::new(sampler(knobs)).with_trust(trust).apply(incoming, &ids)
    };
    let applied = apply(&message.traceparents);
    let changes = borrow(&message.changes);
    let outgoing = applied.edit(&changes);

    // W3C 9, 10, 29, 30, 34, 69: who starts, who restarts, who continues.
    let caller = match message.traceparents[..] {
        [value] => naive::traceparent(value),
        _ => None,
    };
    let origin = match (caller, trust) {
        (None, _) if message.traceparents.is_empty() => Origin::Started,
        (Some(_), Trust::Continue | Trust::Resample) => Origin::Continued,
        _ => Origin::Restarted,
    };
    assert_eq!(outgoing.origin(), origin);

    // W3C 6, 27, 32: what goes out is version 00 with no bit but the two known.
    let (version, trace_id, span_id, flags) = naive::traceparent(&outgoing.traceparent().encode()).unwrap();
    assert_eq!((version, flags & !3), (0, 0));
    assert_eq!(flags & 1 == 1, outgoing.decision().is_sampled());
    assert_eq!(outgoing.span_id().to_u64(), span_id);
    if let (Origin::Continued, Some((_, theirs, parent_id, received))) = (origin, caller) {
        // W3C 26, 36
        assert_eq!((trace_id, flags & 2), (theirs, received & 2));
        assert_ne!(span_id, parent_id);
        assert_eq!(outgoing.parent_id().unwrap().to_u64(), parent_id);
        assert!(trust != Trust::Continue || flags & 1 == received & 1);
    } else {
        // W3C 23, 25
        assert_eq!(flags & 2 == 2, random);
        assert!(outgoing.parent_id().is_none());
        assert!(caller.is_none_or(|(_, theirs, ..)| theirs != trace_id));
    }
    assert_eq!(outgoing.link().is_some(), caller.is_some() && trust == Trust::Restart);

    // W3C 31: what follows byte 54 of a higher version changes nothing.
    if let (Some((1.., ..)), [value]) = (caller, &message.traceparents[..]) {
        let cut = apply(&[&value[..TraceParent::LENGTH]]);
        assert_eq!(cut.traceparent(), apply(&[value]).traceparent());
        assert_eq!(cut.tracestate().to_string(), apply(&[value]).tracestate().to_string());
    }

    // W3C 37, 39, 40, 67, 71: of an invalid list, or one that is not continued, nothing goes on.
    let received = message.joined_tracestate();
    let received = match naive::tracestate(&received) {
        Some(_) if origin == Origin::Continued => String::from_utf8(received).unwrap(),
        _ => String::new(),
    };
    assert_list(outgoing.tracestate(), &received, &message.changes);
    if !message.changes.iter().any(|(key, _)| key == "ot") {
        assert_ot(&outgoing, &received, trace_id);
    }

    let child = outgoing.clone().into_owned().child(&ids(random));
    assert_eq!(child.parent_id(), Some(outgoing.span_id()));
    assert_eq!(child.traceparent().child(outgoing.span_id(), outgoing.decision().is_sampled()), outgoing.traceparent());
    assert_eq!(child.tracestate().to_string(), outgoing.tracestate().to_string());
    if knobs & 0x40 != 0 {
        let budget = TraceStateEdit::MIN_BUDGET + input.len() % 64;
        let cut = outgoing.within(budget).unwrap().tracestate().to_string();
        assert!(cut.len() <= budget && naive::tracestate(cut.as_bytes()).is_some());
    }
}

/// IDs from a fixed sequence of numbers, which no input has.
fn ids(random: bool) -> IdsFrom<impl Fn() -> u64> {
    let state = Cell::new(0xfeed_5eed_u64);
    let draw = move || {
        state.set(state.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f));
        state.get()
    };
    if random { IdsFrom::random(draw) } else { IdsFrom::new(draw) }
}

fn sampler(knobs: u8) -> Box<dyn Sampler> {
    let tenth = Threshold::from_ratio(1, 10).unwrap();
    match knobs >> 2 & 7 {
        0 => Box::new(AlwaysOn),
        1 => Box::new(AlwaysOff),
        2 => Box::new(ParentBased::new(AlwaysOff)),
        3 => Box::new(TraceIdRatioBased::new(0.5)),
        4 => Box::new(ProbabilitySampler::new(tenth)),
        5 => Box::new(AlwaysRecord::new(AlwaysOff)),
        6 => Box::new(CompositeSampler::new(composite::Probability::new(tenth), ids(true))),
        _ => Box::new(CompositeSampler::new(
            composite::ParentThreshold::new(composite::Probability::new(tenth)),
            ids(true),
        )),
    }
}

/// W3C 48, 53, 61-65: the list is valid, without duplicates unless untouched, and, leaving `ot` aside, what the model
/// makes of what came.
fn assert_list(edit: &TraceStateEdit<'_>, received: &str, changes: &[OwnedChange]) {
    let text = edit.to_string();
    let without_ot = |list: &str| {
        let members = naive::tracestate(list.as_bytes()).unwrap();
        members.into_iter().filter(|(key, _)| key != "ot").collect::<Vec<_>>()
    };
    if edit.untouched().is_some() {
        assert!(text == received || text.is_empty() && naive::tracestate(received.as_bytes()).unwrap().is_empty());
        return;
    }
    let changes = [changes, &[("ot".to_owned(), None)]].concat();
    let (sent, expected) = (without_ot(&text), without_ot(&model(received, &changes, usize::MAX)));
    // The 33rd makes room for `ot`.
    assert!(expected.starts_with(&sent) && expected.len() - sent.len() <= 1);
    let keys = || sent.iter().map(|(key, _)| key);
    assert_eq!(keys().collect::<std::collections::BTreeSet<_>>().len(), sent.len());
}

/// OTel 2-5, 10, 13, 14: the threshold that goes out tells the truth, the randomness is the one that came, and unknown sub-keys
/// stay.
fn assert_ot(outgoing: &Outgoing<'_>, received: &str, trace_id: u128) {
    let ot = |list: &str| {
        let members = naive::tracestate(list.as_bytes()).unwrap();
        members.into_iter().find(|(key, _)| key == "ot").map(|(_, value)| naive::ot(&value)).unwrap_or_default()
    };
    let (sent, received) = (ot(&outgoing.tracestate().to_string()), ot(received));
    let randomness = received.randomness.unwrap_or(trace_id as u64 & ((1 << 56) - 1));
    assert_eq!(sent.randomness, received.randomness);
    assert_eq!(sent.others, received.others);
    if let Some(threshold) = sent.threshold {
        assert!(outgoing.decision().is_sampled() && randomness >= threshold);
    }
}
