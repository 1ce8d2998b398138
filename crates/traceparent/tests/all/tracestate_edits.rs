//! Edits of a list, compared with a naive model, and an example of each guarantee.

use proptest::{collection::vec, prelude::*};
use traceparent::{Change, Member, TraceState, TraceStateEdit};

use crate::common::{
    CASES,
    model::{OwnedChange, model},
    naive, strategies,
};

fn borrow(changes: &[OwnedChange]) -> Vec<Change<'_>> {
    changes
        .iter()
        .map(|(key, value)| match value {
            Some(value) => Change::Set(Member::new(key, value).unwrap()),
            None => Change::Remove(key),
        })
        .collect()
}

fn compare(edit: &TraceStateEdit<'_>, expected: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(edit.to_string(), expected);
    prop_assert_eq!(edit.len(), expected.len());
    prop_assert_eq!(edit.is_empty(), expected.is_empty());

    let mut exact = vec![0; expected.len()];
    prop_assert_eq!(edit.encode_into(&mut exact), Ok(expected));
    if let Some(short) = exact.len().checked_sub(1) {
        let error = edit.encode_into(&mut exact[..short]).unwrap_err();
        prop_assert_eq!(error.needed(), expected.len());
    }

    let owned = edit.clone().into_owned();
    prop_assert_eq!(owned.len(), naive::tracestate(expected.as_bytes()).unwrap().len());
    prop_assert_eq!(&owned, &TraceState::parse(expected.as_bytes()).unwrap());
    if !expected.is_empty() {
        prop_assert_eq!(owned.as_str(), expected);
    }
    Ok(())
}

