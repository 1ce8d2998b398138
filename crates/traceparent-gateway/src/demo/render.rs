use std::{
    fmt::{self, Display, Write},
    time::{Duration, SystemTime},
};

use super::tree::operation;
use crate::span::Row;

const HEADS: [&str; 6] = ["#", "service", "operation", "ms", "span id", "parent id"];
const RIGHT_ALIGNED: [usize; 2] = [0, 3];

/// Blocks that fill a cell from the left, by eighths.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The least width of a waterfall's bars, in cells.
const LEAST_BARS: usize = 20;

/// Draws the spans of one trace as a table, with the tree in it.
pub(super) fn table(nodes: &[Row<'_>]) -> String {
    let rows: Vec<[String; HEADS.len()]> = (0..nodes.len()).map(|index| row(nodes, index)).collect();
    let heads = HEADS.map(str::to_owned);
    let mut widths = [0; HEADS.len()];
    for row in rows.iter().chain([&heads]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }

    let mut text = String::new();
    if let Some(node) = nodes.first() {
        push(&mut text, format_args!("trace {}\n", node.span.trace_id()));
    }
    for row in [&heads].into_iter().chain(&rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            if RIGHT_ALIGNED.contains(&column) {
                push(&mut line, format_args!("{gap}{cell:>width$}"));
            } else {
                push(&mut line, format_args!("{gap}{cell:width$}"));
            }
        }
        push(&mut text, format_args!("{}\n", line.trim_end()));
    }
    text
}

fn row(nodes: &[Row<'_>], index: usize) -> [String; HEADS.len()] {
    let span = nodes[index].span;
    [
        (index + 1).to_string(),
        format!("{}{}", branch(nodes, index), span.service),
        operation(span).into_owned(),
        format!("{:.1}", span.duration.as_secs_f64() * 1e3),
        span.span_id().to_string(),
        span.parent_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
    ]
}

/// Draws the lines that lead to a node.
fn branch(nodes: &[Row<'_>], index: usize) -> String {
    let depth = nodes[index].depth;
    let mut branch = String::new();
    for level in 1..=depth {
        let mut later = nodes[index + 1..].iter().map(|node| node.depth).take_while(|depth| *depth >= level);
        branch.push_str(match (later.any(|depth| depth == level), level == depth) {
            (true, true) => "├ ",
            (false, true) => "└ ",
            (true, false) => "│ ",
            (false, false) => "  ",
        });
    }
    branch
}

/// Draws when each span was at work, in lines no longer than `width` where that is possible.
pub(super) fn waterfall(nodes: &[Row<'_>], width: usize) -> String {
    let Some(start) = nodes.iter().map(|node| node.span.start).min() else {
        return String::new();
    };
    let end = nodes.iter().map(|node| since(start, node.span.start) + node.span.duration).max().unwrap_or_default();
    let number = nodes.len().to_string().len();
    let name = nodes.iter().map(|node| node.span.service.len()).max().unwrap_or_default();
    let end_mark = Millis(end).to_string();
    let bars = width.saturating_sub(number + 2 + name + 2 + 2 + end_mark.len()).max(LEAST_BARS);

    let mut text = String::new();
    push(&mut text, format_args!("{:indent$}0 ms{end_mark:>rest$}\n", "", indent = number + name + 4, rest = bars - 4));
    for (index, node) in nodes.iter().enumerate() {
        let bar = bar(since(start, node.span.start), node.span.duration, end, bars);
        let duration = Millis(node.span.duration);
        push(&mut text, format_args!("{:>number$}  {:name$}  {bar}  {duration}\n", index + 1, node.span.service));
    }
    text
}

/// Draws one bar: whole cells from where it starts, the last one by eighths, never nothing.
fn bar(start: Duration, duration: Duration, end: Duration, cells: usize) -> String {
    let eighths = |time: Duration| (time.as_nanos() * (cells * 8) as u128 / end.as_nanos().max(1)) as usize;
    let from = (eighths(start) / 8).min(cells - 1);
    let length = eighths(start + duration).saturating_sub(from * 8).clamp(1, (cells - from) * 8);
    let mut bar = " ".repeat(from) + &"█".repeat(length / 8);
    bar.extend(EIGHTHS.get(length % 8).filter(|_| length % 8 > 0));
    bar
}

fn since(start: SystemTime, time: SystemTime) -> Duration {
    time.duration_since(start).unwrap_or_default()
}

/// A duration in milliseconds, with one decimal.
struct Millis(Duration);

impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1e3)
    }
}

fn push(text: &mut String, more: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_to_scale() {
        let ms = Duration::from_millis;
        assert_eq!(bar(ms(0), ms(100), ms(100), 10), "██████████");
        assert_eq!(bar(ms(50), ms(25), ms(100), 10), "     ██▌");
        assert_eq!(bar(ms(0), ms(0), ms(100), 10), "▏");
        assert_eq!(bar(ms(100), ms(0), ms(100), 10), "         █");
        assert_eq!(bar(ms(0), ms(0), ms(0), 10), "▏");
    }
}
