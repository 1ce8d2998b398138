use std::{net::Shutdown, sync::Arc, time::Duration};

use socket2::SockRef;
use tokio::{io::AsyncReadExt, net::TcpStream, sync::Semaphore, time::timeout};

/// The answer to a client for which there is no place.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// The largest number of refused connections that stay open for a moment.
const LINGERING: usize = 16;

/// The longest time for which a refused connection stays open.
const LINGER: Duration = Duration::from_secs(1);

/// The largest request of a refused client that is read, in bytes.
const REQUEST: usize = 64 * 1024;

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
    pub(super) fn refuse(&self, mut stream: TcpStream) {
        // The buffer of a new connection has room for the answer.
        let _ = stream.try_write(NO_PLACE);
        let _ = SockRef::from(&stream).shutdown(Shutdown::Write);
        let Ok(permit) = Arc::clone(&self.lingering).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let read = async {
                let (mut buffer, mut left) = ([0; 1024], REQUEST);
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    left = left.saturating_sub(read);
                    if left == 0 {
                        return;
                    }
                }
            };
            let _ = timeout(LINGER, read).await;
            drop((stream, permit));
        });
    }
}
