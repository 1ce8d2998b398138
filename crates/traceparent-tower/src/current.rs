use crate::SpanContext;

tokio::task_local! {
    static CURRENT: SpanContext;
}

#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
impl SpanContext {
    /// Returns the context of the request that the current task works on; `None` outside of
    /// [`ExtractTraceContext`](crate::ExtractTraceContext) and [`scope`](Self::scope).
    ///
    /// A task of its own (`tokio::spawn`) is outside, and so is the body of a response, which is sent after the
    /// handler has returned: hand the context over with [`scope`](Self::scope).
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs a future within this context, wherever it runs.
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
    ///     SpanContext::current().map(|current| current.span_id()) // as every client called here sees it
    /// }));
    /// assert_eq!(task.await?, Some(id));
    /// assert!(SpanContext::current().is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
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
