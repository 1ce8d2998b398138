//! The command `sample`: which shares of traces include a trace.

use std::process::ExitCode;

use serde::Serialize;
use traceparent::{Percent, Randomness, Threshold, TraceId};
use traceparent_formats::{Format, Propagators};

use crate::{
    cli::SampleArgs,
    error::Error,
    headers::Headers,
    json,
    terminal::{Style, print, table},
    write::refused,
};

/// A percentage in steps of 0.000001.
const HUNDRED: u64 = 100_000_000;

#[derive(Serialize)]
struct Sample {
    trace_id: String,
    randomness: String,
    /// Where the randomness is from: `trace-id` or `rv`.
    source: &'static str,
    /// The smallest percentage that keeps the trace, and with it every larger one.
    kept_from_percent: String,
    percents: Vec<Share>,
}

#[derive(Serialize)]
struct Share {
    percent: String,
    threshold: Option<String>,
    kept: bool,
}

/// Writes which shares include each trace.
pub(crate) fn sample(args: &SampleArgs, json: bool) -> Result<ExitCode, Error> {
    let samples = if args.ids.iter().all(|id| TraceId::parse(id.as_bytes()).is_ok()) && !args.ids.is_empty() {
        let ids = args.ids.iter().filter_map(|id| TraceId::parse(id.as_bytes()).ok());
        ids.map(|id| of(id, None, &args.percent)).collect()
    } else {
        of_input(args)?
    };
    if json {
        print(&json::pretty(&samples)?)?;
    } else {
        let style = Style::of_stdout();
        print(&samples.iter().map(|sample| text(sample, style)).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the sample of headers, or of trace-ids on standard input.
fn of_input(args: &SampleArgs) -> Result<Vec<Sample>, Error> {
    let headers = Headers::read(&args.ids)?;
    let id_alone = match headers.all.as_slice() {
        [header] => TraceId::parse(&header.value).ok(),
        _ => None,
    };
    if let Some(id) = id_alone {
        return Ok(vec![of(id, None, &args.percent)]);
    }
    let extracted = Propagators::new(&Format::ALL, &[]).extract(|name| headers.get(name));
    let Some(id) = extracted.context().and_then(|context| context.trace_id()) else {
        return Err(Error::Invalid(refused(&extracted, &headers)));
    };
    let context = extracted.incoming().context();
    let explicit = context.and_then(|context| context.tracestate.ot()).and_then(|ot| ot.randomness());
    Ok(vec![of(id, explicit, &args.percent)])
}

fn of(trace_id: TraceId, explicit: Option<Randomness>, percents: &[Percent]) -> Sample {
    let randomness = explicit.unwrap_or(trace_id.randomness());
    let share = |percent: &Percent| {
        let threshold = percent.threshold();
        Share {
            percent: percent.to_string(),
            threshold: threshold.map(|threshold| threshold.to_string()),
            kept: threshold.is_some_and(|threshold| threshold.keeps(randomness)),
        }
    };
    Sample {
        trace_id: trace_id.to_string(),
        randomness: randomness.to_string(),
        source: if explicit.is_some() { "rv" } else { "trace-id" },
        kept_from_percent: decimal(smallest(randomness)),
        percents: percents.iter().map(share).collect(),
    }
}

/// Returns the smallest percentage that keeps a randomness, in steps of 0.000001. A larger one keeps all that a smaller
/// one does.
fn smallest(randomness: Randomness) -> u64 {
    let keeps = |steps: u64| Threshold::from_ratio(steps, HUNDRED).is_some_and(|threshold| threshold.keeps(randomness));
    let (mut drops, mut kept) = (0, HUNDRED);
    while kept - drops > 1 {
        let middle = drops.midpoint(kept);
        if keeps(middle) { kept = middle } else { drops = middle }
    }
    kept
}

fn decimal(steps: u64) -> String {
    let text = format!("{}.{:06}", steps / 1_000_000, steps % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn text(sample: &Sample, style: Style) -> String {
    let source = match sample.source {
        "rv" => "of rv in tracestate",
        _ => "the right-most 14 digits of the trace-id",
    };
    let mut text = String::new();
    let from = format!("{} %", sample.kept_from_percent);
    let mut rows = vec![
        ["trace-id".to_owned(), sample.trace_id.clone(), String::new()],
        ["randomness".to_owned(), sample.randomness.clone(), source.to_owned()],
        ["kept from".to_owned(), from, "at this percentage and every larger one".to_owned()],
    ];
    for share in &sample.percents {
        let verdict = if share.kept { "kept" } else { "dropped" };
        let threshold = share.threshold.as_deref().unwrap_or("none");
        rows.push([format!("at {} %", share.percent), verdict.to_owned(), format!("threshold {threshold}")]);
    }
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    table(&mut text, style, &rows);
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_percentage_keeps_and_the_one_below_it_does_not() {
        for bits in [0, 1, 0x00ce_929d_0e0e_4736, (1 << 55) - 1, (1 << 56) - 1] {
            let randomness = Randomness::from_bits(bits).unwrap();
            let steps = smallest(randomness);
            let keeps = |steps| {
                Percent::parse(decimal(steps).as_bytes())
                    .unwrap()
                    .threshold()
                    .is_some_and(|threshold| threshold.keeps(randomness))
            };
            assert!(keeps(steps), "{bits:x} at {steps}");
            assert!(steps == 1 || !keeps(steps - 1), "{bits:x} below {steps}");
        }
    }

    #[test]
    fn steps_are_decimals() {
        assert_eq!(decimal(1), "0.000001");
        assert_eq!(decimal(10_000_000), "10");
        assert_eq!(decimal(HUNDRED), "100");
    }
}
