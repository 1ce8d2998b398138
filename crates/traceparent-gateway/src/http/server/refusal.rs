use std::sync::Arc;

use tokio::{net::TcpStream, sync::Semaphore};

use super::shared::SharedStream;

/// The answer to a client for which there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The largest number of refused connections that stay open for a moment.
const LINGERING: usize = 16;

/// Refuses connections with a short answer.
#[derive(Debug)]
pub(super) struct Refuser {
    lingering: Arc<Semaphore>,
}

impl Default for Refuser {
    fn default() -> Self {
        Self { lingering: Arc::new(Semaphore::new(LINGERING)) }
    }
}

impl Refuser {
    /// Answers 503 and closes the connection. A few connections read what the client sends first: closing before that may
    /// destroy the answer.
    pub(super) fn refuse(&self, stream: TcpStream) {
        let stream = SharedStream::new(stream);
        // The buffer of a new connection has room for the answer.
        stream.refuse(NO_PLACE);
        let Ok(permit) = Arc::clone(&self.lingering).try_acquire_owned() else { return };
        tokio::spawn(async move {
            stream.linger().await;
            drop(permit);
        });
    }
}
