use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use traceparent_formats::{Format, Propagators};

use crate::config::{
    EgressRule,
    references::expand,
    scalar::{List, MemberKey, Propagator, one_of},
};

/// The part of a context that an upstream receives: a word, or a list of keys.
#[derive(Debug)]
pub(super) struct EgressEntry(pub(super) EgressRule);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlyEntry {
    only: List<MemberKey>,
}

impl<'de> Deserialize<'de> for EgressEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EgressVisitor)
    }
}

struct EgressVisitor;

impl<'de> Visitor<'de> for EgressVisitor {
    type Value = EgressEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("inject, strip, or only with a list")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<EgressEntry, E> {
        let text = expand(text.to_owned()).map_err(E::custom)?;
        let is_stripped = one_of(&text, &[("inject", false), ("strip", true)]).map_err(E::custom)?;
        Ok(EgressEntry(if is_stripped { EgressRule::Strip } else { EgressRule::Inject }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EgressEntry, A::Error> {
        let OnlyEntry { only } = OnlyEntry::deserialize(MapAccessDeserializer::new(map))?;
        Ok(EgressEntry(EgressRule::Only(only.0.into_iter().map(|key| key.0).collect())))
    }
}

/// The formats of contexts, by their names in `OTEL_PROPAGATORS`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PropagatorsEntry {
    extract: Option<Vec<Propagator>>,
    inject: Option<Vec<Propagator>>,
}

impl PropagatorsEntry {
    /// Returns the formats, which are W3C Trace Context unless others are named. What is read is written, too, unless the
    /// file says otherwise. Both forms of B3 are read if one is.
    pub(super) fn resolve(&self) -> Propagators {
        let formats = |list: &[Propagator]| -> Vec<Format> { list.iter().filter_map(|name| name.0).collect() };
        let named = self.extract.as_deref().map_or(vec![Format::TraceContext], formats);
        let extract: Vec<Format> = named
            .iter()
            .flat_map(|format| match format {
                Format::B3 | Format::B3Multi => vec![Format::B3, Format::B3Multi],
                other => vec![*other],
            })
            .collect();
        let inject = self.inject.as_deref().map_or(named, formats);
        Propagators::new(&extract, &inject)
    }
}
