use std::fmt::{Arguments, Display, Write};

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricsFormat {
    /// Prometheus' own.
    ///
    /// [Prometheus: exposition formats](https://prometheus.io/docs/instrumenting/exposition_formats/)
    Prometheus,
    /// OpenMetrics, which has exemplars.
    ///
    /// [OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/)
    OpenMetrics,
}

impl MetricsFormat {
    /// Returns the format that an `Accept` field prefers: OpenMetrics only if it is named.
    pub(crate) fn accepted(accept: &str) -> Self {
        let quality = |kind: &str| {
            let ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
            let of_kind = ranges.filter_map(|mut range| range.next()?.eq_ignore_ascii_case(kind).then_some(range));
            let qualities = of_kind.map(|mut parameters| {
                let quality = parameters.find_map(|parameter| parameter.strip_prefix("q="));
                quality.map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0))
            });
            qualities.fold(0.0, f32::max)
        };
        let open_metrics = quality("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= quality("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Metrics in one of the formats, while they are written.
#[derive(Debug)]
pub(super) struct Exposition {
    format: MetricsFormat,
    text: String,
}

impl Exposition {
    pub(super) fn new(format: MetricsFormat) -> Self {
        Self { format, text: String::new() }
    }

    pub(super) fn format(&self) -> MetricsFormat {
        self.format
    }

    /// Begins a metric. The name of a counter ends with `_total`.
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // In OpenMetrics, the suffix is the sample's.
        let (family, kind) = match (self.format, kind) {
            (MetricsFormat::OpenMetrics, "counter") => (name.strip_suffix("_total").unwrap_or(name), kind),
            (MetricsFormat::OpenMetrics, "info") => (name.strip_suffix("_info").unwrap_or(name), kind),
            (MetricsFormat::Prometheus, "info") => (name, "gauge"),
            _ => (name, kind),
        };
        self.write(format_args!("# HELP {family} {help}\n# TYPE {family} {kind}\n"));
    }

    /// Writes a sample of a metric that has begun, with its labels in braces.
    pub(super) fn sample(&mut self, name: &str, labels: Arguments<'_>, value: impl Display) {
        self.write(format_args!("{name}{labels} {value}\n"));
    }

    /// Writes a metric with one sample.
    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.sample(name, format_args!(""), value);
    }

    pub(super) fn write(&mut self, text: Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(text);
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == MetricsFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_are_for_those_who_ask() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,\
                          text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            ("", MetricsFormat::Prometheus),
            ("*/*", MetricsFormat::Prometheus),
            ("text/plain", MetricsFormat::Prometheus),
            ("text/html, application/xhtml+xml, */*;q=0.8", MetricsFormat::Prometheus),
            (prometheus, MetricsFormat::OpenMetrics),
            ("application/openmetrics-text", MetricsFormat::OpenMetrics),
            ("text/plain;q=0.5, Application/OpenMetrics-Text ; q=0.5", MetricsFormat::OpenMetrics),
            ("text/plain, application/openmetrics-text;q=0.9", MetricsFormat::Prometheus),
            ("application/openmetrics-text;q=0", MetricsFormat::Prometheus),
            ("application/openmetrics-text;q=x", MetricsFormat::Prometheus),
        ] {
            assert_eq!(MetricsFormat::accepted(accept), expected, "{accept}");
        }
    }
}
