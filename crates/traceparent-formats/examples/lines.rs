//! Reads and writes contexts of every format, a line each:
//!
//! ```text
//! $ cargo run -p traceparent-formats --example lines
//! read    b3    b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1
//! 4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 accept
//! write   xray  4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 deny
//! x-amzn-trace-id: Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=0
//! ```
//!
//! Tabs separate the verb, the format's name in `OTEL_PROPAGATORS`, and the fields or the context.

use std::{
    error::Error,
    io::{self, BufRead, Write},
};

use traceparent_formats::{Carried, Format, LocalContext};

fn main() -> Result<(), Box<dyn Error>> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut columns = line.split('\t');
        let (verb, format) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default().parse()?);
        let answer = match verb {
            "read" => read(format, &columns.filter_map(|field| field.split_once(": ")).collect::<Vec<_>>()),
            "write" => write(format, columns.next().unwrap_or_default())?,
            _ => return Err("neither read nor write".into()),
        };
        writeln!(output, "{answer}")?;
    }
    Ok(output.flush()?)
}

fn read(format: Format, fields: &[(&str, &str)]) -> String {
    let values = |name| fields.iter().filter(move |field| field.0 == name).map(|field| field.1.as_bytes());
    match format.read(values) {
        Ok(None) => "absent".to_owned(),
        Ok(Some(context)) => {
            let trace_id = context.trace_id().map_or("-".to_owned(), |id| id.to_string());
            let span_id = context.span_id().map_or("-".to_owned(), |id| id.to_string());
            format!("{trace_id} {span_id} {}", context.state())
        }
        Err(error) => error.to_string(),
    }
}

fn write(format: Format, context: &str) -> Result<String, Box<dyn Error>> {
    let [trace_id, span_id, state] = context.split(' ').collect::<Vec<_>>()[..] else {
        return Err("a context has three parts".into());
    };
    let context = LocalContext::new(trace_id.parse()?, span_id.parse()?, state != "deny")
        .with_carried(Carried::EMPTY.with_debug(state == "debug"));
    let mut fields = Vec::new();
    format.write(&context, |name, value| fields.extend(value.map(|value| format!("{name}: {value}"))));
    Ok(fields.join("\t"))
}
