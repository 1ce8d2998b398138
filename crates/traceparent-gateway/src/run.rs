use std::{borrow::Cow, future::pending, io::stdout, sync::Arc, time::Duration};

use tokio::{select, sync::watch, task::JoinSet, time::sleep};

use crate::{
    admin::{self, AdminService},
    cli::RunArgs,
    config::{Admin, Config, Environment, Listener, Tracing},
    error::Error,
    http::{Server, TlsError, UpstreamPlaces, for_upstreams, raise_limit, share},
    operator::tell,
    proxy::Proxy,
    signals::{Signal, Signals},
    telemetry::{Metrics, Recorder, Telemetry, summary},
    tracer::Tracer,
};

mod files;

use self::files::FileWatch;

/// The time limit for requests in flight when the gateway stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// The time limit for the last spans to arrive.
const SPANS_LIMIT: Duration = Duration::from_secs(5);

/// The phase of stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Draining,
    Cutting,
}

/// Runs the proxy until Ctrl-C or SIGTERM. On SIGHUP it reads its file again.
///
/// # Errors
///
/// Returns an error if the file is invalid, an address cannot be listened on, or signals cannot be caught.
pub(crate) async fn run(args: RunArgs, environment: Environment) -> Result<(), Error> {
    let mut config = configured(&args, &environment)?;
    if args.check {
        config.listeners.iter().try_for_each(Proxy::check)?;
        Telemetry::check(config.tracing.otlp, &environment).map_err(Error::CollectorTls)?;
        tell("configuration OK");
        return Ok(());
    }

    let mut signals = Signals::catch(args.config.is_some()).map_err(Error::Signals)?;
    let descriptors = raise_limit();
    fit(&mut config.listeners, descriptors);
    let upstream_places =
        descriptors.map_or_else(UpstreamPlaces::default, |limit| UpstreamPlaces::new(for_upstreams(limit)));
    let mut servers = Vec::new();
    for (number, listener) in config.listeners.iter().enumerate() {
        let setting = match &args.config {
            Some(_) => format!("listeners[{number}].address").into(),
            None => Cow::Borrowed("--listen"),
        };
        servers.push(Server::bind(listener.address).await.map_err(Error::listen(listener.address, setting))?);
    }
    let mut telemetry = Telemetry::new(&config.tracing, environment.clone());
    telemetry.send(config.tracing.otlp.clone(), stdout()).map_err(Error::Exporter)?;
    if config.admin.is_some() {
        telemetry.keep();
    }
    let access_log = config.access_log.as_ref().map(|config| telemetry.log(config)).transpose();
    let access_log = access_log.map_err(Error::AccessLog)?;
    let mut files = watch_files(&config, &telemetry);
    let (recorder, metrics) = (telemetry.recorder(), Arc::clone(telemetry.metrics()));

    let (go_on, phase) = watch::channel(Phase::Serving);
    let mut serving = JoinSet::new();
    let mut running = Running { config, descriptors, recorder, metrics, proxies: Vec::new() };
    for (server, listener) in servers.into_iter().zip(running.config.listeners.clone()) {
        let (scheme, targets) = (if listener.tls.is_some() { "https" } else { "http" }, targets(&listener));
        let tracer = running.tracer(&running.config.tracing, &listener);
        let server = server.with_counts(running.metrics.connections());
        let proxy = Proxy::new(tracer, listener, upstream_places.clone())?.with_access_log(access_log.clone());
        let proxy = Arc::new(proxy);
        tell(format_args!("listening on {scheme}://{}, forwarding to {targets}; Ctrl-C stops", server.address()));
        running.proxies.push(Arc::clone(&proxy));
        serving.spawn(serve(server, proxy, phase.clone()));
    }
    let admin = match &running.config.admin {
        Some(Admin { address, hosts }) => match AdminService::new(&telemetry, hosts.clone()) {
            Some(service) => {
                let setting = if args.config.is_some() { "admin.address" } else { "--admin" };
                Some(admin::open(*address, service).await.map_err(Error::listen(*address, setting))?)
            }
            None => None,
        },
        None => None,
    };

    loop {
        let signal = select! {
            signal = signals.next() => Some(signal),
            () = files.changed() => None,
        };
        match signal {
            Some(Signal::Stop) => break,
            Some(Signal::Reload) => {
                if let Some(log) = &access_log {
                    log.reopen();
                }
                running.read_file(&args, &telemetry, &environment, &mut files);
            }
            None => running.read_tls_files(&telemetry),
        }
    }
    drop((running, access_log));

    tell("stopping: waiting for requests in flight; Ctrl-C again cuts them");
    go_on.send_replace(Phase::Draining);
    let limit = async {
        select! {
            () = signals.stop() => {}
            () = sleep(DRAIN_LIMIT) => {}
        }
        go_on.send_replace(Phase::Cutting);
        pending().await
    };
    let cut: usize = select! {
        cut = serving.join_all() => cut.into_iter().sum(),
        never = limit => never,
    };
    drop(admin);
    let spans = telemetry.finish(SPANS_LIMIT).await;
    tell(format_args!("stopped: {}; {cut} connections cut", summary(&spans)));
    Ok(())
}

