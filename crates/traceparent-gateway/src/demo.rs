use std::{
    io::{Write, stdout},
    time::Duration,
};

use terminal_size::{Width, terminal_size_of};

use crate::{
    cli::DemoArgs,
    config::{Otlp, Tracing},
    demo::{
        render::{table, waterfall},
        scene::{Played, QUESTION, play},
        tree::{check, unordered},
    },
    error::Error,
    run::open_admin,
    signals::Signals,
    span::Span,
    telemetry::Telemetry,
    tell,
};

mod render;
mod scene;
mod tree;

/// How long the spans may take to arrive at a collector.
const SPANS_LIMIT: Duration = Duration::from_secs(15);

/// The width of what is printed where there is no terminal that knows better.
const WIDTH: usize = 100;

/// Plays the customer-support scene over real HTTP on loopback ports and prints its trace.
///
/// # Errors
///
/// The scene does not play to its end; its trace is not the expected tree; a collector was named, and the trace did
/// not arrive there.
pub async fn demo(args: DemoArgs) -> Result<(), Error> {
    let mut signals = Signals::catch(false)?;
    let mut telemetry = Telemetry::new(&Tracing::of_service("demo"));
    if let Some(endpoint) = args.otlp {
        telemetry.export(Otlp { endpoint: Some(endpoint), ..Otlp::default() })?;
    }
    telemetry.keep();
    let Played { answer, spans } = play(&mut telemetry).await?;
    show(&answer, &spans)?;

    let admin = telemetry.admin();
    for (name, report) in telemetry.finish(SPANS_LIMIT).await {
        if name == "otlp" {
            tell(format_args!("{} spans exported, {} dropped", report.taken, report.dropped));
            if report.dropped > 0 {
                return Err(Error::NotExported);
            }
        }
    }
    if let Some(admin) = admin.filter(|_| args.serve) {
        let _served = open_admin(args.admin, admin).await?;
        tell("Ctrl-C stops");
        signals.stop().await;
    }
    Ok(())
}

/// Prints the trace, if it is the expected tree.
fn show(answer: &str, spans: &[Span]) -> Result<(), Error> {
    print(&format!("customer  {QUESTION}\nanswer    {answer}\n\n"))?;
    match check(spans) {
        Ok(tree) => {
            let count = tree.len();
            let (table, waterfall) = (table(&tree), waterfall(&tree, width()));
            print(&format!(
                "{table}\n{waterfall}\nThe tree is the expected one: {count} spans in one trace, every parent right.\n"
            ))
        }
        Err(mismatch) => {
            print(&table(&unordered(spans)))?;
            Err(Error::Tree(mismatch.into()))
        }
    }
}

fn print(text: &str) -> Result<(), Error> {
    stdout().lock().write_all(text.as_bytes()).map_err(Error::Print)
}

/// The width of the terminal, or what `COLUMNS` says where standard output is none.
fn width() -> usize {
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    match terminal_size_of(stdout()) {
        Some((Width(width), _)) => width.into(),
        None => columns().unwrap_or(WIDTH),
    }
}
