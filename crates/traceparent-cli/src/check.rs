//! The command `check`: trace headers in logs and other text, counted by verdict.

use std::{
    io::{self, Read},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{
    cli::CheckArgs,
    error::Error,
    json,
    terminal::{Style, print},
};

mod judge;
mod progress;
mod report;
mod scan;
mod source;
mod tally;
mod value;

use self::{
    progress::Progress,
    report::Report,
    scan::Scanner,
    source::{Block, Input, Source},
    tally::Tally,
};

/// The bytes that a thread looks at in one go: few enough for the processor's cache.
const BLOCK: usize = 1 << 20;

/// Counts the trace headers of files.
pub(crate) fn check(args: &CheckArgs, json: bool) -> Result<ExitCode, Error> {
    let inputs: Vec<_> = match args.files.as_slice() {
        [] => vec![Input::Stdin],
        files => files.iter().map(|path| Input::of(path.clone())).collect(),
    };
    let threads = args.threads.or(thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let progress = Progress::new(&args.files);
    let (tally, source) = run(Source::new(inputs, BLOCK, progress), threads, args.examples)?;
    let report = Report::new(&tally, &source);
    print(&if json { json::pretty(&report)? } else { report.render(Style::of_stdout()) })?;
    Ok(ExitCode::from(u8::from(report.has_invalid())))
}

/// Checks bytes in blocks of a length. Returns the report as text and as JSON.
pub(crate) fn check_bytes(bytes: &[u8], block: usize) -> (String, String) {
    let source = Source::new(vec![Input::Bytes(bytes.to_vec())], block.max(1), Progress::hidden());
    let Ok((tally, source)) = run(source, 1, 3) else { return <(String, String)>::default() };
    let report = Report::new(&tally, &source);
    (report.render(Style::PLAIN), json::pretty(&report).unwrap_or_default())
}

/// Runs threads that take turns in reading a block, and look at their blocks at the same time.
fn run(source: Source, threads: usize, examples: usize) -> Result<(Tally, Source), Error> {
    let source = Mutex::new(source);
    let total = Mutex::new(Tally::new(examples));
    let work = || -> Result<(), Error> {
        let scanner = Scanner::new();
        let mut tally = Tally::new(examples);
        let mut block = Block::default();
        while source.lock().unwrap_or_else(PoisonError::into_inner).next(&mut block)? {
            scanner.scan(&block, &mut tally);
        }
        total.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
        Ok(())
    };
    if threads == 1 {
        work()?;
    } else {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| {
                worker.join().unwrap_or_else(|_| Err(io::Error::other("a thread has failed").into()))
            })
        })?;
    }
    let (tally, source) = (total.into_inner(), source.into_inner());
    Ok((tally.unwrap_or_else(PoisonError::into_inner), source.unwrap_or_else(PoisonError::into_inner)))
}

impl Input {
    fn of(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, Error> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin()),
            Self::Bytes(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Self::File(path) => {
                let file = std::fs::File::open(path);
                Box::new(file.map_err(|source| Error::File { path: path.clone(), source })?)
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
