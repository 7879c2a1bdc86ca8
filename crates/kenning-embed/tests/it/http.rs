//! An endpoint on this machine that misbehaves in every way that is known.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use kenning_embed::{Endpoint, Remote};
use kenning_index::Embedder;
use kenning_store::{BoxFuture, ErrorKind, Result, World};
use serde_json::{Value, json};

/// What the server does with one request.
enum Act {
    /// Answers with vectors of so many dimensions, the n-th text's all n + 1.
    Vectors(usize),
    /// Answers with a status, further headers, and a body.
    Says(u16, &'static str, String),
    /// Reads, and closes.
    Closes,
    /// Says less than it announced, and closes.
    Stops,
    /// Says nothing until the other side is gone.
    Hangs,
}

/// A world in which waiting takes no time, and is counted.
#[derive(Default)]
struct Waiting(AtomicU64);

impl World for Waiting {
    fn now_ms(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        0
    }

    fn sleep(&self, ms: u64) -> BoxFuture<'static, ()> {
        self.0.fetch_add(ms, Ordering::Relaxed);
        Box::pin(async {})
    }

    fn spawn(&self, _: &'static str, _: Box<dyn FnOnce() + Send>) {
        unreachable!("nothing here needs a thread");
    }
}

/// A server that does one act for each request, and answers with the requests that came.
fn serve(acts: Vec<Act>) -> (String, JoinHandle<Vec<(String, Value)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for act in acts {
            let (mut stream, _) = listener.accept().unwrap();
            let (head, body) = read(&mut stream);
            act.perform(&mut stream, &body);
            requests.push((head, body));
        }
        requests
    });
    (url, server)
}

impl Act {
    fn perform(self, stream: &mut TcpStream, request: &Value) {
        let texts = request["input"].as_array().unwrap().len();
        match self {
            Act::Vectors(dimensions) => say(stream, 200, "", &vectors(texts, dimensions)),
            Act::Says(status, headers, body) => say(stream, status, headers, &body),
            Act::Closes => {}
            Act::Stops => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"data\"")
                    .unwrap();
            }
            Act::Hangs => {
                let _ = stream.read(&mut [0]);
            }
        }
    }
}

fn vectors(texts: usize, dimensions: usize) -> String {
    // Backwards: the numbers say which is whose.
    let entry = |idx| {
        let mut embedding = vec![0.0; dimensions];
        embedding[idx % dimensions] = 2.5;
        json!({"index": idx, "embedding": embedding})
    };
    json!({"data": (0..texts).rev().map(entry).collect::<Vec<_>>()}).to_string()
}

fn say(stream: &mut TcpStream, status: u16, headers: &str, body: &str) {
    let size = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-length: {size}\r\n{headers}connection: close");
    // A client that has heard enough is gone.
    let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
}

fn read(stream: &mut TcpStream) -> (String, Value) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).unwrap();
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let size = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        if bytes.len() == end + 4 + size.parse::<usize>().unwrap() {
            return (head, serde_json::from_slice(&bytes[end + 4..]).unwrap());
        }
    }
}

/// What `texts` are, where three dimensions are expected, and how long was waited.
fn ask(acts: Vec<Act>, texts: &[&str]) -> (Result<Vec<f32>>, u64, Vec<(String, Value)>) {
    let (url, server) = serve(acts);
    let world = Arc::new(Waiting::default());
    let endpoint = Endpoint { dimensions: Some(3), timeout_ms: 300, ..Endpoint::new(url, "m") };
    let endpoint = Endpoint { key: Some("secret".to_owned()), ..endpoint };
    let remote = Remote::open(endpoint, Arc::clone(&world) as Arc<dyn World>).unwrap();
    let vectors = remote.embed(texts);
    if let Err(error) = &vectors {
        assert!(!format!("{error:?}").contains("secret"));
    }
    drop(remote);
    (vectors, world.0.load(Ordering::Relaxed), server.join().unwrap())
}

#[track_caller]
fn check(acts: Vec<Act>, kind: ErrorKind, code: &str) -> u64 {
    let (vectors, waited_ms, _) = ask(acts, &["a", "b"]);
    let error = vectors.unwrap_err();
    assert_eq!((error.kind(), error.code()), (kind, code), "{error}");
    waited_ms
}

fn says(status: u16, body: &str) -> Vec<Act> {
    vec![Act::Says(status, "", body.to_owned())]
}

