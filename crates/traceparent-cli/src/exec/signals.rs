//! Signals that are passed on to a child.

use std::{
    fs::File,
    io,
    process::{Command, ExitStatus},
    sync::{Mutex, PoisonError},
    thread,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpgrp, getpid, kill_process, waitid};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::Signals,
    low_level::emulate_default_handler,
};

/// The signals that end a process or mean something to it, and that are sent to this one instead of the child.
const PASSED: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// Runs a command to its end, and passes on the signals that this process gets.
pub(super) fn run(command: &mut Command) -> io::Result<ExitStatus> {
    // Before the command starts, so that no signal ends this process and leaves the command behind.
    let mut signals = Signals::new(PASSED)?;
    let handle = signals.handle();
    let mut child = command.spawn()?;
    let running = Mutex::new(Some(Pid::from_child(&child)));
    thread::scope(|scope| {
        scope.spawn(|| {
            for signal in signals.forever() {
                let running = running.lock().unwrap_or_else(PoisonError::into_inner);
                if let (Some(pid), Some(signal)) = (*running, Signal::from_named_raw(signal)) {
                    if !is_from_keyboard(signal) {
                        // The child may have ended just now.
                        let _ = kill_process(pid, signal);
                    }
                }
            }
        });
        // The child's number is its own until it is waited for below.
        while let Err(rustix::io::Errno::INTR) =
            waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        {}
        *running.lock().unwrap_or_else(PoisonError::into_inner) = None;
        handle.close();
        child.wait()
    })
}

/// Whether a signal is of a key: the terminal sends it to each process in the foreground, and the child has it already.
fn is_from_keyboard(signal: Signal) -> bool {
    let is_key = matches!(signal, Signal::INT | Signal::QUIT);
    is_key && File::open("/dev/tty").is_ok_and(|tty| rustix::termios::tcgetpgrp(tty).ok() == Some(getpgrp()))
}

/// Ends this process by a signal, if that is possible.
pub(super) fn end_by(signal: i32) {
    if emulate_default_handler(signal).is_err() {
        if let Some(signal) = Signal::from_named_raw(signal) {
            // Without success, the exit code says the same.
            let _ = kill_process(getpid(), signal);
        }
    }
}
