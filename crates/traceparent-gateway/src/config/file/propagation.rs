use serde::Deserialize;
use traceparent_formats::{Format, Propagators};

use crate::config::{
    EgressRule,
    scalar::{List, MemberKey, Propagator},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EgressEntry {
    Inject,
    Strip,
    Only(List<MemberKey>),
}

/// The formats of contexts, by their names in `OTEL_PROPAGATORS`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PropagatorsEntry {
    extract: Option<Vec<Propagator>>,
    inject: Option<Vec<Propagator>>,
}

impl From<EgressEntry> for EgressRule {
    fn from(egress: EgressEntry) -> Self {
        match egress {
            EgressEntry::Inject => Self::Inject,
            EgressEntry::Strip => Self::Strip,
            EgressEntry::Only(keys) => Self::Only(keys.0.into_iter().map(|key| key.0).collect()),
        }
    }
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