/// Watches the files of certificates and keys.
fn watch_files(config: &Config, telemetry: &Telemetry) -> FileWatch {
    FileWatch::new(config.tls_files().into_iter().chain(telemetry.tls_files()))
}

/// Serves a listener until it stops, and returns the number of connections that were cut.
async fn serve(mut server: Server, proxy: Arc<Proxy>, mut phase: watch::Receiver<Phase>) -> usize {
    // The sender outlives this future.
    let mut reached = async |least| drop(phase.wait_for(|phase| *phase >= least).await);
    server.serve(proxy, reached(Phase::Draining)).await;
    server.drain(reached(Phase::Cutting)).await
}

/// Returns the configuration of the command line, or of the file that it names.
fn configured(args: &RunArgs, environment: &Environment) -> Result<Config, Error> {
    match &args.config {
        Some(path) => Ok(Config::load(path, environment)?),
        None => args.config(environment).ok_or(Error::NoUpstream),
    }
}

/// Lowers the limits of connections to those for which the system has descriptors, and reports it.
fn fit(listeners: &mut [Listener], descriptors: Option<u64>) {
    let Some(descriptors) = descriptors else { return };
    let mut connections: Vec<u32> = listeners.iter().map(|listener| listener.limits.connections).collect();
    share(descriptors, &mut connections);
    for (listener, connections) in listeners.iter_mut().zip(connections) {
        let (address, limits) = (listener.address, &mut listener.limits);
        if connections < limits.connections {
            tell(format_args!(
                "the listener at {address} takes {connections} connections instead of {}, because the system allows \
                 {descriptors} open files",
                limits.connections
            ));
            limits.connections = connections;
        }
    }
}

/// Returns the upstreams of a listener, in words.
fn targets(listener: &Listener) -> String {
    let mut upstreams: Vec<_> = listener.routes.iter().map(|route| route.upstream.to_string()).collect();
    upstreams.sort_unstable();
    upstreams.dedup();
    upstreams.join(" and ")
}

/// The state of a running gateway that a reload changes.
struct Running {
    config: Config,
    /// The limit of open files, if there is one.
    descriptors: Option<u64>,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    /// One for each listener of the configuration.
    proxies: Vec<Arc<Proxy>>,
}

impl Running {
    fn tracer(&self, tracing: &Tracing, listener: &Listener) -> Tracer {
        let (trust, forwarded) = (listener.trust, listener.forwarded);
        Tracer::new(tracing, trust, self.recorder.clone(), Arc::clone(&self.metrics), forwarded)
    }

    /// Reads the configuration file again, and the files that it names.
    fn read_file(&mut self, args: &RunArgs, telemetry: &Telemetry, environment: &Environment, files: &mut FileWatch) {
        let reloaded = configured(args, environment).and_then(|config| {
            // What changes from now on is read again.
            let new_files = watch_files(&config, telemetry);
            self.reload(config)?;
            *files = new_files;
            Ok(())
        });
        telemetry.reload_tls();
        match reloaded {
            Ok(()) => tell("configuration reloaded"),
            Err(error) => tell(format_args!("reload failed, keeping the current configuration: {error}")),
        }
    }

    /// Reads the files of certificates and keys again.
    fn read_tls_files(&mut self, telemetry: &Telemetry) {
        match (telemetry.reload_tls(), self.reload(self.config.clone())) {
            (true, Ok(())) => tell("certificates and keys reloaded"),
            (false, Ok(())) => tell("certificates and keys reloaded, except for those to the collector"),
            (_, Err(error)) => {
                tell(format_args!("cannot set up TLS, keeping the current certificates and keys: {error}"));
            }
        }
    }

    /// Applies the settings that can change, and reports those that need a restart. Changes nothing if a certificate or a key
    /// cannot be used.
    fn reload(&mut self, new: Config) -> Result<(), TlsError> {
        let Config { mut listeners, tracing, admin, access_log } = new;
        fit(&mut listeners, self.descriptors);
        let old = &self.config.tracing;
        let fixed = Tracing { service_name: old.service_name.clone(), otlp: old.otlp.clone(), ..tracing.clone() };
        let (mut changes, mut gone) = (Vec::new(), Vec::new());
        for (number, Listener { address, .. }) in self.config.listeners.iter().enumerate() {
            if let Some(at) = listeners.iter().position(|listener| listener.address == *address) {
                let listener = listeners.remove(at);
                let settings = self.proxies[number].prepare(self.tracer(&fixed, &listener), listener.clone())?;
                changes.push((number, listener, settings));
            } else {
                gone.push(*address);
            }
        }
        let lasting = (&old.service_name, &old.otlp, &self.config.admin, &self.config.access_log);
        if (&tracing.service_name, &tracing.otlp, &admin, &access_log) != lasting {
            tell("service_name, otlp, admin and access_log stay as they are until the next start");
        }
        self.config.tracing = fixed;
        for (number, listener, settings) in changes {
            self.proxies[number].change(settings);
            self.config.listeners[number] = listener;
        }
        for address in gone {
            tell(format_args!("the listener at {address} needs a restart to change"));
        }
        for listener in listeners {
            tell(format_args!("the listener at {} needs a restart to open", listener.address));
        }
        Ok(())
    }
}
