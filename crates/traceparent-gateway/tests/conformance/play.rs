use std::{
    io::{BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use crate::{
    frames::{self, Frame},
    message::Message,
    row::{Row, Step},
    text::bytes,
};

/// The time after which a proxy counts as silent. No row that holds waits for it.
const SILENCE: Duration = Duration::from_secs(8);

/// What the client got: an outcome (a status, `cut`, `closed` or `silent`) and the message.
type Outcome = (String, Message);

/// Plays a row and checks all that it demands.
pub(crate) fn play(row: &Row, proxy: SocketAddr, upstream: TcpListener) -> Result<(), String> {
    let (sender, received) = channel();
    let (steps, early, http2) = (row.upstream.clone(), row.early, row.has_http2_upstream());
    thread::spawn(move || serve(&upstream, &steps, early, http2, &sender));
    let wanted: Vec<_> = row.rule("client").unwrap_or("200").split(", ").collect();
    let (interim, outcomes) =
        if row.has_http2_client() { http2_client(row, proxy) } else { http1_client(row, proxy, wanted.len()) };
    let requests: Vec<_> = received.try_iter().collect();
    check(row, &wanted, &interim, &outcomes, &requests)
}

fn check(row: &Row, wanted: &[&str], interim: &[u16], got: &[Outcome], read: &[Message]) -> Result<(), String> {
    let outcomes: Vec<_> = got.iter().map(|(outcome, _)| outcome.as_str()).collect();
    let fits = |(wanted, got): (&&str, &&str)| wanted.split('|').any(|wanted| wanted == *got);
    if outcomes.len() != wanted.len() || !wanted.iter().zip(&outcomes).all(fits) {
        return Err(format!("the client got {outcomes:?}, not {wanted:?}"));
    }
    // Where the row allows a refusal, what is forwarded matters only if something is.
    let refused = read.is_empty() && wanted.iter().any(|wanted| wanted.contains('|'));
    let failed =
        got.last().is_some_and(|(outcome, _)| outcome == "502") && wanted.iter().any(|wanted| wanted.contains('|'));
    for (key, value) in &row.rules {
        let message = if key.starts_with("upstream") { read.last() } else { got.last().map(|got| &got.1) };
        let holds = match key.as_str() {
            "client" | "route to" => true,
            "client interim" => interim.iter().map(u16::to_string).collect::<Vec<_>>().join(" ") == *value,
            "upstream" if value == "none" => read.is_empty(),
            "upstream count" => read.len().to_string() == *value,
            key if key.starts_with("upstream") && refused => true,
            key if key.starts_with("client") && (refused || failed) => true,
            key => match (key.split_once(' ').map(|key| key.1), message) {
                (_, None) => false,
                (None, Some(message)) => message.first == *value,
                (Some("has"), Some(message)) => {
                    let (name, value) = value.split_once(": ").expect("a field");
                    let value: String = bytes(value).iter().copied().map(char::from).collect();
                    message.value(name) == Some(value)
                }
                (Some("lacks"), Some(message)) => message.value(value).is_none(),
                (Some("body"), Some(message)) => message.complete && message.body == bytes(value),
                (Some("trailer"), Some(message)) => {
                    message.trailers.iter().any(|field| format!("{}: {}", field.0, field.1) == *value)
                }
                (Some("lacks trailer"), Some(message)) => message.trailers.iter().all(|field| field.0 != *value),
                _ => panic!("no rule: {key}"),
            },
        };
        if !holds {
            let message =
                message.map(|message| (&message.first, &message.fields, message.body.len(), &message.trailers));
            let read = read.len();
            return Err(format!(
                "not so: {key}: {value}; requests read: {read}; interim: {interim:?}; it is {message:?}"
            ));
        }
    }
    Ok(())
}

fn connect(proxy: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(proxy).expect("a connection");
    stream.set_read_timeout(Some(SILENCE)).expect("a limit");
    stream.set_write_timeout(Some(SILENCE)).expect("a limit");
    stream.set_nodelay(true).expect("no delay");
    BufReader::new(stream)
}

/// Takes the steps that need no reading. A failed write is no fault: the proxy may have answered and closed.
fn take(step: &Step, stream: &mut TcpStream, current: u32) {
    let _ = match step {
        Step::Write(bytes) => stream.write_all(bytes),
        Step::Frame(frame) => frame.write(stream, current),
        Step::Shut => stream.shutdown(Shutdown::Write),
        Step::Close => stream.shutdown(Shutdown::Both),
        Step::Pause => {
            thread::sleep(Duration::from_millis(300));
            Ok(())
        }
        Step::Answer | Step::Next => Ok(()),
    };
}

fn http1_client(row: &Row, proxy: SocketAddr, responses: usize) -> (Vec<u16>, Vec<Outcome>) {
    let mut stream = connect(proxy);
    let mut steps = row.client.iter();
    let mut interim = Vec::new();
    let mut outcomes = Vec::new();
    let head_only = matches!(row.client.first(), Some(Step::Write(line)) if line.starts_with(b"HEAD "));
    while outcomes.len() < responses {
        for step in steps.by_ref().take_while(|step| !matches!(step, Step::Answer)) {
            take(step, stream.get_mut(), 0);
        }
        match response(&mut stream, head_only) {
            (_, message) if (100..200).contains(&message.status()) && message.status() != 101 => {
                interim.push(message.status());
            }
            (outcome, mut message) if outcome == "101" => {
                for step in steps.by_ref() {
                    take(step, stream.get_mut(), 0);
                }
                let _ = stream.get_mut().shutdown(Shutdown::Write);
                message.complete = stream.read_to_end(&mut message.body).is_ok();
                outcomes.push((outcome, message));
            }
            outcome => {
                let ended = outcome.1.status() == 0 || !outcome.1.complete;
                outcomes.push(outcome);
                if ended {
                    break;
                }
            }
        }
    }
    (interim, outcomes)
}

fn response(stream: &mut BufReader<TcpStream>, head_only: bool) -> Outcome {
    use std::io::{BufRead, ErrorKind};
    match stream.fill_buf() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => return ("silent".to_owned(), Message::default()),
        Ok([]) | Err(_) => return ("closed".to_owned(), Message::default()),
        Ok(_) => {}
    }
    let Some(mut message) = Message::head(stream) else { return ("garbage".to_owned(), Message::default()) };
    let status = message.status();
    if head_only || matches!(status, 100..200 | 204 | 304) {
        message.complete = true;
    } else {
        message.read_body(stream, true);
    }
    let outcome = if message.complete { status.to_string() } else { "cut".to_owned() };
    (outcome, message)
}

fn http2_client(row: &Row, proxy: SocketAddr) -> (Vec<u16>, Vec<Outcome>) {
    let mut stream = connect(proxy);
    let _ = stream.get_mut().write_all(frames::PREFACE);
    let _ = Frame::settings().write(stream.get_mut(), 0);
    for step in &row.client {
        take(step, stream.get_mut(), 0);
    }
    let (mut interim, mut message) = (Vec::new(), Message::default());
    let outcome = loop {
        let Some(frame) = Frame::read(&mut stream) else {
            break if message.status() == 0 { "reset" } else { "cut" }.to_owned();
        };
        match frame.kind {
            frames::SETTINGS | frames::PING if frame.flags & frames::ACK == 0 => {
                let _ = frame.ack().write(stream.get_mut(), 0);
            }
            frames::HEADERS => match frame.status() {
                Some(status @ 100..200) => interim.push(status),
                Some(status) => message.first = format!("HTTP/2 {status}"),
                None => {}
            },
            frames::DATA => message.body.extend(&frame.payload),
            frames::GOAWAY if message.status() == 0 => break "reset".to_owned(),
            frames::RST_STREAM => break if message.status() == 0 { "reset" } else { "cut" }.to_owned(),
            _ => {}
        }
        if matches!(frame.kind, frames::HEADERS | frames::DATA) && frame.flags & frames::END_STREAM != 0 {
            message.complete = true;
            break message.status().to_string();
        }
    };
    (interim, vec![(outcome, message)])
}

/// The answers of an upstream: one for each request, whatever its connection. The last one repeats.
struct Answers {
    parts: Vec<Vec<Step>>,
    taken: AtomicUsize,
}

impl Answers {
    fn next(&self) -> &[Step] {
        &self.parts[self.taken.fetch_add(1, Relaxed).min(self.parts.len() - 1)]
    }
}

fn split(steps: &[Step]) -> Vec<Vec<Step>> {
    steps.split(|step| matches!(step, Step::Next)).map(<[Step]>::to_vec).collect()
}

/// Serves connections until the test's process ends.
fn serve(listener: &TcpListener, steps: &[Step], early: bool, http2: bool, sender: &Sender<Message>) {
    let answers = Arc::new(Answers { parts: split(steps), taken: AtomicUsize::new(0) });
    while let Ok((stream, _)) = listener.accept() {
        let (answers, sender) = (Arc::clone(&answers), sender.clone());
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(4 * SILENCE));
        let stream = BufReader::new(stream);
        thread::spawn(move || {
            if http2 {
                http2_upstream(stream, &answers, early, &sender);
            } else {
                http1_upstream(stream, &answers, early, &sender);
            }
        });
    }
}

