//! Every target on stable: over its seeds, over small changes of them, and over the corpus where fuzzing has left one.

use std::{fs, path::Path};

use traceparent_fuzz::{TARGETS, Target, seeds};

/// Small changes of each target's seeds.
const CHANGED: usize = 60_000;

/// A number generator that everybody gets the same inputs from.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as usize % limit
    }

    fn byte(&mut self) -> u8 {
        let common = b"-,=;: \t\n\"\\.0afgAFz@~pstrv\x00\x7f\xff";
        if self.below(4) == 0 { self.below(256) as u8 } else { common[self.below(common.len())] }
    }

    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        match self.below(7) {
            0 | 1 if at < input.len() => input[at] = self.byte(),
            2 if at < input.len() => drop(input.remove(at)),
            3 => input.truncate(at),
            4 => {
                // The end of another seed, or of this one again.
                let other = &seeds[self.below(seeds.len())];
                input.truncate(at);
                input.extend(&other[self.below(other.len() + 1)..]);
            }
            5 => drop(input.splice(at..at, input[at..].iter().take(40).copied().collect::<Vec<_>>())),
            _ => input.insert(at, self.byte()),
        }
    }
}

/// Every target, each in a thread of its own.
fn each(run: impl Fn(&str, Target) + Sync) {
    std::thread::scope(|scope| {
        for (name, target) in TARGETS {
            let run = &run;
            std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, move || run(name, target)).unwrap();
        }
    });
}

#[test]
fn seeds_pass() {
    each(|name, target| seeds::of(name).iter().for_each(|seed| target(seed)));
}

#[test]
fn small_changes_of_seeds_pass() {
    each(|name, target| {
        let seeds: Vec<_> = seeds::of(name).into_iter().filter(|seed| seed.len() < 4096).collect();
        let mut numbers = Numbers(name.len() as u64);
        for i in 0..CHANGED {
            let mut input = seeds[i % seeds.len()].clone();
            for _ in 0..=numbers.below(4) {
                numbers.change(&mut input, &seeds);
            }
            target(&input);
        }
    });
}

#[test]
fn the_corpus_passes() {
    each(|name, target| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            target(&fs::read(entry.path()).unwrap());
        }
    });
}
