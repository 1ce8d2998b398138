use percent_encoding::percent_decode_str;
use traceparent::{SamplerConfig, SamplerConfigError};

/// What the standard `OTEL_*` variables say about the resource and the sampler.
///
/// [OpenTelemetry: environment variables](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `OTEL_SERVICE_NAME`, or else `service.name` of the attributes.
    pub(super) service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES` without `service.name`.
    pub(super) resource: Vec<(String, String)>,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub(super) sampler: Option<SamplerConfig>,
    errors: Vec<EnvironmentError>,
}

/// A variable that is of no use; the gateway goes on as if it was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// `OTEL_RESOURCE_ATTRIBUTES` is no list of `key=value`.
    #[error("OTEL_RESOURCE_ATTRIBUTES is ignored: it is a list such as team=shop,deployment.environment.name=test")]
    Resource,
    /// The sampler's variables name none.
    #[error("the sampler of the environment is ignored: {0}")]
    Sampler(SamplerConfigError),
}

impl Environment {
    /// Reads the variables of the process.
    pub fn of_process() -> Self {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads variables out of wherever they are. Empty ones count as not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let mut errors = Vec::new();

        let mut resource = match set("OTEL_RESOURCE_ATTRIBUTES").map(|list| attributes(&list)) {
            Some(Some(attributes)) => attributes,
            Some(None) => {
                errors.push(EnvironmentError::Resource);
                Vec::new()
            }
            None => Vec::new(),
        };
        let named = resource.iter().rposition(|(key, _)| key == "service.name").map(|at| resource.remove(at).1);
        resource.retain(|(key, _)| key != "service.name");

        let sampler = set("OTEL_TRACES_SAMPLER").map(|name| {
            let arg = set("OTEL_TRACES_SAMPLER_ARG");
            SamplerConfig::parse(Some(&name), arg.as_deref())
        });
        let sampler =
            sampler.and_then(|sampler| sampler.map_err(|why| errors.push(EnvironmentError::Sampler(why))).ok());
        Self { service_name: set("OTEL_SERVICE_NAME").or(named), resource, sampler, errors }
    }

    /// Returns what was of no use.
    pub fn errors(&self) -> &[EnvironmentError] {
        &self.errors
    }
}

/// Reads `key=value,key=value`, percent-decoded; `None` if anything in it is wrong.
///
/// [OpenTelemetry: specifying resource information via an environment variable](https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable)
fn attributes(list: &str) -> Option<Vec<(String, String)>> {
    let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            Some((decoded(key)?, decoded(value)?)).filter(|(key, _)| !key.is_empty())
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text.trim()).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_is_nothing_said() {
        assert_eq!(environment(&[]), Environment::default());
        assert_eq!(environment(&[("OTEL_SERVICE_NAME", " "), ("OTEL_TRACES_SAMPLER", "")]), Environment::default());
    }

    #[test]
    fn the_service_name_comes_before_the_attribute() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a, team=sh%6Fp ,service.name=b");
        let found = environment(&[attributes]);
        assert_eq!(found.service_name.as_deref(), Some("b"));
        assert_eq!(found.resource, [("team".to_owned(), "shop".to_owned())]);
        assert_eq!(environment(&[attributes, ("OTEL_SERVICE_NAME", "c")]).service_name.as_deref(), Some("c"));
    }

    #[test]
    fn a_broken_list_is_ignored_and_told() {
        for list in ["team", "a=b,=c", "a=%ff"] {
            let found = environment(&[("OTEL_RESOURCE_ATTRIBUTES", list)]);
            assert_eq!((found.resource.len(), found.errors()), (0, &[EnvironmentError::Resource][..]), "{list}");
        }
    }

    #[test]
    fn samplers_go_by_their_names() {
        let found = environment(&[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")]);
        assert_eq!(found.sampler, SamplerConfig::parse(Some("traceidratio"), Some("0.5")).ok());
        let found = environment(&[("OTEL_TRACES_SAMPLER", "sometimes")]);
        assert_eq!(found.sampler, None);
        assert_eq!(found.errors(), [EnvironmentError::Sampler(SamplerConfigError::UnknownSampler)]);
    }
}
