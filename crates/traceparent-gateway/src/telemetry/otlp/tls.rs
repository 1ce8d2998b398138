use std::path::PathBuf;

use tokio::sync::watch;

use crate::{
    config::ClientTls,
    http::{TlsClient, TlsError},
    operator::tell,
};

/// The certificates and keys for a collector, which are read again when their files change.
///
/// Spans are a side road: files that cannot be used are reported to the operator, and stop nothing but the export.
#[derive(Debug)]
pub(crate) struct CollectorTls {
    settings: ClientTls,
    /// `None` until the files have been usable once.
    current: watch::Sender<Option<TlsClient>>,
}

impl CollectorTls {
    /// Reads the files.
    pub(super) fn new(settings: ClientTls) -> Self {
        let tls = Self { settings, current: watch::Sender::new(None) };
        tls.reload();
        tls
    }

    /// Reads the files again, and returns whether they can be used. If not, what they held before counts.
    pub(crate) fn reload(&self) -> bool {
        match TlsClient::load(&self.settings) {
            Ok(new) => {
                self.current.send_if_modified(|current| {
                    let is_changed = current.as_ref() != Some(&new);
                    *current = Some(new);
                    is_changed
                });
                true
            }
            Err(error) => {
                self.report(&error);
                false
            }
        }
    }

    fn report(&self, error: &TlsError) {
        let until = if self.current.borrow().is_some() {
            "keeping the current certificates and keys"
        } else {
            "dropping spans"
        };
        tell(format_args!("cannot set up TLS to the collector, {until}: {error}"));
    }

    /// Returns what the files held, now and later.
    pub(super) fn subscribe(&self) -> watch::Receiver<Option<TlsClient>> {
        self.current.subscribe()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.settings.files()
    }
}
