use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use traceparent::{ErrorKind, Origin, TraceId};
use traceparent_formats::Format;
use traceparent_http::semconv::GrpcStatus;

pub(crate) use self::exposition::MetricsFormat;
use self::{exposition::Exposition, histogram::Histogram};
use super::Counts;
use crate::http::{ConnectionCounts, Failure, Refusal};

mod exposition;
mod histogram;
mod process;

/// The full name of a metric of the gateway.
macro_rules! name {
    ($name:literal) => {
        concat!("traceparent_gateway_", $name)
    };
}

/// What became of a received context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormatOutcome {
    /// The context is that of the request.
    Used,
    /// The context breaks a rule of its format.
    Refused,
    /// The context names another trace than the one that is used.
    Conflict,
}

/// The metrics of the gateway, in the order in which they are written.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    open: AtomicI64,
    /// The number of requests by the first digit of the status, or 0 without a status.
    requests: [AtomicU64; 6],
    contexts: Labelled<3>,
    sampled: AtomicU64,
    kept: Labelled<2>,
    refused: Labelled<16>,
    formats_used: Labelled<9>,
    formats_refused: Labelled<9>,
    formats_in_conflict: Labelled<9>,
    failures: Labelled<64>,
    calls: Labelled<18>,
    connections: Arc<ConnectionCounts>,
    upstream: Histogram,
    /// The counters of the access log; none without a log.
    access_log: OnceLock<Arc<Counts>>,
}

impl Metrics {
    /// Counts a request that has been received.
    pub(crate) fn started(&self) {
        self.open.fetch_add(1, Relaxed);
    }

    /// Counts the context of a request's span.
    pub(crate) fn traced(&self, origin: Origin, sampled: bool) {
        self.contexts.add(origin.as_str());
        self.sampled.fetch_add(sampled.into(), Relaxed);
    }

    /// Counts a header that was refused.
    pub(crate) fn refused(&self, kind: ErrorKind) {
        self.refused.add(kind.as_str());
    }

