use std::{io::stdout, sync::Arc, time::Duration};

use tokio::{select, time::sleep};
use traceparent::{Percent, Policy, ProbabilitySampler};

use crate::{
    cli::RunArgs,
    config::{Config, Environment},
    error::Error,
    proxy::Proxy,
    recorder::Writer,
    server::Server,
    signals::Signals,
    tell,
    tracer::Tracer,
};

/// How long requests in flight may take when the gateway stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// How long the last spans may take to be written.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// Runs the proxy until Ctrl-C or SIGTERM, and writes one JSON line for each finished span to
/// standard output.
///
/// # Errors
///
/// The address cannot be listened on; signals cannot be caught.
pub async fn run(args: RunArgs) -> Result<(), Error> {
    let environment = Environment::of_process();
    if let Some(path) = &args.config {
        Config::load(path, &environment)?;
        return Ok(());
    }
    let Some(upstream) = args.upstream else { return Ok(()) };
    let mut signals = Signals::catch()?;
    let mut server = Server::bind(args.listen).await?;
    let (recorder, writer) = Writer::start(stdout());

    tell(format_args!("listening on http://{}, forwarding to {}; Ctrl-C stops", server.address(), upstream));
    let policy = Policy::new(ProbabilitySampler::from_percent(args.random_sampling.unwrap_or(Percent::HUNDRED)))
        .trust(args.trust.into());
    let proxy = Arc::new(Proxy::new(Tracer::new("gateway", policy, recorder), upstream));
    server.serve(proxy, signals.next()).await;

    tell("stopping: requests in flight may finish; Ctrl-C again cuts them");
    let limit = async {
        select! {
            () = signals.next() => {}
            () = sleep(DRAIN_LIMIT) => {}
        }
    };
    let cut = server.drain(limit).await;
    let spans = writer.finish(WRITE_LIMIT).await;
    tell(format_args!("stopped: {} spans written, {} dropped; {cut} connections cut", spans.written, spans.dropped));
    Ok(())
}
