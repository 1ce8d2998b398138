use std::{
    fmt::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use traceparent::{ErrorKind, Origin};

use super::Counts;
use crate::http::Failure;

/// The bounds of the latency histogram, in seconds: those that OpenTelemetry advises for HTTP.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The metrics of the gateway, in the order in which they are written.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    open: AtomicI64,
    /// The number of requests by the first digit of the status, or 0 without a status.
    requests: [AtomicU64; 6],
    contexts: Labelled<3>,
    sampled: AtomicU64,
    refused: Labelled<16>,
    failures: Labelled<32>,
    upstream: Histogram,
}

impl Metrics {
    /// Counts a request that has been received with this context.
    pub(crate) fn started(&self, origin: Origin, sampled: bool, refused: Option<ErrorKind>) {
        self.open.fetch_add(1, Relaxed);
        self.contexts.add(origin.as_str());
        self.sampled.fetch_add(sampled.into(), Relaxed);
        if let Some(kind) = refused {
            self.refused.add(kind.as_str());
        }
    }

    /// Counts a request that has ended.
    pub(crate) fn ended(&self, status: Option<u16>, failure: Option<Failure>) {
        self.open.fetch_sub(1, Relaxed);
        let class = status.map_or(0, |status| usize::from(status / 100));
        if let Some(count) = self.requests.get(class) {
            count.fetch_add(1, Relaxed);
        }
        if let Some(failure) = failure {
            self.failures.add(failure.as_str());
        }
    }

    /// Records the time from a request to the head of the upstream's answer.
    pub(crate) fn upstream_answered(&self, after: Duration) {
        self.upstream.observe(after);
    }

    /// Writes all metrics in Prometheus' text format.
    ///
    /// [Prometheus: exposition formats](https://prometheus.io/docs/instrumenting/exposition_formats/)
    pub(crate) fn write(&self, sinks: &[(&'static str, Arc<Counts>)]) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_to(&mut text, sinks);
        text
    }

    fn write_to(&self, text: &mut String, sinks: &[(&'static str, Arc<Counts>)]) -> fmt::Result {
        head(text, "requests_open", "gauge", "Requests that are being served.")?;
        writeln!(text, "{PREFIX}requests_open {}", self.open.load(Relaxed))?;

        head(text, "requests_total", "counter", "Requests that have ended, by the class of their status.")?;
        for (class, count) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&self.requests) {
            writeln!(text, "{PREFIX}requests_total{{status=\"{class}\"}} {}", count.load(Relaxed))?;
        }
        head(text, "contexts_total", "counter", "Trace contexts, by the origin of the trace.")?;
        for origin in [Origin::Started, Origin::Continued, Origin::Restarted] {
            let count = self.contexts.get(origin.as_str());
            writeln!(text, "{PREFIX}contexts_total{{origin=\"{}\"}} {count}", origin.as_str())?;
        }
        head(text, "contexts_sampled_total", "counter", "Trace contexts that are sampled.")?;
        writeln!(text, "{PREFIX}contexts_sampled_total {}", self.sampled.load(Relaxed))?;

        head(text, "contexts_refused_total", "counter", "Headers that were refused, by the broken rule.")?;
        for (kind, count) in self.refused.iter() {
            writeln!(text, "{PREFIX}contexts_refused_total{{kind=\"{kind}\"}} {count}")?;
        }
        head(text, "failures_total", "counter", "Requests that failed, by the kind of failure.")?;
        for (kind, count) in self.failures.iter() {
            writeln!(text, "{PREFIX}failures_total{{kind=\"{kind}\"}} {count}")?;
        }
        head(text, "spans_total", "counter", "Spans, by sink and outcome.")?;
        for (sink, counts) in sinks {
            writeln!(text, "{PREFIX}spans_total{{sink=\"{sink}\",outcome=\"exported\"}} {}", counts.taken())?;
            writeln!(text, "{PREFIX}spans_total{{sink=\"{sink}\",outcome=\"dropped\"}} {}", counts.dropped())?;
        }
        head(text, "spans_waiting", "gauge", "Spans that wait to be exported.")?;
        for (sink, counts) in sinks {
            let gone = counts.taken() + counts.dropped();
            writeln!(text, "{PREFIX}spans_waiting{{sink=\"{sink}\"}} {}", counts.offered().saturating_sub(gone))?;
        }
        head(text, "spans_waiting_bytes", "gauge", "Approximate memory of the spans in the queues.")?;
        for (sink, counts) in sinks {
            writeln!(text, "{PREFIX}spans_waiting_bytes{{sink=\"{sink}\"}} {}", counts.bytes())?;
        }
        self.upstream.write_to(text)
    }
}

const PREFIX: &str = "traceparent_gateway_";

fn head(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}")
}

/// Counters by a label with few values, all of them constants.
#[derive(Debug)]
struct Labelled<const N: usize> {
    counts: [(std::sync::OnceLock<&'static str>, AtomicU64); N],
}

impl<const N: usize> Default for Labelled<N> {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| Default::default()) }
    }
}

impl<const N: usize> Labelled<N> {
    /// Adds one to a label, unless all places are taken by others.
    fn add(&self, label: &'static str) {
        let found = self.counts.iter().find(|(place, _)| *place.get_or_init(|| label) == label);
        if let Some((_, count)) = found {
            count.fetch_add(1, Relaxed);
        }
    }

