//! The way to a collector: a provider a signal, each with an exporter of its own.

use std::{
    collections::HashMap,
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use opentelemetry::{KeyValue, metrics::MeterProvider as _, trace::TracerProvider as _};
use opentelemetry_otlp::{
    Compression, ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig, tonic_types::metadata::MetadataMap,
};
use opentelemetry_sdk::{
    Resource,
    logs::{self, BatchLogProcessor, SdkLoggerProvider},
    metrics::{PeriodicReader, SdkMeterProvider, Temporality},
    trace::{self, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider},
};

use super::{
    bounded::{Bounded, Counted, Waiting},
    http::{Client, header_map},
    metrics,
    settings::{Endpoint, OtelConfig, Protocol, Sampling},
    tls::{Pem, PemError},
};

/// Longest that the end of the process waits for what is still to be exported.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The name of all that the program measures.
const SCOPE: &str = "lineage-hub";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What makes spans, where traces are exported.
pub fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// Why telemetry cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(super) enum TelemetryError {
    #[error("cannot send {signal} to `{url}`; look at the OTEL_EXPORTER_OTLP_* variables")]
    Exporter { signal: &'static str, url: String, source: ExporterBuildError },
    #[error("cannot set up TLS to the collector")]
    Tls { source: PemError },
    #[error("cannot set up HTTP requests to the collector")]
    Client { source: opentelemetry_http::HttpError },
}

/// The providers of the process; none where nothing is exported.
#[derive(Debug, Default)]
pub(super) struct Providers {
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    pub(super) logs: Option<SdkLoggerProvider>,
}

impl Providers {
    /// Must be called in a runtime, on which the requests run. A signal that
    /// cannot be exported is left out: telemetry stops no work.
    pub(super) fn start(config: &OtelConfig) -> (Self, Vec<TelemetryError>) {
        let mut providers = Self::default();
        let mut failures = Vec::new();
        let resource = resource(config);
        if let Some(endpoint) = &config.metrics {
            match meter_provider(endpoint, config, resource.clone()) {
                Ok(provider) => {
                    metrics::install(&provider.meter(SCOPE));
                    providers.metrics = Some(provider);
                }
                Err(error) => failures.push(error),
            }
        }
        if let Some(endpoint) = &config.traces {
            match tracer_provider(endpoint, config, resource.clone()) {
                Ok(provider) => {
                    TRACER.get_or_init(|| provider.tracer(SCOPE));
                    providers.traces = Some(provider);
                }
                Err(error) => failures.push(error),
            }
        }
        if let Some(endpoint) = &config.logs {
            match logger_provider(endpoint, config, resource) {
                Ok(provider) => providers.logs = Some(provider),
                Err(error) => failures.push(error),
            }
        }
        (providers, failures)
    }

    /// Exports what is left, for a while at most: a collector that is away does
    /// not hold up the end of the process.
    pub(super) fn shut_down(self) {
        let Self { traces, metrics, logs } = self;
        let (done, wait) = mpsc::sync_channel(3);
        let mut ends = 0;
        let mut end = |end: Box<dyn FnOnce() + Send>| {
            let done = done.clone();
            let named = thread::Builder::new().name("telemetry".to_owned());
            let started = named.spawn(move || {
                end();
                let _ = done.send(());
            });
            ends += usize::from(started.is_ok());
        };
        // What fails here has been said where it was exported.
        if let Some(traces) = traces {
            end(Box::new(move || drop(traces.shutdown_with_timeout(FLUSH_TIMEOUT))));
        }
        if let Some(metrics) = metrics {
            end(Box::new(move || drop(metrics.shutdown_with_timeout(FLUSH_TIMEOUT))));
        }
        if let Some(logs) = logs {
            end(Box::new(move || drop(logs.shutdown_with_timeout(FLUSH_TIMEOUT))));
        }
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        for _ in 0..ends {
            let left = deadline.saturating_duration_since(Instant::now());
            if wait.recv_timeout(left).is_err() {
                return;
            }
        }
    }
}

fn resource(config: &OtelConfig) -> Resource {
    let set = config.resource.iter();
    let set = set.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            // Counters of two processes are two series.
            KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
            KeyValue::new("telemetry.sdk.name", "opentelemetry"),
            KeyValue::new("telemetry.sdk.language", "rust"),
        ])
        .with_attributes(set)
        .with_service_name(config.service_name.clone())
        .build()
}

