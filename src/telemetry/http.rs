//! Requests to the collector over HTTP, run on the program's own runtime: the
//! threads that export have none.

use std::{future::Future, pin::Pin};

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::Handle;

use super::tls::Pem;

/// Bytes kept of an answer: it says at most why something was not taken.
const ANSWER_BYTES_MAX: usize = 64 << 10;

#[derive(Debug, Clone)]
pub(super) struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

impl Client {
    /// Must be called in a runtime.
    pub(super) fn new(timeout: std::time::Duration, pem: &Pem) -> Result<Self, HttpError> {
        // The first provider of the process stays; another one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = pem
            .reqwest(reqwest::Client::builder())?
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            // Only what the configuration says; the environment is read there.
            .no_proxy()
            .build()?;
        Ok(Self { client, runtime: Handle::current() })
    }
}

/// Headers of every export. What cannot stand in a header is left out.
pub(super) fn header_map(headers: &[(String, String)]) -> HeaderMap {
    let headers = headers.iter().filter_map(|(name, value)| {
        let mut value: HeaderValue = value.parse().ok()?;
        value.set_sensitive(true);
        Some((name.parse::<HeaderName>().ok()?, value))
    });
    headers.collect()
}

type Answer<'f> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>;

impl HttpClient for Client {
    fn send_bytes<'s, 'f>(&'s self, request: Request<Bytes>) -> Answer<'f>
    where
        's: 'f,
        Self: 'f,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move { send(&client, request).await });
        Box::pin(async move { sent.await? })
    }
}

async fn send(
    client: &reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, HttpError> {
    let without_url = reqwest::Error::without_url;
    let mut answer = client.execute(request.try_into()?).await.map_err(without_url)?;
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(without_url)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(response.body(Bytes::from(body))?)
}
