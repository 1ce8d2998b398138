use std::{
    io::{Write, stdout},
    time::Duration,
};

use terminal_size::{Width, terminal_size_of};

use self::{
    render::{table, waterfall},
    scene::{QUESTION, Recording, play},
    tree::{check, unordered},
};
use crate::{
    admin::{self, AdminService},
    cli::DemoArgs,
    config::{Environment, Otlp, SpanLimits, Tracing},
    error::Error,
    operator::tell,
    signals::Signals,
    span::Span,
    telemetry::Telemetry,
};

mod render;
mod scene;
mod tree;

/// The time limit for the spans to arrive at a collector.
const SPANS_LIMIT: Duration = Duration::from_secs(15);

/// The width of the output without a terminal.
const WIDTH: usize = 100;

/// Plays the customer-support scene over real HTTP on loopback ports and prints its trace.
///
/// # Errors
///
/// The scene does not play to its end; its trace is not the expected tree; a collector was named, and the trace did
/// not arrive there.
pub(crate) async fn demo(args: DemoArgs, mut environment: Environment) -> Result<(), Error> {
    // The tree is checked by attributes.
    environment.limits = SpanLimits::default();
    let mut signals = Signals::catch(false).map_err(Error::Signals)?;
    let columns = environment.columns;
    let mut telemetry = Telemetry::new(&Tracing::of_service("demo"), environment);
    if let Some(endpoint) = args.otlp {
        telemetry.export(Otlp { endpoint: Some(endpoint), ..Otlp::default() }).map_err(Error::Exporter)?;
    }
    telemetry.keep();
    let Recording { answer, spans } = play(&mut telemetry).await?;
    show(&answer, &spans, width(columns))?;

    let admin = AdminService::new(&telemetry, Vec::new());
    for (name, report) in telemetry.finish(SPANS_LIMIT).await {
        if name == "otlp" {
            tell(format_args!("{} spans exported, {} dropped", report.taken, report.dropped));
            if report.dropped > 0 {
                return Err(Error::NotExported);
            }
        }
    }
    if let Some(admin) = admin.filter(|_| args.serve) {
        let _served = admin::open(args.admin, admin).await.map_err(Error::listen(args.admin, "--admin"))?;
        tell("Ctrl-C stops");
        signals.stop().await;
    }
    Ok(())
}

/// Prints the trace, if it is the expected tree.
fn show(answer: &str, spans: &[Span], width: usize) -> Result<(), Error> {
    print(&format!("customer  {QUESTION}\nanswer    {answer}\n\n"))?;
    match check(spans) {
        Ok(tree) => {
            let count = tree.len();
            let (table, waterfall) = (table(&tree), waterfall(&tree, width));
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

/// Returns the width of the terminal, or else that of the environment.
fn width(columns: Option<usize>) -> usize {
    match terminal_size_of(stdout()) {
        Some((Width(width), _)) => width.into(),
        None => columns.unwrap_or(WIDTH),
    }
}
