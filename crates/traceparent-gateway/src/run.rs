use std::{future::pending, io::stdout, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{select, task::JoinSet, time::sleep};
use traceparent::Policy;

use crate::{
    admin::AdminService,
    cli::RunArgs,
    config::{Admin, Config, Environment},
    error::Error,
    proxy::Proxy,
    server::Server,
    signals::Signals,
    telemetry::{Telemetry, told},
    tell,
    tracer::Tracer,
};

/// How long requests in flight may take when the gateway stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// How long the last spans may take to arrive where they go.
const SPANS_LIMIT: Duration = Duration::from_secs(5);

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
    let Some(config) = Config::from_args(&args, &environment) else { return Ok(()) };
    let Some(upstream) = args.upstream else { return Ok(()) };
    let mut signals = Signals::catch()?;
    let mut server = Server::bind(args.listen).await?;
    let tracing = config.tracing;
    let mut telemetry = Telemetry::new(&tracing);
    telemetry.send(tracing.otlp.clone(), stdout())?;
    if config.admin.is_some() {
        telemetry.keep();
    }

    tell(format_args!("listening on http://{}, forwarding to {}; Ctrl-C stops", server.address(), upstream));
    let policy = Policy::new(tracing.sampling).trust(args.trust.into());
    let tracer = Tracer::new(&tracing, policy, telemetry.recorder());
    let proxy = Arc::new(Proxy::new(tracer, upstream));
    let admin = match (config.admin, telemetry.admin()) {
        (Some(Admin { address }), Some(service)) => Some(open_admin(address, service).await?),
        _ => None,
    };
    server.serve(proxy, signals.next()).await;

    tell("stopping: requests in flight may finish; Ctrl-C again cuts them");
    let limit = async {
        select! {
            () = signals.next() => {}
            () = sleep(DRAIN_LIMIT) => {}
        }
    };
    let cut = server.drain(limit).await;
    drop(admin);
    let spans = telemetry.finish(SPANS_LIMIT).await;
    tell(format_args!("stopped: {}; {cut} connections cut", told(&spans)));
    Ok(())
}

/// Serves operators for as long as the returned set is kept.
pub(crate) async fn open_admin(address: SocketAddr, service: AdminService) -> Result<JoinSet<()>, Error> {
    let mut server = Server::bind(address).await?;
    tell(format_args!("traces, metrics and health at http://{}", server.address()));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { server.serve(Arc::new(service), pending()).await });
    Ok(tasks)
}
