//! Inputs, cut into blocks that overlap.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use super::progress::Progress;
use crate::{error::Error, terminal::visible_os};

/// The bytes beside a block that are seen with it, on each side: more than the longest value that has to be read, a
/// `tracestate` of 32 members.
pub(super) const BESIDE: usize = 20 << 10;

/// Where text comes from.
#[derive(Debug)]
pub(super) enum Input {
    Stdin,
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Input {
    /// Returns the name in reports.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdin | Self::Bytes(_) => "-".to_owned(),
            Self::File(path) => visible_os(path.as_os_str()),
        }
    }
}

/// A part of an input. What begins in it is its own, and what is beside it belongs to other blocks.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// Where the bytes of its own begin and end.
    pub(super) start: usize,
    pub(super) end: usize,
    /// The index of the input, and the line and the offset in it of the first byte of its own.
    pub(super) input: usize,
    pub(super) line: u64,
    pub(super) offset: u64,
    /// Whether nothing follows the bytes.
    pub(super) is_last: bool,
}

/// All inputs, one after the other.
pub(super) struct Source {
    pub(super) inputs: Vec<Input>,
    /// The lines and bytes of all inputs so far.
    pub(super) lines: u64,
    pub(super) length: u64,
    block: usize,
    progress: Progress,
    /// The index of the input that is read, and its reader once it is open.
    index: usize,
    reader: Option<Box<dyn Read + Send>>,
    /// The bytes that are read and needed again, of which the first belong to earlier blocks.
    tail: Vec<u8>,
    behind: usize,
    line: u64,
    offset: u64,
}

impl Source {
    pub(super) fn new(inputs: Vec<Input>, block: usize, progress: Progress) -> Self {
        Self {
            inputs,
            lines: 0,
            length: 0,
            block,
            progress,
            index: 0,
            reader: None,
            tail: Vec::new(),
            behind: 0,
            line: 1,
            offset: 0,
        }
    }

    /// Reads the next block. Returns whether there is one.
    pub(super) fn next(&mut self, block: &mut Block) -> Result<bool, Error> {
        while let Some(input) = self.inputs.get(self.index) {
            let mut reader = match self.reader.take() {
                Some(reader) => reader,
                None => input.open()?,
            };
            block.bytes.clear();
            block.bytes.append(&mut self.tail);
            let wanted = self.behind + self.block + BESIDE;
            let missing = wanted.saturating_sub(block.bytes.len());
            fill(&mut reader, &mut block.bytes, missing).map_err(|source| match input {
                Input::File(path) => Error::File { path: path.clone(), source },
                _ => Error::Io(source),
            })?;
            block.is_last = block.bytes.len() < wanted;
            block.start = self.behind;
            block.end = if block.is_last { block.bytes.len() } else { self.behind + self.block };
            (block.input, block.line, block.offset) = (self.index, self.line, self.offset);
            self.pass(block, reader);
            if block.start < block.end {
                return Ok(true);
            }
        }
        self.progress.finish();
        Ok(false)
    }

    /// Moves behind a block.
    fn pass(&mut self, block: &Block, reader: Box<dyn Read + Send>) {
        let own = block.bytes.get(block.start..block.end).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', own).count() as u64;
        self.length += own.len() as u64;
        self.progress.set(self.length);
        if block.is_last {
            let has_open_line = own.last().is_some_and(|&byte| byte != b'\n');
            self.lines += self.line - 1 + lines + u64::from(has_open_line);
            self.index += 1;
            (self.behind, self.line, self.offset) = (0, 1, 0);
        } else {
            self.line += lines;
            self.offset += own.len() as u64;
            self.behind = block.end.min(BESIDE);
            self.tail.extend_from_slice(block.bytes.get(block.end - self.behind..).unwrap_or_default());
            self.reader = Some(reader);
        }
    }
}

/// Reads as many bytes, or all that are left.
fn fill(reader: &mut dyn Read, bytes: &mut Vec<u8>, count: usize) -> io::Result<()> {
    reader.take(count as u64).read_to_end(bytes).map(drop)
}