fn http1_upstream(mut stream: BufReader<TcpStream>, answers: &Answers, early: bool, sender: &Sender<Message>) {
    while let Some(mut request) = Message::head(&mut stream) {
        if !early && request.value("expect").is_none() {
            request.read_body(&mut stream, false);
        }
        // The test may have ended.
        let expects = request.value("expect").is_some();
        if !expects {
            let _ = sender.send(request.clone());
        }
        let steps = answers.next();
        if steps.is_empty() {
            let _ = stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        let mut switched = false;
        for step in steps {
            if let Step::Write(line) = step {
                switched |= line.starts_with(b"HTTP/1.1 101");
            }
            if matches!(step, Step::Answer) {
                request.read_body(&mut stream, false);
                let _ = sender.send(request.clone());
            } else {
                take(step, stream.get_mut(), 0);
            }
        }
        if switched {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let _ = stream.get_mut().write_all(&bytes);
            return;
        }
    }
}

fn http2_upstream(mut stream: BufReader<TcpStream>, answers: &Answers, early: bool, sender: &Sender<Message>) {
    let mut preface = [0; 24];
    if stream.read_exact(&mut preface).is_err() {
        return;
    }
    let _ = Frame::settings().write(stream.get_mut(), 0);
    let mut message = Message { first: "HTTP/2".to_owned(), complete: true, ..Message::default() };
    while let Some(frame) = http2_frame(&mut stream, &mut message) {
        let mut ends = http2_ends(&frame);
        let begins = frame.kind == frames::HEADERS;
        if !(if early { begins } else { ends }) {
            continue;
        }
        let steps = answers.next();
        let reads = steps.iter().any(|step| matches!(step, Step::Answer));
        if !reads {
            let _ = sender.send(message.clone());
        }
        for step in steps {
            if matches!(step, Step::Answer) {
                while !ends && let Some(frame) = http2_frame(&mut stream, &mut message) {
                    ends = http2_ends(&frame);
                }
                let _ = sender.send(message.clone());
            } else {
                take(step, stream.get_mut(), frame.stream);
            }
        }
        message.body.clear();
    }
}

/// Reads a frame, answers it if it wants an answer, and keeps its data.
fn http2_frame(stream: &mut BufReader<TcpStream>, message: &mut Message) -> Option<Frame> {
    let frame = Frame::read(stream)?;
    match frame.kind {
        frames::SETTINGS | frames::PING if frame.flags & frames::ACK == 0 => {
            let _ = frame.ack().write(stream.get_mut(), 0);
        }
        frames::DATA => message.body.extend(&frame.payload),
        _ => {}
    }
    Some(frame)
}

fn http2_ends(frame: &Frame) -> bool {
    matches!(frame.kind, frames::HEADERS | frames::DATA) && frame.flags & frames::END_STREAM != 0
}
