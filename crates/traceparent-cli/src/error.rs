//! Why a command could not do its work.

use std::{io, path::PathBuf};

use crate::terminal::visible_os;

/// The error returned when a command cannot do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line is well formed and asks for what cannot be.
    #[error("{0}")]
    Usage(&'static str),
    /// The input is read and does not allow what was asked for.
    #[error("{0}")]
    Invalid(String),
    /// A file of the command line cannot be read.
    #[error("{}: {source}", visible_os(path.as_os_str()))]
    File {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// Standard input, standard output or the system fails.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// Returns the exit code: 2 for usage, which includes files that cannot be read, and 1 for all others.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::File { .. } => 2,
            Self::Invalid(_) | Self::Io(_) => 1,
        }
    }
}
