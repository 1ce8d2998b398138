//! The list of known differences is true and complete: for the vectors, and for small changes of them.

use traceparent_fuzz_datadog::{DIFFERENCES, Fields, Verdict, check, ours, theirs};

#[path = "../../crates/traceparent-formats/tests/common/vectors.rs"]
#[allow(dead_code, reason = "the tests of the formats use all of it")]
mod vectors;

fn fields(lines: &str) -> Fields {
    lines.lines().map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.into(), value.into())).collect()
}

#[test]
fn every_difference_is_seen() {
    for row in DIFFERENCES {
        let fields = fields(row.example);
        assert!((row.applies)(&fields), "{}", row.what);
        assert_eq!(Verdict::between(&ours(&fields), &theirs(&fields)), Some(row.seen), "{}", row.what);
        assert!(row.requirement.starts_with("F "));
    }
}

#[test]
fn what_is_plain_is_read_alike() {
    let plain = fields(
        "x-datadog-trace-id: 11803532876627986230\nx-datadog-parent-id: 67667974448284343\n\
         x-datadog-sampling-priority: 1\nx-datadog-tags: _dd.p.dm=-4,_dd.p.tid=4bf92f3577b34da6",
    );
    assert!(ours(&plain).is_some());
    assert_eq!(ours(&plain), theirs(&plain));
}

/// A number generator with the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % limit
    }

    fn change(&mut self, text: &mut String) {
        let mut characters: Vec<char> = text.chars().collect();
        let at = self.below(characters.len() + 1);
        let common: Vec<char> = "0123456789-+,=. _dptiafAFZ\u{7f}\u{e9}".chars().collect();
        let other = common[self.below(common.len())];
        match self.below(5) {
            0 | 1 if at < characters.len() => characters[at] = other,
            2 if at < characters.len() => drop(characters.remove(at)),
            3 => drop(characters.splice(at..at, characters[at..].iter().take(30).copied().collect::<Vec<_>>())),
            _ => characters.insert(at, other),
        }
        *text = characters.into_iter().collect();
    }
}

#[test]
fn all_differences_are_on_the_list() {
    let seeds: Vec<Fields> = vectors::read()
        .filter(|vector| vector.format.as_str() == "datadog")
        .filter_map(|vector| {
            let field = |(name, value)| Some((name, String::from_utf8(value).ok()?));
            vector.fields.into_iter().map(field).collect()
        })
        .collect();
    assert!(seeds.len() > 30);
    seeds.iter().for_each(check);
    let mut numbers = Numbers(1);
    for _ in 0..300_000 {
        let mut fields = seeds[numbers.below(seeds.len())].clone();
        let mut names: Vec<String> = fields.keys().cloned().collect();
        names.sort();
        for _ in 0..=numbers.below(3) {
            let name = &names[numbers.below(names.len())];
            numbers.change(fields.get_mut(name).unwrap());
        }
        check(&fields);
    }
}
