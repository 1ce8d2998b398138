use tokio::task::JoinHandle;

use crate::{InTrace, InTraceExt, SpanContext, in_trace::Scope};

tokio::task_local! {
    static CURRENT: SpanContext;
}

#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
impl SpanContext {
    /// Returns the context of the request that the current task works on.
    ///
    /// It is `None` outside of [`ExtractTraceContext`](crate::ExtractTraceContext) and [`scope`](Self::scope). The body
    /// of a response is inside; a task that `tokio::spawn` started is outside. [`spawn`] takes the context
    /// along.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Returns a future, a stream or a body that is polled within this context and the current log span.
    ///
    /// The same as [`InTraceExt::in_trace`].
    ///
    /// ```
    /// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    /// use traceparent_tower::SpanContext;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tokio::task::JoinError> {
    /// let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
    /// let id = job.span_id();
    /// let task = tokio::spawn(job.scope(async {
    ///     // Every client that is called here finds the same context.
    ///     SpanContext::current().map(|current| current.span_id())
    /// }));
    /// assert_eq!(task.await?, Some(id));
    /// assert!(SpanContext::current().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope<T>(self, inner: T) -> InTrace<T> {
        inner.in_trace(self)
    }

    /// Runs a function within this context.
    ///
    /// ```
    /// # use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    /// # use traceparent_tower::SpanContext;
    /// # let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
    /// let id = job.span_id();
    /// assert_eq!(job.sync_scope(|| SpanContext::current().map(|current| current.span_id())), Some(id));
    /// ```
    pub fn sync_scope<T>(self, function: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, function)
    }
}

/// Spawns a task that works within the current context and the current log span.
///
/// The same as [`tokio::spawn`], whose tasks have neither.
///
/// ```
/// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
/// use traceparent_tower::SpanContext;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tokio::task::JoinError> {
/// let job = SpanContext::from(Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator));
/// let id = job.span_id();
/// let task = job.sync_scope(|| traceparent_tower::spawn(async { SpanContext::current() }));
/// assert_eq!(task.await?.map(|current| current.span_id()), Some(id));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics outside of a runtime of tokio, as [`tokio::spawn`] does.
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(future.in_current_trace())
}

/// Runs a blocking function on a thread of its own, within the current context and the current log span.
///
/// The same as [`tokio::task::spawn_blocking`], whose functions have neither.
///
/// # Panics
///
/// Panics outside of a runtime of tokio, as [`tokio::task::spawn_blocking`] does.
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub fn spawn_blocking<F, T>(function: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let scope = Scope::here(SpanContext::current());
    tokio::task::spawn_blocking(move || scope.enter(function))
}
