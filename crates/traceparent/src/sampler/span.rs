use core::fmt;

use crate::traceparent::TraceParent;

/// The relationship of a span to its parent and children.
///
/// [OpenTelemetry: SpanKind](https://opentelemetry.io/docs/specs/otel/trace/api/#spankind)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry's kinds of spans, which are stable")]
pub enum SpanKind {
    /// Work inside one process.
    #[default]
    Internal,
    /// The serving side of a request.
    Server,
    /// The calling side of a request.
    Client,
    /// The sending side of a message.
    Producer,
    /// The receiving side of a message.
    Consumer,
}

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    /// Text.
    Str(&'a str),
    /// A Boolean.
    Bool(bool),
    /// A signed 64-bit integer.
    I64(i64),
    /// A 64-bit floating-point number.
    F64(f64),
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(value: &'a str) -> Self {
        Self::Str(value)
    }
}

impl From<bool> for AttributeValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for AttributeValue<'_> {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<f64> for AttributeValue<'_> {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

/// Formats the value as OpenTelemetry represents it in text: `true`, `-3`, `1.0`, `1e308`, `Infinity`, `NaN`.
///
/// [OpenTelemetry: representation of attribute values](https://opentelemetry.io/docs/specs/otel/common/#anyvalue-representation-for-non-otlp-protocols)
impl fmt::Display for AttributeValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(value) => value.fmt(f),
            Self::Bool(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::F64(value) if value.is_infinite() => if *value > 0.0 { "Infinity" } else { "-Infinity" }.fmt(f),
            // The shortest form that parses as the same number.
            Self::F64(value) => fmt::Debug::fmt(value, f),
        }
    }
}

/// The attributes of a span, which are looked up by key.
pub trait Attributes {
    /// Returns the value of the attribute with this key, or `None` if there is no such attribute or it is an array.
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>>;

    /// Returns whether `accept` is true of the value of the attribute with this key, or of any item if it is an array.
    ///
    /// The provided method uses [`attribute`](Self::attribute). Implement it to support arrays.
    fn any(&self, key: &str, accept: &mut dyn FnMut(AttributeValue<'_>) -> bool) -> bool {
        self.attribute(key).is_some_and(accept)
    }
}

impl<const N: usize> Attributes for [(&str, AttributeValue<'_>); N] {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        find(self, key)
    }
}

impl Attributes for &[(&str, AttributeValue<'_>)] {
    fn attribute(&self, key: &str) -> Option<AttributeValue<'_>> {
        find(self, key)
    }
}

fn find<'a>(attributes: &[(&str, AttributeValue<'a>)], key: &str) -> Option<AttributeValue<'a>> {
    attributes.iter().find(|(candidate, _)| *candidate == key).map(|(_, value)| *value)
}

/// The details of a span that are known at the sampling decision.
///
/// ```
/// use traceparent::sampler::{AttributeValue, SpanDetails, SpanKind};
///
/// let attributes = [("http.route", AttributeValue::Str("/orders/{id}"))];
/// let span = SpanDetails::new("GET /orders/{id}")
///     .with_kind(SpanKind::Server)
///     .with_attributes(&attributes);
/// assert_eq!(span.attribute("http.route"), Some("/orders/{id}".into()));
/// ```
#[derive(Clone, Copy)]
pub struct SpanDetails<'a> {
    name: &'a str,
    kind: SpanKind,
    attributes: Option<&'a dyn Attributes>,
    links: &'a [TraceParent],
}

impl<'a> SpanDetails<'a> {
    /// Creates the details of an internal span without attributes and links.
    pub const fn new(name: &'a str) -> Self {
        Self { name, kind: SpanKind::Internal, attributes: None, links: &[] }
    }

    /// Sets the kind of the span.
    #[must_use]
    pub const fn with_kind(self, kind: SpanKind) -> Self {
        Self { kind, ..self }
    }

    /// Sets the attributes that are known at the start of the span.
    #[must_use]
    pub const fn with_attributes(self, attributes: &'a dyn Attributes) -> Self {
        Self { attributes: Some(attributes), ..self }
    }

    /// Sets the links of the span. The parent-id of each `traceparent` is the ID of a linked span.
    ///
    /// [OpenTelemetry: links between spans](https://opentelemetry.io/docs/specs/otel/overview/#links-between-spans)
    #[must_use]
    pub const fn with_links(self, links: &'a [TraceParent]) -> Self {
        Self { links, ..self }
    }

    /// Returns the span's name.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the span's kind.
    pub const fn kind(&self) -> SpanKind {
        self.kind
    }

    /// Returns the links of the span.
    pub const fn links(&self) -> &'a [TraceParent] {
        self.links
    }

    /// Returns the value of an attribute.
    pub fn attribute(&self, key: &str) -> Option<AttributeValue<'a>> {
        self.attributes?.attribute(key)
    }

    /// Returns whether `accept` is true of an attribute's value, or of any item if it is an array.
    ///
    /// ```
    /// use traceparent::sampler::{AttributeValue, Attributes, SpanDetails};
    ///
    /// /// The values of one header.
    /// struct Header<'a>(&'a str, &'a [&'a str]);
    ///
    /// impl Attributes for Header<'_> {
    ///     fn attribute(&self, _: &str) -> Option<AttributeValue<'_>> {
    ///         None
    ///     }
    ///
    ///     fn any(&self, key: &str, accept: &mut dyn FnMut(AttributeValue<'_>) -> bool) -> bool {
    ///         key == self.0 && self.1.iter().any(|value| accept((*value).into()))
    ///     }
    /// }
    ///
    /// let attributes = Header("http.request.header.accept", &["text/html", "*/*"]);
    /// let span = SpanDetails::new("GET").with_attributes(&attributes);
    /// assert!(span.any_attribute("http.request.header.accept", |value| value == "*/*".into()));
    /// ```
    pub fn any_attribute(&self, key: &str, mut accept: impl FnMut(AttributeValue<'_>) -> bool) -> bool {
        self.attributes.is_some_and(|attributes| attributes.any(key, &mut accept))
    }
}

impl Default for SpanDetails<'_> {
    fn default() -> Self {
        Self::new("")
    }
}

impl fmt::Debug for SpanDetails<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanDetails")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("links", &self.links)
            .finish_non_exhaustive()
    }
}
