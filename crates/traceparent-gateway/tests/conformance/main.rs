//! A table of raw requests and raw answers, played through a proxy: what the upstream must read and what the client must get.
//!
//! The rows are text, in `rows`; `rows/README.md` explains them. The gateway's column is a test. Those of nginx and HAProxy
//! are for comparison.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod frames;
mod message;
mod play;
mod proxy;
mod row;
mod text;

use std::{collections::BTreeSet, env, fs, net::TcpListener, path::Path, sync::Mutex, thread};

use proxy::Proxy;
use row::Row;

/// The number of rows that are played at a time: most wait for nothing, and in some a proxy has a second for its answer.
const AT_A_TIME: usize = 16;

/// Reads all rows, in the order of the files' names.
fn rows() -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/rows");
    let mut files: Vec<_> = fs::read_dir(folder).expect("rows").map(|entry| entry.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let rows: Vec<_> = files.iter().flat_map(|file| Row::all(&fs::read_to_string(file).expect("text"))).collect();
    let names: BTreeSet<_> = rows.iter().map(|row| &row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows have one name");
    rows
}

/// Plays rows through a proxy, some at a time, and returns the names of those that depart, with how.
fn departures<'r>(start: fn(&[(&Row, u16)]) -> Option<Proxy>, rows: &[&'r Row]) -> Vec<(&'r Row, String)> {
    let upstreams: Vec<_> = rows.iter().map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    let wanted: Vec<_> = rows.iter().zip(&upstreams).map(|(row, upstream)| (*row, port(upstream))).collect();
    let proxy = Proxy::start(|| start(&wanted));
    let jobs = rows.iter().copied().zip(upstreams).zip(proxy.addresses.iter().copied());
    let jobs = Mutex::new(jobs.collect::<Vec<_>>().into_iter());
    let departures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let next = || jobs.lock().unwrap().next();
                while let Some(((row, upstream), address)) = next() {
                    if let Err(why) = play::play(row, address, upstream) {
                        departures.lock().unwrap().push((row, why));
                    }
                }
            });
        }
    });
    departures.into_inner().unwrap()
}

#[test]
fn the_gateway_departs_nowhere() {
    let rows = rows();
    let departures = departures(Proxy::gateway, &rows.iter().collect::<Vec<_>>());
    for (row, why) in &departures {
        println!("{} ({}): {why}", row.name, row.section);
    }
    assert!(departures.is_empty(), "{} of {} rows depart", departures.len(), rows.len());
}

#[test]
#[ignore = "needs nginx and HAProxy, whose programs the environment names"]
fn references_depart_here() {
    let rows = rows();
    for (variable, start) in [
        ("CONFORMANCE_NGINX", Proxy::nginx as fn(&[(&Row, u16)]) -> Option<Proxy>),
        ("CONFORMANCE_HAPROXY", Proxy::haproxy),
    ] {
        let Ok(program) = env::var(variable) else { continue };
        let comparable: Vec<_> = rows.iter().filter(|row| row.is_comparable(variable)).collect();
        let departures = departures(start, &comparable);
        println!("{program}: {} of {} rows depart", departures.len(), comparable.len());
        for (row, why) in departures {
            println!("  {} ({}): {why}", row.name, row.section);
        }
    }
}
