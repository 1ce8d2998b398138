use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Write, stdout},
    path::PathBuf,
};

use crate::operator::tell;

/// The place that lines are written to.
#[derive(Debug)]
pub(super) struct Output {
    /// `None` for standard output.
    path: Option<PathBuf>,
    file: Option<File>,
    state: LineState,
    /// Whether the last lines could not be written.
    failing: bool,
}

impl Output {
    /// Opens a file to append to, or standard output.
    pub(super) fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let file = path.as_ref().map(open).transpose()?;
        Ok(Self { path, file, state: LineState::Whole, failing: false })
    }

    /// Opens the file anew. If that fails, lines go on to the old one.
    pub(super) fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        match open(path) {
            Ok(file) => {
                (self.file, self.state) = (Some(file), LineState::Whole);
                tell("access log reopened");
            }
            Err(error) => tell(format_args!("access log: cannot open it again, keeping the old file: {error}")),
        }
    }

    /// Writes lines, and returns the number of those that are written.
    pub(super) fn write(&mut self, lines: &[u8]) -> u64 {
        let (written, error) = match &mut self.file {
            Some(file) => self.state.write(file, lines),
            // The lock keeps the lines of spans out.
            None => self.state.write(&mut stdout().lock(), lines),
        };
        match (&error, self.failing) {
            (Some(error), false) => tell(format_args!("access log: cannot write, dropping lines: {error}")),
            (None, true) => tell("access log: writing again"),
            _ => {}
        }
        self.failing = error.is_some();
        written
    }
}

/// Opens a file to append to. What is in it is about clients, so it is not for all users.
fn open(path: &PathBuf) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

/// The end of what has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineState {
    /// The last line is whole.
    Whole,
    /// The last line has been cut, and the next one must not continue it.
    Cut,
}

impl LineState {
    /// Writes lines, and returns the number of those that are written as a whole, with the error that has stopped it.
    fn write(&mut self, out: &mut impl Write, lines: &[u8]) -> (u64, Option<io::Error>) {
        if *self == Self::Cut {
            let (_, error) = write_some(out, b"\n");
            if error.is_some() {
                return (0, error);
            }
            *self = Self::Whole;
        }
        let (written, error) = write_some(out, lines);
        if let Some(last) = written.last() {
            *self = if *last == b'\n' { Self::Whole } else { Self::Cut };
        }
        (memchr::memchr_iter(b'\n', written).count() as u64, error)
    }
}

/// Writes bytes until an error, and returns those that are written.
fn write_some<'a>(out: &mut impl Write, bytes: &'a [u8]) -> (&'a [u8], Option<io::Error>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match out.write(rest) {
            Ok(0) => return (&bytes[..written], Some(ErrorKind::WriteZero.into())),
            Ok(some) => written = (written + some).min(bytes.len()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (&bytes[..written], Some(error)),
        }
    }
    (bytes, out.flush().err())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with this much room left.
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match bytes.len().min(self.room) {
                0 => Err(ErrorKind::StorageFull.into()),
                some => {
                    // A system may take less than it could.
                    let some = some.min(4);
                    self.content.extend(&bytes[..some]);
                    self.room -= some;
                    Ok(some)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_cut_line_is_not_continued() {
        let mut disk = Disk { content: Vec::new(), room: 10 };
        let mut state = LineState::Whole;
        let (written, error) = state.write(&mut disk, b"first\nsecond\nthird\n");
        assert_eq!((written, state), (1, LineState::Cut));
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::StorageFull));
        let (written, error) = state.write(&mut disk, b"lost\n");
        assert_eq!((written, state, error.is_some()), (0, LineState::Cut, true));
        disk.room = 100;
        let (written, error) = state.write(&mut disk, b"fourth\nfifth\n");
        assert_eq!((written, state, error.is_none()), (2, LineState::Whole, true));
        assert_eq!(disk.content, b"first\nseco\nfourth\nfifth\n");
    }
}
