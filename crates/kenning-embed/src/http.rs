//! An endpoint that speaks OpenAI's `/v1/embeddings`, as most servers of models do.
//!
//! What it answers is checked before it is believed: as many vectors as texts, each as long as the
//! first ever was, of finite numbers, with a direction. What may pass by itself (no connection, no
//! answer in time, 408, 429, 5xx) is tried again, a few times, after a pause that grows, or that
//! the endpoint asks for. The key is sent, and never said.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use kenning_index::Embedder;
use kenning_store::{Error, ErrorKind, Result, World, block_on};
use serde_json::{Value, json};
use ureq::Agent;

use crate::unit;
use crate::windows::windows;

const DIMENSIONS_MAX: usize = 16_384;
/// Texts of one request.
const TEXTS_MAX: usize = 32;
/// Bytes of an answer: for each number, and for what is around them.
const NUMBER_BYTES_MAX: usize = 40;
const FRAME_BYTES_MAX: usize = 1 << 16;
const TRIES_MAX: u32 = 5;
/// The first pause. Each one is twice the one before, and up to a half longer by chance.
const PAUSE_MS: u64 = 250;
/// The longest pause that an endpoint may ask for.
const PAUSE_MS_MAX: u64 = 30_000;
const MESSAGE_CHARS_MAX: usize = 200;

/// Where a model is served, and which.
#[derive(Clone)]
pub struct Endpoint {
    /// Where `/embeddings` is: `https://api.openai.com/v1`, `http://localhost:11434/v1`.
    pub url: String,
    /// What proves that we may, if that is needed.
    pub key: Option<String>,
    /// The model, as the endpoint calls it.
    pub model: String,
    /// Numbers in a vector. Without it the endpoint is asked.
    pub dimensions: Option<usize>,
    /// Tokens that the model reads, more or less: longer texts are cut.
    pub window_tokens: usize,
    /// How long one request may take.
    pub timeout_ms: u64,
}

impl Endpoint {
    /// A model at `url`, without a key: windows of 256 tokens, 30 seconds for a request.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Endpoint {
            url: url.into(),
            key: None,
            model: model.into(),
            dimensions: None,
            window_tokens: 256,
            timeout_ms: 30_000,
        }
    }
}

/// A model that somebody else runs.
///
/// Its id is made of the name of the model and its dimensions, not of the place: two endpoints that
/// call a model the same are taken to serve the same one.
pub struct Remote {
    agent: Agent,
    world: Arc<dyn World>,
    url: String,
    authorization: Option<String>,
    model: String,
    window_tokens: usize,
    dimensions: usize,
    id: String,
}

/// Why there is no answer.
enum Failure {
    /// Another try may help; after so many milliseconds, if the endpoint said so.
    Passing {
        after_ms: Option<u64>,
        error: Error,
    },
    Lasting(Error),
}

impl Remote {
    /// Opens a model. It is asked for a vector if its dimensions are not given.
    pub fn open(endpoint: Endpoint, world: Arc<dyn World>) -> Result<Self> {
        check(&endpoint)?;
        let timeout = Duration::from_millis(endpoint.timeout_ms);
        // No proxy, as it would be taken from the environment; no redirect, as the key would not go
        // with it.
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent("kenning")
            .build();
        let mut remote = Remote {
            agent: config.new_agent(),
            world,
            url: format!("{}/embeddings", endpoint.url.trim_end_matches('/')),
            authorization: endpoint.key.map(|key| format!("Bearer {key}")),
            model: endpoint.model,
            window_tokens: endpoint.window_tokens,
            dimensions: endpoint.dimensions.unwrap_or(DIMENSIONS_MAX),
            id: String::new(),
        };
        if endpoint.dimensions.is_none() {
            let vectors = read(&remote.ask(&["dimensions"])?, 1)?;
            remote.dimensions = vectors[0].len();
        }
        remote.id = format!("http:{}:{}", remote.model, remote.dimensions);
        Ok(remote)
    }

