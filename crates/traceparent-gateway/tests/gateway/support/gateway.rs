use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread::{self, JoinHandle},
};

use serde_json::Value;

use super::{Connection, line};

const BINARY: &str = env!("CARGO_BIN_EXE_traceparent-gateway");

/// The gateway's process.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    /// All of its listeners, in the order of its file.
    pub(crate) addresses: Vec<SocketAddr>,
    file: Option<PathBuf>,
    child: Child,
    stderr: BufReader<ChildStderr>,
    spans: Option<JoinHandle<Vec<Value>>>,
}

/// What a gateway leaves behind.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) status: ExitStatus,
    pub(crate) spans: Vec<Value>,
    pub(crate) stderr: String,
}

impl Gateway {
    /// Starts a gateway in front of this URL, on a free port.
    pub(crate) fn start(upstream: &str, args: &[&str]) -> Self {
        Self::start_in(upstream, args, &[])
    }

    /// Starts a gateway with these variables in its environment.
    pub(crate) fn start_in(upstream: &str, args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_unread_in(upstream, args, environment).read()
    }

    /// A gateway in front of an upstream, with these limits of its listener.
    pub(crate) fn with_limits(upstream: &str, limits: &str) -> Self {
        Self::configured(
            &format!(
                "listeners:\n  - address: 127.0.0.1:0\n    limits: {{{limits}}}\n    \
                 routes: [{{prefix: /, upstream: {upstream}}}]\n"
            ),
            &[],
        )
    }

    /// Starts a gateway with a configuration file, and these variables in its environment.
    pub(crate) fn configured(text: &str, environment: &[(&str, &str)]) -> Self {
        Self::configured_told(text, environment).1
    }

    /// Starts a gateway with a configuration file, and returns the lines that it says before it listens.
    pub(crate) fn configured_told(text: &str, environment: &[(&str, &str)]) -> (Vec<String>, Self) {
        let file = file(text);
        let mut command = Command::new(BINARY);
        command.arg("run").arg("--config").arg(&file).envs(environment.iter().copied());
        let (told, mut gateway) = Self::spawn_told(&mut command, text.matches("- address:").count());
        gateway.file = Some(file);
        (told, gateway.read())
    }

    /// Starts a gateway with the configuration file at this path, whose standard output is not read.
    pub(crate) fn configured_unread(file: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(BINARY);
        command.arg("run").arg("--config").arg(file).envs(environment.iter().copied());
        Self::spawn(&mut command, 1)
    }