    /// Counts a received context by its format, and by what became of it.
    pub(crate) fn received(&self, format: Format, outcome: FormatOutcome) {
        match outcome {
            FormatOutcome::Used => self.formats_used.add(format.as_str()),
            FormatOutcome::Refused => self.formats_refused.add(format.as_str()),
            FormatOutcome::Conflict => self.formats_in_conflict.add(format.as_str()),
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

    /// Counts a request that is not sampled, and whose spans are kept.
    pub(crate) fn kept(&self, reason: &'static str) {
        self.kept.add(reason);
    }

    /// Counts a gRPC call that has ended.
    pub(crate) fn called(&self, status: Option<GrpcStatus>) {
        self.calls.add(status.map_or("none", GrpcStatus::as_str));
    }

    /// Records the time from a request to the head of the upstream's answer, and the trace of the request if it is sampled.
    pub(crate) fn upstream_answered(&self, after: Duration, sampled: Option<TraceId>) {
        self.upstream.observe(after, sampled);
    }

    /// Returns the counters of connections.
    pub(crate) fn connections(&self) -> &Arc<ConnectionCounts> {
        &self.connections
    }

    /// Sets the counters of the access log.
    pub(super) fn log(&self, counts: Arc<Counts>) {
        // There is one access log.
        let _ = self.access_log.set(counts);
    }

    /// Writes all metrics.
    pub(crate) fn write(&self, format: MetricsFormat, sinks: &[(&'static str, Arc<Counts>)]) -> String {
        let mut out = Exposition::new(format);
        let help = "The version of this program.";
        out.head("traceparent_build_info", "info", help);
        out.sample("traceparent_build_info", format_args!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1);
        process::write_to(&mut out);
        self.write_connections(&mut out);
        self.write_requests(&mut out);
        self.write_contexts(&mut out);
        write_spans(&mut out, sinks);
        if let Some(counts) = self.access_log.get() {
            write_access_log(&mut out, counts);
        }
        let help = "Time from the request to the head of the upstream's answer.";
        self.upstream.write_to(&mut out, name!("upstream_response_seconds"), help);
        out.finish()
    }

    fn write_connections(&self, out: &mut Exposition) {
        let counts = &self.connections;
        out.single(name!("connections_open"), "gauge", "Connections of clients.", counts.open());
        let help = "Connections of clients that got a place.";
        out.single(name!("connections_total"), "counter", help, counts.accepted());
        let help = "Idle connections that had to give way to new ones.";
        out.single(name!("connections_evicted_total"), "counter", help, counts.evictions());
        let refused = name!("connections_refused_total");
        out.head(refused, "counter", "Connections that got no place, by the limit.");
        for refusal in Refusal::ALL {
            out.sample(refused, format_args!("{{limit=\"{}\"}}", refusal.as_str()), counts.refusals(refusal));
        }
        if cfg!(feature = "tls") {
            let help = "TLS handshakes with clients that were completed.";
            out.single(name!("tls_handshakes_total"), "counter", help, counts.completed_handshakes());
            let failures = name!("tls_handshake_failures_total");
            out.head(failures, "counter", "TLS handshakes with clients that failed, by reason.");
            for (failure, count) in counts.failed_handshakes() {
                out.sample(failures, format_args!("{{reason=\"{}\"}}", failure.reason()), count);
            }
        }
    }

    fn write_requests(&self, out: &mut Exposition) {
        let help = "Requests that are being served.";
        out.single(name!("requests_open"), "gauge", help, self.open.load(Relaxed));
        let requests = name!("requests_total");
        out.head(requests, "counter", "Requests that have ended, by the class of their status.");
        for (class, count) in ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&self.requests) {
            out.sample(requests, format_args!("{{status=\"{class}\"}}"), count.load(Relaxed));
        }
        let calls = name!("grpc_calls_total");
        out.head(calls, "counter", "gRPC calls that have ended, by their status.");
        for (status, count) in self.calls.iter() {
            out.sample(calls, format_args!("{{status=\"{status}\"}}"), count);
        }
        let failures = name!("failures_total");
        out.head(failures, "counter", "Requests that failed, by the kind of failure.");
        for (kind, count) in self.failures.iter() {
            out.sample(failures, format_args!("{{kind=\"{kind}\"}}"), count);
        }
    }

    fn write_contexts(&self, out: &mut Exposition) {
        let contexts = name!("contexts_total");
        out.head(contexts, "counter", "Trace contexts, by the origin of the trace.");
        for origin in [Origin::Started, Origin::Continued, Origin::Restarted] {
            let count = self.contexts.get(origin.as_str());
            out.sample(contexts, format_args!("{{origin=\"{}\"}}", origin.as_str()), count);
        }
        let help = "Trace contexts that are sampled.";
        out.single(name!("contexts_sampled_total"), "counter", help, self.sampled.load(Relaxed));
        let kept = name!("requests_kept_total");
        out.head(kept, "counter", "Requests that are not sampled and whose spans are kept, by reason.");
        for reason in ["error", "slow"] {
            out.sample(kept, format_args!("{{reason=\"{reason}\"}}"), self.kept.get(reason));
        }
        let formats = name!("contexts_received_total");
        out.head(formats, "counter", "Received contexts, by format and by what became of them.");
        for (outcome, counts) in
            [("used", &self.formats_used), ("refused", &self.formats_refused), ("conflict", &self.formats_in_conflict)]
        {
            for (format, count) in counts.iter() {
                out.sample(formats, format_args!("{{format=\"{format}\",outcome=\"{outcome}\"}}"), count);
            }
        }
        let refused = name!("contexts_refused_total");
        out.head(refused, "counter", "Headers that were refused, by the broken rule.");
        for (kind, count) in self.refused.iter() {
            out.sample(refused, format_args!("{{kind=\"{kind}\"}}"), count);
        }
    }
}

fn write_spans(out: &mut Exposition, sinks: &[(&'static str, Arc<Counts>)]) {
    let spans = name!("spans_total");
    out.head(spans, "counter", "Spans, by sink and outcome.");
    for (sink, counts) in sinks {
        out.sample(spans, format_args!("{{sink=\"{sink}\",outcome=\"exported\"}}"), counts.taken());
        out.sample(spans, format_args!("{{sink=\"{sink}\",outcome=\"dropped\"}}"), counts.dropped());
    }
    let waiting = name!("spans_waiting");
    out.head(waiting, "gauge", "Spans that wait to be exported.");
    for (sink, counts) in sinks {
        let gone = counts.taken() + counts.dropped();
        out.sample(waiting, format_args!("{{sink=\"{sink}\"}}"), counts.offered().saturating_sub(gone));
    }
    let bytes = name!("spans_waiting_bytes");
    out.head(bytes, "gauge", "Approximate memory of the spans in the queues.");
    for (sink, counts) in sinks {
        out.sample(bytes, format_args!("{{sink=\"{sink}\"}}"), counts.bytes());
    }
}

fn write_access_log(out: &mut Exposition, counts: &Counts) {
    let requests = name!("access_log_requests_total");
    out.head(requests, "counter", "Requests for the access log, by outcome.");
    out.sample(requests, format_args!("{{outcome=\"written\"}}"), counts.taken());
    out.sample(requests, format_args!("{{outcome=\"dropped\"}}"), counts.dropped());
    let waiting = counts.offered().saturating_sub(counts.taken() + counts.dropped());
    out.single(name!("access_log_requests_waiting"), "gauge", "Requests that wait to be logged.", waiting);
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

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulated() {
        let metrics = Metrics::default();
        for milliseconds in [1, 5, 6, 300, 20_000] {
            metrics.upstream_answered(Duration::from_millis(milliseconds), None);
        }
        let text = metrics.write(MetricsFormat::Prometheus, &[]);
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
        metrics.started();
        metrics.traced(Origin::Started, true);
        metrics.started();
        metrics.traced(Origin::Restarted, false);
        metrics.refused(ErrorKind::AllZero);
        metrics.received(Format::B3, FormatOutcome::Refused);
        metrics.ended(Some(200), None);
        let text = metrics.write(MetricsFormat::Prometheus, &[]);
        for line in [
            "requests_open 1",
            "requests_total{status=\"2xx\"} 1",
            "contexts_total{origin=\"started\"} 1",
            "contexts_total{origin=\"continued\"} 0",
            "contexts_total{origin=\"restarted\"} 1",
            "contexts_sampled_total 1",
            "contexts_refused_total{kind=\"all_zero\"} 1",
            "contexts_received_total{format=\"b3\",outcome=\"refused\"} 1",
        ] {
            assert!(text.contains(&format!("traceparent_gateway_{line}\n")), "{line}: {text}");
        }
    }

    #[test]
    fn buckets_name_a_sampled_trace_in_open_metrics() {
        let metrics = Metrics::default();
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        metrics.upstream_answered(Duration::from_millis(6), trace.parse().ok());
        metrics.upstream_answered(Duration::from_millis(7), None);
        metrics.upstream_answered(Duration::from_secs(1), None);
        let text = metrics.write(MetricsFormat::OpenMetrics, &[]);
        let exemplars: Vec<_> =
            text.lines().filter(|line| line.contains(" # ")).filter(|line| !line.starts_with('#')).collect();
        let [exemplar] = exemplars[..] else { panic!("{exemplars:?}") };
        let bucket = "traceparent_gateway_upstream_response_seconds_bucket{le=\"0.01\"} 2";
        assert!(exemplar.starts_with(&format!("{bucket} # {{trace_id=\"{trace}\"}} 0.006 ")), "{exemplar}");
        assert!(text.contains("bucket{le=\"1.0\"} 3\n"), "{text}");
        assert!(text.ends_with("\n# EOF\n"));
        assert!(!metrics.write(MetricsFormat::Prometheus, &[]).contains("trace_id"));
    }

    #[test]
    fn counters_have_their_suffix_where_the_format_has_it() {
        let metrics = Metrics::default();
        let [prometheus, open_metrics] =
            [MetricsFormat::Prometheus, MetricsFormat::OpenMetrics].map(|format| metrics.write(format, &[]));
        assert!(prometheus.contains("# TYPE traceparent_gateway_requests_total counter\n"));
        assert!(open_metrics.contains("# TYPE traceparent_gateway_requests counter\n"));
        assert!(prometheus.contains("# TYPE traceparent_build_info gauge\n"));
        assert!(open_metrics.contains("# TYPE traceparent_build info\n"));
        let build = format!("traceparent_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
        for text in [prometheus, open_metrics] {
            assert!(text.contains("\ntraceparent_gateway_requests_total{status=\"2xx\"} 0\n"), "{text}");
            assert!(text.contains(&build), "{text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_is_measured() {
        let text = Metrics::default().write(MetricsFormat::Prometheus, &[]);
        for name in [
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_start_time_seconds",
        ] {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
            assert!(value.is_some_and(|value| value > 0.0), "{name}: {text}");
        }
        assert!(text.contains("\nprocess_cpu_seconds_total "), "{text}");
    }
}
