//! Every value of the file can be a reference.

use std::{fs, process};

use super::*;

/// A file with every key, one value in a line.
const ALL: &str = include_str!("all.yaml");

/// The value of a line and the column where it starts, if the line has one.
fn value(line: &str) -> Option<(&str, usize)> {
    let trimmed = line.trim_start();
    let value = match trimmed.split_once(": ") {
        Some((_, value)) => value,
        None => trimmed.strip_prefix("- ")?,
    };
    Some((value, line.len() - value.len() + 1))
}

fn values() -> impl Iterator<Item = (usize, &'static str, usize)> {
    let lines = ALL.lines().enumerate();
    lines.filter_map(|(number, line)| value(line).map(|(value, column)| (number, value, column)))
}

/// The file with the value of one line replaced.
fn with(number: usize, new: &str) -> String {
    let lines = ALL.lines().enumerate().map(|(other, line)| match value(line) {
        Some((_, column)) if other == number => format!("{}{new}\n", &line[..column - 1]),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn every_value_can_be_in_another_file() {
    let folder = std::env::temp_dir().join(format!("traceparent-scalars-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("gateway.yaml");
    let parse = |text: &str| Config::parse(&path, text, &Environment::default()).map_err(|error| error.to_string());
    let plain = parse(ALL).unwrap();
    assert_ne!(plain, parse(LISTENER).unwrap());
    for (number, value, _) in values() {
        fs::write(folder.join(number.to_string()), format!("{}\n", value.trim_matches('\''))).unwrap();
        assert_eq!(parse(&with(number, &format!("${{file:{number}}}"))).as_ref(), Ok(&plain), "{value}");
    }
    let all = values().fold(ALL.to_owned(), |text, (number, value, _)| {
        let lines = text.lines().enumerate().map(|(other, line)| {
            let replaced = line.strip_suffix(value).filter(|_| other == number);
            replaced.map_or(format!("{line}\n"), |key| format!("{key}'${{file:{number}}}'\n"))
        });
        lines.collect()
    });
    assert_eq!(parse(&all).as_ref(), Ok(&plain));
    fs::remove_dir_all(folder).unwrap();
}

/// The path of the key of a line's value, out of the error about a value that is missing.
fn key(number: usize, column: usize) -> String {
    let told = refused(&with(number, "${ABSENT_HERE}"));
    let place = format!("gateway.yaml:{}:{column}: ", number + 1);
    let rest = told.strip_prefix(&place).unwrap_or_else(|| panic!("{told}, not at {place}"));
    rest.strip_suffix(": the variable ABSENT_HERE is not set").unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[test]
fn every_missing_value_is_told_with_line_and_key() {
    for (number, _, column) in values() {
        let (key, line) = (key(number, column), ALL.lines().nth(number).unwrap());
        let name = line.trim_start().trim_start_matches("- ").split_once(": ").map_or("]", |(name, _)| name);
        assert!(key.ends_with(name) && !key.contains("value"), "{key} of {line}");
    }
}

/// The error about an unknown key names those that there are.
#[test]
fn the_file_has_every_key() {
    // The second route has fewer.
    let of_first = |key: &str| key.replace("routes[1]", "routes[0]");
    let keys: Vec<_> = values().map(|(number, _, column)| of_first(&key(number, column))).collect();
    let mut blocks = std::collections::BTreeSet::new();
    for (number, line) in ALL.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let unknown = format!("{}unknown: 1\n{line}\n", " ".repeat(indent));
        let lines = ALL.lines().enumerate();
        let text: String =
            lines.map(|(other, line)| if other == number { unknown.clone() } else { format!("{line}\n") }).collect();
        let Err(error) = load(&text, &Environment::default()) else { continue };
        let told = error.to_string();
        let Some((place, names)) = told.split_once("unknown: unknown field `unknown`, expected ") else { continue };
        let block = of_first(place.rsplit(": ").next().unwrap());
        for name in names.trim_start_matches("one of ").split(", ") {
            let whole = format!("{block}{}", name.trim_matches('`'));
            let is_there = |key: &String| {
                key.strip_prefix(&whole).is_some_and(|rest| matches!(rest.bytes().next(), None | Some(b'.' | b'[')))
            };
            assert!(keys.iter().any(is_there), "{whole} is not in the file");
        }
        blocks.insert(block);
    }
    assert_eq!(blocks.len(), 18, "{blocks:?}");
}
