use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why a configuration file is of no use: the file, the line and column, the key, and what is wrong there.
///
/// `gateway.yaml:3:5: listeners[0].adress: unknown field ...`
#[derive(Debug, thiserror::Error)]
#[error("{}{place}: {what}", file.display())]
pub(crate) struct ConfigError {
    file: PathBuf,
    place: Place,
    what: String,
}

/// Where in the file; nowhere if all of it is meant.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Line and column, from 1 on.
    pub(super) position: Option<(u64, u64)>,
    /// Such as `listeners[0].address`.
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
