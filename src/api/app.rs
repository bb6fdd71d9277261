//! What all handlers share, and how they ask Kafka.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::{
    ApiConfig, ApiError,
    bounds::Bounds,
    feed::Feed,
    metrics::Metrics,
    pulse::Watch,
    stages::Sampler,
    writer::{Keyed, Writer, Written},
};
use crate::{
    broker::{Broker, BrokerError},
    pipeline::{ProjectPlan, Route, TopicPlan},
    record::Topic,
    runs::{RunPlan, Runs},
    runtime::Shutdown,
};

/// Questions to Kafka under way at once; each has a thread while it lasts.
const QUESTIONS_MAX: usize = 32;

/// The bounded run of this id along a route.
pub type RunPlans = Arc<dyn Fn(&Route, Uuid) -> RunPlan + Send + Sync>;

/// Sample records of a topic: so many, or `None` where there are none for it.
pub type Samples = Arc<dyn Fn(&TopicPlan, usize) -> Option<Vec<Vec<u8>>> + Send + Sync>;

/// What the API is made of.
pub struct ApiParts {
    pub config: ApiConfig,
    pub broker: Broker,
    pub plan: Arc<ProjectPlan>,
    /// Topics that must be there for the project to run.
    pub topics: Vec<Topic>,
    /// The lineage topic.
    pub lineage: Topic,
    pub lineage_enabled: bool,
    /// The consumer groups that deliver lineage to a backend, by the backend's name.
    pub forwarders: BTreeMap<String, String>,
    pub run_plans: RunPlans,
    pub samples: Samples,
}

/// The API's state.
pub(super) struct App {
    pub(super) parts: ApiParts,
    pub(super) watch: Watch,
    pub(super) feed: Arc<Feed>,
    pub(super) metrics: Metrics,
    pub(super) sampler: Sampler,
    pub(super) shutdown: Shutdown,
    pub(super) uploads: super::start::Uploads,
    pub(super) writer: Writer,
    streams: Arc<Semaphore>,
    tails: Arc<Semaphore>,
    tails_max: usize,
    questions: Arc<Semaphore>,
}

pub(super) type Shared = Arc<App>;

impl App {
    pub(super) fn start(
        parts: ApiParts,
        bounds: Bounds,
        shutdown: &Shutdown,
    ) -> std::io::Result<Shared> {
        let watch = Watch::start(&parts.broker, &parts.lineage, shutdown)?;
        let feed = Arc::new(Feed::new());
        if parts.lineage_enabled {
            feed.follow(&parts.broker, &parts.lineage, shutdown)?;
        }
        let writer = Writer::start(&parts.broker, &parts.lineage, shutdown)?;
        Ok(Arc::new(Self {
            watch,
            writer,
            feed,
            metrics: Metrics::default(),
            sampler: Sampler::default(),
            shutdown: shutdown.clone(),
            uploads: super::start::Uploads::new(parts.config.uploads_max),
            streams: Arc::new(Semaphore::new(parts.config.streams_max)),
            tails: Arc::new(Semaphore::new(bounds.tails)),
            tails_max: bounds.tails,
            questions: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            parts,
        }))
    }

    /// Asks Kafka on a thread that may block. Refuses at once where Kafka is known to
    /// be away, and as soon as it is found to be.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.watch.require()?;
        let Ok(permit) = Arc::clone(&self.questions).try_acquire_owned() else {
            return Err(ApiError::Busy);
        };
        let app = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || {
            // Given back when the thread is free, not when nobody waits any more.
            let _permit = permit;
            question(&app)
        });
        tokio::select! {
            answer = asked => answer.unwrap_or_else(|error| Err(ApiError::internal(&error))),
            error = self.watch.lost() => Err(error),
        }
    }

    /// Writes lineage events; what does not fit is left out.
    pub(super) async fn write(&self, events: Vec<Keyed>) -> Result<Written, ApiError> {
        self.watch.require()?;
        tokio::select! {
            written = self.writer.write(events) => written,
            error = self.watch.lost() => Err(error),
        }
    }

    /// `max.message.bytes` of the lineage topic, as it is now.
    pub(super) async fn event_bytes_max(&self) -> Result<usize, ApiError> {
        self.write(Vec::new()).await.map(|written| written.limit)
    }

    /// Looks at the runs: as they are in Kafka, so not while that is away.
    pub(super) fn runs<T>(&self, look: impl FnOnce(&Runs) -> T) -> Result<T, ApiError> {
        if !self.parts.lineage_enabled {
            return Err(ApiError::LineageDisabled);
        }
        self.watch.require()?;
        if !self.feed.is_caught_up() {
            return Err(ApiError::CatchingUp);
        }
        Ok(look(&self.feed.runs()))
    }

    /// Room for one more stream, as long as what is given is held.
    pub(super) fn open_stream(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let limit = self.parts.config.streams_max;
        Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_| ApiError::TooManyStreams { limit })
    }

    /// Room for one more follower of a topic: a stream with a Kafka client of its own.
    pub(super) fn open_tail(&self) -> Result<[OwnedSemaphorePermit; 2], ApiError> {
        let stream = self.open_stream()?;
        let limit = self.tails_max;
        let tail = Arc::clone(&self.tails)
            .try_acquire_owned()
            .map_err(|_| ApiError::TooManyTails { limit })?;
        Ok([stream, tail])
    }

    pub(super) fn streams_open(&self) -> usize {
        self.parts.config.streams_max - self.streams.available_permits()
    }

    pub(super) fn request_timeout(&self) -> Duration {
        self.parts.config.request_timeout
    }
}

/// A topic's own fault becomes the answer that says so.
pub(super) fn asked<T>(answer: Result<T, BrokerError>) -> Result<T, ApiError> {
    answer.map_err(ApiError::from)
}
