use core::fmt::{self, Write};

mod pattern;

use self::pattern::matches_any;
use super::{
    Parent, Sampler, SamplingInput, SamplingResult,
    span::{AttributeValue, SpanKind},
};

/// A predicate on spans, which must not depend on the randomness of the trace.
///
/// The trait is implemented by [`Rule`] and by closures.
pub trait Predicate {
    /// Whether the span matches.
    fn matches(&self, input: &SamplingInput<'_>) -> bool;
}

impl<F: Fn(&SamplingInput<'_>) -> bool> Predicate for F {
    fn matches(&self, input: &SamplingInput<'_>) -> bool {
        self(input)
    }
}

/// The kind of a span's parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a span has no parent, or one here or elsewhere")]
pub enum ParentKind {
    /// No parent: the span is a root span.
    None,
    /// A span in another process.
    Remote,
    /// A span in this process.
    Local,
}

/// A condition on one attribute.
///
/// A span without the attribute does not meet the condition. An array meets it if any of its items does. Values that
/// are not text are compared in the form that [`AttributeValue`] displays: `true`, `-3`, `1.0`, `Infinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttributeCondition<'a> {
    /// The value equals one of these.
    Values {
        /// The attribute's key.
        key: &'a str,
        /// The values that meet the condition.
        values: &'a [&'a str],
    },
    /// The value matches one of the included patterns, and none of the excluded ones. Without included patterns,
    /// every value matches.
    Patterns {
        /// The attribute's key.
        key: &'a str,
        /// The patterns of values that meet the condition. `*` matches any characters and `?` matches one.
        included: &'a [&'a str],
        /// The patterns of values that do not meet the condition.
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

/// A buffer for the text form of a value.
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

/// A rule: conditions on a span, all of which must be met. A rule without conditions matches every span.
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

    /// Creates a rule without conditions.
    pub const fn new() -> Self {
        Self { names: &[], attributes: &[], span_kinds: &[], parents: &[] }
    }

    /// Sets the patterns of which the span's name must match one. `*` matches any characters and `?` matches one.
    #[must_use]
    pub const fn with_names(self, names: &'a [&'a str]) -> Self {
        Self { names, ..self }
    }

    /// Sets the conditions on attributes, all of which must be met. The method and the route of a request are
    /// the attributes [`METHOD`](Self::METHOD) and [`ROUTE`](Self::ROUTE).
    #[must_use]
    pub const fn with_attributes(self, attributes: &'a [AttributeCondition<'a>]) -> Self {
        Self { attributes, ..self }
    }

    /// Sets the kinds of which the span must have one.
    #[must_use]
    pub const fn with_span_kinds(self, span_kinds: &'a [SpanKind]) -> Self {
        Self { span_kinds, ..self }
    }

    /// Sets the kinds of which the parent must have one.
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

/// A list of predicates, each with a sampler.
///
/// The trait is implemented for arrays, for slices, for `Vec` with the feature `alloc`, and for references to them.
pub trait Rules {
    /// The predicate that decides whether a rule matches.
    type Predicate: Predicate;
    /// The sampler of a rule.
    type Sampler;

    /// Returns the rules, in order.
    fn rules(&self) -> &[(Self::Predicate, Self::Sampler)];

    /// Returns the sampler of the first rule that matches.
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

/// A sampler that follows the sampler of the first rule that matches, and drops the span if no rule matches.
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
    /// Creates a sampler that tries these rules in order.
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
