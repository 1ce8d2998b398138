use crate::{
    context::Incoming,
    id::{TraceId, generate::IdGenerator},
    sampler::{AttributeValue, Parent, Sampler, SamplingDecision, SamplingInput, SamplingResult, SpanDetails},
    traceparent::TraceParent,
};

#[cfg(feature = "alloc")]
mod fields;
mod origin;
mod outgoing;
mod trust;

#[cfg(feature = "alloc")]
pub use self::fields::FieldValue;
pub use self::{
    origin::Origin,
    outgoing::Outgoing,
    trust::{Trust, UnknownTrust},
};

/// The specification's processing model: turns a received context into the context of a span of our own.
///
/// A pure function of the incoming context and the IDs: no clock, no I/O, and no allocation.
///
/// [W3C: processing model](https://www.w3.org/TR/trace-context-2/#a-traceparent-is-received)
///
/// ```
/// use traceparent::{Incoming, Origin, Policy, RandomIdGenerator, sampler::AlwaysOn};
///
/// let policy = Policy::new(AlwaysOn);
/// let value = &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"[..];
/// let outgoing = policy.apply(Incoming::from_fields([value], []), &RandomIdGenerator);
///
/// assert_eq!(outgoing.origin(), Origin::Continued);
/// assert_eq!(outgoing.traceparent().trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(outgoing.parent_id().unwrap().to_string(), "00f067aa0ba902b7");
/// // The caller did not sample, and its decision is followed.
/// assert!(!outgoing.traceparent().flags().is_sampled());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy<S> {
    sampler: S,
    trust: Trust,
}

impl<S> Policy<S> {
    /// Creates a policy that continues callers' traces and asks the sampler about others.
    pub const fn new(sampler: S) -> Self {
        Self { sampler, trust: Trust::Continue }
    }

