use crate::{
    context::{Incoming, TraceContext},
    flags::TraceFlags,
    id::{SpanId, TraceId, generate::IdGenerator},
    sampler::{Parent, Sampler, SamplingDecision, SamplingInput, SamplingResult, SpanDetails},
    traceparent::TraceParent,
    tracestate::{
        TraceState,
        edit::{BudgetTooSmall, Change, OtChange, TraceStateEdit},
    },
};

/// How far a caller's valid context is trusted.
///
/// [W3C: security considerations](https://www.w3.org/TR/trace-context-2/#security-considerations)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// Continues the trace and follows the caller's sampled flag. The sampler decides about traces
    /// that start here.
    #[default]
    Continue,
    /// Continues the trace; the sampler decides, and sees the parent.
    Resample,
    /// Starts a new trace that links to the caller's. No byte of the caller's goes on: for the edge
    /// of a trust zone.
    Restart,
    /// Starts a new trace as if nothing valid had come.
    Ignore,
}

/// Where the trace of an outgoing context comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Nothing came in; the trace starts here.
    Started,
    /// The caller's trace goes on.
    Continued,
    /// Something came in that was invalid or not trusted; a new trace starts here.
    Restarted,
}

impl Origin {
    /// Returns a short, stable name, made for metric labels: `started`, `continued` or `restarted`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Continued => "continued",
            Self::Restarted => "restarted",
        }
    }
}

/// The specification's processing model: turns what came in into the context of a span of our own.
///
/// A pure function of the incoming context and the ids: no clock, no I/O, and no allocation.
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
/// // The caller did not sample, and is followed.
/// assert!(!outgoing.traceparent().flags().is_sampled());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy<S> {
    sampler: S,
    trust: Trust,
}

impl<S> Policy<S> {
    /// Makes a policy that continues callers' traces and asks the sampler about others.
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
    /// Makes the context of a span that serves the request.
    pub fn apply<'a, G: IdGenerator + ?Sized>(&self, incoming: Incoming<'a>, ids: &G) -> Outgoing<'a> {
        self.apply_to(SpanDetails::default(), incoming, ids)
    }

    /// Makes the context of a span that serves the request, and lets the sampler see what is known
    /// about that span.
    pub fn apply_to<'a, G: IdGenerator + ?Sized>(
        &self,
        span: SpanDetails<'_>,
        incoming: Incoming<'a>,
        ids: &G,
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
                let result = self.sampler.should_sample(&input);
                let ot = result.ot_change(&input);
                Outgoing::continued(context, result.decision, ot, ids.new_span_id())
            }
            (Incoming::Valid { context, .. } | Incoming::Deferred(context), Trust::Restart) => {
                self.start(span, ids, Origin::Restarted, Some(context.traceparent))
            }
            (Incoming::Root { trace_id, sampled }, Trust::Continue) => self.root(span, ids, trace_id, sampled),
            (Incoming::Root { trace_id, .. }, Trust::Resample) => self.root(span, ids, trace_id, None),
            (Incoming::Valid { .. } | Incoming::Deferred(_), Trust::Ignore)
            | (Incoming::Root { trace_id: Some(_), .. }, Trust::Restart | Trust::Ignore)
            | (Incoming::Invalid(_) | Incoming::Refused, _) => self.start(span, ids, Origin::Restarted, None),
            (Incoming::Root { trace_id: None, .. }, Trust::Restart | Trust::Ignore) | (Incoming::Absent, _) => {
                self.start(span, ids, Origin::Started, None)
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
    ) -> Outgoing<'static> {
        // No foreign header vouches for the randomness of its trace-id.
        let (id, is_random, origin) = match trace_id {
            Some(id) => (id, false, Origin::Continued),
            None => (ids.new_trace_id(), ids.is_random(), Origin::Started),
        };
        let input = SamplingInput::root(id).with_span(span);
        let result = match sampled {
            Some(sampled) => SamplingResult::new(SamplingDecision::from_sampled(sampled)),
            None => self.sampler.should_sample(&input),
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
    ) -> Outgoing<'static> {
        let input = SamplingInput::root(ids.new_trace_id()).with_span(span);
        let result = self.sampler.should_sample(&input);
        Outgoing { origin, link, ..Outgoing::root(&input, result, ids.new_span_id(), ids.is_random()) }
    }
}

/// The context of a span of our own: what goes out with every call made on its behalf.
///
/// Made by [`Policy::apply`].
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    traceparent: TraceParent,
    parent_id: Option<SpanId>,
    tracestate: TraceStateEdit<'a>,
    decision: SamplingDecision,
    origin: Origin,
    link: Option<TraceParent>,
    follows_caller: bool,
}

