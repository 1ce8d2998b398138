//! References in the values of a file, to variables and to other files.

use std::{cell::RefCell, env, fs, path::Path};

thread_local! {
    /// The folder of the file that this thread reads.
    static FOLDER: RefCell<Box<Path>> = RefCell::new(Path::new("").into());
}

/// Reads a file whose relative paths are those of a folder.
pub(super) fn within<T>(folder: &Path, read: impl FnOnce() -> T) -> T {
    let before = FOLDER.replace(folder.into());
    let value = read();
    FOLDER.set(before);
    value
}

/// The error returned when a reference leads nowhere.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReferenceError {
    #[error("the variable {0} is not set")]
    Variable(String),
    #[error("{0} cannot be read: {1}")]
    File(String, String),
    #[error("write ${{VARIABLE}} or ${{file:PATH}}, and $${{ for the characters themselves")]
    Syntax,
}

/// Replaces `${VARIABLE}` by the value of a variable, and `${file:PATH}` by the text of a file without its last line end.
/// `$${` stands for `${`.
pub(super) fn expand(text: String) -> Result<String, ReferenceError> {
    if !text.contains("${") {
        return Ok(text);
    }
    FOLDER.with_borrow(|folder| expand_with(&text, |name| env::var(name).ok(), folder))
}

fn expand_with(text: &str, variable: impl Fn(&str) -> Option<String>, folder: &Path) -> Result<String, ReferenceError> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        if before.ends_with('$') {
            expanded.push('{');
            rest = after;
            continue;
        }
        let (reference, after) = after.split_once('}').ok_or(ReferenceError::Syntax)?;
        expanded.push_str(&match reference.strip_prefix("file:") {
            Some(path) => read(path, folder)?,
            None if is_name(reference) => {
                variable(reference).ok_or_else(|| ReferenceError::Variable(reference.to_owned()))?
            }
            None => return Err(ReferenceError::Syntax),
        });
        rest = after;
    }
    Ok(expanded + rest)
}

fn read(path: &str, folder: &Path) -> Result<String, ReferenceError> {
    let text = fs::read_to_string(folder.join(path));
    let text = text.map_err(|error| ReferenceError::File(path.to_owned(), error.to_string()))?;
    Ok(without_line_end(&text).to_owned())
}

fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text))
}

fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(is_word) && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, ReferenceError> {
        let variable = |name: &str| match name {
            "KEY" => Some("secret ${KEY}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        expand_with(text, variable, Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    #[test]
    fn references_are_replaced_once() {
        assert_eq!(expanded("a ${KEY} b${EMPTY}").as_deref(), Ok("a secret ${KEY} b"));
        assert_eq!(
            expanded("$KEY, $, {KEY}, $${KEY}, ${KEY}$").as_deref(),
            Ok("$KEY, $, {KEY}, ${KEY}, secret ${KEY}$")
        );
    }

    #[test]
    fn files_are_those_of_the_folder() {
        let source = expanded("${file:src/main.rs}");
        let expected = include_str!("../main.rs").trim_end_matches('\n');
        assert_eq!(source.as_deref(), Ok(expected));
    }

    #[test]
    fn one_line_end_is_left_out() {
        for (text, expected) in
            [("key", "key"), ("key\n", "key"), ("key\r\n", "key"), ("key\n\n", "key\n"), ("key\r", "key\r"), ("\n", "")]
        {
            assert_eq!(without_line_end(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_folder_is_that_of_one_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = || expand("${file:main.rs}".to_owned()).is_ok();
        within(folder, || {
            assert!(!read());
            within(&folder.join("src"), || assert!(read()));
            assert!(!read());
        });
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(expanded("${ABSENT}"), Err(ReferenceError::Variable("ABSENT".to_owned())));
        let told = expanded("${file:absent}").map_err(|error| error.to_string());
        assert_eq!(told, Err("absent cannot be read: No such file or directory (os error 2)".to_owned()));
        for text in ["${", "${KEY", "${}", "${1}", "${KEY:-x}", "${a b}"] {
            assert_eq!(expanded(text), Err(ReferenceError::Syntax), "{text}");
        }
    }
}
