use core::fmt::{self, Write};

mod pattern;

use self::pattern::matches_any;
use super::{
    Parent, Sampler, SamplingInput, SamplingResult,
    span::{AttributeValue, SpanKind},
};

/// A question about a span whose answer does not depend on the trace's randomness.
///
/// Implemented by [`Rule`] and by closures.
pub trait Predicate {
    /// Whether the span is meant.
    fn matches(&self, input: &SamplingInput<'_>) -> bool;
}

impl<F: Fn(&SamplingInput<'_>) -> bool> Predicate for F {
    fn matches(&self, input: &SamplingInput<'_>) -> bool {
        self(input)
    }
}

/// What kind of parent a span has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a span has no parent, or one here or elsewhere")]
pub enum ParentKind {
    /// None: a root span.
    None,
    /// A span of another process.
    Remote,
    /// A span of this process.
    Local,
}

/// A condition on one attribute. A span without the attribute does not meet it; an array meets it if any of its items
/// does. Values that are not text are compared in the form that [`AttributeValue`] displays: `true`, `-3`, `1.0`,
/// `Infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributeCondition<'a> {
    /// The value is one of these, to the letter.
    Values {
        /// The attribute's key.
        key: &'a str,
        /// The values that meet the condition.
        values: &'a [&'a str],
    },
    /// The value matches one of the patterns included, or any value where none is given, and none of
    /// those excluded.
    Patterns {
        /// The attribute's key.
        key: &'a str,
        /// The patterns, with `*` for any characters and `?` for one.
        included: &'a [&'a str],
        /// The patterns that rule a value out.
        excluded: &'a [&'a str],
    },
}

impl AttributeCondition<'_> {
    fn is_met(&self, input: &SamplingInput<'_>) -> bool {
        let key = match self {
            Self::Values { key, .. } | Self::Patterns { key, .. } => key,
        };
        input.span().any_attribute(key, |value| {
            let mut text = Text::default();
            text.of(value).is_some_and(|text| self.accepts(text))
        })
    }

    fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Values { values, .. } => values.contains(&value),
            Self::Patterns { included, excluded, .. } => {
                (included.is_empty() || matches_any(included, value)) && !matches_any(excluded, value)
            }
        }
    }
}

/// Room for a number in decimal.
#[derive(Default)]
struct Text {
    bytes: [u8; 32],
    length: usize,
}

impl Text {
    fn of<'t>(&'t mut self, value: AttributeValue<'t>) -> Option<&'t str> {
        match value {
            AttributeValue::Str(text) => return Some(text),
            number => write!(self, "{number}").ok()?,
        }
        core::str::from_utf8(self.bytes.get(..self.length)?).ok()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Conditions on a span, all of which have to be met; without any, every span is meant.
///
/// The names are those of OpenTelemetry's declarative configuration.
///
/// ```
/// use traceparent::sampler::{AttributeCondition, ParentKind, Rule, SpanKind};
///
/// const HEALTH: Rule = Rule::new()
///     .with_span_kinds(&[SpanKind::Server])
///     .with_attributes(&[AttributeCondition::Patterns { key: "http.route", included: &["/health*"], excluded: &[] }]);
/// const ROOTS_OF_ORDERS: Rule = Rule::new().with_names(&["* /orders/*"]).with_parents(&[ParentKind::None]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule<'a> {
    names: &'a [&'a str],
    attributes: &'a [AttributeCondition<'a>],
    span_kinds: &'a [SpanKind],
    parents: &'a [ParentKind],
}

impl<'a> Rule<'a> {
    /// The attribute that holds the method of an HTTP request.
    pub const METHOD: &'static str = "http.request.method";
    /// The attribute that holds the route of an HTTP request.
    pub const ROUTE: &'static str = "http.route";

    /// Makes a rule without conditions.
    pub const fn new() -> Self {
        Self { names: &[], attributes: &[], span_kinds: &[], parents: &[] }
    }

