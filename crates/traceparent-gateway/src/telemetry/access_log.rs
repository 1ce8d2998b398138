//! The access log: one line for each request, written by a thread of its own.

use std::{io, sync::Arc, thread::sleep};

use tokio::{runtime, select, sync::Notify};

use self::{line::push_line, output::Output};
use super::queue::{Item, Outlet, POLL, Queue, Worker};
use crate::config;

mod line;
mod output;
mod record;

pub(crate) use self::record::{AccessRecord, TraceRecord};

/// The largest number of requests that wait to be logged.
const CAPACITY: usize = 4096;

/// The number of bytes after which lines are written even if more requests wait.
const CHUNK: usize = 64 * 1024;

/// The sending end of the access log.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Queue<Box<AccessRecord>>,
    reopen: Arc<Notify>,
}

impl Item for Box<AccessRecord> {
    const NAME: &'static str = "requests";

    fn memory(&self) -> usize {
        AccessRecord::memory(self)
    }
}

impl AccessLog {
    /// Opens the log, and starts its thread, which runs until all sending ends are gone.
    pub(super) fn open(config: &config::AccessLog) -> io::Result<(Self, Worker)> {
        let output = Output::open(config.path.clone())?;
        let runtime = runtime::Builder::new_current_thread().build()?;
        let (queue, outlet) = Queue::new("access_log", CAPACITY);
        let reopen = Arc::<Notify>::default();
        let (format, reopened) = (config.format, Arc::clone(&reopen));
        let work = move |outlet| runtime.block_on(write_all(outlet, output, format, &reopened));
        Ok((Self(Arc::new(Shared { queue, reopen })), Worker::start(outlet, work)))
    }

    /// Hands a request to the log without waiting.
    pub(crate) fn offer(&self, record: Box<AccessRecord>) {
        self.0.queue.offer(record);
    }

    /// Opens the file anew, because it may have been moved away.
    pub(crate) fn reopen(&self) {
        self.0.reopen.notify_one();
    }
}

async fn write_all(
    mut records: Outlet<Box<AccessRecord>>,
    mut output: Output,
    format: config::LogFormat,
    reopen: &Notify,
) {
    let mut lines = Vec::with_capacity(CHUNK);
    loop {
        let record = select! {
            biased;
            () = reopen.notified() => {
                output.reopen();
                continue;
            }
            record = records.recv() => record,
        };
        let Some(record) = record else { return };
        let (mut taken, mut next) = (0, Some(record));
        while let Some(record) = next {
            push_line(&mut lines, &record, format);
            taken += 1;
            next = if lines.len() < CHUNK { records.try_recv().ok() } else { None };
        }
        let written = output.write(&lines).min(taken);
        records.counts().arrived(written);
        records.counts().lost(taken - written);
        lines.clear();
        if records.is_empty() {
            sleep(POLL);
        }
    }
}
