use crate::error::Error;

/// What asks the gateway to stop: Ctrl-C, and SIGTERM where there is such a thing.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on, signals are kept for [`Self::next`].
    pub(crate) fn catch() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};

        let interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        let terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        Ok(Self { interrupt, terminate })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What asks the gateway to stop: Ctrl-C.
#[cfg(windows)]
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Signals {
    /// From now on, signals are kept for [`Self::next`].
    pub(crate) fn catch() -> Result<Self, Error> {
        let interrupt = tokio::signal::windows::ctrl_c().map_err(Error::Signals)?;
        Ok(Self { interrupt })
    }

    pub(crate) async fn next(&mut self) {
        self.interrupt.recv().await;
    }
}
