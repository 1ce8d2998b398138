use std::{
    fs,
    future::pending,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::time::sleep;

/// The time between two looks at the files.
const PERIOD: Duration = Duration::from_secs(1);

/// A watch for changes of files.
#[derive(Debug)]
pub(super) struct FileWatch {
    files: Vec<PathBuf>,
    seen: Vec<Option<Stamp>>,
    is_changing: bool,
}

/// The facts about a file that change with it: the time, the length, and the number of the file on systems that have it.
type Stamp = (Option<SystemTime>, u64, u64);

impl FileWatch {
    pub(super) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let files: Vec<_> = files.into_iter().collect();
        let seen = stamps(&files);
        Self { files, seen, is_changing: false }
    }

    /// Waits until a file has changed, and then none for a period: a certificate and its key are not written at once.
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn changed(&mut self) {
        if self.files.is_empty() {
            pending::<()>().await;
        }
        loop {
            sleep(PERIOD).await;
            let now = stamps(&self.files);
            if now != self.seen {
                self.seen = now;
                self.is_changing = true;
            } else if self.is_changing {
                self.is_changing = false;
                return;
            }
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    files.iter().map(|file| stamp(file)).collect()
}

/// Returns `None` if there is no such file.
fn stamp(file: &Path) -> Option<Stamp> {
    let facts = fs::metadata(file).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&facts);
    #[cfg(not(unix))]
    let number = 0;
    Some((facts.modified().ok(), facts.len(), number))
}