    fn get(&self, label: &str) -> u64 {
        self.iter().find(|(found, _)| *found == label).map_or(0, |(_, count)| count)
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().filter_map(|(label, count)| Some((*label.get()?, count.load(Relaxed))))
    }
}

/// A histogram of durations.
#[derive(Debug, Default)]
struct Histogram {
    /// Counts that are not cumulated. The last one is for durations beyond all bounds.
    counts: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Histogram {
    fn observe(&self, duration: Duration) {
        let place = BOUNDS.partition_point(|bound| *bound < duration.as_secs_f64());
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Relaxed);
        }
        self.microseconds.fetch_add(duration.as_micros() as u64, Relaxed);
    }

    fn write_to(&self, text: &mut String) -> fmt::Result {
        let name = "upstream_response_seconds";
        head(text, name, "histogram", "Time from the request to the head of the upstream's answer.")?;
        let mut below = 0;
        for (place, count) in self.counts.iter().enumerate() {
            below += count.load(Relaxed);
            match BOUNDS.get(place) {
                Some(bound) => writeln!(text, "{PREFIX}{name}_bucket{{le=\"{bound}\"}} {below}")?,
                None => writeln!(text, "{PREFIX}{name}_bucket{{le=\"+Inf\"}} {below}")?,
            }
        }
        writeln!(text, "{PREFIX}{name}_sum {}", self.microseconds.load(Relaxed) as f64 / 1e6)?;
        writeln!(text, "{PREFIX}{name}_count {below}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulated() {
        let metrics = Metrics::default();
        for milliseconds in [1, 5, 6, 300, 20_000] {
            metrics.upstream_answered(Duration::from_millis(milliseconds));
        }
        let text = metrics.write(&[]);
        for line in ["bucket{le=\"0.005\"} 2", "bucket{le=\"0.01\"} 3", "bucket{le=\"0.25\"} 3", "bucket{le=\"0.5\"} 4"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
        for line in ["bucket{le=\"10\"} 4", "bucket{le=\"+Inf\"} 5", "seconds_sum 20.312", "seconds_count 5"] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }

    #[test]
    fn requests_and_contexts_are_counted() {
        let metrics = Metrics::default();
        metrics.started(Origin::Started, true, None);
        metrics.started(Origin::Restarted, false, Some(ErrorKind::AllZero));
        metrics.ended(Some(200), None);
        let text = metrics.write(&[]);
        for line in [
            "requests_open 1",
            "requests_total{status=\"2xx\"} 1",
            "contexts_total{origin=\"started\"} 1",
            "contexts_total{origin=\"continued\"} 0",
            "contexts_total{origin=\"restarted\"} 1",
            "contexts_sampled_total 1",
            "contexts_refused_total{kind=\"all_zero\"} 1",
        ] {
            assert!(text.contains(&format!("traceparent_gateway_{line}\n")), "{line}: {text}");
        }
    }
}
