//! The README's chart: a dot for each library on a logarithmic scale of nanoseconds.

use std::fmt::Write;

use crate::Row;

const WIDTH: u32 = 840;
/// Where the scale begins and ends, in pixels.
const SCALE: (f64, f64) = (210.0, 800.0);
/// Powers of ten on the scale, in nanoseconds.
const DECADES: std::ops::RangeInclusive<i32> = 0..=4;
const TOP: u32 = 62;
const ROW: u32 = 30;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.n{font-size:11px;fill:#57606a}line{stroke:#d0d7de}\
.a{fill:#0969da}.b{fill:#bc4c00}.c{fill:#6e7781}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.n{fill:#9198a1}line{stroke:#3d444d}.a{fill:#4493f8}.b{fill:#f0883e}.c{fill:#9198a1}}";

fn x(nanoseconds: f64) -> f64 {
    let decades = f64::from(*DECADES.end() - *DECADES.start());
    SCALE.0 + (SCALE.1 - SCALE.0) * (nanoseconds.log10().clamp(0.0, decades) / decades)
}

/// Draws the rows as an SVG that follows the viewer's choice of light or dark.
pub(crate) fn draw(rows: &[&Row]) -> String {
    let bottom = TOP + ROW * rows.len() as u32;
    let height = bottom + 26;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"Nanoseconds of each operation in three libraries\">\n<style>{STYLE}</style>\n"
    );
    for (i, (class, name)) in
        [("a", "traceparent"), ("b", "opentelemetry_sdk"), ("c", "fastest other")].iter().enumerate()
    {
        let at = SCALE.0 + 160.0 * i as f64;
        _ = writeln!(
            svg,
            "<circle class=\"{class}\" cx=\"{at}\" cy=\"18\" r=\"5\"/><text x=\"{}\" y=\"22\">{name}</text>",
            at + 11.0
        );
    }
    for decade in DECADES {
        let (at, value) = (x(10_f64.powi(decade)), 10_u32.pow(decade.unsigned_abs()));
        _ = writeln!(
            svg,
            "<line x1=\"{at:.0}\" y1=\"{}\" x2=\"{at:.0}\" y2=\"{bottom}\"/><text class=\"n\" x=\"{at:.0}\" y=\"{}\" \
             text-anchor=\"middle\">{value} ns</text>",
            TOP - 18,
            bottom + 16
        );
    }
    for (i, row) in rows.iter().enumerate() {
        let y = TOP + ROW * i as u32;
        _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            SCALE.0 - 14.0,
            y + 4,
            row.operation
        );
        let dots = [
            row.fastest.map(|(_, time)| ("c", time, "end", -9.0)),
            row.sdk.map(|time| ("b", time, "start", 9.0)),
            Some(("a", row.nanoseconds, "end", -9.0)),
        ];
        for (class, time, anchor, aside) in dots.into_iter().flatten() {
            let at = x(time);
            _ = writeln!(
                svg,
                "<circle class=\"{class}\" cx=\"{at:.1}\" cy=\"{y}\" r=\"5\"/><text class=\"n\" x=\"{:.1}\" y=\"{}\" \
                 text-anchor=\"{anchor}\">{time:.1}</text>",
                at + aside,
                y + 4
            );
        }
    }
    svg + "</svg>\n"
}