impl Outgoing<'static> {
    fn root(input: &SamplingInput<'_>, result: SamplingResult, span_id: SpanId, is_random: bool) -> Self {
        let flags = TraceFlags::NONE.with_sampled(result.decision.is_sampled()).with_random(is_random);
        Self {
            traceparent: TraceParent::new(input.trace_id(), span_id, flags),
            parent_id: None,
            tracestate: TraceStateEdit::sampled(TraceState::EMPTY, result.ot_change(input)),
            decision: result.decision,
            origin: Origin::Started,
            link: None,
            follows_caller: false,
        }
    }
}

impl<'a> Outgoing<'a> {
    fn continued(context: TraceContext<'a>, decision: SamplingDecision, ot: OtChange, span_id: SpanId) -> Self {
        let caller = context.traceparent;
        Self {
            traceparent: caller.child(span_id, decision.is_sampled()),
            parent_id: Some(caller.parent_id()),
            tracestate: TraceStateEdit::sampled(context.tracestate, ot),
            decision,
            origin: Origin::Continued,
            link: None,
            follows_caller: false,
        }
    }

    /// Returns the header that goes out; its parent-id is the id of this span.
    pub const fn traceparent(&self) -> TraceParent {
        self.traceparent
    }

    /// Returns the list that goes out. An empty one is not sent.
    pub const fn tracestate(&self) -> &TraceStateEdit<'a> {
        &self.tracestate
    }

    /// Returns the id of this span.
    pub const fn span_id(&self) -> SpanId {
        self.traceparent.parent_id()
    }

    /// Returns the id of the parent span, in the caller or in this process; `None` for a root span.
    pub const fn parent_id(&self) -> Option<SpanId> {
        self.parent_id
    }

    /// Returns the sampling decision.
    pub const fn decision(&self) -> SamplingDecision {
        self.decision
    }

    /// Whether the sampling decision is the caller's and not the sampler's.
    pub const fn follows_caller(&self) -> bool {
        self.follows_caller
    }

    /// Returns where the trace comes from.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Returns the caller's `traceparent` where its trace was not continued but is to be linked, as
    /// [`Trust::Restart`] asks.
    pub const fn link(&self) -> Option<TraceParent> {
        self.link
    }

    /// Makes the context of a child span in this process, one for each call further down: the same
    /// trace, decision and `tracestate`, another span-id.
    ///
    /// ```
    /// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    ///
    /// let server = Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator);
    /// let client = server.child(&RandomIdGenerator);
    /// assert_eq!(client.parent_id(), Some(server.span_id()));
    /// assert_ne!(client.span_id(), server.span_id());
    /// ```
    pub fn child<G: IdGenerator + ?Sized>(&self, ids: &G) -> Outgoing<'a> {
        Outgoing {
            traceparent: self.traceparent.child(ids.new_span_id(), self.decision.is_sampled()),
            parent_id: Some(self.span_id()),
            origin: Origin::Continued,
            link: None,
            ..self.clone()
        }
    }

    /// Creates the context that goes back with the response: this span's, with its decision.
    #[cfg(feature = "unstable-response")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-response")))]
    pub const fn response(&self) -> crate::TraceResponse {
        crate::TraceResponse::new(self.traceparent)
    }

    /// Returns the same context with changes to the `tracestate` that goes out, on top of those described
    /// before; see [`TraceStateEdit::edit`].
    ///
    /// ```
    /// use traceparent::{Change, Incoming, Member, Policy, RandomIdGenerator, sampler::AlwaysOn};
    ///
    /// let changes = [Change::Set(Member::from_static("gateway", "1"))];
    /// let outgoing = Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator);
    /// assert_eq!(outgoing.edit(&changes).tracestate().to_string(), "gateway=1");
    /// ```
    pub fn edit<'e>(&'e self, changes: &'e [Change<'e>]) -> Outgoing<'e> {
        Outgoing { tracestate: self.tracestate.edit(changes), ..*self }
    }

    /// Cuts the `tracestate` that goes out to a budget; see [`TraceStateEdit::within`].
    ///
    /// # Errors
    ///
    /// As there: a budget below 512.
    pub fn within(self, budget: usize) -> Result<Self, BudgetTooSmall> {
        Ok(Self { tracestate: self.tracestate.within(budget)?, ..self })
    }

    /// Returns the same context without ties to the request's buffers, to be kept for as long as the
    /// request takes.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> Outgoing<'static> {
        Outgoing {
            tracestate: self.tracestate.into_owned().into(),
            traceparent: self.traceparent,
            parent_id: self.parent_id,
            decision: self.decision,
            origin: self.origin,
            link: self.link,
            follows_caller: self.follows_caller,
        }
    }
}
