use std::{
    convert::Infallible,
    fs,
    io::{self, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use http_body_util::Full;
use hyper::{
    Request,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use tokio_rustls::TlsAcceptor;

use super::{Head, Response, impatient};

/// A folder of PEM files that goes with the test.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("tls-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.0.join(name), text).expect("a file");
        self.path(name)
    }

    /// Writes `name.pem` and `name.key`.
    pub(crate) fn write_pair(&self, name: &str, pair: &Pair) {
        self.write(&format!("{name}.pem"), &pair.certificate.pem());
        self.write(&format!("{name}.key"), &pair.key.serialize_pem());
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

/// An authority that signs certificates.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Signs a certificate for `localhost` and 127.0.0.1.
    pub(crate) fn server(&self) -> Pair {
        self.sign(&["localhost", "127.0.0.1"], |_| {})
    }

    /// Signs a certificate of a client.
    pub(crate) fn client(&self, name: &str) -> Pair {
        self.sign(&[], |params| params.distinguished_name.push(DnType::CommonName, name))
    }

    /// Signs a certificate for these names, changed by a function.
    pub(crate) fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair { certificate, key }
    }

    /// Signs a certificate whose time is over.
    pub(crate) fn expired(&self) -> Pair {
        self.sign(&["localhost"], |params| params.not_after = date_time_ymd(2020, 1, 1))
    }

    /// Signs a certificate whose time has not come.
    pub(crate) fn not_yet_valid(&self) -> Pair {
        self.sign(&["localhost"], |params| params.not_before = date_time_ymd(4000, 1, 1))
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        Arc::new(roots)
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// How a server of a test speaks TLS.
pub(crate) struct ServerTls<'a> {
    pub(crate) pair: Pair,
    /// The authority of the clients' certificates, if they need one.
    pub(crate) clients: Option<&'a Authority>,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) protocols: &'static [&'static str],
}

impl<'a> ServerTls<'a> {
    pub(crate) fn new(pair: Pair) -> Self {
        Self { pair, clients: None, versions: rustls::ALL_VERSIONS.to_vec(), protocols: &["h2", "http/1.1"] }
    }

    pub(crate) fn for_clients_of(self, authority: &'a Authority) -> Self {
        Self { clients: Some(authority), ..self }
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(&self.versions).expect("versions");
        let builder = match self.clients {
            Some(authority) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(authority.roots(), provider()).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
            None => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::try_from(self.pair.key.serialize_der()).expect("a key");
        let mut config = builder.with_single_cert(vec![self.pair.certificate.der().clone()], key).expect("a pair");
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A service that answers `ok` over TLS, and tells which requests it received.
pub(crate) struct TlsUpstream {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) received: UnboundedReceiver<Request<()>>,
}

impl TlsUpstream {
    pub(crate) async fn start(tls: ServerTls<'_>) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.expect("a port"), &tls)
    }

    /// Starts a service at a place that is taken already.
    pub(crate) fn start_on(listener: TcpListener, tls: &ServerTls<'_>) -> Self {
        let address = listener.local_addr().expect("an address");
        let acceptor = TlsAcceptor::from(tls.config());
        let (sender, received) = unbounded_channel();
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let stream = listener.accept().await.expect("a connection").0;
                let (acceptor, sender, count) = (acceptor.clone(), sender.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    count.fetch_add(1, Relaxed);
                    let service = service_fn(move |request: Request<Incoming>| {
                        let _ = sender.send(request.map(drop));
                        async { Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from("ok")))) }
                    });
                    let server = auto::Builder::new(TokioExecutor::new());
                    drop(server.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { address, connections, received }
    }
}

/// How a client of a test speaks TLS.
#[derive(Clone)]
pub(crate) struct ClientTls {
    pub(crate) roots: Arc<RootCertStore>,
    /// The certificate of the client, and its key.
    pub(crate) pair: Option<Arc<Pair>>,
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    pub(crate) protocols: &'static [&'static str],
}

impl ClientTls {
    /// A client that trusts an authority, and speaks HTTP/1.1.
    pub(crate) fn trusting(authority: &Authority) -> Self {
        let versions = rustls::ALL_VERSIONS.to_vec();
        Self { roots: authority.roots(), pair: None, versions, protocols: &["http/1.1"] }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let builder =
            ClientConfig::builder_with_provider(provider()).with_protocol_versions(&self.versions).expect("versions");
        let builder = builder.with_root_certificates(Arc::clone(&self.roots));
        let mut config = match &self.pair {
            Some(pair) => {
                let key = PrivateKeyDer::try_from(pair.key.serialize_der()).expect("a key");
                builder.with_client_auth_cert(vec![pair.certificate.der().clone()], key).expect("a pair")
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A client's connection over TLS.
pub(crate) struct TlsConnection {
    pub(crate) stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl TlsConnection {
    /// Connects, and performs the handshake.
    pub(crate) fn open(address: SocketAddr, tls: &ClientTls) -> io::Result<Self> {
        let stream = TcpStream::connect(address).expect("a connection");
        impatient(&stream);
        let session = ClientConnection::new(tls.config(), "localhost".try_into().expect("a name")).expect("a session");
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        let certificates = self.stream.get_ref().conn.peer_certificates().expect("certificates");
        certificates[0].clone().into_owned()
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("the gateway reads");
    }

    /// Ends this side of the session.
    pub(crate) fn close_writing(&mut self) {
        let stream = self.stream.get_mut();
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock).expect("the gateway reads");
    }

    /// Reads a whole response, or fails with the session.
    pub(crate) fn try_response(&mut self) -> io::Result<Response> {
        use std::io::BufRead;

        self.stream.fill_buf()?;
        let head = Head::read(&mut self.stream).ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.first_line.split(' ').nth(1).expect("a status").parse().expect("a number");
        let body = String::from_utf8(head.read_body(&mut self.stream)).expect("text");
        Ok(Response { status, head, body })
    }

    /// Gets `/`.
    pub(crate) fn get(&mut self) -> io::Result<Response> {
        self.write("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        self.try_response()
    }
}

/// Starts a server that hands what it receives over TLS to another one, and counts its connections.
pub(crate) fn tls_in_front_of(tls: &ServerTls<'_>, to: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let (address, acceptor) = (listener.local_addr().expect("an address"), TlsAcceptor::from(tls.config()));
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            listener.set_nonblocking(true).expect("a listener");
            let listener = TcpListener::from_std(listener).expect("a listener");
            loop {
                let stream = listener.accept().await.expect("a connection").0;
                let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    count.fetch_add(1, Relaxed);
                    let mut behind = tokio::net::TcpStream::connect(to).await.expect("a connection");
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
    });
    (address, connections)
}
