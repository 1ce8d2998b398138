use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use hyper::{
    HeaderMap,
    body::{Body, Bytes, Frame, SizeHint},
};
use tokio::io::AsyncWrite;

use super::{lent::LentBody, transport::Transport};

/// The end of a chunked body, behind which no trailer follows.
const END: usize = b"\r\n".len();

/// Trailers that wait for the end of their body. The library writes none but those that the head declares.
///
/// They are written by the stream in front of the last two bytes of the body, which are the last ones that wait in the
/// library while trailers wait here.
#[derive(Debug, Default)]
pub(super) struct Trailers {
    are_waiting: AtomicBool,
    bytes: Mutex<Bytes>,
}

impl Trailers {
    /// Returns whether trailers have not been written yet.
    pub(super) fn are_waiting(&self) -> bool {
        self.are_waiting.load(Relaxed)
    }

    fn set(&self, trailers: &HeaderMap) {
        let mut bytes = Vec::new();
        for (name, value) in trailers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                bytes.extend(part);
            }
        }
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) = bytes.into();
        self.are_waiting.store(true, Relaxed);
    }

    /// Writes a part of all that the library has to write, and trailers before its end.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        let Some(slice) = slices.iter().find(|slice| !slice.is_empty()) else { return Poll::Ready(Ok(0)) };
        if length > END {
            let part = slice.get(..length - END).unwrap_or(slice);
            return Pin::new(stream).poll_write(context, part);
        }
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(context, &bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(bytes.split_to(written)),
            }
        }
        self.are_waiting.store(false, Relaxed);
        Pin::new(stream).poll_write(context, slice)
    }
}

/// A request's body over HTTP/1, which hands its trailers to the stream.
#[derive(Debug)]
pub(super) struct Http1RequestBody<B> {
    inner: LentBody<B>,
    /// `None` where a length frames the body: there is no place for trailers.
    transport: Option<Arc<Transport>>,
}

impl<B> Http1RequestBody<B> {
    pub(super) fn new(inner: LentBody<B>, transport: Option<Arc<Transport>>) -> Self {
        Self { inner, transport }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Http1RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context)?);
        let Some(trailers) = frame.as_ref().and_then(Frame::trailers_ref) else {
            return Poll::Ready(frame.map(Ok));
        };
        if let Some(transport) = &self.transport {
            transport.trailers.set(trailers);
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{future::poll_fn, io::IoSlice};

    use hyper::header::HeaderValue;
    use tokio::io::AsyncReadExt;

    use super::*;

    /// A stream that takes as many bytes at a time.
    struct Narrow<S>(S, usize);

    impl<S: AsyncWrite + Unpin> AsyncWrite for Narrow<S> {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let part = &bytes[..self.1.min(bytes.len())];
            Pin::new(&mut self.0).poll_write(context, part)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }

    #[tokio::test]
    async fn trailers_go_before_the_end() {
        for width in 1..20 {
            for slices in
                [vec!["2\r\nok\r\n0\r\n\r\n"], vec!["2\r\n", "ok", "\r\n", "0\r\n\r\n"], vec!["", "0\r\n\r\n"]]
            {
                let (mut far, near) = tokio::io::duplex(8);
                let received = tokio::spawn(async move {
                    let mut text = String::new();
                    far.read_to_string(&mut text).await.unwrap();
                    text
                });
                let mut fields = HeaderMap::new();
                fields.append("x-a", HeaderValue::from_static("1"));
                fields.append("x-a", HeaderValue::from_static("2"));
                let trailers = Trailers::default();
                trailers.set(&fields);
                let mut stream = Narrow(near, width);
                let whole = slices.concat();
                let mut written = 0;
                while written < whole.len() {
                    // The library hands over what is left, in as many pieces.
                    let mut rest = Vec::new();
                    let mut before = 0;
                    for slice in &slices {
                        rest.push(&slice.as_bytes()[written.saturating_sub(before).min(slice.len())..]);
                        before += slice.len();
                    }
                    let rest: Vec<_> = rest.into_iter().map(IoSlice::new).collect();
                    written += poll_fn(|context| {
                        if trailers.are_waiting() {
                            return trailers.poll_write(&mut stream, context, &rest);
                        }
                        let slice = rest.iter().find(|slice| !slice.is_empty()).unwrap();
                        Pin::new(&mut stream).poll_write(context, slice)
                    })
                    .await
                    .unwrap();
                }
                drop(stream);
                let expected = format!("{}x-a: 1\r\nx-a: 2\r\n\r\n", whole.strip_suffix("\r\n").unwrap());
                assert_eq!(received.await.unwrap(), expected, "{width}");
            }
        }
    }
}
