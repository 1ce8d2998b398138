use std::convert::Infallible;

use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Frame, Incoming},
    header::HeaderValue,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

type TestBody = InsertingBody<UnsyncBoxBody<Bytes, Infallible>>;

fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
}

/// A body of these pieces and trailers.
fn body(insertions: &Insertions, pieces: &[&'static str], trailers: &[(&'static str, &'static str)]) -> TestBody {
    let data = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
    let frames: Vec<_> = data.chain([Ok(Frame::trailers(fields(trailers)))]).collect();
    InsertingBody::new(StreamBody::new(tokio_stream::iter(frames)).boxed_unsync(), Some(insertions.clone()))
}

/// Answers the requests over a stream that holds this many bytes, and returns all that is written.
async fn written<F>(room: usize, requests: String, answer: impl Fn(Request<Incoming>, Insertions) -> F) -> String
where
    F: Future<Output = Response<TestBody>>,
{
    let (mut client, server) = duplex(room);
    let insertions = Insertions::default();
    let stream = TokioIo::new(InsertingStream::new(server, insertions.clone()));
    let service = service_fn(|request: Request<Incoming>| {
        let answered = answer(request, insertions.clone());
        async { Ok::<_, Infallible>(answered.await) }
    });
    let serve = async {
        http1::Builder::new().auto_date_header(false).half_close(true).serve_connection(stream, service).await.unwrap();
    };
    let talk = async {
        let (mut reader, mut writer) = tokio::io::split(&mut client);
        let send = async {
            writer.write_all(requests.as_bytes()).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let mut text = String::new();
        let receive = reader.read_to_string(&mut text);
        tokio::join!(send, receive).1.unwrap();
        text
    };
    tokio::join!(serve, talk).1
}

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn trailers_stand_where_the_last_chunk_was() {
    for room in [1, 2, 3, 5, 7, 16, 4096] {
        let text = written(room, GET.repeat(3), |_, insertions| async move {
            // The first piece ends like a body.
            Response::new(body(&insertions, &["0\r\n\r\n", "ok"], &[("x-a", "1"), ("x-b", "2")]))
        });
        let expected = format!("{HEAD}5\r\n0\r\n\r\n\r\n2\r\nok\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n");
        assert_eq!(text.await, expected.repeat(3), "{room}");
    }
}

#[tokio::test]
async fn interim_responses_stand_between_two_messages() {
    for room in [1, 2, 3, 5, 7, 16, 4096] {
        let text = written(room, GET.repeat(3), |_, insertions| async move {
            for status in [StatusCode::PROCESSING, StatusCode::EARLY_HINTS] {
                let mut interim = Response::new(());
                *interim.status_mut() = status;
                *interim.headers_mut() = fields(&[("x-a", "1")]);
                insertions.write_interim(&interim).await;
            }
            Response::new(body(&insertions, &["ok"], &[]))
        });
        let interim = "HTTP/1.1 102 Processing\r\nx-a: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nx-a: 1\r\n\r\n";
        assert_eq!(text.await, format!("{interim}{HEAD}2\r\nok\r\n0\r\n\r\n").repeat(3), "{room}");
    }
}

const POST: &str = "POST / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\nhi";

/// Reads the body of a request, with or without an interim response before.
async fn read(request: Request<Incoming>, insertions: Insertions, interim: Option<StatusCode>) -> Response<TestBody> {
    insertions.drop_continue().await;
    if let Some(status) = interim {
        let mut response = Response::new(());
        *response.status_mut() = status;
        insertions.write_interim(&response).await;
    }
    assert_eq!(request.collect().await.unwrap().to_bytes(), "hi");
    Response::new(body(&insertions, &["ok"], &[]))
}

#[tokio::test]
async fn the_library_writes_no_interim_response_of_its_own() {
    let answer = format!("{HEAD}2\r\nok\r\n0\r\n\r\n");
    for room in [1, 7, 4096] {
        let text = written(room, POST.repeat(3), |request, insertions| read(request, insertions, None)).await;
        assert_eq!(text, answer.repeat(3), "{room}");
        let status = Some(StatusCode::CONTINUE);
        let text = written(room, POST.repeat(3), |request, insertions| read(request, insertions, status)).await;
        assert_eq!(text, format!("HTTP/1.1 100 Continue\r\n\r\n{answer}").repeat(3), "{room}");
    }
}

#[tokio::test]
async fn other_bytes_stay_as_they_are() {
    let (mut far, near) = duplex(4096);
    let insertions = Insertions::default();
    let mut stream = InsertingStream::new(near, insertions.clone());
    for bytes in [CONTINUE, LAST_CHUNK, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", CONTINUE, LAST_CHUNK] {
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        let mut read = vec![0; bytes.len()];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!(read, bytes);
    }
}