    /// The answer to a request for the vectors of some texts.
    fn ask(&self, texts: &[&str]) -> Result<Value> {
        let request = json!({"model": self.model, "input": texts, "encoding_format": "float"});
        let request = request.to_string();
        let mut tries = 1;
        loop {
            let (after_ms, error) = match self.try_once(&request, texts.len()) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Lasting(error)) => return Err(error),
                Err(Failure::Passing { after_ms, error }) => (after_ms, error),
            };
            let pause_ms = after_ms.unwrap_or_else(|| self.pause_ms(tries));
            if tries == TRIES_MAX || PAUSE_MS_MAX < pause_ms {
                return Err(error);
            }
            block_on(self.world.sleep(pause_ms));
            tries += 1;
        }
    }

    fn pause_ms(&self, tries: u32) -> u64 {
        let pause_ms = PAUSE_MS << (tries - 1);
        pause_ms + self.world.random() % (pause_ms / 2)
    }

    fn try_once(&self, request: &str, count: usize) -> Result<Value, Failure> {
        let mut call = self.agent.post(&self.url).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            call = call.header("authorization", authorization);
        }
        let mut response = call.send(request).map_err(|error| self.unanswered(error))?;
        let status = response.status().as_u16();
        let after = response.headers().get("retry-after").and_then(|after| after.to_str().ok());
        let after_s: Option<u64> = after.and_then(|after| after.trim().parse().ok());
        let bytes_max = FRAME_BYTES_MAX + count * self.dimensions * NUMBER_BYTES_MAX;
        let body = response.body_mut().with_config().limit(bytes_max as u64).read_to_vec();
        if !(200..300).contains(&status) {
            return Err(self.refused(status, after_s, &body.unwrap_or_default()));
        }
        let body = body.map_err(|error| self.unanswered(error))?;
        serde_json::from_slice(&body)
            .map_err(|e| Failure::Lasting(nonsense("it is not JSON").because(e.to_string())))
    }

    /// There is no whole answer.
    fn unanswered(&self, error: ureq::Error) -> Failure {
        if matches!(error, ureq::Error::BodyExceedsLimit(_)) {
            return Failure::Lasting(nonsense("it is longer than its vectors can be"));
        }
        if matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_)) {
            let message = format!("'{}' can't be asked", self.url);
            return Failure::Lasting(Error::invalid("ENDPOINT_URL", message).because(error));
        }
        let message = format!("{} does not answer", self.url);
        let error = Error::unavailable("ENDPOINT_UNREACHABLE", message).because(error);
        Failure::Passing { after_ms: None, error }
    }

    /// The answer is a refusal.
    fn refused(&self, status: u16, after_s: Option<u64>, body: &[u8]) -> Failure {
        let message = format!("{} answers {status}{}", self.url, reason(status, body));
        match status {
            401 | 403 => {
                Failure::Lasting(Error::new(ErrorKind::Denied, "ENDPOINT_DENIED", message))
            }
            408 | 429 | 500..600 => {
                let after_ms = after_s.map(|seconds| seconds.saturating_mul(1000));
                let error = Error::unavailable("ENDPOINT_BUSY", message);
                Failure::Passing { after_ms, error }
            }
            _ => Failure::Lasting(Error::invalid("ENDPOINT_REFUSED", message)),
        }
    }
}

impl Embedder for Remote {
    fn model_id(&self) -> &str {
        &self.id
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn windows(&self, text: &str) -> Result<Vec<Range<usize>>> {
        Ok(windows(text, self.window_tokens, tokens))
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let mut vectors = Vec::with_capacity(texts.len() * self.dimensions);
        for texts in texts.chunks(TEXTS_MAX) {
            let texts = texts.iter().map(|text| self.head(text)).collect::<Result<Vec<_>>>()?;
            for vector in read(&self.ask(&texts)?, texts.len())? {
                if vector.len() != self.dimensions {
                    let message = format!(
                        "{} answers with {} dimensions, not {}",
                        self.url,
                        vector.len(),
                        self.dimensions
                    );
                    return Err(Error::invalid("DIMENSION_MISMATCH", message));
                }
                vectors.extend(vector);
            }
        }
        Ok(vectors)
    }
}

impl Remote {
    /// What of `text` fits into the window: servers refuse what does not.
    fn head<'a>(&self, text: &'a str) -> Result<&'a str> {
        if text.len() <= self.window_tokens {
            return Ok(text);
        }
        let first = self.windows(text)?.into_iter().next();
        Ok(first.map_or(text, |first| &text[first]))
    }
}