fn tracer_provider(
    endpoint: &Endpoint,
    config: &OtelConfig,
    resource: Resource,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = match endpoint.protocol {
        Protocol::Grpc => grpc(SpanExporter::builder().with_tonic(), endpoint)?.build(),
        Protocol::Http => http(SpanExporter::builder().with_http(), endpoint)?.build(),
    };
    let exporter = exporter.map_err(failed("traces", endpoint))?;
    let waiting = Waiting::new("traces", config.spans.size_max);
    let batch = trace::BatchConfigBuilder::default()
        .with_max_queue_size(config.spans.size_max)
        .with_max_export_batch_size(config.spans.batch_max)
        .with_scheduled_delay(config.spans.delay)
        .build();
    let counted = Counted { inner: exporter, waiting: waiting.clone() };
    let inner = BatchSpanProcessor::builder(counted).with_batch_config(batch).build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(sampler(config.sampler))
        .with_span_processor(Bounded { inner, waiting })
        .build())
}

fn sampler(sampling: Sampling) -> Sampler {
    let root = Sampler::TraceIdRatioBased(sampling.ratio);
    if sampling.parent_based { Sampler::ParentBased(Box::new(root)) } else { root }
}

fn meter_provider(
    endpoint: &Endpoint,
    config: &OtelConfig,
    resource: Resource,
) -> Result<SdkMeterProvider, TelemetryError> {
    let temporality = if config.delta { Temporality::Delta } else { Temporality::Cumulative };
    let builder = MetricExporter::builder().with_temporality(temporality);
    let exporter = match endpoint.protocol {
        Protocol::Grpc => grpc(builder.with_tonic(), endpoint)?.build(),
        Protocol::Http => http(builder.with_http(), endpoint)?.build(),
    };
    let inner = exporter.map_err(failed("metrics", endpoint))?;
    let counted = Counted { inner, waiting: Waiting::new("metrics", 0) };
    let reader = PeriodicReader::builder(counted).with_interval(config.metric_interval).build();
    Ok(SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build())
}

fn logger_provider(
    endpoint: &Endpoint,
    config: &OtelConfig,
    resource: Resource,
) -> Result<SdkLoggerProvider, TelemetryError> {
    let exporter = match endpoint.protocol {
        Protocol::Grpc => grpc(LogExporter::builder().with_tonic(), endpoint)?.build(),
        Protocol::Http => http(LogExporter::builder().with_http(), endpoint)?.build(),
    };
    let exporter = exporter.map_err(failed("logs", endpoint))?;
    let waiting = Waiting::new("logs", config.log_records.size_max);
    let batch = logs::BatchConfigBuilder::default()
        .with_max_queue_size(config.log_records.size_max)
        .with_max_export_batch_size(config.log_records.batch_max)
        .with_scheduled_delay(config.log_records.delay)
        .build();
    let counted = Counted { inner: exporter, waiting: waiting.clone() };
    let inner = BatchLogProcessor::builder(counted).with_batch_config(batch).build();
    Ok(SdkLoggerProvider::builder()
        .with_resource(resource)
        .with_log_processor(Bounded { inner, waiting })
        .build())
}

fn failed(
    signal: &'static str,
    endpoint: &Endpoint,
) -> impl FnOnce(ExporterBuildError) -> TelemetryError {
    let url = endpoint.url.clone();
    move |source| TelemetryError::Exporter { signal, url, source }
}

fn pem(endpoint: &Endpoint) -> Result<Pem, TelemetryError> {
    Pem::read(&endpoint.tls).map_err(|source| TelemetryError::Tls { source })
}

fn grpc<B: WithExportConfig + WithTonicConfig>(
    builder: B,
    endpoint: &Endpoint,
) -> Result<B, TelemetryError> {
    let metadata = MetadataMap::from_headers(header_map(&endpoint.headers));
    let mut builder =
        builder.with_endpoint(&endpoint.url).with_timeout(endpoint.timeout).with_metadata(metadata);
    if endpoint.url.starts_with("https://") {
        // The first provider of the process stays; another one serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        builder = builder.with_tls_config(pem(endpoint)?.tonic());
    }
    Ok(if endpoint.gzip { builder.with_compression(Compression::Gzip) } else { builder })
}

fn http<B: WithExportConfig + WithHttpConfig>(
    builder: B,
    endpoint: &Endpoint,
) -> Result<B, TelemetryError> {
    let headers: HashMap<_, _> = endpoint.headers.iter().cloned().collect();
    let client = Client::new(endpoint.timeout, &pem(endpoint)?)
        .map_err(|source| TelemetryError::Client { source })?;
    let builder = builder
        .with_endpoint(&endpoint.url)
        .with_timeout(endpoint.timeout)
        .with_headers(headers)
        .with_http_client(client);
    Ok(if endpoint.gzip { builder.with_compression(Compression::Gzip) } else { builder })
}
