use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Response,
    header::{CONNECTION, HeaderValue, UPGRADE},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional},
    select,
    time::sleep,
    try_join,
};

use crate::http::{AnswerBody, UnderWay, remove_hop_by_hop};

/// Joins the two connections, once the client has the response, until one end closes or nothing is said for too long.
pub(super) fn switch(
    client: OnUpgrade,
    response: &mut Response<AnswerBody>,
    idle_timeout: Duration,
    under_way: UnderWay,
) {
    let upgrade = response.headers_mut().remove(UPGRADE);
    let upstream = hyper::upgrade::on(&mut *response);
    remove_hop_by_hop(response.headers_mut());
    if let Some(upgrade) = upgrade {
        response.headers_mut().insert(UPGRADE, upgrade);
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    tokio::spawn(async move {
        if let Ok((client, upstream)) = try_join!(client, upstream) {
            let moved = Arc::<AtomicU64>::default();
            let mut client = Counted { inner: TokioIo::new(client), moved: Arc::clone(&moved) };
            let mut upstream = Counted { inner: TokioIo::new(upstream), moved: Arc::clone(&moved) };
            select! {
                // Either end may close at any time.
                _ = copy_bidirectional(&mut client, &mut upstream) => {}
                () = silence(&moved, idle_timeout) => {}
            }
        }
        drop(under_way);
    });
}

/// Waits until nothing has moved for a time, which is at least the limit and less than twice as long.
async fn silence(moved: &AtomicU64, limit: Duration) {
    let mut before = None;
    while before.replace(moved.load(Relaxed)) != Some(moved.load(Relaxed)) {
        sleep(limit).await;
    }
}

/// A stream that counts what it receives and sends.
struct Counted<T> {
    inner: T,
    moved: Arc<AtomicU64>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.moved.fetch_add(read.is_ready().into(), Relaxed);
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.moved.fetch_add(written.is_ready().into(), Relaxed);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
