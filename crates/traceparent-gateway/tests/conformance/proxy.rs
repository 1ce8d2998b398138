use std::{
    fmt::Write,
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::row::Row;

/// A proxy's process, with a listener for each row.
pub(crate) struct Proxy {
    pub(crate) addresses: Vec<SocketAddr>,
    child: Child,
    file: PathBuf,
}

impl Proxy {
    /// Starts a proxy, again with other ports if another program has taken one of them.
    pub(crate) fn start(try_start: impl Fn() -> Option<Self>) -> Self {
        (0..5).find_map(|_| try_start()).expect("a proxy")
    }

    /// Starts the gateway in front of these upstreams' ports.
    pub(crate) fn gateway(rows: &[(&Row, u16)]) -> Option<Self> {
        let addresses = free(rows.len());
        let mut text = "listeners:\n".to_owned();
        for ((row, port), address) in rows.iter().zip(&addresses) {
            let port = if row.rule("route to").is_some() { address.port() } else { *port };
            let _ = writeln!(text, "  - address: {address}");
            for line in &row.listener {
                let _ = writeln!(text, "    {line}");
            }
            let _ = writeln!(text, "    routes:\n      - prefix: /\n        upstream: http://127.0.0.1:{port}");
            if row.has_http2_upstream() {
                text.push_str("        http2: true\n");
            }
            for line in &row.route {
                let _ = writeln!(text, "        {line}");
            }
        }
        let file = file("gateway", &text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_traceparent-gateway"));
        Self::spawn(command.arg("run").arg("--config").arg(&file), addresses, file)
    }

    /// Starts nginx.
    pub(crate) fn nginx(rows: &[(&Row, u16)]) -> Option<Self> {
        let addresses = free(rows.len());
        let folder = std::env::temp_dir().join(format!("conformance-nginx-folder-{}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let folder = folder.display();
        let mut text = format!("daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n");
        let _ = writeln!(text, "events {{ worker_connections 2000; }} http {{ access_log off;");
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let _ = writeln!(text, "{kind}_temp_path {folder}/{kind};");
        }
        for ((row, port), address) in rows.iter().zip(&addresses) {
            let protocol = if row.has_http2_client() { " http2" } else { "" };
            let _ = writeln!(
                text,
                "server {{ listen {address}{protocol}; location / {{ proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_pass http://127.0.0.1:{port}; }} }}"
            );
        }
        text.push('}');
        let file = file("nginx", &text);
        let mut command = Command::new(std::env::var("CONFORMANCE_NGINX").expect("a program"));
        Self::spawn(command.args(["-e", "stderr", "-c"]).arg(&file), addresses, file)
    }

    /// Starts HAProxy.
    pub(crate) fn haproxy(rows: &[(&Row, u16)]) -> Option<Self> {
        let addresses = free(rows.len());
        let mut text = "global\n  maxconn 2000\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n".to_owned();
        for (number, ((row, port), address)) in rows.iter().zip(&addresses).enumerate() {
            let protocol = if row.has_http2_upstream() { " proto h2" } else { "" };
            let _ =
                writeln!(text, "listen row{number}\n  bind {address}\n  server upstream 127.0.0.1:{port}{protocol}");
        }
        let file = file("haproxy", &text);
        let mut command = Command::new(std::env::var("CONFORMANCE_HAPROXY").expect("a program"));
        Self::spawn(command.args(["-q", "-f"]).arg(&file), addresses, file)
    }

    /// Starts a proxy, and returns it when it listens, or `None` if it ends.
    fn spawn(command: &mut Command, addresses: Vec<SocketAddr>, file: PathBuf) -> Option<Self> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the proxy starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(drop));
        let mut proxy = Self { addresses, child, file };
        loop {
            let listens = proxy.addresses.iter().all(|address| TcpStream::connect(address).is_ok());
            if let Some(ended) = proxy.child.try_wait().expect("a child") {
                println!("the proxy ended: {ended}");
                return None;
            }
            if listens {
                return Some(proxy);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.file);
    }
}

/// Returns addresses whose ports were free.
fn free(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("an address")).collect()
}

fn file(name: &str, text: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("conformance-{name}-{}", process::id()));
    fs::write(&file, text).expect("a file");
    file
}
