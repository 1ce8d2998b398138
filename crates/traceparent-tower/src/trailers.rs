use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// The name of the field that carries baggage.
pub(crate) const BAGGAGE: &str = "baggage";

pin_project! {
    /// A body whose trailers carry no trace context of any format, and no `baggage`.
    ///
    /// Trailers are part of a body, which the layers pass on as they get it. A boundary that forwards bodies wraps them:
    ///
    /// ```
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use traceparent::{Trust, sampler::AlwaysOn};
    /// use traceparent_tower::{ExtractTraceContextLayer, StripTrailers};
    ///
    /// # async fn serve<B: http_body::Body>(request: Request<B>) -> Result<(), std::convert::Infallible> {
    /// let edge = ExtractTraceContextLayer::new(AlwaysOn)
    ///     .trust(Trust::Restart)
    ///     .layer(service_fn(async |request: Request<StripTrailers<B>>| {
    ///         # drop(request);
    ///         Ok::<_, std::convert::Infallible>(Response::new(()))
    ///     }))
    ///     .map_request(|request: Request<B>| request.map(StripTrailers::new));
    /// # edge.oneshot(request).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Clone, Copy, Debug, Default)]
    pub struct StripTrailers<B> {
        #[pin]
        inner: B,
    }
}

impl<B> StripTrailers<B> {
    /// Creates a body from one whose trailers may carry a context.
    pub const fn new(inner: B) -> Self {
        Self { inner }
    }

    /// Returns a reference to the inner body.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }

    /// Returns a mutable reference to the inner body.
    pub const fn get_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Returns the inner body.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body> Body for StripTrailers<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().inner.poll_frame(cx).map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                traceparent_http::strip_all(trailers, &[]);
            }
            frame
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
