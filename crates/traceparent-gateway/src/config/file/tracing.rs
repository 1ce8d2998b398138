use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use hyper::http::uri::Scheme;
use serde::Deserialize;
use serde_saphyr::Spanned;
use traceparent::sampler::PercentageSampler;

use super::{Contradiction, propagation::PropagatorsEntry, tls::ClientTlsEntry};
use crate::config::{
    Environment, Keep, Otlp, Sampling, SpanAttributes, TraceFields, Tracing,
    scalar::{AttributeKey, AttributePrefix, Collector, Field, Flag, Name, Percentage, Period, Protocol, Secret, Text},
};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TracingEntry {
    random_sampling: Option<Percentage>,
    client_sampling: Option<Percentage>,
    overall_sampling: Option<Percentage>,
    service_name: Option<Name>,
    keep: Option<KeepEntry>,
    span_attributes: Option<SpanAttributesEntry>,
    pub(super) trace_fields: Option<TraceFieldsEntry>,
    pub(super) propagators: Option<PropagatorsEntry>,
    otlp: Option<OtlpEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepEntry {
    errors: Option<Flag>,
    slower_than: Option<Period>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceFieldsEntry {
    #[serde(default)]
    remove: Vec<Field>,
    #[serde(default)]
    keep: Vec<Field>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanAttributesEntry {
    #[serde(default)]
    header_prefixes: Vec<Field>,
    attribute_prefix: Option<AttributePrefix>,
    #[serde(default, rename = "static")]
    fixed: BTreeMap<AttributeKey, Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OtlpEntry {
    endpoint: Option<Spanned<Collector>>,
    tls: Option<ClientTlsEntry>,
    protocol: Option<Protocol>,
    #[serde(default)]
    headers: HashMap<Field, Secret>,
    timeout: Option<Period>,
}

impl TraceFieldsEntry {
    pub(super) fn resolve(&self) -> TraceFields {
        let names = |fields: &[Field]| fields.iter().map(|field| field.0.clone()).collect();
        TraceFields { remove: names(&self.remove), keep: names(&self.keep) }
    }
}

impl TracingEntry {
    pub(super) fn resolve(self, environment: &Environment, folder: &Path) -> Result<Tracing, Contradiction> {
        let percentages = [self.random_sampling, self.client_sampling, self.overall_sampling];
        let sampling = match environment.sampler {
            Some(sampler) if percentages.iter().all(Option::is_none) => Sampling::Environment(sampler),
            _ => {
                let [random, client, overall] = percentages.map(|percentage| percentage.unwrap_or_default().0);
                Sampling::Percentages(
                    PercentageSampler::new()
                        .with_random_sampling(random)
                        .with_client_sampling(client)
                        .with_overall_sampling(overall),
                )
            }
        };
        let tracing = Tracing::new(self.service_name.map(|name| name.0), sampling, environment);
        let keep = self.keep.unwrap_or_default();
        let span_attributes = self.span_attributes.unwrap_or_default();
        Ok(Tracing {
            keep: Keep {
                errors: keep.errors.is_some_and(|errors| errors.0),
                slower_than: keep.slower_than.map(|period| period.0),
            },
            span_attributes: SpanAttributes {
                header_prefixes: span_attributes.header_prefixes.iter().map(|field| field.0.to_string()).collect(),
                attribute_prefix: span_attributes.attribute_prefix.map(|prefix| prefix.0),
                fixed: span_attributes.fixed.into_iter().map(|(key, value)| (key.0, value.0)).collect(),
            },
            otlp: self.otlp.map(|otlp| otlp.resolve(folder)).transpose()?,
            ..tracing
        })
    }
}

impl OtlpEntry {
    fn resolve(self, folder: &Path) -> Result<Otlp, Contradiction> {
        if let Some(Spanned { value: Collector(url), referenced, .. }) = &self.endpoint
            && self.tls.is_some()
            && url.scheme() != Some(&Scheme::HTTPS)
        {
            let value = *referenced;
            return Err(Contradiction { key: "endpoint", value, what: "tls is set, so write https://" });
        }
        let mut headers: Vec<_> = self.headers.into_iter().map(|(name, value)| (name.0, value.0)).collect();
        headers.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
        Ok(Otlp {
            endpoint: self.endpoint.map(|collector| collector.value.0),
            protocol: self.protocol.map(|protocol| protocol.0),
            headers,
            timeout: self.timeout.map(|period| period.0),
            tls: self.tls.map(|tls| tls.resolve(folder)).transpose()?,
        })
    }
}