    /// The standard output of a gateway that has not been read.
    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("piped")
    }

    /// Changes the configuration file and says so; returns what the gateway says to that, up to the word that it is
    /// done, or not.
    pub(crate) fn reload(&mut self, text: &str) -> String {
        fs::write(self.file.as_ref().expect("a file"), text).expect("a file");
        self.signal("HUP");
        let mut told = String::new();
        loop {
            let line = self.told();
            told += &line;
            if line == "configuration reloaded" || line.starts_with("reload failed") {
                return told;
            }
            told.push('\n');
        }
    }

    /// Reads the spans from standard output.
    fn read(mut self) -> Self {
        let stdout = BufReader::new(self.child.stdout.take().expect("piped"));
        let span = |line: &String| serde_json::from_str(line).expect("JSON");
        self.spans = Some(thread::spawn(move || {
            // Lines are understood at the end: the gateway drops spans whose reader is slower than its requests.
            let lines: Vec<String> = stdout.lines().collect::<io::Result<_>>().expect("text");
            lines.iter().map(span).collect()
        }));
        self
    }

    /// Starts a gateway with these variables, and returns the lines that it says before it listens.
    pub(crate) fn start_told(upstream: &str, environment: &[(&str, &str)]) -> (Vec<String>, Self) {
        let mut command = Command::new(BINARY);
        command.args(["run", "--listen", "127.0.0.1:0", "--upstream", upstream]).envs(environment.iter().copied());
        let (told, gateway) = Self::spawn_told(&mut command, 1);
        (told, gateway.read())
    }

    /// Starts a gateway whose standard output is not read.
    pub(crate) fn start_unread(upstream: &str, args: &[&str]) -> Self {
        Self::start_unread_in(upstream, args, &[])
    }

    fn start_unread_in(upstream: &str, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(["run", "--listen", "127.0.0.1:0", "--upstream", upstream]).args(args);
        command.envs(environment.iter().copied());
        Self::spawn(&mut command, 1)
    }

    /// Starts a gateway that may open this number of files, and returns its admin listener. It says at first that it takes
    /// fewer connections than it would.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_with_descriptors(descriptors: u32, upstream: &str, args: &[&str]) -> (Self, SocketAddr) {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n $0; exec \"$@\"", &descriptors.to_string(), BINARY]);
        command.args(["run", "--listen", "127.0.0.1:0", "--upstream", upstream]).args(args);
        let mut gateway = Self::spawn(&mut command, 1).read();
        let admin = gateway.admin();
        (gateway, admin)
    }

    fn spawn(command: &mut Command, listeners: usize) -> Self {
        Self::spawn_told(command, listeners).1
    }

    /// Starts a gateway, and returns the lines that it says before it listens.
    fn spawn_told(command: &mut Command, listeners: usize) -> (Vec<String>, Self) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the gateway starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (mut told, mut addresses) = (Vec::new(), Vec::new());
        while addresses.len() < listeners {
            let greeting = line(&mut stderr).expect("a greeting");
            if let Some(rest) = greeting.strip_prefix("listening on ") {
                let rest = rest.trim_start_matches("http://").trim_start_matches("https://");
                addresses.push(rest.split(',').next().expect("an address").parse().expect("an address"));
            } else {
                told.push(greeting);
            }
        }
        (told, Self { address: addresses[0], addresses, file: None, child, stderr, spans: None })
    }

    /// Closes the standard output of a gateway.
    pub(crate) fn close_stdout(&mut self) {
        drop(self.child.stdout.take());
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// The number of its process.
    #[cfg(target_os = "linux")]
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    }

    /// Where it shows traces, metrics and health: to be asked first of a gateway started with `--admin`.
    pub(crate) fn admin(&mut self) -> SocketAddr {
        let told = self.told();
        let address = told.strip_prefix("traces, metrics and health at http://").expect("an admin listener");
        address.parse().expect("an address")
    }

    /// The next line it tells.
    pub(crate) fn told(&mut self) -> String {
        line(&mut self.stderr).expect("a line")
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(mut self) -> Stopped {
        let mut stderr = String::new();
        self.stderr.read_to_string(&mut stderr).expect("text");
        let status = self.child.wait().expect("an exit status");
        let spans = self.spans.take().map(|spans| spans.join().expect("spans")).unwrap_or_default();
        Stopped { status, spans, stderr }
    }

    /// Stops it, and waits until it has stopped.
    pub(crate) fn stop(self) -> Stopped {
        self.signal("TERM");
        self.ended()
    }

    /// Stops it, and returns the spans it has written.
    pub(crate) fn spans(self) -> Vec<Value> {
        self.stop().spans
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

/// Writes a file with a name of its own.
pub(crate) fn file(text: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("gateway-{}-{}.yaml", process::id(), COUNT.fetch_add(1, Relaxed));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).expect("a file");
    file
}

/// Stops a gateway that has served one request, and returns the span of that.
#[track_caller]
pub(crate) fn span_of(gateway: Gateway) -> Value {
    server_and_call(&gateway.spans()).0
}

/// Takes apart the spans of one request: the one of serving it and, where the upstream was called, the one of that,
/// which is its child.
#[track_caller]
pub(crate) fn server_and_call(spans: &[Value]) -> (Value, Option<Value>) {
    let of_kind = |kind: &str| -> Vec<Value> { spans.iter().filter(|span| span["kind"] == kind).cloned().collect() };
    let [server] = &of_kind("server")[..] else { panic!("not one server span: {spans:?}") };
    match &of_kind("client")[..] {
        [] => (server.clone(), None),
        [call] => {
            assert_eq!(call["trace_id"], server["trace_id"]);
            assert_eq!(call["parent_id"], server["span_id"]);
            assert_eq!(call["sampled"], server["sampled"]);
            (server.clone(), Some(call.clone()))
        }
        _ => panic!("more than one client span: {spans:?}"),
    }
}

/// Runs the program where it is to refuse, and returns its exit code and what it says.
pub(crate) fn refused(args: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = Command::new(BINARY).args(args).output().expect("the gateway starts");
    assert_eq!(String::from_utf8_lossy(&stdout), "");
    (status.code().expect("an exit code"), String::from_utf8_lossy(&stderr).into_owned())
}
