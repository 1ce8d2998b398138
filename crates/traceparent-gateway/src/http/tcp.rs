use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// The time without traffic after which the system asks whether the peer is there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The time between two questions without an answer.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How much may wait in the system to be sent, in bytes.
#[cfg(any(target_os = "android", target_os = "linux"))]
const UNSENT: u32 = 128 * 1024;

/// Sets what makes a connection quick, lets the system notice a lost peer, and lets writing tell how much a peer takes; it works
/// without.
///
/// By itself, the system takes megabytes, and then nothing until a third of them has gone: a slow peer cannot be told from one that
/// reads nothing.
pub(crate) fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&keep_alive);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
}
