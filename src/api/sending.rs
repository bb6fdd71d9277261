//! The thread that sends an upload to Kafka, and the queue before it.

use std::{
    io::{self, BufRead, Read},
    sync::Arc,
    time::Duration,
};

use axum::body::{Body, Bytes};
use bytes::Buf;
use futures::StreamExt;
use tokio::sync::{mpsc, oneshot};

use super::{
    ApiError,
    app::{App, Shared},
    encoding::Encodings,
    lines::{Lines, TooLong},
    rows::CsvRows,
    start::Upload,
};
use crate::{
    broker::BrokerError,
    codec::{
        csv::{Csv, HeaderError},
        key::KeyReader,
    },
    pipeline::Route,
    runs::{RunPlan, RunSender},
    runtime::Shutdown,
};

/// Pieces of a body between its connection and its sender.
const QUEUE: usize = 4;
/// A transaction of an upload that sends nothing for so long is committed: it must
/// not grow as old as the broker lets it.
const QUIET: Duration = Duration::from_secs(2);
/// Longest that the place of an upload that failed is held for its run to be known.
const FAILED_WAIT: Duration = Duration::from_secs(5);
/// What a topic takes whose file says nothing: Kafka's own default.
pub(super) const MESSAGE_BYTES_DEFAULT: usize = 1_048_588;

/// What is to be sent.
pub(super) struct Job {
    pub(super) plan: RunPlan,
    /// Of the field that becomes the record key.
    pub(super) keys: Option<KeyReader>,
    pub(super) cancel: Shutdown,
    pub(super) record_bytes_max: usize,
    /// Records that are at hand; none: the body has them, in these encodings.
    pub(super) records: Option<Vec<Vec<u8>>>,
    pub(super) encodings: Encodings,
    /// How the body is read where it is CSV.
    pub(super) csv: Option<Box<Csv>>,
}

/// How many records were sent, once they are.
pub(super) type Sent = oneshot::Receiver<Result<u64, ApiError>>;

enum Piece {
    Bytes(Bytes),
    /// All has come.
    End,
    Failed(ApiError),
}

/// The queue's near end.
pub(super) struct Pieces(mpsc::Sender<Piece>);

/// Most bytes of a record for the topic that a route begins with.
pub(super) fn record_bytes_max(route: &Route) -> usize {
    let declared = route.stages.first().and_then(|stage| {
        stage.from.config.get("max.message.bytes").and_then(|bytes| bytes.parse().ok())
    });
    room(declared.unwrap_or(MESSAGE_BYTES_DEFAULT))
}

/// Bytes that a record may have where its topic takes batches of so many: the
/// batch has a head, and each record of it.
pub(super) fn room(message_bytes_max: usize) -> usize {
    message_bytes_max - message_bytes_max / 20
}

/// Starts the sender's thread.
pub(super) fn start(app: &Shared, job: Job, upload: Upload) -> Result<(Pieces, Sent), ApiError> {
    let (pieces, queue) = mpsc::channel(QUEUE);
    let (told, sent) = oneshot::channel();
    let app = Arc::clone(app);
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new()
        .name("api-upload".to_owned())
        .spawn(move || {
            let (id, waits) = (job.plan.id, runtime.clone());
            let incoming =
                Incoming { runtime, queue, cancel: job.cancel.clone(), rest: Some(Bytes::new()) };
            let outcome = Sending { job, incoming }.run(&app);
            upload.has_ended();
            let is_sent = outcome.is_ok();
            // Nobody waits any more where the client has gone.
            let _ = told.send(outcome);
            // One that failed may have left no run behind.
            let longest = if is_sent { Duration::MAX } else { FAILED_WAIT };
            waits.block_on(async {
                tokio::select! {
                    _ = app.feed.wait_until(longest, |runs| runs.run(id).is_some()) => {}
                    () = app.shutdown.cancelled() => {}
                }
            });
            drop(upload);
        })
        .map_err(|error| ApiError::internal(&error))?;
    Ok((Pieces(pieces), sent))
}

impl Pieces {
    /// A send fails only where the sender has ended, and has said why.
    pub(super) async fn body(self, body: Body, stall_timeout: Duration) {
        let mut body = body.into_data_stream();
        loop {
            let next = tokio::select! {
                next = tokio::time::timeout(stall_timeout, body.next()) => next,
                // The sender has ended: the run was cancelled, or it has failed.
                () = self.0.closed() => return,
            };
            let piece = match next {
                Ok(Some(Ok(bytes))) => Piece::Bytes(bytes),
                Ok(Some(Err(error))) => {
                    Piece::Failed(ApiError::Invalid(format!("the body broke off: {error}")))
                }
                Ok(None) => Piece::End,
                Err(_) => {
                    Piece::Failed(ApiError::ClientStalled { seconds: stall_timeout.as_secs() })
                }
            };
            let is_last = !matches!(piece, Piece::Bytes(_));
            if self.0.send(piece).await.is_err() || is_last {
                return;
            }
        }
    }
}

/// Why an upload is not sent to its end.
enum Stop {
    Failed(ApiError),
    Broker(BrokerError),
    TooLong(TooLong),
}

