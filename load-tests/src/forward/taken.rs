//! What a backend was given: of each run every event, in order, and again where
//! an answer was lost.

use std::collections::HashMap;

#[derive(Default)]
pub struct Taken {
    /// Events of each run so far.
    runs: HashMap<String, u64>,
    pub repeated: u64,
    /// Came before one that stands before it in its run, or was no event of ours.
    pub out_of_order: u64,
}

impl Taken {
    /// Whether the event came for the first time.
    pub fn note(&mut self, body: &str) -> bool {
        let Some((run, step)) = run_and_step(body) else {
            self.out_of_order += 1;
            return true;
        };
        let next = self.runs.entry(run.to_owned()).or_default();
        if step < *next {
            self.repeated += 1;
            return false;
        }
        self.out_of_order += u64::from(step > *next);
        *next = step + 1;
        true
    }
}

/// As `events` writes them: parsing JSON would be the stand-in's main work.
fn run_and_step(body: &str) -> Option<(&str, u64)> {
    let behind = |mark: &str| body.split_once(mark).map(|(_, rest)| rest);
    let run = behind("\"runId\":\"")?.split('"').next()?;
    let time = behind("\"eventTime\":\"")?.split('Z').next()?;
    Some((run, time.rsplit(':').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::events::event;
    use super::*;

    fn note(taken: &mut Taken, number: u64) -> bool {
        taken.note(&event(number, 4).1)
    }

    #[test]
    fn an_event_that_comes_again_is_repeated_and_not_out_of_order() {
        let mut taken = Taken::default();
        assert!(note(&mut taken, 0) && note(&mut taken, 1) && note(&mut taken, 64));
        assert!(!note(&mut taken, 0) && !note(&mut taken, 64));
        assert_eq!((taken.repeated, taken.out_of_order), (2, 0));
    }

    #[test]
    fn one_that_overtakes_another_of_its_run_is_out_of_order() {
        let mut taken = Taken::default();
        note(&mut taken, 0);
        note(&mut taken, 128);
        assert_eq!(taken.out_of_order, 1);
        assert!(taken.note("{}"));
        assert_eq!((taken.repeated, taken.out_of_order), (0, 2));
    }
}
