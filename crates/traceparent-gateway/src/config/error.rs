use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// The error returned when a configuration file is invalid: the file, line and column, key, and rule.
///
/// `gateway.yaml:3:5: listeners[0].adress: unknown field ...`
#[derive(Debug, thiserror::Error)]
#[error("{}{place}: {what}", file.display())]
pub(crate) struct ConfigError {
    file: PathBuf,
    place: Place,
    what: String,
}

/// A place in the file, empty for the whole file.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The line and column, from 1 on.
    pub(super) position: Option<(u64, u64)>,
    /// The path of the key, such as `listeners[0].address`.
    pub(super) key: Option<String>,
}

impl ConfigError {
    pub(super) fn new(file: &Path, place: Place, what: impl fmt::Display) -> Self {
        Self { file: file.to_owned(), place, what: what.to_string() }
    }

    pub(super) fn read(file: &Path, source: &io::Error) -> Self {
        Self::new(file, Place::default(), format_args!("cannot be read: {source}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        match &self.key {
            Some(key) => write!(f, ": {key}"),
            None => Ok(()),
        }
    }
}
