use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::SpanContext;

/// The context and the log span that a future, a stream or a body is polled within.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    context: Option<SpanContext>,
    #[cfg(feature = "tracing")]
    log: Option<tracing::Span>,
}

impl Scope {
    /// Creates the scope of a context, without a log span.
    pub(crate) fn of(context: Option<SpanContext>) -> Self {
        Self {
            context,
            #[cfg(feature = "tracing")]
            log: None,
        }
    }

    /// Creates the scope of a log span, without a context.
    #[cfg(feature = "tracing")]
    pub(crate) fn log(log: tracing::Span) -> Self {
        Self { context: None, log: Some(log) }
    }

    /// Creates the scope of a context and of the current log span.
    pub(crate) fn here(context: Option<SpanContext>) -> Self {
        Self {
            context,
            #[cfg(feature = "tracing")]
            log: Some(tracing::Span::current()),
        }
    }

    pub(crate) fn context(&self) -> Option<&SpanContext> {
        self.context.as_ref()
    }

    #[cfg(feature = "tracing")]
    pub(crate) fn log_span(&self) -> Option<&tracing::Span> {
        self.log.as_ref()
    }

    /// Runs a function within the context and the log span.
    pub(crate) fn enter<T>(&self, function: impl FnOnce() -> T) -> T {
        #[cfg(feature = "tracing")]
        let _entered = self.log.as_ref().map(tracing::Span::enter);
        #[cfg(feature = "tokio")]
        if let Some(context) = self.context() {
            return context.clone().sync_scope(function);
        }
        #[cfg(not(feature = "tokio"))]
        let _ = self;
        function()
    }
}

pin_project! {
    /// A future, a stream or a body that is polled within the context and the log span of a trace.
    ///
    /// It is what [`InTraceExt`] returns, and the body of the responses of the layers. Whatever it polls finds
    /// [`SpanContext::current`] and, with the feature `tracing`, writes its log lines within the log span.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    /// use traceparent_tower::{InTraceExt, SpanContext};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
    /// let current = async { SpanContext::current() }.in_trace(job.clone()).await;
    /// assert_eq!(current.unwrap().span_id(), job.span_id());
    /// # });
    /// # }
    /// ```
    #[derive(Clone, Debug, Default)]
    #[must_use = "futures, streams and bodies do nothing unless polled"]
    pub struct InTrace<T> {
        #[pin]
        inner: T,
        scope: Scope,
    }
}

impl<T> InTrace<T> {
    pub(crate) fn new(inner: T, scope: Scope) -> Self {
        Self { inner, scope }
    }

    /// Returns a reference to the inner value.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns a mutable reference to the inner value.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Returns the inner value.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: Future> Future for InTrace<T> {
    type Output = T::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.scope.enter(|| this.inner.poll(cx))
    }
}

impl<T: Stream> Stream for InTrace<T> {
    type Item = T::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        this.scope.enter(|| this.inner.poll_next(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<T: Body> Body for InTrace<T> {
    type Data = T::Data;
    type Error = T::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        this.scope.enter(|| this.inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Futures, streams and bodies that can be polled within a trace.
///
/// A task of its own, a stream that is consumed elsewhere and the body of a client's request are polled outside of the
/// request that they belong to. These methods carry its context with them, and with the feature `tracing` the current
/// log span.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use tokio_stream::StreamExt;
/// use traceparent_tower::{InTraceExt, SpanContext};
///
/// /// Within a handler: the items are created in the context of the request, wherever they are consumed.
/// fn spans() -> impl tokio_stream::Stream<Item = Option<SpanContext>> {
///     tokio_stream::iter([1, 2, 3]).map(|_| SpanContext::current()).in_current_trace()
/// }
/// # let _ = spans();
/// # }
/// ```
pub trait InTraceExt: Sized {
    /// Returns this future, stream or body, to be polled within a context and the current log span.
    fn in_trace(self, context: SpanContext) -> InTrace<Self> {
        InTrace::new(self, Scope::here(Some(context)))
    }

    /// Returns this future, stream or body, to be polled within the current context and the current log span.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    fn in_current_trace(self) -> InTrace<Self> {
        InTrace::new(self, Scope::here(SpanContext::current()))
    }
}

impl<T> InTraceExt for T {}
