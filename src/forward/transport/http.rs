//! Events to an OpenLineage API over HTTP: Marquez and its like. What an answer
//! means is decided in `judge`.

use std::{error::Error, fs, io::Write};

use flate2::{Compression, write::GzEncoder};
use futures::future::BoxFuture;
use jiff::Timestamp;
use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};

use super::{
    BatchAnswer, Failure, OpenError, Transport,
    judge::{Answered, judge, judge_batch, passing},
};
use crate::{
    forward::{
        config::{HttpConfig, Secret},
        retry,
    },
    telemetry,
};

/// Bytes read of an answer: a batch's names each event that failed.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Most redirects followed, on the same host.
const REDIRECTS_MAX: usize = 5;

/// Posts each event to `<url>/<endpoint>`.
#[derive(Debug)]
pub struct Http {
    client: Client,
    single: Url,
    batch: Url,
    gzip_bytes_min: usize,
    /// To be left out of what is told of an answer.
    key: Option<Secret>,
}

impl Http {
    /// Sets the client up; sends nothing yet.
    pub fn open(config: &HttpConfig) -> Result<Self, OpenError> {
        let endpoint = config.endpoint.trim_matches('/');
        let text = format!("{}/{endpoint}", config.url.trim_end_matches('/'));
        let url = |text: &str| {
            Url::parse(text)
                .ok()
                .filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
                .ok_or_else(|| OpenError::Url { url: text.to_owned() })
        };
        let key = api_key(config)?.filter(|key| !key.expose().is_empty());
        Ok(Self {
            single: url(&text)?,
            batch: url(&format!("{text}/batch"))?,
            client: client(config, key.as_ref())?,
            key,
            gzip_bytes_min: config.gzip_bytes_min.unwrap_or(usize::MAX),
        })
    }

    async fn post(&self, url: &Url, body: Vec<u8>) -> Result<Response, Failure> {
        let mut request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(trace) = telemetry::context::current() {
            request = request.header(telemetry::context::TRACEPARENT, trace.as_slice());
        }
        let body = if body.len() >= self.gzip_bytes_min {
            request = request.header(CONTENT_ENCODING, "gzip");
            gzip(&body).map_err(|error| passing(format!("cannot gzip the event: {error}")))?
        } else {
            body
        };
        let sent = request.body(body).send().await;
        sent.map_err(|error| passing(describe(error)))
    }

    async fn read(&self, response: Response) -> Result<Answered, Failure> {
        let mut answered = read(response).await?;
        // A server, or what is before it, may say what it was asked with.
        if let Some(key) = self.key.as_ref().map(Secret::expose)
            && memchr::memmem::find(&answered.body, key.as_bytes()).is_some()
        {
            let text = String::from_utf8_lossy(&answered.body).replace(key, "[api_key]");
            answered.body = text.into_bytes();
        }
        Ok(answered)
    }
}

impl Transport for Http {
    fn send<'a>(&'a self, event: &'a [u8]) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let response = self.post(&self.single, event.to_vec()).await?;
            judge(self.read(response).await?)
        })
    }

    fn send_batch<'a>(&'a self, events: &'a [&'a [u8]]) -> BoxFuture<'a, BatchAnswer> {
        Box::pin(async move {
            let mut body = Vec::from(b"[");
            body.extend(events.join(&b','));
            body.push(b']');
            let answered = match self.post(&self.batch, body).await {
                Ok(response) => self.read(response).await,
                Err(failure) => Err(failure),
            };
            match answered {
                Err(failure) => BatchAnswer::Failed(failure),
                Ok(answered) => judge_batch(answered, events.len()),
            }
        })
    }
}

/// The key as it is set, or as its file holds it.
fn api_key(config: &HttpConfig) -> Result<Option<Secret>, OpenError> {
    let Some(path) = &config.api_key_file else { return Ok(config.api_key.clone()) };
    let text = fs::read_to_string(path)
        .map_err(|source| OpenError::ApiKeyFile { path: path.clone(), source })?;
    Ok(Some(Secret::new(text.trim())))
}

fn client(config: &HttpConfig, key: Option<&Secret>) -> Result<Client, OpenError> {
    // The first provider of the process stays; another one serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |source: reqwest::Error| OpenError::Client { source: source.into() };
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose()))
            .map_err(|source| OpenError::Client { source: source.into() })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    let mut builder = Client::builder()
        .default_headers(headers)
        .user_agent(concat!("lineage-hub/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout)
        .timeout(config.request_timeout)
        .redirect(redirect::Policy::custom(same_host))
        // Only what the configuration says; the environment is read there.
        .no_proxy();
    if let Some(proxy) = &config.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(failed)?);
    }
    if let Some(path) = &config.ca_file {
        let pem =
            fs::read(path).map_err(|source| OpenError::CaFile { path: path.clone(), source })?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(failed)?;
        if certificates.is_empty() {
            return Err(OpenError::CaEmpty { path: path.clone() });
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(failed)
}

/// Events and the key go to no other server than the one configured; and only
/// the redirects that keep the POST a POST are followed, as the answer to a GET
/// would be taken for a delivery.
fn same_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let first = attempt.previous().first();
    let same = first.is_some_and(|first| first.origin() == attempt.url().origin());
    let kept = matches!(attempt.status().as_u16(), 307 | 308);
    if same && kept && attempt.previous().len() <= REDIRECTS_MAX {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

async fn read(mut response: Response) -> Result<Answered, Failure> {
    let status = response.status();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|value| retry::retry_after(value, Timestamp::now()));
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            // The status has decided already; the text would only explain it.
            Err(_cut) if !status.is_success() => break,
            Err(error) => return Err(passing(describe(error))),
        }
    }
    Ok(Answered { status: status.as_u16(), retry_after, body })
}

/// The error with its causes, without the URL, which may hold a password.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
