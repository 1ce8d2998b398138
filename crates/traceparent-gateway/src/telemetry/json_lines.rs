use std::{
    io::{self, Write},
    sync::Arc,
    thread::sleep,
};

use super::queue::{Outlet, POLL};
use crate::span::{Span, write_json};

/// The largest number of spans that wait to be written.
pub(super) const CAPACITY: usize = 4096;

/// The number of bytes after which lines are written even if more spans wait.
const CHUNK: usize = 64 * 1024;

/// Writes spans as JSON lines until all recorders are gone. If the output is closed, spans are taken and dropped, so that
/// the queue stays empty.
pub(super) fn write(mut spans: Outlet, mut out: impl Write) {
    let mut lines = Vec::with_capacity(CHUNK);
    while let Some(span) = spans.blocking_recv() {
        let (mut written, mut lost) = (0, 0);
        let mut next: Option<Arc<Span>> = Some(span);
        while let Some(span) = next {
            match push_line(&mut lines, &span) {
                Ok(()) => written += 1,
                Err(_) => lost += 1,
            }
            next = if lines.len() < CHUNK { spans.try_recv().ok() } else { None };
        }
        if out.write_all(&lines).and_then(|()| out.flush()).is_err() {
            (written, lost) = (0, lost + written);
        }
        spans.counts().arrived(written);
        spans.counts().lost(lost);
        lines.clear();
        if spans.is_empty() {
            sleep(POLL);
        }
    }
}

fn push_line(lines: &mut Vec<u8>, span: &Span) -> io::Result<()> {
    let length = lines.len();
    if let Err(error) = write_json(&mut *lines, span) {
        lines.truncate(length);
        return Err(error.into());
    }
    lines.push(b'\n');
    Ok(())
}
