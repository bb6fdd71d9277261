//! What the answers of an OpenLineage API mean.
//!
//! Marquez answers 500 to some events that will never pass, and other proxies
//! and servers answer 401 or 404 to every event when their set-up is wrong;
//! neither may empty the topic into the dead letters, or stop it for one event.

use std::time::Duration;

use serde::Deserialize;

use super::{Answer, BatchAnswer, Failure};

/// What came back, with as much of the body as is looked at.
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Answered {
    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What an answer says of the one event that was sent.
pub(super) fn judge(answered: Answered) -> Result<(), Failure> {
    if answered.is_success() { Ok(()) } else { Err(failure(answered)) }
}

/// What an answer that is no success means.
fn failure(answered: Answered) -> Failure {
    let Answered { status, retry_after, body } = answered;
    let answer = Answer::new(status, &String::from_utf8_lossy(&body));
    match status {
        // Of the way or the set-up: every event would be answered so.
        300..=399 => passing(format!("a redirect to elsewhere; set `url` to it ({answer})")),
        401 | 403 | 407 => passing(format!("no leave to send; look at `api_key` ({answer})")),
        404 | 405 => passing(format!("no OpenLineage API here; look at `url` ({answer})")),
        408 | 425 | 429 => Failure::Passing { reason: answer.to_string(), retry_after },
        400..=499 => Failure::Refused(answer),
        // Marquez wraps the refusal of an event that it cannot read so.
        500 if refused_inside(&body) => Failure::Refused(answer),
        500 => Failure::Doubtful(answer),
        _ => Failure::Passing { reason: answer.to_string(), retry_after },
    }
}

fn refused_inside(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Inside {
        code: u16,
    }
    serde_json::from_slice::<Inside>(body).is_ok_and(|inside| (400..500).contains(&inside.code))
}

#[derive(Deserialize)]
struct BatchBody {
    status: Option<String>,
    failed_events: Option<Vec<FailedEvent>>,
    summary: Option<Summary>,
}

impl BatchBody {
    /// `None` for what does not tell of each event whether it was taken.
    fn read(body: &[u8]) -> Option<Self> {
        let body: Self = serde_json::from_slice(body).ok()?;
        let tells = body.failed_events.is_some()
            || body.summary.is_some()
            || body.status.as_deref() == Some("success");
        tells.then_some(body)
    }
}

#[derive(Deserialize)]
struct FailedEvent {
    index: usize,
    #[serde(default)]
    reason: String,
    /// Left out: asked again alone, where the answer is plain.
    #[serde(default = "yes")]
    retriable: bool,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(default)]
    failed: usize,
}

fn yes() -> bool {
    true
}

pub(super) fn judge_batch(answered: Answered, events: usize) -> BatchAnswer {
    if matches!(answered.status, 404 | 405 | 501) {
        return BatchAnswer::Unsupported;
    }
    if !answered.is_success() {
        return BatchAnswer::Failed(failure(answered));
    }
    let mut each = vec![Ok(()); events];
    if answered.body.trim_ascii().is_empty() {
        return BatchAnswer::Each(each);
    }
    // A page of something in between, or an answer that was cut: none can be told
    // to have been taken.
    let Some(body) = BatchBody::read(&answered.body) else {
        return BatchAnswer::Unsupported;
    };
    let failed_events = body.failed_events.unwrap_or_default();
    let told = failed_events.len();
    for failed in failed_events {
        let Some(result) = each.get_mut(failed.index) else { continue };
        let answer = Answer::new(answered.status, &failed.reason);
        *result = Err(if failed.retriable {
            Failure::Passing { reason: answer.to_string(), retry_after: None }
        } else {
            Failure::Refused(answer)
        });
    }
    let named = each.iter().filter(|result| result.is_err()).count();
    if body.summary.map_or(told, |summary| summary.failed.max(told)) > named {
        // Some failed and are not named: none can be told to have passed.
        let text = String::from_utf8_lossy(&answered.body);
        return BatchAnswer::Failed(Failure::Doubtful(Answer::new(500, &text)));
    }
    BatchAnswer::Each(each)
}

pub(super) fn passing(reason: String) -> Failure {
    Failure::Passing { reason, retry_after: None }
}
