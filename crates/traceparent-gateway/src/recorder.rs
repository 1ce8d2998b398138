use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::span::Span;

/// How many finished spans may wait; those that find no room are dropped.
const CAPACITY: usize = 4096;

/// How many bytes of lines are gathered before they are written, while more spans wait.
const CHUNK: usize = 64 * 1024;

/// Takes finished spans, without ever making anybody wait.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    queue: SyncSender<Span>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    finished: AtomicU64,
    written: AtomicU64,
}

impl Recorder {
    /// Makes a recorder and the end where its spans come out; they do until all its clones are gone.
    pub(crate) fn new() -> (Self, Receiver<Span>) {
        let (queue, spans) = sync_channel(CAPACITY);
        (Self { queue, counts: Arc::default() }, spans)
    }

    pub(crate) fn record(&self, span: Span) {
        self.counts.finished.fetch_add(1, Relaxed);
        match self.queue.try_send(span) {
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

/// Writes finished spans as JSON lines, on a thread of its own because the other end of a pipe may
/// be slow.
#[derive(Debug)]
pub(crate) struct Writer {
    counts: Arc<Counts>,
    done: oneshot::Receiver<()>,
}

/// What became of the spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) written: u64,
    /// Those that found no room to wait in, and those nobody read.
    pub(crate) dropped: u64,
}

impl Writer {
    /// Makes a recorder whose spans are written here.
    pub(crate) fn start(out: impl Write + Send + 'static) -> (Recorder, Self) {
        let (recorder, spans) = Recorder::new();
        let counts = Arc::clone(&recorder.counts);
        let (end, done) = oneshot::channel();
        let written = Arc::clone(&counts);
        thread::spawn(move || {
            write_lines(&spans, out, &written.written);
            let _ = end.send(());
        });
        (recorder, Self { counts, done })
    }

    /// Waits until everything is written, once all recorders are gone, but no longer than this.
    pub(crate) async fn finish(self, limit: Duration) -> Report {
        let _ = timeout(limit, self.done).await;
        let written = self.counts.written.load(Relaxed);
        Report { written, dropped: self.counts.finished.load(Relaxed).saturating_sub(written) }
    }
}

/// Writes lines until there are no more spans. When the output is closed, spans are still taken, so
/// that the queue stays empty.
fn write_lines(spans: &Receiver<Span>, mut out: impl Write, written: &AtomicU64) {
    let mut lines = Vec::with_capacity(CHUNK);
    while let Ok(span) = spans.recv() {
        let mut count = 0;
        let mut next = Some(span);
        while let Some(span) = next {
            count += u64::from(push_line(&mut lines, &span).is_ok());
            next = if lines.len() < CHUNK { spans.try_recv().ok() } else { None };
        }
        if out.write_all(&lines).and_then(|()| out.flush()).is_ok() {
            written.fetch_add(count, Relaxed);
        }
        lines.clear();
    }
}

fn push_line(lines: &mut Vec<u8>, span: &Span) -> io::Result<()> {
    let length = lines.len();
    if let Err(error) = serde_json::to_writer(&mut *lines, span) {
        lines.truncate(length);
        return Err(error.into());
    }
    lines.push(b'\n');
    Ok(())
}
