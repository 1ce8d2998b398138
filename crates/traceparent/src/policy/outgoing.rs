use super::Origin;
#[cfg(feature = "alloc")]
use super::fields::FieldValue;
use crate::{
    context::TraceContext,
    error::BufferTooSmall,
    flags::TraceFlags,
    id::{SpanId, generate::IdGenerator},
    sampler::{SamplingDecision, SamplingInput, SamplingResult},
    traceparent::TraceParent,
    tracestate::{
        TraceState,
        edit::{BudgetTooSmall, Change, OtChange, TraceStateEdit},
    },
};

/// The context of a span of our own, which every call made on its behalf sends.
///
/// Created by [`Policy::apply`](crate::Policy::apply).
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    pub(super) traceparent: TraceParent,
    pub(super) parent_id: Option<SpanId>,
    pub(super) tracestate: TraceStateEdit<'a>,
    pub(super) decision: SamplingDecision,
    pub(super) origin: Origin,
    pub(super) link: Option<TraceParent>,
    pub(super) follows_caller: bool,
}

impl Outgoing<'static> {
    pub(super) fn root(input: &SamplingInput<'_>, result: SamplingResult, span_id: SpanId, is_random: bool) -> Self {
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
    pub(super) fn continued(
        context: TraceContext<'a>,
        decision: SamplingDecision,
        ot: OtChange,
        span_id: SpanId,
    ) -> Self {
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

    /// Returns the `traceparent` to send; its parent-id is the ID of this span.
    pub const fn traceparent(&self) -> TraceParent {
        self.traceparent
    }

    /// Returns the `tracestate` to send. An empty list is not sent.
    pub const fn tracestate(&self) -> &TraceStateEdit<'a> {
        &self.tracestate
    }

    /// Returns the ID of this span.
    pub const fn span_id(&self) -> SpanId {
        self.traceparent.parent_id()
    }

    /// Returns the ID of the parent span, in the caller or in this process, or `None` for a root span.
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

    /// Returns the caller's `traceparent` if its trace is linked to instead of continued; see
    /// [`Trust::Restart`](crate::Trust::Restart).
    pub const fn link(&self) -> Option<TraceParent> {
        self.link
    }

    /// Returns the name and the value of both fields, for carriers of any kind. `None` means that fields of this
    /// name are removed.
    ///
    /// Nothing is allocated, unless the `tracestate` is changed and longer than 512 characters. Without an allocator, see [`fields_in`](Self::fields_in).
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    ///
    /// let span = Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator);
    /// let mut message = HashMap::from([("tracestate", "stale=1".to_owned())]);
    /// for (name, value) in span.fields() {
    ///     match value {
    ///         Some(value) => message.insert(name, value.to_string()),
    ///         None => message.remove(name),
    ///     };
    /// }
    /// assert_eq!(message, HashMap::from([("traceparent", span.traceparent().to_string())]));
    /// ```
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn fields(&self) -> [(&'static str, Option<FieldValue<'_>>); 2] {
        [
            (TraceParent::NAME, Some(FieldValue::traceparent(self.traceparent))),
            (TraceState::NAME, FieldValue::tracestate(&self.tracestate)),
        ]
    }

    /// Returns the name and the value of both fields as `fields` does, written into the caller's buffer: the way
    /// to do it without an allocator. A list without changes is borrowed, and needs no room.
    ///
    /// # Errors
    ///
    /// Returns an error if the buffer is shorter than both values.
    ///
    /// ```
    /// use traceparent::{IdsFrom, Incoming, Policy, sampler::AlwaysOn};
    ///
    /// let span = Policy::new(AlwaysOn).apply(Incoming::Absent, &IdsFrom::new(|| 7));
    /// let mut buffer = [0; 567];
    /// let traceparent = "00-00000000000000070000000000000007-0000000000000007-01";
    /// assert_eq!(span.fields_in(&mut buffer)?, [("traceparent", Some(traceparent)), ("tracestate", None)]);
    /// # Ok::<(), traceparent::BufferTooSmall>(())
    /// ```
    pub fn fields_in<'b>(
        &'b self,
        buffer: &'b mut [u8],
    ) -> Result<[(&'static str, Option<&'b str>); 2], BufferTooSmall> {
        let (traceparent, rest) = match buffer.split_first_chunk_mut() {
            Some((traceparent, rest)) => (Some(traceparent), rest),
            None => (None, &mut [][..]),
        };
        let tracestate = match self.tracestate.untouched() {
            Some(list) if list.is_empty() => Ok(""),
            Some(list) => Ok(list.as_str()),
            None => self.tracestate.encode_into(rest),
        };
        match (traceparent, tracestate) {
            (Some(traceparent), Ok(tracestate)) => {
                let traceparent: &str = self.traceparent.encode_str(traceparent);
                let tracestate = (!tracestate.is_empty()).then_some(tracestate);
                Ok([(TraceParent::NAME, Some(traceparent)), (TraceState::NAME, tracestate)])
            }
            (_, Err(error)) => Err(BufferTooSmall::new(TraceParent::LENGTH + error.needed())),
            (None, Ok(_)) => Err(BufferTooSmall::new(TraceParent::LENGTH)),
        }
    }

    /// Creates the context of a child span in this process, such as an outgoing call: the same trace, decision
    /// and `tracestate`, with a new span ID.
    ///
    /// ```
    /// use traceparent::{Incoming, Policy, RandomIdGenerator, sampler::AlwaysOn};
    ///
    /// let server = Policy::new(AlwaysOn).apply(Incoming::Absent, &RandomIdGenerator);
    /// let client = server.child(&RandomIdGenerator);
    /// assert_eq!(client.parent_id(), Some(server.span_id()));
    /// assert_ne!(client.span_id(), server.span_id());
    /// ```
    #[must_use]
    pub fn child<G: IdGenerator + ?Sized>(&self, ids: &G) -> Outgoing<'a> {
        Outgoing {
            traceparent: self.traceparent.child(ids.new_span_id(), self.decision.is_sampled()),
            parent_id: Some(self.span_id()),
            origin: Origin::Continued,
            link: None,
            ..self.clone()
        }
    }

    /// Creates the context to send with the response: this span's, with its decision.
    #[cfg(feature = "unstable-response")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-response")))]
    pub const fn response(&self) -> crate::TraceResponse {
        crate::TraceResponse::new(self.traceparent)
    }

    /// Returns the same context with changes to its `tracestate`, on top of earlier ones; see [`TraceStateEdit::edit`].
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

    /// Cuts the `tracestate` to a budget; see [`TraceStateEdit::within`].
    ///
    /// # Errors
    ///
    /// Returns an error if the budget is below 512.
    pub fn within(self, budget: usize) -> Result<Self, BudgetTooSmall> {
        Ok(Self { tracestate: self.tracestate.within(budget)?, ..self })
    }

    /// Converts the context into one that does not borrow from the request.
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
