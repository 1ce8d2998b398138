//! Messages to the operator.

use std::{
    fmt::Display,
    io::{Write, stderr},
};

/// Writes a line to standard error, and goes on if that is closed.
pub(crate) fn tell(message: impl Display) {
    let _ = writeln!(stderr(), "{message}");
}
