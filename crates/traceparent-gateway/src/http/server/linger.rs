use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::timeout;

/// The limits of reading what a client still sends after its answer.
///
/// A client that writes first and reads later gets its answer only if all of what it writes is read, or if it gives up
/// before the connection is closed: data that arrives at a closed connection resets it, which destroys the answer.
///
/// [RFC 9112, section 9.6](https://www.rfc-editor.org/rfc/rfc9112#section-9.6)
#[derive(Clone, Copy, Debug)]
pub(super) struct Linger {
    /// The longest time for which nothing arrives.
    pause: Duration,
    /// The longest time in all.
    time: Duration,
    bytes: usize,
}

impl Linger {
    /// The limits of a connection that has a place.
    pub(super) const LONG: Self =
        Self { pause: Duration::from_secs(5), time: Duration::from_secs(30), bytes: 64 * 1024 * 1024 };

    /// The limits of a connection that has none.
    pub(super) const SHORT: Self =
        Self { pause: Duration::from_secs(1), time: Duration::from_secs(1), bytes: 64 * 1024 };

    /// Drops what is read until there is no more, or a limit is reached. Reading returns the number of bytes, or `None`
    /// at the end. Returns whether there is no more.
    pub(super) async fn drain(self, mut poll_read: impl FnMut(&mut Context<'_>) -> Poll<Option<usize>>) -> bool {
        let drain = async {
            let mut bytes = 0;
            while let Ok(read) = timeout(self.pause, poll_fn(&mut poll_read)).await {
                let Some(read) = read else { return true };
                bytes += read;
                if bytes > self.bytes {
                    break;
                }
            }
            false
        };
        timeout(self.time, drain).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn bytes_are_limited() {
        let limits = Linger { pause: LONG, time: LONG, bytes: 100 };
        for (bytes, all) in [(20, true), (21, false)] {
            let mut reads = 0;
            let read = |_: &mut Context<'_>| {
                reads += 1;
                Poll::Ready((reads <= 5).then_some(bytes))
            };
            assert_eq!(limits.drain(read).await, all);
        }
    }

    #[tokio::test]
    async fn pauses_are_limited() {
        let limits = Linger { pause: SHORT, time: LONG, bytes: 100 };
        assert!(!limits.drain(|_| Poll::Pending).await);
    }

    #[tokio::test]
    async fn time_is_limited() {
        let limits = Linger { pause: LONG, time: SHORT, bytes: usize::MAX };
        let mut is_ready = false;
        let read = |context: &mut Context<'_>| {
            is_ready = !is_ready;
            context.waker().wake_by_ref();
            if is_ready { Poll::Ready(Some(0)) } else { Poll::Pending }
        };
        assert!(!limits.drain(read).await);
    }
}