    /// Sets how far to trust callers.
    #[must_use]
    pub fn with_trust(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Returns the sampler.
    pub const fn sampler(&self) -> &S {
        &self.sampler
    }

    /// Returns how far callers are trusted.
    pub const fn trust(&self) -> Trust {
        self.trust
    }
}

impl<S: Sampler> Policy<S> {
    /// Creates the context of a span that serves the request.
    pub fn apply<'a, G: IdGenerator + ?Sized>(&self, incoming: Incoming<'a>, ids: &G) -> Outgoing<'a> {
        self.apply_to(SpanDetails::default(), incoming, ids)
    }

    /// Creates the context of a span that serves the request, and shows the sampler what is known about
    /// that span.
    ///
    /// The sampler's attributes are not asked for; see [`apply_annotated`](Self::apply_annotated).
    pub fn apply_to<'a, G: IdGenerator + ?Sized>(
        &self,
        span: SpanDetails<'_>,
        incoming: Incoming<'a>,
        ids: &G,
    ) -> Outgoing<'a> {
        self.decide(span, incoming, ids, |_| {})
    }

    /// Creates the context of a span as [`apply_to`](Self::apply_to) does, and passes the attributes that the
    /// sampler adds to that span to `visit`; see [`Sampler::annotate`].
    ///
    /// The sampler adds attributes only to spans about which it was asked and which are recorded.
    ///
    /// ```
    /// use traceparent::{
    ///     Incoming, Policy, RandomIdGenerator,
    ///     sampler::{AttributeValue, Sampler, SamplingInput, SamplingResult, SpanDetails},
    /// };
    ///
    /// struct Labelled;
    ///
    /// impl Sampler for Labelled {
    ///     fn should_sample(&self, _: &SamplingInput<'_>) -> SamplingResult {
    ///         SamplingResult::SAMPLE
    ///     }
    ///
    ///     fn annotate(&self, _: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
    ///         visit("sampler.name", AttributeValue::Str("labelled"));
    ///     }
    /// }
    ///
    /// let mut attributes = Vec::new();
    /// let details = SpanDetails::new("GET /orders/{id}");
    /// let span = Policy::new(Labelled).apply_annotated(details, Incoming::Absent, &RandomIdGenerator, |key, value| {
    ///     attributes.push((key.to_owned(), value.to_string()));
    /// });
    /// assert!(span.decision().is_sampled());
    /// assert_eq!(attributes, [("sampler.name".to_owned(), "labelled".to_owned())]);
    /// ```
    pub fn apply_annotated<'a, G: IdGenerator + ?Sized>(
        &self,
        span: SpanDetails<'_>,
        incoming: Incoming<'a>,
        ids: &G,
        mut visit: impl FnMut(&str, AttributeValue<'_>),
    ) -> Outgoing<'a> {
        self.decide(span, incoming, ids, |input| self.sampler.annotate(input, &mut visit))
    }

    /// Creates the context of a span, and calls `recorded` if the sampler was asked and the span is recorded.
    fn decide<'a, G: IdGenerator + ?Sized>(
        &self,
        span: SpanDetails<'_>,
        incoming: Incoming<'a>,
        ids: &G,
        recorded: impl FnOnce(&SamplingInput<'_>),
    ) -> Outgoing<'a> {
        match (incoming, self.trust) {
            (Incoming::Valid { context, .. }, Trust::Continue) => {
                let parent = Parent::Remote(&context);
                let result = SamplingResult::new(SamplingDecision::from_sampled(parent.is_sampled()));
                let ot = result.ot_change(&SamplingInput::child_of(parent));
                let outgoing = Outgoing::continued(context, result.decision, ot, ids.new_span_id());
                Outgoing { follows_caller: true, ..outgoing }
            }
            (Incoming::Valid { context, .. }, Trust::Resample)
            | (Incoming::Deferred(context), Trust::Continue | Trust::Resample) => {
                let input = SamplingInput::child_of(Parent::Remote(&context)).with_span(span);
                let result = self.ask(&input, recorded);
                let ot = result.ot_change(&input);
                Outgoing::continued(context, result.decision, ot, ids.new_span_id())
            }
            (Incoming::Valid { context, .. } | Incoming::Deferred(context), Trust::Restart) => {
                self.start(span, ids, Origin::Restarted, Some(context.traceparent), recorded)
            }
            (Incoming::Root { trace_id, sampled }, Trust::Continue) => {
                self.root(span, ids, trace_id, sampled, recorded)
            }
            (Incoming::Root { trace_id, .. }, Trust::Resample) => self.root(span, ids, trace_id, None, recorded),
            (Incoming::Valid { .. } | Incoming::Deferred(_), Trust::Ignore)
            | (Incoming::Root { trace_id: Some(_), .. }, Trust::Restart | Trust::Ignore)
            | (Incoming::Invalid(_) | Incoming::Refused, _) => self.start(span, ids, Origin::Restarted, None, recorded),
            (Incoming::Root { trace_id: None, .. }, Trust::Restart | Trust::Ignore) | (Incoming::Absent, _) => {
                self.start(span, ids, Origin::Started, None, recorded)
            }
        }
    }

    /// Creates the context of a root span, in the caller's trace and with its decision as far as it sent them.
    fn root<G: IdGenerator + ?Sized>(
        &self,
        span: SpanDetails<'_>,
        ids: &G,
        trace_id: Option<TraceId>,
        sampled: Option<bool>,
        recorded: impl FnOnce(&SamplingInput<'_>),
    ) -> Outgoing<'static> {
        // No foreign header vouches for the randomness of its trace-id.
        let (id, is_random, origin) = match trace_id {
            Some(id) => (id, false, Origin::Continued),
            None => (ids.new_trace_id(), ids.is_random(), Origin::Started),
        };
        let input = SamplingInput::root(id).with_span(span);
        let result = match sampled {
            Some(sampled) => SamplingResult::new(SamplingDecision::from_sampled(sampled)),
            None => self.ask(&input, recorded),
        };
        let root = Outgoing::root(&input, result, ids.new_span_id(), is_random);
        Outgoing { origin, follows_caller: sampled.is_some(), ..root }
    }

    fn start<G: IdGenerator + ?Sized>(
        &self,
        span: SpanDetails<'_>,
        ids: &G,
        origin: Origin,
        link: Option<TraceParent>,
        recorded: impl FnOnce(&SamplingInput<'_>),
    ) -> Outgoing<'static> {
        let input = SamplingInput::root(ids.new_trace_id()).with_span(span);
        let result = self.ask(&input, recorded);
        Outgoing { origin, link, ..Outgoing::root(&input, result, ids.new_span_id(), ids.is_random()) }
    }
    fn ask(&self, input: &SamplingInput<'_>, recorded: impl FnOnce(&SamplingInput<'_>)) -> SamplingResult {
        let result = self.sampler.should_sample(input);
        if result.decision.is_recorded() {
            recorded(input);
        }
        result
    }
}