fn check(endpoint: &Endpoint) -> Result<()> {
    let url = &endpoint.url;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let place = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    // What is before an `@` is a password, and a URL ends up in messages.
    if place.is_empty() || place.contains('@') || !url.bytes().all(|b| b.is_ascii_graphic()) {
        let message = "the URL of an endpoint is http://HOST/PATH or https://HOST/PATH";
        return Err(Error::invalid("ENDPOINT_URL", message));
    }
    if endpoint.key.as_ref().is_some_and(|key| !key.bytes().all(|b| b.is_ascii_graphic())) {
        let message = "the key of an endpoint has characters that no key has";
        return Err(Error::invalid("ENDPOINT_KEY", message));
    }
    let dimensions = endpoint.dimensions.unwrap_or(1);
    if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
        let message = format!("an endpoint has 1 to {DIMENSIONS_MAX} dimensions, not {dimensions}");
        return Err(Error::invalid("ENDPOINT_DIMENSIONS", message));
    }
    if endpoint.window_tokens == 0 || endpoint.timeout_ms == 0 {
        let message = "the window and the time limit of an endpoint are more than 0";
        return Err(Error::invalid("ENDPOINT_LIMITS", message));
    }
    Ok(())
}

/// What the endpoint says about it, where that can't be about a text.
fn reason(status: u16, body: &[u8]) -> String {
    let body: Value = match status {
        401 | 403 | 404 => serde_json::from_slice(body).unwrap_or_default(),
        _ => Value::Null,
    };
    let message = body["error"]["message"].as_str().or(body["error"].as_str());
    let shown = |message: &str| -> String { message.chars().take(MESSAGE_CHARS_MAX).collect() };
    message.map_or(String::new(), |message| format!(": {}", shown(message)))
}

/// The vectors of an answer, in the order of the texts, of length 1.
fn read(answer: &Value, count: usize) -> Result<Vec<Vec<f32>>> {
    let data = answer["data"].as_array().ok_or_else(|| nonsense("it has no 'data'"))?;
    if data.len() != count {
        return Err(nonsense(&format!("it has {} vectors for {count} texts", data.len())));
    }
    let mut vectors = vec![Vec::new(); count];
    for (idx, entry) in data.iter().enumerate() {
        let at = entry["index"].as_u64().unwrap_or(idx as u64);
        let place = usize::try_from(at).ok().and_then(|at| vectors.get_mut(at));
        let place = place.filter(|place| place.is_empty());
        let place = place.ok_or_else(|| nonsense("its vectors are not numbered in order"))?;
        *place = vector(&entry["embedding"])?;
    }
    Ok(vectors)
}

fn vector(numbers: &Value) -> Result<Vec<f32>> {
    let numbers = numbers.as_array().filter(|numbers| !numbers.is_empty());
    let numbers = numbers.ok_or_else(|| nonsense("an 'embedding' is not a list of numbers"))?;
    if DIMENSIONS_MAX < numbers.len() {
        let message = format!("a vector has {} dimensions of {DIMENSIONS_MAX}", numbers.len());
        return Err(Error::exhausted("DIMENSIONS_MAX", message));
    }
    let number = |number: &Value| number.as_f64().map(|number| number as f32);
    let vector: Option<Vec<f32>> = numbers.iter().map(number).collect();
    let mut vector = vector.ok_or_else(|| nonsense("an 'embedding' is not all numbers"))?;
    match unit::scale(&mut vector) {
        true => Ok(vector),
        false => Err(nonsense("an 'embedding' has no direction")),
    }
}

fn nonsense(why: &str) -> Error {
    Error::unavailable("ENDPOINT_NONSENSE", format!("the endpoint's answer is no answer: {why}"))
}

/// Tokens of a part of a text, more or less: four letters of English, or one of most others.
fn tokens(part: &str) -> usize {
    let ascii = part.bytes().filter(u8::is_ascii).count();
    part.chars().count() - ascii + ascii.div_ceil(4)
}