impl From<TooLong> for Stop {
    fn from(error: TooLong) -> Self {
        Self::TooLong(error)
    }
}

impl From<HeaderError> for Stop {
    fn from(error: HeaderError) -> Self {
        Self::Failed(ApiError::Unprocessable(error.to_string()))
    }
}

impl From<BrokerError> for Stop {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error)
    }
}

/// What comes in of a body, read on the sender's thread.
struct Incoming {
    runtime: tokio::runtime::Handle,
    queue: mpsc::Receiver<Piece>,
    cancel: Shutdown,
    /// Of the last piece; `None` once all has come.
    rest: Option<Bytes>,
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

/// `WouldBlock` where nothing has come for a while, and where the run is cancelled.
impl BufRead for Incoming {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest.as_ref().is_some_and(Bytes::is_empty) {
            match self.next() {
                None => return Err(io::ErrorKind::WouldBlock.into()),
                Some(Piece::Bytes(bytes)) => self.rest = Some(bytes),
                Some(Piece::End) => self.rest = None,
                Some(Piece::Failed(error)) => return Err(io::Error::other(error)),
            }
        }
        Ok(self.rest.as_deref().unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        if let Some(rest) = &mut self.rest {
            rest.advance(count);
        }
    }
}

impl Incoming {
    /// The next piece; `None` where none has come for a while.
    fn next(&mut self) -> Option<Piece> {
        let next = async {
            tokio::select! {
                piece = tokio::time::timeout(QUIET, self.queue.recv()) => piece.ok(),
                () = self.cancel.cancelled() => None,
            }
        };
        let gone = || ApiError::Invalid("the client has gone".to_owned());
        self.runtime.block_on(next).map(|piece| piece.unwrap_or_else(|| Piece::Failed(gone())))
    }
}

/// The records of a body, as they come in.
enum Records {
    Lines(Lines),
    Csv(CsvRows),
}

impl Records {
    fn push(
        &mut self,
        bytes: &[u8],
        visit: impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match self {
            Self::Lines(lines) => lines.push(bytes, visit),
            Self::Csv(rows) => rows.push(bytes, visit),
        }
    }

    fn finish(self, visit: impl FnMut(&[u8]) -> Result<(), Stop>) -> Result<(), Stop> {
        match self {
            Self::Lines(lines) => lines.finish(visit),
            Self::Csv(rows) => rows.finish(visit),
        }
    }
}

/// The sender's thread.
struct Sending {
    job: Job,
    incoming: Incoming,
}

impl Sending {
    fn run(mut self, app: &App) -> Result<u64, ApiError> {
        let (broker, lineage) = (&app.parts.broker, &app.parts.lineage);
        let mut sender = RunSender::connect(broker, lineage, &self.job.plan, None)?;
        sender.start(&self.job.plan)?;
        // The run is there for all from now on, whatever becomes of the body.
        sender.commit_so_far()?;
        // Only at the end does Kafka say that it refuses a record.
        let sent = self.send(&mut sender).and_then(|()| {
            if self.job.cancel.is_cancelled() {
                sender.cancel()?;
            } else {
                sender.finish()?;
            }
            Ok(())
        });
        let Err(stop) = sent else { return Ok(sender.records()) };
        let error = match stop {
            Stop::Failed(error) => error,
            Stop::Broker(error) => error.into(),
            Stop::TooLong(TooLong { line }) => {
                ApiError::RecordTooLarge { number: line, limit: self.job.record_bytes_max }
            }
        };
        sender.abort(&error.to_string());
        Err(error)
    }

    /// Sends until all has come, or until the run is cancelled.
    fn send(&mut self, sender: &mut RunSender) -> Result<(), Stop> {
        let Self { job, incoming } = self;
        let mut keys = job.keys.take();
        let mut send = |sender: &mut RunSender, record: &[u8]| {
            let key = keys.as_mut().and_then(|keys| keys.key_of(record));
            Ok::<_, Stop>(sender.send_row(key.as_deref(), record)?)
        };
        if let Some(records) = &job.records {
            return records.iter().try_for_each(|record| send(sender, record));
        }
        let mut records = match job.csv.take() {
            Some(csv) => Records::Csv(CsvRows::new(csv, job.record_bytes_max)),
            None => Records::Lines(Lines::new(job.record_bytes_max)),
        };
        let mut body = job.encodings.unpack(incoming).map_err(|error| job.stop(error))?;
        while !job.cancel.is_cancelled() {
            match body.fill_buf() {
                Ok([]) => return records.finish(|record| send(sender, record)),
                Ok(bytes) => {
                    let count = bytes.len();
                    records.push(bytes, |record| send(sender, record))?;
                    body.consume(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    sender.commit_so_far()?;
                }
                Err(error) => return Err(job.stop(error)),
            }
        }
        Ok(())
    }
}

impl Job {
    /// Where reading failed, because of the body itself or of what is packed in it.
    fn stop(&self, error: io::Error) -> Stop {
        Stop::Failed(match error.downcast::<ApiError>() {
            Ok(error) => error,
            Err(error) => self.encodings.invalid(&error),
        })
    }
}
