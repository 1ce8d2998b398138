//! The other command's life, and its end.

use std::{
    io,
    process::{Command, ExitCode, ExitStatus},
};

/// How a command has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Exited(i32),
    #[cfg(unix)]
    Signalled(i32),
    NotStarted(io::ErrorKind),
}

impl Ending {
    pub(super) fn code(self) -> Option<i32> {
        if let Self::Exited(code) = self { Some(code) } else { None }
    }

    pub(super) fn signal(self) -> Option<i32> {
        match self {
            #[cfg(unix)]
            Self::Signalled(signal) => Some(signal),
            _ => None,
        }
    }

    /// Ends as the command has ended: by its signal, or with its exit code. A command that cannot be started has the exit
    /// codes of shells.
    pub(super) fn end(self) -> ExitCode {
        match self {
            Self::Exited(code) => ExitCode::from(code as u8),
            #[cfg(unix)]
            Self::Signalled(signal) => {
                super::signals::end_by(signal);
                ExitCode::from(128_u8.wrapping_add(signal as u8))
            }
            Self::NotStarted(io::ErrorKind::NotFound) => ExitCode::from(127),
            Self::NotStarted(_) => ExitCode::from(126),
        }
    }
}

/// Runs a command to its end. Signals that arrive in the meantime are its own.
pub(super) fn run(mut command: Command) -> Ending {
    #[cfg(unix)]
    let result = super::signals::run(&mut command);
    #[cfg(not(unix))]
    let result = command.status();
    match result {
        Ok(status) => ending(status),
        Err(error) => Ending::NotStarted(error.kind()),
    }
}

#[cfg(unix)]
fn ending(status: ExitStatus) -> Ending {
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    signal.map_or_else(|| Ending::Exited(status.code().unwrap_or(1)), Ending::Signalled)
}

#[cfg(not(unix))]
fn ending(status: ExitStatus) -> Ending {
    Ending::Exited(status.code().unwrap_or(1))
}
