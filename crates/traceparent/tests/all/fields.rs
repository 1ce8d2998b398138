//! Several fields of a message: joined in an allocation, joined in a buffer, and as one field with commas, all alike.

use proptest::{collection::vec, prelude::*};
use traceparent::{ErrorKind, Field, FieldsError, Incoming, ParseError, TraceState, trim_ows};

use crate::common::{CASES, EXAMPLE, naive, strategies};

/// What is kept of several fields: trimmed, without the empty ones, a comma in between.
fn joined(fields: &[Vec<u8>]) -> Vec<u8> {
    fields.iter().map(|field| trim_ows(field)).filter(|field| !field.is_empty()).collect::<Vec<_>>().join(&b","[..])
}

type Read = Result<(String, usize), ParseError>;

fn read<E>(state: Result<TraceState<'_>, E>) -> Result<(String, usize), E> {
    state.map(|state| (state.to_string(), state.len()))
}

fn in_vec(fields: &[Vec<u8>]) -> Read {
    read(TraceState::parse_fields(fields.iter().map(Vec::as_slice)))
}

fn in_buffer(fields: &[Vec<u8>], length: usize) -> Result<(String, usize), FieldsError> {
    read(TraceState::parse_fields_in(fields.iter().map(Vec::as_slice), &mut vec![0; length]))
}

/// Reads fields in a buffer that holds them.
fn in_room(fields: &[Vec<u8>], length: usize) -> Read {
    in_buffer(fields, length).map_err(|error| match error {
        FieldsError::Invalid(error) => error,
        FieldsError::BufferTooSmall(error) => panic!("{error}"),
    })
}

fn compare(fields: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let joined = joined(fields);
    let expected = read(TraceState::parse(&joined));
    prop_assert_eq!(in_vec(fields), expected.clone());
    prop_assert_eq!(in_buffer(fields, joined.len()), expected.clone().map_err(FieldsError::Invalid));
    prop_assert_eq!(expected.is_ok(), naive::tracestate(&joined).is_some());
    if let (Ok(_), Some(short)) = (expected, joined.len().checked_sub(1)) {
        let FieldsError::BufferTooSmall(error) = in_buffer(fields, short).unwrap_err() else {
            panic!("a valid list fits or does not");
        };
        prop_assert_eq!(error.needed(), joined.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn valid_fields_are_read_as_their_joined_list(fields in vec("([a-z]=[a-z ]{0,3}[a-z]|[ \t]{0,2}|[a-z]=1 , [a-z]= 2){1}", 0..6)) {
        compare(&fields.into_iter().map(String::into_bytes).collect::<Vec<_>>())?;
    }

    #[test]
    fn long_fields_are_read_as_their_joined_list(left in strategies::tracestate(), right in strategies::tracestate()) {
        compare(&[left.into_bytes(), right.into_bytes()])?;
    }

    #[test]
    fn any_fields_are_read_as_their_joined_list(fields in vec("[a-bA=, \t]{0,6}", 0..5)) {
        compare(&fields.into_iter().map(String::into_bytes).collect::<Vec<_>>())?;
    }
}

fn fields(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn members_are_counted_over_all_fields() {
    // W3C 43, 48
    let half = "a=1,".repeat(16);
    assert_eq!(in_vec(&fields(&[&half, &half])).unwrap().1, 32);
    for read in [in_vec(&fields(&[&half, &half, "b=1"])), in_room(&fields(&[&half, &half, "b=1"]), 512)] {
        let error = read.unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::TooManyMembers, 130));
    }
}

#[test]
fn offsets_count_from_the_start_of_the_joined_list() {
    for list in [&["rojo=1", "Congo=2"][..], &["rojo=1", "", "\t", " Congo=2"], &[" ", "rojo=1 ", "Congo=2"]] {
        let error = in_vec(&fields(list)).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::UpperCase, 7), "{list:?}");
        assert_eq!(in_room(&fields(list), 64).unwrap_err(), error);
    }
}

#[test]
fn white_space_in_front_of_the_first_field_is_in_no_offset() {
    for list in [&[" Rojo=1"][..], &[" Rojo=1", "congo=2"]] {
        let offsets = [in_vec(&fields(list)), in_room(&fields(list), 64)].map(|read| read.unwrap_err().offset());
        assert_eq!(offsets, [0, 0], "{list:?}");
    }
}

#[test]
fn both_ways_to_read_a_message_agree() {
    let example = EXAMPLE.as_bytes();
    let traceparents: [&[&[u8]]; 5] = [&[], &[example], &[example, example], &[b"00"], &[b"", b""]];
    let tracestates: [&[&[u8]]; 6] = [&[], &[b""], &[b"a=1"], &[b"a=1", b"b=2"], &[b"A=1"], &[b"a=1", b"b"]];
    for traceparent in traceparents {
        for tracestate in tracestates {
            let buffer = &mut [0; 64];
            let (one, two) = (|| traceparent.iter().copied(), || tracestate.iter().copied());
            assert_eq!(Incoming::from_fields(one(), two()), Incoming::from_fields_in(one(), two(), buffer));
        }
    }
}

#[test]
fn a_list_that_does_not_fit_the_buffer_is_dropped_and_the_trace_goes_on() {
    let mut buffer = [0; 6];
    let incoming = Incoming::from_fields_in([EXAMPLE], ["a=1", "b=2"], &mut buffer);
    let error = incoming.error().unwrap();
    assert!(incoming.context().unwrap().tracestate.is_empty());
    assert_eq!((error.kind(), error.field(), error.offset()), (ErrorKind::TooLong, Field::TraceState, 6));
}

#[test]
fn tracestate_is_not_looked_at_without_a_valid_traceparent() {
    // W3C 39, 67
    let untouched = || std::iter::from_fn(|| -> Option<&[u8]> { unreachable!("looked at tracestate") });
    let example = EXAMPLE.as_bytes();
    for traceparent in [&[][..], &[&b"00"[..]], &[example, example]] {
        let one = || traceparent.iter().copied();
        assert_eq!(Incoming::from_fields(one(), untouched()).context(), None);
        assert_eq!(Incoming::from_fields_in(one(), untouched(), &mut []).context(), None);
    }
}

#[test]
fn absent_invalid_and_valid_are_different_answers() {
    let absent = Incoming::from_fields([], [&b"a=1"[..]]);
    assert_eq!((absent.context(), absent.error()), (None, None));
    let invalid = Incoming::from_fields([&b"00"[..]], [&b"a=1"[..]]);
    assert!(invalid.context().is_none() && invalid.error().is_some());
    let dropped = Incoming::from_fields([EXAMPLE.as_bytes()], [&b"a"[..]]);
    assert!(dropped.context().is_some() && dropped.error().is_some());
    let valid = Incoming::from_fields([EXAMPLE.as_bytes()], [&b"a=1"[..]]);
    assert!(valid.context().is_some() && valid.error().is_none());
}
