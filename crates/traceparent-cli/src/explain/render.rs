//! A report as text.

use std::fmt::Write as _;

use super::{Context, Entry, Report};
use crate::terminal::{Excerpt, Style, table};

/// Returns a report as text for a terminal.
pub(crate) fn render(report: &Report, style: Style) -> String {
    let mut blocks: Vec<_> = report.headers.iter().map(|entry| header(entry, style)).collect();
    if let Some(context) = report.context.as_ref().filter(|_| report.shows_context) {
        blocks.push(together(context, style));
    }
    if !report.notes.is_empty() {
        blocks.push(report.notes.iter().fold(String::new(), |text, note| text + "note: " + note + "\n"));
    }
    blocks.join("\n")
}

fn header(entry: &Entry, style: Style) -> String {
    let mut text = String::new();
    for (i, field) in entry.fields.iter().enumerate() {
        let refusal = entry.error.as_ref().filter(|error| error.field == i);
        let excerpt = Excerpt::new(&field.value, refusal.map_or(0, |error| error.byte));
        line(&mut text, &format!("{}: {}", style.bold(field.name), excerpt.text));
        if refusal.is_some() {
            let indent = " ".repeat(field.name.len() + ": ".len() + excerpt.column);
            line(&mut text, &format!("{indent}{}", style.red(&"^".repeat(excerpt.width))));
        }
    }
    if let Some(error) = &entry.error {
        let invalid = style.red(&error.message);
        let rule = error.rule;
        table(
            &mut text,
            style,
            &[["invalid", &invalid, ""], ["rule", rule.text, ""], [rule.requirement, rule.link, ""]],
        );
    }
    let rows: Vec<_> = entry.parts.iter().map(|part| [part.name.as_ref(), part.text.as_str(), &part.meaning]).collect();
    let shown: Vec<_> = rows.iter().map(|[part, value, meaning]| [*part, *value, *meaning].map(shown)).collect();
    let shown: Vec<_> = shown.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    table(&mut text, style, &shown);
    for note in &entry.notes {
        line(&mut text, &format!("  {}", style.dim(&format!("note: {note}"))));
    }
    text
}

/// Returns a cell in visible form, cut if it is long: a list-member has up to 513 characters.
fn shown(cell: &str) -> String {
    Excerpt::new(cell.as_bytes(), 0).text
}

fn together(context: &Context, style: Style) -> String {
    let mut text = style.bold("together") + "\n";
    let used = context.used.unwrap_or("none");
    let ids = [context.trace_id.as_deref(), context.span_id.as_deref(), context.state];
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    let refused = context.refused.join(", ");
    let mut rows = vec![["used".to_owned(), used.to_owned(), ids.join(" ")]];
    if let Some(conflict) = context.conflict {
        rows.push([
            "conflict".to_owned(),
            conflict.to_owned(),
            "it names another trace, and does not count".to_owned(),
        ]);
    }
    if !refused.is_empty() {
        rows.push(["refused".to_owned(), refused, String::new()]);
    }
    for outcome in &context.trust {
        rows.push(["trust".to_owned(), outcome.trust.to_owned(), outcome.outcome.clone()]);
    }
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    table(&mut text, style, &rows);
    for note in &context.notes {
        line(&mut text, &format!("  {}", style.dim(&format!("note: {note}"))));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{}", line.trim_end());
}
