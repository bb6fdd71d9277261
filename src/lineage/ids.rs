//! Run ids: new ones for streaming runs, derived ones for bounded runs.

use uuid::Uuid;

/// The id of a run that this process alone speaks of: a streaming run, or the
/// pipeline run of a bounded one. Ordered by time.
pub fn new_run() -> Uuid {
    Uuid::now_v7()
}

/// The id of a stage's part in the bounded run `run`. Every replica derives the
/// same one, so all speak of one run without asking each other.
///
/// `job` is the job's name, as [`super::naming::job_name`] gives it.
pub fn stage_run(run: Uuid, job: &str) -> Uuid {
    Uuid::new_v5(&run, job.as_bytes())
}

/// The run that a request with this idempotency key begins: the same for each
/// repeat, also after a restart.
pub fn keyed_run(pipeline: &str, key: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("lineage-hub/run/{pipeline}/{key}").as_bytes())
}

/// When an id of [`new_run`] was made; others do not tell.
pub fn time_of(run: Uuid) -> Option<jiff::Timestamp> {
    let (seconds, nanos) = run.get_timestamp()?.to_unix();
    jiff::Timestamp::new(i64::try_from(seconds).ok()?, nanos as i32).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_derive_one_run_id_and_stages_and_runs_differ() {
        let (run, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let id = stage_run(run, "orders.extract");
        assert_eq!(id, stage_run(run, "orders.extract"));
        assert_ne!(id, stage_run(run, "orders.load"));
        assert_ne!(id, stage_run(other, "orders.extract"));
        assert_eq!(id.get_version_num(), 5);
    }

    /// A change of the derivation would make two versions of the program speak
    /// of two runs.
    #[test]
    fn the_derivation_does_not_change() {
        let run = Uuid::parse_str("0190d5b2-7c00-7000-8000-000000000001").unwrap();
        let id = stage_run(run, "orders.extract").to_string();
        assert_eq!(id, "6204d4c6-ddfd-57de-a55c-18db8f4a8ef2");
    }

    #[test]
    fn new_runs_are_ordered_by_time() {
        let (first, second) = (new_run(), new_run());
        assert!(first < second);
        assert_eq!(first.get_version_num(), 7);
    }
}
