use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use traceparent::TraceId;

use super::exposition::{Exposition, MetricsFormat};

/// The bounds of the buckets, in seconds: those that OpenTelemetry advises for HTTP.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// A histogram of durations.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// The last one is for durations beyond all bounds.
    buckets: [Bucket; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

#[derive(Debug, Default)]
struct Bucket {
    /// The number of durations in this bucket alone.
    count: AtomicU64,
    exemplar: Mutex<Option<Exemplar>>,
}

/// A trace whose duration is in a bucket.
#[derive(Clone, Copy, Debug)]
struct Exemplar {
    trace: TraceId,
    duration: Duration,
    at: SystemTime,
}

impl Histogram {
    /// Counts a duration, with a trace in which it is found.
    pub(super) fn observe(&self, duration: Duration, trace: Option<TraceId>) {
        self.microseconds.fetch_add(duration.as_micros() as u64, Relaxed);
        let place = BOUNDS.partition_point(|bound| *bound < duration.as_secs_f64());
        let Some(bucket) = self.buckets.get(place) else { return };
        bucket.count.fetch_add(1, Relaxed);
        // Any exemplar will do, so no request waits for another one.
        if let (Some(trace), Ok(mut exemplar)) = (trace, bucket.exemplar.try_lock()) {
            *exemplar = Some(Exemplar { trace, duration, at: SystemTime::now() });
        }
    }

    pub(super) fn write_to(&self, out: &mut Exposition, name: &str, help: &str) {
        out.head(name, "histogram", help);
        let mut below = 0;
        for (place, bucket) in self.buckets.iter().enumerate() {
            below += bucket.count.load(Relaxed);
            match (BOUNDS.get(place), out.format()) {
                (Some(bound), MetricsFormat::Prometheus) => {
                    out.write(format_args!("{name}_bucket{{le=\"{bound}\"}} {below}"));
                }
                // Whole numbers have a point, too.
                (Some(bound), MetricsFormat::OpenMetrics) => {
                    out.write(format_args!("{name}_bucket{{le=\"{bound:?}\"}} {below}"));
                }
                (None, _) => out.write(format_args!("{name}_bucket{{le=\"+Inf\"}} {below}")),
            }
            let exemplar = bucket.exemplar.lock().ok().and_then(|exemplar| *exemplar);
            if let (Some(exemplar), MetricsFormat::OpenMetrics) = (exemplar, out.format()) {
                let Exemplar { trace, duration, at } = exemplar;
                let (seconds, at) = (duration.as_secs_f64(), at.duration_since(UNIX_EPOCH).unwrap_or_default());
                out.write(format_args!(" # {{trace_id=\"{trace}\"}} {seconds} {:.3}", at.as_secs_f64()));
            }
            out.write(format_args!("\n"));
        }
        let sum = self.microseconds.load(Relaxed) as f64 / 1e6;
        out.write(format_args!("{name}_sum {sum}\n{name}_count {below}\n"));
    }
}