#[test]
fn vectors_have_length_1_and_come_in_the_order_of_their_texts() {
    let (vectors, waited_ms, requests) = ask(vec![Act::Vectors(3)], &["a", "b"]);
    assert_eq!(vectors.unwrap(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(waited_ms, 0);
    let (head, body) = &requests[0];
    assert!(head.starts_with("post /v1/embeddings http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer secret"), "{head}");
    assert_eq!(*body, json!({"model": "m", "input": ["a", "b"], "encoding_format": "float"}));
}

#[test]
fn many_texts_are_several_requests() {
    let texts = vec!["a"; 70];
    let acts = (0..3).map(|_| Act::Vectors(3)).collect();
    let (vectors, _, requests) = ask(acts, &texts);
    assert_eq!(vectors.unwrap().len(), 70 * 3);
    let sizes: Vec<usize> =
        requests.iter().map(|r| r.1["input"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [32, 32, 6]);
}

#[test]
fn a_text_that_is_too_long_is_cut() {
    let text = "word ".repeat(10_000);
    let (vectors, _, requests) = ask(vec![Act::Vectors(3)], &[&text]);
    assert_eq!(vectors.unwrap().len(), 3);
    assert_eq!(requests[0].1["input"][0].as_str().unwrap().len(), 256 * 5 - 1);
}

#[test]
fn dimensions_are_asked_for() {
    let (url, server) = serve(vec![Act::Vectors(5), Act::Vectors(5)]);
    let remote = Remote::open(Endpoint::new(url, "m"), Arc::new(Waiting::default())).unwrap();
    assert_eq!((remote.dimensions(), remote.model_id()), (5, "http:m:5"));
    assert_eq!(remote.embed(&["a"]).unwrap().len(), 5);
    server.join().unwrap();
}

#[test]
fn what_passes_is_tried_again() {
    let busy = |headers| Act::Says(429, headers, String::new());
    let acts = vec![
        busy("retry-after: 7\r\n"),
        Act::Says(500, "", "oops".to_owned()),
        Act::Closes,
        Act::Stops,
        Act::Vectors(3),
    ];
    let (vectors, waited_ms, requests) = ask(acts, &["a"]);
    assert_eq!(vectors.unwrap(), [1.0, 0.0, 0.0]);
    assert_eq!(waited_ms, 7_000 + 500 + 1_000 + 2_000);
    assert_eq!(requests.len(), 5);
}

#[test]
fn who_stays_busy_is_not_asked_for_ever() {
    let busy = || Act::Says(503, "", String::new());
    let acts = (0..5).map(|_| busy()).collect();
    assert_eq!(check(acts, ErrorKind::Unavailable, "ENDPOINT_BUSY"), 250 + 500 + 1_000 + 2_000);
    let long = vec![Act::Says(429, "retry-after: 3600\r\n", String::new())];
    assert_eq!(check(long, ErrorKind::Unavailable, "ENDPOINT_BUSY"), 0);
}

#[test]
fn who_does_not_answer_is_unreachable() {
    let acts = (0..5).map(|_| Act::Hangs).collect();
    check(acts, ErrorKind::Unavailable, "ENDPOINT_UNREACHABLE");
    let url =
        format!("http://{}/v1", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let error = Remote::open(Endpoint::new(url, "m"), Arc::new(Waiting::default())).err().unwrap();
    assert_eq!(error.code(), "ENDPOINT_UNREACHABLE");
}

#[test]
fn a_refusal_says_what_to_do() {
    let body = json!({"error": {"message": "no such key"}}).to_string();
    check(says(401, &body), ErrorKind::Denied, "ENDPOINT_DENIED");
    check(says(403, ""), ErrorKind::Denied, "ENDPOINT_DENIED");
    check(says(404, "<html>"), ErrorKind::Invalid, "ENDPOINT_REFUSED");
    check(says(400, "{}"), ErrorKind::Invalid, "ENDPOINT_REFUSED");
    let moved = vec![Act::Says(302, "location: http://127.0.0.1:1/\r\n", String::new())];
    check(moved, ErrorKind::Invalid, "ENDPOINT_REFUSED");
    let (vectors, ..) = ask(says(401, &body), &["a"]);
    assert!(vectors.unwrap_err().message().ends_with("answers 401: no such key"));
}

#[test]
fn nonsense_is_not_believed() {
    let nonsense = |body: &str| {
        check(says(200, body), ErrorKind::Unavailable, "ENDPOINT_NONSENSE");
    };
    for body in ["", "hello", "{}", "[]", "null", r#"{"data": 1}"#, r#"{"data": [1, 2]}"#] {
        nonsense(body);
    }
    nonsense(&vectors(1, 3));
    nonsense(&vectors(3, 3));
    for embedding in
        ["[]", "[1, null, 2]", "[1, 1e999, 2]", "[0, 0, 0]", "\"AAAA\"", "[\"1\"]", "{}"]
    {
        nonsense(&format!(
            r#"{{"data": [{{"embedding": [1, 2, 3]}}, {{"embedding": {embedding}}}]}}"#
        ));
    }
    nonsense(r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}"#);
    nonsense(r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 9, "embedding": [1]}]}"#);
    nonsense(&" ".repeat(1 << 20));
    nonsense(&"[".repeat(1 << 15));
}

#[test]
fn other_dimensions_are_refused() {
    check(vec![Act::Vectors(4)], ErrorKind::Invalid, "DIMENSION_MISMATCH");
    check(vec![Act::Vectors(2)], ErrorKind::Invalid, "DIMENSION_MISMATCH");
}

#[test]
fn an_endpoint_that_can_not_be_is_refused() {
    let open = |endpoint| {
        let error = Remote::open(endpoint, Arc::new(Waiting::default())).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!error.to_string().contains("pass"));
        error.code()
    };
    for url in ["", "ftp://a", "http://", "http:///v1", "http://u:pass@a/v1", "http://a b/", "a"] {
        assert_eq!(open(Endpoint::new(url, "m")), "ENDPOINT_URL", "{url}");
    }
    let here = || Endpoint::new("http://127.0.0.1:1/v1", "m");
    let key = Some("pass\r\nx: y".to_owned());
    assert_eq!(open(Endpoint { key, ..here() }), "ENDPOINT_KEY");
    assert_eq!(open(Endpoint { dimensions: Some(0), ..here() }), "ENDPOINT_DIMENSIONS");
    assert_eq!(open(Endpoint { dimensions: Some(1 << 20), ..here() }), "ENDPOINT_DIMENSIONS");
    assert_eq!(open(Endpoint { timeout_ms: 0, ..here() }), "ENDPOINT_LIMITS");
    assert_eq!(open(Endpoint { window_tokens: 0, ..here() }), "ENDPOINT_LIMITS");
}
