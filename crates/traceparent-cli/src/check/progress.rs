//! A bar on a terminal, for long inputs.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// The length of inputs from which a bar is shown: less takes no time to speak of.
const LONG: u64 = 64 << 20;

/// The progress in bytes, shown on standard error if that is a terminal.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Creates the progress of reading files whose lengths are known.
    pub(super) fn new(files: &[PathBuf]) -> Self {
        let lengths = files.iter().map(|path| std::fs::metadata(path).map_or(0, |metadata| metadata.len()));
        let total = lengths.sum();
        let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
        if total < LONG || !io::stderr().is_terminal() {
            return Self::hidden();
        }
        let bar = ProgressBar::new(total);
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(Some(bar))
    }

    /// Creates a progress that is not shown.
    pub(super) const fn hidden() -> Self {
        Self(None)
    }

    pub(super) fn set(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(bytes);
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
