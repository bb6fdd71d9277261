//! The task over real HTTP, with a stand-in for Marquez on loopback.

use std::{
    fs,
    net::TcpListener,
    num::NonZeroU32,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
    time::sleep,
};

use super::{
    Running,
    marquez::{Fault, Marquez},
    memory::{MemoryTopic, event, text},
};
use crate::forward::{
    Backend, ForwardConfig, HttpConfig, Secret,
    transport::{self, BatchAnswer, Failure, Http, OpenError, Transport},
};

/// Short waits: these tests run by the clock.
fn config() -> ForwardConfig {
    ForwardConfig {
        backoff_initial: Duration::from_millis(5),
        backoff_max: Duration::from_millis(20),
        commit_interval: Duration::from_millis(10),
        batch_events_max: 1,
        ..ForwardConfig::default()
    }
}

fn http(marquez: &Marquez) -> HttpConfig {
    HttpConfig { url: marquez.url(), ..HttpConfig::default() }
}

fn start(topic: &MemoryTopic, http: HttpConfig, config: ForwardConfig) -> Running {
    let transport = transport::open(&Backend::Http(http), || Box::new(std::io::sink())).unwrap();
    Running::start(topic, transport, config)
}

/// The texts of the events taken, in their order.
fn taken(marquez: &Marquez) -> Vec<String> {
    let arrivals = marquez.arrivals();
    arrivals.iter().filter(|arrival| arrival.taken()).map(|arrival| text(&arrival.bytes)).collect()
}

async fn send(marquez: &Marquez, event: &str) -> Result<(), Failure> {
    Http::open(&http(marquez)).unwrap().send(event.as_bytes()).await
}

#[tokio::test]
async fn events_arrive_byte_for_byte_with_the_key() {
    let marquez = Marquez::start().await;
    marquez.require_key("k3y");
    let topic = MemoryTopic::default();
    // Blanks, an escape and a number that another encoder would write otherwise.
    let event = event("a START").replacen('{', "{ \n \"x\": 1.50e3, \"y\": \"\\u00e9\",", 1);
    topic.write(3, &[event.as_bytes()]);
    let http = HttpConfig { api_key: Some(Secret::new("k3y")), ..http(&marquez) };
    let running = start(&topic, http, config());
    running.all_committed(3).await;
    running.stop().await;

    let arrivals = marquez.arrivals();
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].bytes, event.as_bytes());
    assert_eq!(arrivals[0].authorization.as_deref(), Some("Bearer k3y"));
    assert!(!arrivals[0].gzipped);
}

#[tokio::test]
async fn large_events_are_gzipped_and_small_ones_are_not() {
    let marquez = Marquez::start().await;
    let http = HttpConfig { gzip_bytes_min: Some(1000), ..http(&marquez) };
    let http = Http::open(&http).unwrap();
    let large = event(&format!("a START {}", "x".repeat(5000)));
    http.send(large.as_bytes()).await.unwrap();
    http.send(event("a COMPLETE").as_bytes()).await.unwrap();
    let arrivals = marquez.arrivals();
    assert_eq!(arrivals.iter().map(|arrival| arrival.gzipped).collect::<Vec<_>>(), [true, false]);
    assert_eq!(arrivals[0].bytes, large.as_bytes());
}

