use std::sync::Arc;

use tokio::{net::TcpStream, sync::Semaphore};

use super::{linger::Linger, shared::SharedStream};
use crate::http::Failure;

/// The answer to a client for which there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The same over TLS: the alert `internal_error`, which is for an error "unrelated to the peer or the correctness of the protocol
/// (such as a memory allocation failure)".
///
/// [RFC 8446, section 6.2](https://www.rfc-editor.org/rfc/rfc8446#section-6.2)
const NO_PLACE_TLS: &[u8] = b"\x15\x03\x03\x00\x02\x02\x50";

/// The largest number of connections without a place that stay open for a moment.
const LINGERING: usize = 16;

/// Ends connections that have no place, or none any more.
#[derive(Clone, Debug)]
pub(super) struct Refuser {
    lingering: Arc<Semaphore>,
}

impl Default for Refuser {
    fn default() -> Self {
        Self { lingering: Arc::new(Semaphore::new(LINGERING)) }
    }
}

impl Refuser {
    /// Closes a connection with 503, or with an alert over TLS.
    pub(super) fn refuse(&self, stream: TcpStream, is_tls: bool) {
        let stream = SharedStream::new(stream);
        // The buffer of a new connection has room for the answer.
        stream.refuse(if is_tls { NO_PLACE_TLS } else { NO_PLACE });
        self.close(stream);
    }

    /// Closes a connection. A few read what the client sends first: closing before that may destroy the last bytes that were written.
    pub(super) fn close(&self, stream: SharedStream) {
        let Ok(permit) = Arc::clone(&self.lingering).try_acquire_owned() else { return };
        tokio::spawn(async move {
            stream.linger(Linger::SHORT).await;
            drop(permit);
        });
    }
}

/// Returns the answer to a request whose head is not read to its end, after which the connection is closed.
pub(super) fn last_answer(failure: Failure) -> Vec<u8> {
    let (status, text) = (failure.status(), failure.answer());
    let reason = status.canonical_reason().unwrap_or_default();
    format!(
        "HTTP/1.1 {} {reason}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: \
         {}\r\n\r\n{text}",
        status.as_str(),
        text.len()
    )
    .into_bytes()
}
