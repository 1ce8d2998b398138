//! Nanoseconds, instructions and allocations of every operation, as tables and a chart; see `benches/report`.

mod chart;
mod documents;

use std::{
    collections::HashMap,
    env, fs,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use traceparent_benches::{OTEL, OURS, Operation, all};

/// How often each operation gets its turn; the best turn counts, because machines are noisy.
const ROUNDS: u32 = 200;

/// How long a turn takes, about.
const TURN: Duration = Duration::from_micros(100);

/// How often an operation is done for its instructions to be counted.
const TIMES: u64 = 1000;

/// How much of a committed count may be added.
const TOLERANCE: f64 = 1.10;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => table(),
        ["--write"] => documents::write(&measured()),
        ["--only", name, library, times] => only(name, library, times),
        ["--gate", file] => return gate(file),
        ["--update", file] => update(file),
        _ => panic!("no arguments, or --write, or --gate FILE, or --update FILE"),
    }
    ExitCode::SUCCESS
}

/// Does one operation the given number of times: the part that is run under callgrind.
fn only(name: &str, library: &str, times: &str) {
    let mut all = all();
    let operation = all.iter_mut().find(|operation| operation.name == name && operation.library == library).unwrap();
    counted(operation, times.parse().unwrap());
}

/// What callgrind counts, known to it by this name.
#[inline(never)]
fn counted(operation: &mut Operation, times: u64) {
    (operation.run)(times);
}

/// Instructions of one operation, by callgrind.
fn instructions(operation: &Operation) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted*"])
        .arg(env::current_exe().unwrap())
        .args(["--only", &operation.name, operation.library, &TIMES.to_string()])
        .stdout(Stdio::null())
        .output()
        .expect("valgrind is needed to count instructions");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let collected: f64 = collected.unwrap_or_else(|| panic!("callgrind said: {text}")).1.trim().parse().unwrap();
    collected / TIMES as f64
}

fn nanoseconds(all: &mut [Operation]) -> Vec<f64> {
    let time = |operation: &mut Operation, times: u64| {
        let start = Instant::now();
        (operation.run)(times);
        start.elapsed()
    };
    let times: Vec<u64> = all
        .iter_mut()
        .map(|operation| {
            let once = time(operation, 1000).as_nanos() / 1000;
            (TURN.as_nanos() / once.max(1)).max(10) as u64
        })
        .collect();
    let mut best = vec![f64::MAX; all.len()];
    for _ in 0..ROUNDS {
        for ((operation, times), best) in all.iter_mut().zip(&times).zip(&mut best) {
            // Twice, because the first to read an input fetches it into the cache for the others.
            for _ in 0..2 {
                *best = best.min(time(operation, *times).as_nanos() as f64 / *times as f64);
            }
        }
    }
    best
}

fn allocations() -> HashMap<(String, String), String> {
    let program = env::current_exe().unwrap().with_file_name("allocations");
    let output = Command::new(program).output().expect("the program `allocations` is built together with this one");
    let text = String::from_utf8(output.stdout).unwrap();
    let fields = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    fields.map(|fields| ((fields[0].clone(), fields[1].clone()), fields[2].clone())).collect()
}

fn table() {
    let mut all = all();
    let (times, allocations) = (nanoseconds(&mut all), allocations());
    println!("| operation | library | ns | instructions | allocations | ns, to ours |");
    println!("|---|---|---|---|---|---|");
    let ours: HashMap<String, f64> = all
        .iter()
        .zip(&times)
        .filter(|(operation, _)| operation.library == OURS)
        .map(|(operation, time)| (operation.name.clone(), *time))
        .collect();
    for (operation, time) in all.iter().zip(&times) {
        let Operation { name, library, .. } = operation;
        let ratio = match ours.get(name) {
            Some(ours) if *library != OURS => format!("{:.1}x", time / ours),
            _ => String::new(),
        };
        let allocations = &allocations[&(name.clone(), (*library).to_owned())];
        println!("| {name} | {library} | {time:.1} | {:.0} | {allocations} | {ratio} |", instructions(operation));
    }
}

/// What was measured of one operation.
struct Row {
    operation: String,
    nanoseconds: f64,
    instructions: f64,
    allocations: String,
    /// Nanoseconds of the OpenTelemetry SDK.
    sdk: Option<f64>,
    /// The fastest of the other libraries, and its nanoseconds.
    fastest: Option<(&'static str, f64)>,
}

/// Measures every operation that is ours beside the others.
fn measured() -> Vec<Row> {
    let mut all = all();
    let (times, allocations) = (nanoseconds(&mut all), allocations());
    let measured: Vec<_> = all.iter().zip(times).collect();
    let ours = measured.iter().filter(|(operation, _)| operation.library == OURS);
    ours.map(|(operation, time)| {
        let others = || measured.iter().filter(|(other, _)| other.name == operation.name && other.library != OURS);
        let fastest = others().filter(|(other, _)| other.library != OTEL).min_by(|(_, a), (_, b)| a.total_cmp(b));
        Row {
            operation: operation.name.clone(),
            nanoseconds: *time,
            instructions: instructions(operation),
            allocations: allocations[&(operation.name.clone(), OURS.to_owned())].clone(),
            sdk: others().find(|(other, _)| other.library == OTEL).map(|(_, time)| *time),
            fastest: fastest.map(|(other, time)| (other.library, *time)),
        }
    })
    .collect()
}

/// The operations whose instructions are watched.
const WATCHED: [&str; 15] = [
    "parse",
    "refuse, last byte bad",
    "refuse, upper case",
    "refuse, one byte more",
    "encode",
    "tracestate, validate 3",
    "tracestate, validate 32",
    "tracestate, update 3",
    "HeaderMap, extract 3",
    "hop 1",
    "b3, read",
    "xray, read",
    "datadog, read",
    "log line in JSON",
    "log line of text",
];

fn watched() -> impl Iterator<Item = (String, f64)> {
    let ours = all().into_iter().filter(|operation| operation.library == OURS);
    ours.filter(|operation| WATCHED.contains(&&*operation.name))
        .map(|operation| (operation.name.clone(), instructions(&operation)))
}

fn update(file: &str) {
    let lines: String = watched().map(|(name, count)| format!("{count:.0}\t{name}\n")).collect();
    fs::write(file, lines).unwrap();
}

/// Compares with the committed counts.
fn gate(file: &str) -> ExitCode {
    let text = fs::read_to_string(file).unwrap();
    let committed: HashMap<&str, f64> = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(count, name)| (name, count.parse().unwrap()))
        .collect();
    let mut failed = false;
    for (name, count) in watched() {
        let limit = committed[&*name];
        let verdict = if count > limit * TOLERANCE { "TOO MANY" } else { "ok" };
        failed |= count > limit * TOLERANCE;
        println!("{name}: {count:.0} instructions, {limit:.0} committed: {verdict}");
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
