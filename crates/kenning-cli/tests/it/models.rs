//! A model that somebody else runs, as the environment names it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kenning::{Json, SystemWorld, World, json};

use crate::shell::Shell;

/// An endpoint, and what it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    unauthorized: Arc<AtomicUsize>,
}

impl Server {
    /// Serves until the test ends.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let unauthorized = Arc::new(AtomicUsize::new(0));
        let server = Server { url, asked: Arc::clone(&asked), unauthorized: unauthorized.clone() };
        let serve = move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &asked, &unauthorized);
            }
        };
        SystemWorld::new().spawn("endpoint", Box::new(serve));
        server
    }

    fn environment(&self) -> String {
        format!(
            "KENNING_EMBED_URL={} KENNING_EMBED_MODEL=direction KENNING_EMBED_KEY=sesame",
            self.url
        )
    }
}

/// Texts about water point one way, all others another.
fn answer(stream: TcpStream, asked: &Mutex<Vec<String>>, unauthorized: &AtomicUsize) {
    let mut reader = BufReader::new(&stream);
    let (mut size, mut is_authorized) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(length) = line.strip_prefix("content-length:") {
            size = length.trim().parse().unwrap();
        }
        is_authorized |= line == "authorization: bearer sesame";
    }
    let mut body = vec![0; size];
    reader.read_exact(&mut body).unwrap();
    let body: Json = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["model"], "direction");
    unauthorized.fetch_add(usize::from(!is_authorized), Ordering::Relaxed);
    let texts = body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    let vector = |text: &str| match ["river", "swim"].iter().any(|word| text.contains(word)) {
        true => json!([0, 1, 0]),
        false => json!([1, 0, 0]),
    };
    let vectors: Vec<Json> = texts
        .enumerate()
        .map(|(index, text)| {
            asked.lock().unwrap().push(text.to_owned());
            json!({"index": index, "embedding": vector(text)})
        })
        .collect();
    let answer = json!({"data": vectors}).to_string();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    write!(&stream, "{head}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).unwrap();
}

#[test]
fn a_model_of_an_endpoint_is_asked_by_the_name_that_it_has_there() {
    let (shell, server) = (Shell::new(), Server::start());
    let with = server.environment();
    let schema = r#"{"x-kenning": {"key": "name", "embed": ["text"], "model": "direction"}}"#;
    shell.done(&format!("kenning init; echo '{schema}' | kenning table create notes --schema -"));
    shell.done(&format!("{with} kenning put notes '{{\"name\": \"a\", \"text\": \"a river\"}}'"));
    shell.done(&format!("{with} kenning put notes '{{\"name\": \"b\", \"text\": \"a barn\"}}'"));
    let found = format!("{with} kenning --format jsonl search 'where to swim' --mode vectors -k 1");
    let hit: Json = serde_json::from_str(&shell.done(&found)).unwrap();
    assert_eq!((&hit["key"], &hit["distance"]), (&json!("a"), &json!(0.0)));
    let asked = server.asked.lock().unwrap().clone();
    let count = |text: &str| asked.iter().filter(|asked| *asked == text).count();
    assert_eq!(["a river", "a barn", "where to swim"].map(count), [1, 1, 1], "{asked:?}");
    assert_eq!(server.unauthorized.load(Ordering::Relaxed), 0);
}

#[test]
fn nobody_asks_an_endpoint_without_need() {
    let (shell, server) = (Shell::new(), Server::start());
    let with = server.environment();
    shell
        .done(&format!("{with} kenning put entities '{{\"name\": \"Ada\", \"text\": \"river\"}}'"));
    shell.done(&format!("{with} kenning get entities ada"));
    shell.done(&format!("{with} kenning search river --mode words"));
    assert_eq!(server.asked.lock().unwrap().len(), 0);
    // As the default model it has all that names none.
    let put = "kenning put resources '{\"content\": \"river\"}'";
    shell.done(&format!("{with} KENNING_MODEL=direction {put}"));
    assert!(server.asked.lock().unwrap().contains(&"river".to_owned()));
}

#[test]
fn what_is_imported_with_everything_is_found_by_meaning() {
    let (shell, server) = (Shell::new(), Server::start());
    let with = server.environment();
    let schema = r#"{"x-kenning": {"key": "name", "embed": ["text"], "model": "direction"}}"#;
    shell.done("kenning init; kenning tenant create other");
    for tenant in ["default", "other"] {
        let kenning = format!("kenning --tenant {tenant}");
        shell.done(&format!("echo '{schema}' | {kenning} table create notes --schema -"));
        let put =
            format!("{kenning} put notes '{{\"name\": \"a\", \"text\": \"{tenant} river\"}}'");
        shell.done(&put);
    }
    shell.done("kenning export --all files");
    shell.done(&format!("{with} kenning --db copy.db import --all files"));
    let rivers = || {
        let mut asked = server.asked.lock().unwrap().clone();
        asked.retain(|text| text.contains("river"));
        asked.sort();
        asked
    };
    assert_eq!(rivers(), ["default river", "other river"]);
    shell.done(&format!("{with} kenning --db copy.db import --all files"));
    assert_eq!(rivers().len(), 2, "their vectors are there");
    // A model that is not there is told, and the import is done all the same.
    let run = shell.run("kenning --db third.db import --all files");
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(run.status.success() && said.contains("not everything can be found"), "{said}");
    let run = shell.run("kenning --db third.db import --all files --no-wait");
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(said, "imported before: the database was made of this export\n");
}

#[test]
fn what_is_put_without_waiting_is_found_by_meaning_after_the_next_one() {
    let shell = Shell::new();
    let schema = r#"{"x-kenning": {"key": "name", "embed": ["text"], "model": "hashing-384"}}"#;
    shell.done(&format!("kenning init; echo '{schema}' | kenning table create notes --schema -"));
    shell.done("kenning put notes '{\"name\": \"a\", \"text\": \"a river\"}' --no-wait");
    shell.done("kenning update notes a '{\"text\": \"a wide river\"}'");
    let rows = "seq 300 | sed 's/.*/{\"name\": \"n&\", \"text\": \"row &\"}/'";
    shell.done(&format!("{rows} | kenning import notes - --as jsonl"));
    for (text, key) in [("a wide river", "a"), ("row 299", "n299")] {
        let found = format!("kenning --format jsonl search '{text}' --mode vectors -k 1");
        let hit: Json = serde_json::from_str(&shell.done(&found)).unwrap();
        assert_eq!(hit["key"], key);
    }
}