/// Through everything that a network and a server can do, nothing is lost,
/// parked or out of its run's order.
#[tokio::test]
async fn no_passing_failure_loses_an_event_or_its_order() {
    let marquez = Marquez::start().await;
    let busy = |status| Fault::Answer { status, body: "busy".to_owned() };
    for fault in [
        busy(503),
        Fault::Cut,
        busy(408),
        Fault::Slow(Duration::from_millis(600)),
        busy(425),
        Fault::TakenAndCut,
        Fault::CutInBody,
        Fault::TooMany { retry_after: "0".to_owned() },
        busy(500),
        busy(502),
        busy(401),
        busy(404),
    ] {
        marquez.inject(fault);
    }
    let topic = MemoryTopic::default();
    let mut texts = Vec::new();
    for number in 0..10 {
        texts.extend((0..6).map(|run| format!("run{run} OTHER {number}")));
    }
    topic.write_events(3, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let http = HttpConfig { request_timeout: Duration::from_millis(300), ..http(&marquez) };
    let running = start(&topic, http, config());
    running.all_committed(3).await;

    let taken = taken(&marquez);
    for run in 0..6 {
        let run = format!("run{run} ");
        // One that was taken without an answer comes twice, right after itself.
        let mut of_run: Vec<_> = taken.iter().filter(|text| text.starts_with(&run)).collect();
        of_run.dedup();
        let expected: Vec<_> = texts.iter().filter(|text| text.starts_with(&run)).collect();
        assert_eq!(of_run, expected);
    }
    assert_eq!(topic.parked(), [""; 0]);
    assert!(running.status.snapshot().retries >= 9, "{:?}", running.status.snapshot());
    assert!(marquez.most_under_way() > 1);
    running.stop().await;
}

#[tokio::test]
async fn a_backend_that_is_not_there_holds_the_offsets_until_it_is() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = HttpConfig { url: format!("http://{address}"), ..HttpConfig::default() };
    let topic = MemoryTopic::default();
    topic.write_events(3, &["a START"]);
    let running = start(&topic, http, config());
    while !running.status.snapshot().down {
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!((topic.committed(3), running.status.snapshot().delivered), (0, 0));
    let error = running.status.snapshot().last_error.unwrap().text;
    assert!(error.contains("onnection refused"), "{error}");
    running.stop().await;
    assert_eq!(topic.committed(3), 0);
    assert_eq!(topic.parked(), [""; 0]);
}

#[tokio::test]
async fn an_outage_under_way_is_survived() {
    let marquez = Marquez::start().await;
    let topic = MemoryTopic::default();
    topic.write_events(3, &["a START"]);
    let running = start(&topic, http(&marquez), config());
    running.all_committed(3).await;

    marquez.set_outage(Some(Fault::Answer { status: 500, body: "no database".to_owned() }));
    topic.write_events(3, &["a COMPLETE", "b START"]);
    while !running.status.snapshot().down {
        sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(topic.committed(3), 1);

    marquez.set_outage(None);
    running.all_committed(3).await;
    let mut taken = taken(&marquez);
    taken.sort();
    assert_eq!(taken, ["a COMPLETE", "a START", "b START"]);
    assert_eq!(topic.parked(), [""; 0]);
    running.stop().await;
}

#[tokio::test]
async fn an_event_of_which_marquez_breaks_is_parked_while_others_pass() {
    let marquez = Marquez::start().await;
    marquez.fail_on("poisoned");
    let topic = MemoryTopic::default();
    topic.write_events(3, &["bad START poisoned"]);
    let running = start(&topic, http(&marquez), config());
    let mut number = 0;
    while topic.parked().is_empty() {
        topic.write_events(3, &[&format!("good{number} START")]);
        number += 1;
        sleep(Duration::from_millis(5)).await;
    }
    running.all_committed(3).await;
    assert_eq!(topic.parked().len(), 1);
    assert!(topic.parked()[0].contains("500: <html>Internal Server Error</html>"));
    assert_eq!(taken(&marquez).len(), number);
    running.stop().await;
}

#[tokio::test]
async fn each_answer_means_what_it_says() {
    let marquez = Marquez::start().await;
    let event = event("a START");
    let refused = |result: &_| matches!(result, Err(Failure::Refused(_)));
    let passing = |result: &_| matches!(result, Err(Failure::Passing { .. }));
    for status in [400, 409, 413, 415, 422] {
        marquez.inject(Fault::Answer { status, body: "no".to_owned() });
        let result = send(&marquez, &event).await;
        assert!(refused(&result), "{status}: {result:?}");
    }
    for status in [302, 401, 403, 404, 405, 407, 408, 425, 429, 501, 502, 503, 504] {
        marquez.inject(Fault::Answer { status, body: "no".to_owned() });
        let result = send(&marquez, &event).await;
        assert!(passing(&result), "{status}: {result:?}");
    }
    for status in [200, 201, 202, 204] {
        marquez.inject(Fault::Answer { status, body: String::new() });
        assert_eq!(send(&marquez, &event).await, Ok(()), "{status}");
    }
    let long = "x".repeat(5000);
    marquez.inject(Fault::Answer { status: 500, body: long });
    let Err(Failure::Doubtful(answer)) = send(&marquez, &event).await else { panic!("no doubt") };
    assert_eq!((answer.status, answer.text.len()), (500, 300));

    // Marquez's own: unreadable events are 500 with the refusal inside.
    assert!(refused(&send(&marquez, "[]").await));
    assert!(refused(&send(&marquez, "{}").await));

    marquez.inject(Fault::TooMany { retry_after: "7".to_owned() });
    let asked = Some(Duration::from_secs(7));
    let result = send(&marquez, &event).await;
    assert!(matches!(result, Err(Failure::Passing { retry_after, .. }) if retry_after == asked));
}

#[tokio::test]
async fn an_event_and_its_key_go_to_no_other_server() {
    let (marquez, other) = (Marquez::start().await, Marquez::start().await);
    let location = format!("{}/api/v1/lineage", other.url());
    marquez.inject(Fault::Redirect { status: 308, location });
    assert!(matches!(send(&marquez, &event("a START")).await, Err(Failure::Passing { .. })));
    assert_eq!(other.arrivals().len(), 0);

    // On the same server a redirect that keeps the POST is followed.
    let location = format!("{}/api/v1/lineage", marquez.url());
    marquez.inject(Fault::Redirect { status: 308, location });
    assert_eq!(send(&marquez, &event("a START")).await, Ok(()));
    assert_eq!(taken(&marquez), ["a START"]);
}

#[tokio::test]
async fn batches_go_where_they_are_taken() {
    let marquez = Marquez::start().await;
    let client = Http::open(&http(&marquez)).unwrap();
    let events = [event("a START"), event("b START poisoned"), "{}".to_owned()];
    let events = events.each_ref().map(String::as_bytes);
    assert_eq!(client.send_batch(&events).await, BatchAnswer::Unsupported);

    marquez.take_batches();
    marquez.fail_on("poisoned");
    let BatchAnswer::Each(results) = client.send_batch(&events).await else { panic!("no batch") };
    assert_eq!(results[0], Ok(()));
    assert!(matches!(results[1], Err(Failure::Passing { .. })), "{results:?}");
    assert!(matches!(results[2], Err(Failure::Refused(_))), "{results:?}");

    marquez.inject(Fault::Answer { status: 503, body: String::new() });
    let failed = client.send_batch(&events).await;
    assert!(matches!(failed, BatchAnswer::Failed(Failure::Passing { .. })), "{failed:?}");
    let body = r#"{"status":"partial_success","summary":{"received":3,"successful":1,"failed":2}}"#;
    marquez.inject(Fault::Answer { status: 200, body: body.to_owned() });
    let unnamed = client.send_batch(&events).await;
    assert!(matches!(unnamed, BatchAnswer::Failed(Failure::Doubtful(_))), "{unnamed:?}");
}

/// What answers may not know of batches at all, or was cut: nothing in it counts
/// as taken.
#[tokio::test]
async fn an_answer_to_a_batch_that_cannot_be_read_delivers_nothing() {
    let long = format!(r#"{{"status":"success","more":"{}"}}"#, "x".repeat(2 << 20));
    for body in ["<html>Welcome</html>", r#"{"message":"log in"}"#, r#"{"status":"#, &long] {
        let marquez = Marquez::start().await;
        let topic = MemoryTopic::default();
        topic.write_events(3, &["a START", "b START"]);
        marquez.inject(Fault::Page { status: 200, body: body.to_owned() });
        let config = ForwardConfig { batch_events_max: 10, ..config() };
        let running = start(&topic, http(&marquez), config);
        running.all_committed(3).await;
        running.stop().await;
        let mut taken = taken(&marquez);
        taken.sort();
        assert_eq!(taken, ["a START", "b START"], "{body:.40}");
    }
    let marquez = Marquez::start().await;
    let events = [event("a START"), event("b START")];
    let events = events.each_ref().map(String::as_bytes);
    for body in [
        r#"{"failed_events":[{"index":7}]}"#,
        r#"{"failed_events":[{"index":0},{"index":0}]}"#,
        r#"{"failed_events":[{"index":0}],"summary":{"failed":2}}"#,
    ] {
        marquez.inject(Fault::Page { status: 200, body: body.to_owned() });
        let answer = Http::open(&http(&marquez)).unwrap().send_batch(&events).await;
        assert!(matches!(answer, BatchAnswer::Failed(Failure::Doubtful(_))), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn a_key_that_an_answer_repeats_is_left_out_of_what_is_told() {
    let marquez = Marquez::start().await;
    let http = HttpConfig { api_key: Some(Secret::new("k3y")), ..http(&marquez) };
    marquez.inject(Fault::Answer { status: 401, body: "Bearer k3y is not known".to_owned() });
    let sent = Http::open(&http).unwrap().send(event("a START").as_bytes()).await;
    let Err(Failure::Passing { reason, .. }) = sent else { panic!("{sent:?}") };
    assert!(reason.contains("Bearer [api_key] is not known"), "{reason}");
}

#[tokio::test]
async fn a_task_uses_batches_only_where_they_are_taken() {
    for takes_batches in [false, true] {
        let marquez = Marquez::start().await;
        if takes_batches {
            marquez.take_batches();
        }
        let topic = MemoryTopic::default();
        topic.write_events(3, &["a START", "b START", "c START", "a COMPLETE"]);
        let config = ForwardConfig { batch_events_max: 10, ..config() };
        let running = start(&topic, http(&marquez), config);
        running.all_committed(3).await;
        running.stop().await;
        assert_eq!(taken(&marquez).len(), 4);
        let in_batch =
            marquez.arrivals().iter().filter(|arrival| arrival.taken() && arrival.batch).count();
        assert_eq!(in_batch, if takes_batches { 3 } else { 0 });
    }
}

/// Batches that wait for their turn when the backend goes down are not sent to
/// ask whether it is back.
#[tokio::test]
async fn a_backend_that_is_down_is_asked_with_one_event() {
    let marquez = Marquez::start().await;
    marquez.take_batches();
    marquez.set_outage(Some(Fault::Answer { status: 503, body: String::new() }));
    let topic = MemoryTopic::default();
    let texts: Vec<_> = (0..20).map(|run| format!("run{run} START")).collect();
    topic.write_events(3, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let config = ForwardConfig {
        batch_events_max: 5,
        breaker_failures: 1,
        rate_per_second: NonZeroU32::new(200),
        ..config()
    };
    let running = start(&topic, http(&marquez), config);
    while marquez.arrivals().len() < 6 {
        sleep(Duration::from_millis(2)).await;
    }
    let in_batch: Vec<_> = marquez.arrivals().iter().map(|arrival| arrival.batch).collect();
    assert_eq!(in_batch.iter().filter(|batch| **batch).count(), 1, "{in_batch:?}");

    marquez.set_outage(None);
    running.all_committed(3).await;
    running.stop().await;
}

#[tokio::test]
async fn the_rate_limit_spreads_events_evenly() {
    let marquez = Marquez::start().await;
    let topic = MemoryTopic::default();
    let texts: Vec<_> = (0..11).map(|run| format!("run{run} START")).collect();
    topic.write_events(3, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let config = ForwardConfig { rate_per_second: NonZeroU32::new(50), ..config() };
    let began = Instant::now();
    let running = start(&topic, http(&marquez), config);
    running.all_committed(3).await;
    // Ten gaps of 20 ms.
    assert!(began.elapsed() >= Duration::from_millis(195), "{:?}", began.elapsed());
    assert_eq!(taken(&marquez).len(), 11);
    running.stop().await;
}

/// A TLS server of one certificate, which answers 201 to any request.
async fn tls_server(certified: &rcgen::CertifiedKey<rcgen::KeyPair>) -> (u16, JoinHandle<()>) {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            if stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                let answer = b"HTTP/1.1 201 -\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }
    };
    (port, tokio::spawn(server))
}

#[tokio::test]
async fn a_server_is_trusted_by_the_ca_file_and_not_without_it() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (port, server) = tls_server(&certified).await;
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, certified.cert.pem()).unwrap();

    let stranger = HttpConfig { url: format!("https://localhost:{port}"), ..HttpConfig::default() };
    let trusted = HttpConfig { ca_file: Some(ca_file), ..stranger.clone() };
    let event = event("a START");
    let sent = Http::open(&stranger).unwrap().send(event.as_bytes()).await;
    let Err(Failure::Passing { reason, .. }) = sent else { panic!("{sent:?}") };
    assert!(reason.contains("certificate"), "{reason}");
    assert_eq!(Http::open(&trusted).unwrap().send(event.as_bytes()).await, Ok(()));
    server.abort();
}

#[test]
fn what_cannot_be_opened_is_told_with_its_setting() {
    let open = |config: HttpConfig| Http::open(&config).unwrap_err();
    let ca_file = |path: &Path| HttpConfig { ca_file: Some(path.into()), ..HttpConfig::default() };
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    assert!(matches!(open(ca_file(&empty)), OpenError::CaEmpty { .. }));
    assert!(matches!(open(ca_file(&folder.path().join("none"))), OpenError::CaFile { .. }));
    let url = HttpConfig { url: "ftp://marquez".to_owned(), ..HttpConfig::default() };
    assert!(matches!(open(url), OpenError::Url { .. }));
    let key = HttpConfig { api_key: Some(Secret::new("a\nb")), ..HttpConfig::default() };
    let error = open(key);
    assert!(matches!(error, OpenError::Client { .. }));
    assert!(!format!("{error:?}").contains("a\\nb"));
}
