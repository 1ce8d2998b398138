use std::sync::Arc;

use tokio::{net::TcpStream, sync::Semaphore};

use super::shared::SharedStream;

/// The answer to a client for which there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The same over TLS: the alert `internal_error`, which is for an error "unrelated to the peer or the correctness of the protocol
/// (such as a memory allocation failure)".
///
/// [RFC 8446, section 6.2](https://www.rfc-editor.org/rfc/rfc8446#section-6.2)
const NO_PLACE_TLS: &[u8] = b"\x15\x03\x03\x00\x02\x02\x50";

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
    /// Answers 503, or with an alert over TLS, and closes the connection. A few connections read what the client sends first: closing before that may
    /// destroy the answer.
    pub(super) fn refuse(&self, stream: TcpStream, is_tls: bool) {
        let stream = SharedStream::new(stream);
        // The buffer of a new connection has room for the answer.
        stream.refuse(if is_tls { NO_PLACE_TLS } else { NO_PLACE });
        let Ok(permit) = Arc::clone(&self.lingering).try_acquire_owned() else { return };
        tokio::spawn(async move {
            stream.linger().await;
            drop(permit);
        });
    }
}