    /// Asks that the span's name match one of these patterns, with `*` for any characters and `?` for
    /// one.
    #[must_use]
    pub const fn with_names(self, names: &'a [&'a str]) -> Self {
        Self { names, ..self }
    }

    /// Asks that all of these conditions on attributes be met. The method and the route of a request
    /// are the attributes [`METHOD`](Self::METHOD) and [`ROUTE`](Self::ROUTE).
    #[must_use]
    pub const fn with_attributes(self, attributes: &'a [AttributeCondition<'a>]) -> Self {
        Self { attributes, ..self }
    }

    /// Asks that the span be of one of these kinds.
    #[must_use]
    pub const fn with_span_kinds(self, span_kinds: &'a [SpanKind]) -> Self {
        Self { span_kinds, ..self }
    }

    /// Asks that the parent be of one of these kinds.
    #[must_use]
    pub const fn with_parents(self, parents: &'a [ParentKind]) -> Self {
        Self { parents, ..self }
    }
}

impl Predicate for Rule<'_> {
    fn matches(&self, input: &SamplingInput<'_>) -> bool {
        let parent = match input.parent() {
            None => ParentKind::None,
            Some(Parent::Remote(_)) => ParentKind::Remote,
            Some(Parent::Local(_)) => ParentKind::Local,
        };
        (self.names.is_empty() || matches_any(self.names, input.span().name()))
            && (self.span_kinds.is_empty() || self.span_kinds.contains(&input.span().kind()))
            && (self.parents.is_empty() || self.parents.contains(&parent))
            && self.attributes.iter().all(|condition| condition.is_met(input))
    }
}

/// Rules with what each leads to, in whatever holds them: an array, a slice or, with the feature `alloc`,
/// a `Vec`, or a reference to one.
pub trait Rules {
    /// What tells whether a rule matches.
    type Predicate: Predicate;
    /// What the rule leads to.
    type Sampler;

    /// Returns the rules in order.
    fn rules(&self) -> &[(Self::Predicate, Self::Sampler)];

    /// Returns what the first rule that matches leads to.
    fn first(&self, input: &SamplingInput<'_>) -> Option<&Self::Sampler> {
        self.rules().iter().find(|(predicate, _)| predicate.matches(input)).map(|(_, sampler)| sampler)
    }
}

impl<R: Rules + ?Sized> Rules for &R {
    type Predicate = R::Predicate;
    type Sampler = R::Sampler;

    fn rules(&self) -> &[(Self::Predicate, Self::Sampler)] {
        (**self).rules()
    }
}

impl<P: Predicate, S> Rules for [(P, S)] {
    type Predicate = P;
    type Sampler = S;

    fn rules(&self) -> &[(P, S)] {
        self
    }
}

impl<P: Predicate, S, const N: usize> Rules for [(P, S); N] {
    type Predicate = P;
    type Sampler = S;

    fn rules(&self) -> &[(P, S)] {
        self
    }
}

#[cfg(feature = "alloc")]
impl<P: Predicate, S> Rules for alloc::vec::Vec<(P, S)> {
    type Predicate = P;
    type Sampler = S;

    fn rules(&self) -> &[(P, S)] {
        self
    }
}

/// Asks the sampler of the first rule that matches, and drops where none does.
///
/// ```
/// use traceparent::sampler::{AlwaysOff, AlwaysOn, ProbabilitySampler, Rule, RuleBased, Sampler};
///
/// let tenth = ProbabilitySampler::from_ratio(1, 10).unwrap();
/// let rules: [(Rule, &dyn Sampler); 3] = [
///     (Rule::new().with_names(&["GET /healthz"]), &AlwaysOff),
///     (Rule::new().with_names(&["* /payments/*"]), &AlwaysOn),
///     (Rule::new(), &tenth),
/// ];
/// let sampler = RuleBased::new(rules);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleBased<R> {
    rules: R,
}

impl<R> RuleBased<R> {
    /// Asks these rules in order.
    pub const fn new(rules: R) -> Self {
        Self { rules }
    }
}

impl<R> Sampler for RuleBased<R>
where
    R: Rules,
    R::Sampler: Sampler,
{
    fn should_sample(&self, input: &SamplingInput<'_>) -> SamplingResult {
        self.rules.first(input).map_or(SamplingResult::DROP, |sampler| sampler.should_sample(input))
    }

    fn annotate(&self, input: &SamplingInput<'_>, visit: &mut dyn FnMut(&str, AttributeValue<'_>)) {
        if let Some(sampler) = self.rules.first(input) {
            sampler.annotate(input, visit);
        }
    }
}
