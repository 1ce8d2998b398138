use std::{env, time::Duration};

/// How spans are gathered before they are exported: `OTEL_BSP_*`.
///
/// [OpenTelemetry: batch span processor](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// How many spans may wait; further ones are dropped.
    pub(crate) queue: usize,
    /// How many spans go at once.
    pub(crate) size: usize,
    /// How long a span waits for others, at most.
    pub(crate) delay: Duration,
    /// How long it may take to export a batch.
    pub(crate) timeout: Duration,
}

impl Batch {
    /// The specification's, but for a queue of 2048 spans, which are less than a tenth of a second of a busy gateway, and for
    /// batches of 512, which take collectors too much time.
    const DEFAULT: Self =
        Self { queue: 16_384, size: 2048, delay: Duration::from_secs(5), timeout: Duration::from_secs(30) };

    /// Reads the environment; what is no number there counts as not said.
    pub(crate) fn from_environment() -> Self {
        Self::read(|name| env::var(name).ok())
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name| variable(name)?.trim().parse::<u64>().ok();
        let milliseconds = |name| number(name).map(Duration::from_millis);
        let at_least_one = |name| number(name).filter(|number| *number > 0).map(|number| number as usize);
        let queue = at_least_one("OTEL_BSP_MAX_QUEUE_SIZE").unwrap_or(Self::DEFAULT.queue).min(1 << 20);
        let size = at_least_one("OTEL_BSP_MAX_EXPORT_BATCH_SIZE").unwrap_or(Self::DEFAULT.size);
        Self {
            queue,
            size: size.min(queue),
            delay: milliseconds("OTEL_BSP_SCHEDULE_DELAY").unwrap_or(Self::DEFAULT.delay),
            timeout: milliseconds("OTEL_BSP_EXPORT_TIMEOUT").unwrap_or(Self::DEFAULT.timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_and_nonsense_is_not() {
        let said = [("OTEL_BSP_MAX_QUEUE_SIZE", "100"), ("OTEL_BSP_SCHEDULE_DELAY", "250")];
        let read = |said: &[(&str, &str)]| {
            Batch::read(|name| said.iter().find(|(said, _)| *said == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(
            read(&said),
            Batch { queue: 100, size: 100, delay: Duration::from_millis(250), timeout: Duration::from_secs(30) }
        );
        assert_eq!(read(&[("OTEL_BSP_MAX_QUEUE_SIZE", "0"), ("OTEL_BSP_EXPORT_TIMEOUT", "soon")]), Batch::DEFAULT);
    }
}
