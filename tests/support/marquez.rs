//! A stand-in for Marquez 0.50 on loopback, over real HTTP.
//!
//! It answers `POST /api/v1/lineage` as the real server was seen to, quirks
//! included, keeps every event that arrived in its order, and fails as it is
//! told to. It stores nothing and draws no graph.

#![allow(dead_code, unreachable_pub, reason = "each test that includes it uses a part")]

use std::{
    collections::VecDeque,
    io::Read,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

const LINEAGE: &str = "/api/v1/lineage";

/// An event that arrived, whatever was answered.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The bytes of the event, unpacked.
    pub bytes: Vec<u8>,
    /// The status answered; 0 where the connection was cut instead.
    pub status: u16,
    pub gzipped: bool,
    pub authorization: Option<String>,
    /// The header `traceparent`.
    pub traceparent: Option<String>,
    /// Whether it came in a batch.
    pub batch: bool,
}

impl Arrival {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What happens to one request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// 429 with a `Retry-After` header.
    TooMany { retry_after: String },
    /// This status and body.
    Answer { status: u16, body: String },
    /// This status and body, from something in between: the event goes nowhere.
    Page { status: u16, body: String },
    /// A redirect to this URL.
    Redirect { status: u16, location: String },
    /// The connection is closed without an answer; the event is not taken.
    Cut,
    /// The event is taken, and the connection closed before the answer.
    TakenAndCut,
    /// The event is taken, and the connection closed amid the answer's body.
    CutInBody,
    /// The usual answer, so much later.
    Slow(Duration),
}

#[derive(Default)]
struct State {
    arrivals: Vec<Arrival>,
    /// For the next requests, one each.
    faults: VecDeque<Fault>,
    /// For every request, while it is there.
    outage: Option<Fault>,
    /// Events whose bytes contain one of these are answered 500.
    poison: Vec<String>,
    batches: bool,
    api_key: Option<String>,
    under_way: usize,
    most_under_way: usize,
}

/// The running stand-in; it ends when it is dropped.
pub struct Marquez {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Marquez {
    /// Starts on a free port of loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let server = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every event that arrived, in its order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.state.lock().unwrap().arrivals.clone()
    }

    /// The events that were taken, in their order.
    pub fn taken(&self) -> Vec<Value> {
        self.arrivals().iter().filter(|arrival| arrival.taken()).map(Arrival::json).collect()
    }

    /// Most requests that were under way at once.
    pub fn most_under_way(&self) -> usize {
        self.state.lock().unwrap().most_under_way
    }

    /// The next request that has no fault before it gets this one.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().unwrap().faults.push_back(fault);
    }

    /// Every request gets this fault, until `None` is set.
    pub fn set_outage(&self, outage: Option<Fault>) {
        self.state.lock().unwrap().outage = outage;
    }

    /// Events that contain `text` are answered 500 from now on.
    pub fn fail_on(&self, text: &str) {
        self.state.lock().unwrap().poison.push(text.to_owned());
    }

    /// Takes batches, as a later OpenLineage backend does; Marquez 0.50 does not.
    pub fn take_batches(&self) {
        self.state.lock().unwrap().batches = true;
    }

    /// Answers 401 to a request without this key as its bearer token.
    pub fn require_key(&self, key: &str) {
        self.state.lock().unwrap().api_key = Some(format!("Bearer {key}"));
    }
}

impl Drop for Marquez {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    // Dropped with the server, and the connections with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, Arc::clone(&state)));
    }
}

async fn connection(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        {
            let mut state = state.lock().unwrap();
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
        }
        let answer = answer(&request, &state).await;
        state.lock().unwrap().under_way -= 1;
        let Some(answer) = answer else { return };
        let missing = if answer.is_cut { 100 } else { 0 };
        let head = format!(
            "HTTP/1.1 {} -\r\ncontent-length: {}\r\n{}\r\n",
            answer.status,
            answer.body.len() + missing,
            answer.header
        );
        let bytes = [head.as_bytes(), answer.body.as_bytes()].concat();
        if stream.write_all(&bytes).await.is_err() || answer.is_cut {
            return;
        }
    }
}

struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    fn gzipped(&self) -> bool {
        self.header("content-encoding") == Some("gzip")
    }

    fn unpacked(&self) -> Vec<u8> {
        if !self.gzipped() {
            return self.body.clone();
        }
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// The next request of a connection; `None` at its end.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..head_end).collect()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer.drain(..length).collect();
    Some(Request { method, path, headers, body })
}

struct Answer {
    status: u16,
    body: String,
    /// A header line with its end, or nothing.
    header: String,
    /// Whether the connection is closed before the body is whole.
    is_cut: bool,
}

impl Answer {
    fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), header: String::new(), is_cut: false }
    }
}