fn change() -> impl Strategy<Value = OwnedChange> {
    (strategies::key(), prop_oneof![3 => strategies::value().prop_map(Some), 1 => Just(None)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn one_change_is_what_the_model_says(list in strategies::tracestate(), change in change()) {
        let state = TraceState::parse(list.as_bytes()).unwrap();
        let edit = match &change {
            (key, Some(value)) => state.with(Member::new(key, value).unwrap()),
            (key, None) => state.without(key),
        };
        compare(&edit, &model(&list, std::slice::from_ref(&change), usize::MAX))?;
    }

    // W3C 47, 53, 61-65
    #[test]
    fn several_changes_are_what_the_model_says(list in strategies::tracestate(), changes in vec(change(), 0..6)) {
        let state = TraceState::parse(list.as_bytes()).unwrap();
        compare(&state.edit(&borrow(&changes)), &model(&list, &changes, usize::MAX))?;
    }

    #[test]
    fn more_changes_than_members_are_what_the_model_says(list in strategies::tracestate(), changes in vec(change(), 25..45)) {
        let state = TraceState::parse(list.as_bytes()).unwrap();
        compare(&state.edit(&borrow(&changes)), &model(&list, &changes, usize::MAX))?;
    }

    // W3C 57, 58
    #[test]
    fn a_budget_is_what_the_model_says(
        list in strategies::tracestate(),
        changes in prop_oneof![Just(Vec::new()), vec(change(), 0..6), vec(change(), 20..40)],
        budget in prop_oneof![512..700_usize, 512..10_000_usize],
    ) {
        let state = TraceState::parse(list.as_bytes()).unwrap();
        let changes = changes.as_slice();
        let borrowed = borrow(changes);
        let edit = state.edit(&borrowed).within(budget).unwrap();
        prop_assert!(edit.len() <= budget);
        compare(&edit, &model(&list, changes, budget))?;
    }
}

/// `n` characters: `key=vvv`.
fn member_of(key: &str, n: usize) -> String {
    format!("{key}={}", "v".repeat(n - key.len() - 1))
}

#[track_caller]
fn keys(edit: &TraceStateEdit<'_>) -> String {
    let owned = edit.clone().into_owned();
    owned.iter().map(|member| member.key().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_untouched_list_is_byte_for_byte_what_came_in() {
    // W3C 38, decision P on duplicates
    let state = TraceState::parse(b" rojo= 1 \t,, congo=2\t ,rojo=3, ").unwrap();
    assert_eq!(TraceStateEdit::from(state.clone()).to_string(), "rojo= 1 \t,, congo=2\t ,rojo=3,");
    assert_eq!(state.edit(&[]).to_string(), state.as_str());
    assert_eq!(state.within(512).unwrap().to_string(), state.as_str());
    assert_eq!(state.clone().into_owned().as_str(), state.as_str());
}

#[test]
fn order_and_bytes_of_other_members_are_kept() {
    // W3C 47, 52, 61
    let state = TraceState::from_static("z=  two  spaces,a=~!,m= 1 ,b=x;y:z");
    assert_eq!(state.with(Member::from_static("ours", "1")).to_string(), "ours=1,z=  two  spaces,a=~!,m= 1,b=x;y:z");
    assert_eq!(state.without("a").to_string(), "z=  two  spaces,m= 1,b=x;y:z");
}

#[test]
fn a_modified_member_moves_to_the_left() {
    // W3C 54, 62-64
    let state = TraceState::from_static("rojo=1,congo=2,blue=3");
    assert_eq!(state.with(Member::from_static("blue", "4")).to_string(), "blue=4,rojo=1,congo=2");
    assert_eq!(state.with(Member::from_static("rojo", "4")).to_string(), "rojo=4,congo=2,blue=3");
}

#[test]
fn a_rewritten_list_keeps_the_left_most_of_duplicate_keys() {
    // W3C 53, 65
    let state = TraceState::from_static("a=1,b=2,a=3,b=4,c=5,a=6");
    assert_eq!(state.with(Member::from_static("x", "0")).to_string(), "x=0,a=1,b=2,c=5");
    assert_eq!(state.with(Member::from_static("a", "0")).to_string(), "a=0,b=2,c=5");
    assert_eq!(state.without("a").to_string(), "b=2,c=5");
}

#[test]
fn members_of_unknown_keys_can_be_dropped() {
    // W3C 65, 82
    let state = TraceState::from_static("rojo=1,user=alice , congo= 2,user=bob,ot=th:8");
    let unknown = state.iter().map(|member| member.key()).filter(|key| !["congo", "ot"].contains(key));
    let changes: Vec<_> = unknown.map(Change::Remove).collect();
    assert_eq!(state.edit(&changes).to_string(), "congo= 2,ot=th:8");
}

#[test]
fn the_first_of_several_changes_of_a_key_counts() {
    let state = TraceState::from_static("a=1,b=2");
    let set = |value| Change::Set(Member::new("a", value).unwrap());
    assert_eq!(state.edit(&[set("8"), set("9")]).to_string(), "a=8,b=2");
    assert_eq!(state.edit(&[set("8"), Change::Remove("a")]).to_string(), "a=8,b=2");
    assert_eq!(state.edit(&[Change::Remove("a"), set("9")]).to_string(), "b=2");
    assert_eq!(state.edit(&[set("8"), set("8")]).to_string(), "a=8,b=2");
}

#[test]
fn the_33rd_member_pushes_the_right_most_out() {
    // W3C 48
    let list = (0..32).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
    let state = TraceState::parse(list.as_bytes()).unwrap();
    let with = state.with(Member::from_static("ours", "1")).to_string();
    assert_eq!(with, format!("ours=1,{}", list.strip_suffix(",k31=v").unwrap()));
    let replaced = state.with(Member::from_static("k7", "new")).into_owned();
    assert_eq!(replaced.len(), 32);
    assert_eq!(replaced.iter().last().unwrap().key(), "k31");
}

#[test]
fn of_very_many_members_that_are_set_the_first_32_go_out() {
    // W3C 48
    let keys: Vec<_> = (0..200).map(|i| format!("k{i}")).collect();
    let changes: Vec<_> = keys.iter().map(|key| Change::Set(Member::new(key, "v").unwrap())).collect();
    let sent = keys[..32].iter().map(|key| format!("{key}=v")).collect::<Vec<_>>().join(",");
    let edit = TraceState::from_static("old=1");
    assert_eq!(edit.edit(&changes).to_string(), sent);
    assert_eq!(edit.edit(&changes).within(512).unwrap().to_string(), sent);
}

#[test]
fn removing_everything_leaves_nothing_to_send() {
    // W3C 49
    let state = TraceState::from_static("a=1,a=2");
    assert!(state.without("a").is_empty());
    assert!(state.without("a").into_owned().is_empty());
    assert_eq!(state.without("a").encode_into(&mut []), Ok(""));
    assert!(TraceStateEdit::from(TraceState::from_static(" ,, ")).is_empty());
}

#[test]
fn nothing_is_evicted_from_a_list_that_fits() {
    // W3C 55, 57
    let list = ["a", "b", "c"].map(|key| member_of(key, 170)).join(",");
    assert_eq!(list.len(), 512);
    let state = TraceState::parse(list.as_bytes()).unwrap();
    assert_eq!(state.within(512).unwrap().to_string(), list);
    let longer = format!("{list}v");
    assert_eq!(keys(&TraceState::parse(longer.as_bytes()).unwrap().within(512).unwrap()), "a b");
}

#[test]
fn white_space_and_duplicates_go_before_any_member_does() {
    let list = format!("{}  ,, a=0,{}{}c=1", member_of("a", 250), member_of("b", 250), " ,".repeat(100));
    let state = TraceState::parse(list.as_bytes()).unwrap();
    assert_eq!(keys(&state.within(512).unwrap()), "a b c");
}

#[test]
fn members_over_128_characters_go_first_and_the_right_most_of_them_first_of_all() {
    // W3C 57
    let long = |key| member_of(key, 129);
    let short = |key| member_of(key, 128);
    let keys_of =
        |members: &[String]| keys(&TraceState::parse(members.join(",").as_bytes()).unwrap().within(512).unwrap());
    assert_eq!(keys_of(&[long("a"), short("b"), long("c"), short("d")]), "a b d");
    assert_eq!(keys_of(&[short("a"), long("b"), short("c"), short("d")]), "a c d");
    assert_eq!(keys_of(&[short("a"), short("b"), short("c"), short("d"), short("e")]), "a b c");
    assert_eq!(keys_of(&[long("a"), long("b"), short("c"), short("d"), short("e"), short("f")]), "c d e");
}

#[test]
fn our_own_member_goes_last_of_all() {
    // decision P
    let list = ["a", "b", "c"].map(|key| member_of(key, 128)).join(",");
    let state = TraceState::parse(list.as_bytes()).unwrap();
    let value = "o".repeat(256);
    let ours = Member::new("ours", &value).unwrap();
    assert_eq!(keys(&state.with(ours).within(512).unwrap()), "ours a");
    let two = [Change::Set(ours), Change::Set(Member::new("more", &value).unwrap())];
    assert_eq!(keys(&state.edit(&two).within(600).unwrap()), "ours more");
    assert_eq!(keys(&state.edit(&two).within(512).unwrap()), "ours");
}

#[test]
fn a_budget_below_512_is_refused() {
    // W3C 55, 56
    for budget in [0, 1, 511] {
        let why = TraceState::EMPTY.within(budget).unwrap_err().to_string();
        assert!(why.contains("512 characters") && why.contains("every service"), "{why}");
    }
    assert!(TraceState::EMPTY.within(TraceStateEdit::MIN_BUDGET).is_ok());
    assert!(TraceState::EMPTY.within(usize::MAX).is_ok());
}

#[test]
fn a_list_without_budget_is_written_whole() {
    let list = (10..42).map(|i| format!("{i}{}={}", "k".repeat(254), "v".repeat(256))).collect::<Vec<_>>().join(",");
    let state = TraceState::parse(list.as_bytes()).unwrap();
    let edit = state.with(Member::from_static("41", "1"));
    assert_eq!(edit.to_string().len(), 31 * 514 + 4);
    let error = edit.encode_into(&mut [0; 512]).unwrap_err();
    assert_eq!(error.needed(), 31 * 514 + 4);
}

#[test]
fn edits_accumulate() {
    let state = TraceState::from_static("a=1,b=2,c=3");
    let first = [Change::Set(Member::from_static("b", "first")), Change::Set(Member::from_static("d", "4"))];
    let second = [Change::Remove("a"), Change::Set(Member::from_static("b", "second"))];
    let third = [Change::Set(Member::from_static("a", "again")), Change::Remove("d")];
    let once = state.edit(&first);
    let twice = once.edit(&second);
    let nothing = twice.edit(&[]);
    assert_eq!(once.to_string(), "b=first,d=4,a=1,c=3");
    assert_eq!(twice.to_string(), "b=second,d=4,c=3");
    assert_eq!(nothing.to_string(), "b=second,d=4,c=3");
    assert!(nothing.untouched().is_none());
    assert_eq!(nothing.edit(&third).within(512).unwrap().to_string(), "a=again,b=second,c=3");
    let member = state.with(Member::from_static("x", "1"));
    assert_eq!(member.edit(&second).into_owned().as_str(), "b=second,x=1,c=3");
}

#[test]
fn members_know_how_many_they_are() {
    let state = TraceState::from_static("a=1 ,, b=2,a=3");
    let mut members = state.iter();
    for left in (0..3).rev() {
        assert_eq!(members.len(), left + 1);
        assert!(members.next().is_some());
    }
    assert_eq!((members.len(), members.next(), members.next()), (0, None, None));
}