/// What is answered; `None` where the connection is cut.
async fn answer(request: &Request, state: &Mutex<State>) -> Option<Answer> {
    let fault = {
        let mut state = state.lock().unwrap();
        let outage = state.outage.clone();
        outage.or_else(|| state.faults.pop_front())
    };
    let faulty = match &fault {
        None => None,
        Some(Fault::Slow(wait)) => {
            sleep(*wait).await;
            None
        }
        Some(Fault::TooMany { retry_after }) => Some(Answer {
            header: format!("retry-after: {retry_after}\r\n"),
            ..Answer::new(429, "too many requests")
        }),
        Some(Fault::Answer { status, body }) => Some(Answer::new(*status, body.clone())),
        Some(Fault::Page { status, body }) => return Some(Answer::new(*status, body.clone())),
        Some(Fault::CutInBody) => Some(Answer { is_cut: true, ..Answer::new(201, "{\"some\": ") }),
        Some(Fault::Redirect { status, location }) => {
            Some(Answer { header: format!("location: {location}\r\n"), ..Answer::new(*status, "") })
        }
        Some(Fault::Cut) => {
            record(request, &mut state.lock().unwrap(), 0);
            return None;
        }
        Some(Fault::TakenAndCut) => {
            record(request, &mut state.lock().unwrap(), 201);
            return None;
        }
    };
    let mut state = state.lock().unwrap();
    let answer = faulty.unwrap_or_else(|| usual_answer(request, &state));
    if !(request.path.ends_with("/batch") && answer.status == 200) {
        record(request, &mut state, answer.status);
        return Some(answer);
    }
    for (bytes, status) in batch(request, &state) {
        state.arrivals.push(Arrival { batch: true, ..arrival(request, bytes, status) });
    }
    Some(answer)
}

fn record(request: &Request, state: &mut State, status: u16) {
    let mut arrival = arrival(request, request.unpacked(), status);
    arrival.batch = request.path.ends_with("/batch");
    state.arrivals.push(arrival);
}

fn arrival(request: &Request, bytes: Vec<u8>, status: u16) -> Arrival {
    let header = |name| request.header(name).map(ToOwned::to_owned);
    let (authorization, traceparent) = (header("authorization"), header("traceparent"));
    let gzipped = request.gzipped();
    Arrival { bytes, status, gzipped, authorization, traceparent, batch: false }
}

fn usual_answer(request: &Request, state: &State) -> Answer {
    let key = request.header("authorization");
    if state.api_key.is_some() && key != state.api_key.as_deref() {
        return Answer::new(401, "credentials are required");
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", LINEAGE) => {}
        ("POST", "/api/v1/lineage/batch") if state.batches => return batch_answer(request, state),
        ("POST", "/api/v1/events/lineage") => return Answer::new(405, ""),
        _ => return Answer::new(404, ""),
    }
    if request.header("content-type") != Some("application/json") {
        return Answer::new(415, "");
    }
    event_answer(&request.unpacked(), state)
}

/// The events of a batch and the status that each would get alone.
fn batch(request: &Request, state: &State) -> Vec<(Vec<u8>, u16)> {
    let events: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_slice(&request.unpacked()).unwrap();
    let events = events.into_iter().map(|event| event.get().as_bytes().to_vec());
    events.map(|event| (event.clone(), event_answer(&event, state).status)).collect()
}

fn batch_answer(request: &Request, state: &State) -> Answer {
    let events = batch(request, state);
    let failed: Vec<_> = events
        .iter()
        .enumerate()
        .filter(|(_, (_, status))| *status >= 300)
        .map(|(index, (_, status))| {
            json!({"index": index, "reason": format!("status {status}"), "retriable": *status >= 500})
        })
        .collect();
    let summary = json!({
        "received": events.len(), "successful": events.len() - failed.len(), "failed": failed.len()
    });
    let status = if failed.is_empty() { "success" } else { "partial_success" };
    let body = json!({"status": status, "summary": summary, "failed_events": failed});
    Answer::new(200, body.to_string())
}

fn event_answer(bytes: &[u8], state: &State) -> Answer {
    let broken = || Answer::new(500, "<html>Internal Server Error</html>");
    if bytes.is_empty() {
        return Answer::new(
            422,
            json!({"errors": ["The request body must not be null"]}).to_string(),
        );
    }
    let unreadable = || {
        let body = json!({"code": 400, "message": "Unable to process JSON"});
        Answer::new(500, body.to_string())
    };
    let Some(event) = serde_json::from_slice(bytes).ok().filter(Value::is_object) else {
        return unreadable();
    };
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let datasets = ["inputs", "outputs"].into_iter().filter_map(|list| event[list].as_array());
    let datasets: Vec<_> = datasets.flatten().collect();
    let nameless = datasets.iter().any(|dataset| dataset["namespace"].as_str().is_none());
    let missing = ["run", "job", "eventTime", "producer"].iter().any(|part| event[part].is_null());
    if missing || nameless {
        return Answer::new(422, json!({"errors": ["must not be null"]}).to_string());
    }
    let time = text("/eventTime").unwrap_or_default();
    if time.parse::<jiff::Timestamp>().is_err() && time.parse::<jiff::civil::DateTime>().is_err() {
        return unreadable();
    }
    let names = datasets.iter().filter_map(|dataset| dataset["name"].as_str());
    let nul = names.chain(text("/job/name")).any(|name| name.contains('\0'));
    if event["eventType"].is_null() || nul {
        return broken();
    }
    if text("/job/name") == Some("") {
        return Answer::new(400, "<html>Bad Request</html>");
    }
    let whole = String::from_utf8_lossy(bytes);
    if state.poison.iter().any(|poison| whole.contains(poison)) {
        return broken();
    }
    Answer::new(201, "")
}
