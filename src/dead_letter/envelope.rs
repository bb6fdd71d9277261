//! What a dead letter says beside the record itself, as headers.

use crate::record::{HeaderBytes, Position, Record};

const PIPELINE: &str = "lineage-hub-dlq-pipeline";
const STAGE: &str = "lineage-hub-dlq-stage";
const STEP: &str = "lineage-hub-dlq-step";
const ERROR: &str = "lineage-hub-dlq-error";
const TOPIC: &str = "lineage-hub-dlq-topic";
const PARTITION: &str = "lineage-hub-dlq-partition";
const OFFSET: &str = "lineage-hub-dlq-offset";
const TIMESTAMP: &str = "lineage-hub-dlq-timestamp";

/// Begins the names of the headers that an envelope adds.
const PREFIX: &str = "lineage-hub-dlq-";

/// Most bytes of an error in a header.
const ERROR_BYTES_MAX: usize = 1000;

/// Where and why a record failed.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    pub pipeline: &'a str,
    pub stage: &'a str,
    /// `decode`, `transform`, `expect` or `encode`.
    pub step: &'a str,
    pub error: &'a str,
}

impl Envelope<'_> {
    /// The record's own headers (those of an earlier envelope left out), then
    /// the envelope's. The run header is the record's own and stays.
    pub fn headers(&self, record: &Record<'_>, headers: &mut HeaderBytes) {
        headers.clear();
        for (name, value) in own_headers(record) {
            headers.push(name, value);
        }
        let Position { topic, partition, offset } = record.position();
        let mut add = |name, value: &str| headers.push(name, Some(value.as_bytes()));
        add(PIPELINE, self.pipeline);
        add(STAGE, self.stage);
        add(STEP, self.step);
        add(ERROR, shortened(self.error));
        add(TOPIC, &topic);
        add(PARTITION, &partition.to_string());
        add(OFFSET, &offset.to_string());
        if let Some(timestamp) = record.timestamp() {
            add(TIMESTAMP, &timestamp.to_string());
        }
    }
}

/// A record's headers but for those of an envelope.
pub fn own_headers<'a>(
    record: &Record<'a>,
) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
    record.headers().filter(|(name, _)| !name.starts_with(PREFIX))
}

fn shortened(error: &str) -> &str {
    let end = (0..=error.len().min(ERROR_BYTES_MAX))
        .rev()
        .find(|end| error.is_char_boundary(*end))
        .unwrap_or(0);
    &error[..end]
}

/// What a record of a dead letter topic says of its failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub pipeline: String,
    pub stage: String,
    pub step: String,
    pub error: String,
    /// Where the record stood when it failed.
    pub position: Position,
}

impl DeadLetter {
    /// `None` where the record has no envelope: somebody else wrote it.
    pub fn read(record: &Record<'_>) -> Option<Self> {
        let text = |wanted: &str| {
            let (_, value) = record.headers().filter(|(name, _)| *name == wanted).last()?;
            Some(String::from_utf8_lossy(value?).into_owned())
        };
        Some(Self {
            pipeline: text(PIPELINE)?,
            stage: text(STAGE)?,
            step: text(STEP)?,
            error: text(ERROR)?,
            position: Position {
                topic: text(TOPIC)?.into(),
                partition: text(PARTITION)?.parse().ok()?,
                offset: text(OFFSET)?.parse().ok()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, RUN_HEADER};

    fn enveloped(error: &str, headers: &[(&str, Option<&[u8]>)]) -> Block {
        let mut input = Block::new("orders".into(), 3);
        input.push(1287, Some(5), Some(b"k"), Some(b"not json"), headers.iter().copied());
        let envelope = Envelope { pipeline: "orders", stage: "clean", step: "decode", error };
        let mut headers = HeaderBytes::default();
        envelope.headers(&input.record(0), &mut headers);
        let mut letters = Block::new("orders.dlq".into(), 0);
        letters.push(2, None, Some(b"k"), Some(b"not json"), headers.iter());
        letters
    }

    #[test]
    fn a_dead_letter_tells_where_the_record_stood_and_keeps_its_run() {
        let letters = enveloped("cannot decode", &[(RUN_HEADER, Some(b"r1"))]);
        let letter = DeadLetter::read(&letters.record(0)).unwrap();
        assert_eq!(letter.position.to_string(), "orders/3@1287");
        assert_eq!((letter.stage.as_str(), letter.step.as_str()), ("clean", "decode"));
        assert_eq!(letters.record(0).run(), Some(&b"r1"[..]));
    }

    #[test]
    fn a_record_that_dies_twice_tells_of_the_second_death_only() {
        let first = enveloped("first", &[]);
        let own: Vec<_> = first.record(0).headers().collect();
        let second = enveloped("second", &own);
        assert_eq!(DeadLetter::read(&second.record(0)).unwrap().error, "second");
        let errors = second.record(0).headers().filter(|(name, _)| *name == ERROR).count();
        assert_eq!(errors, 1);
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let letters = enveloped(&"ä".repeat(900), &[]);
        assert_eq!(DeadLetter::read(&letters.record(0)).unwrap().error, "ä".repeat(500));
    }

    #[test]
    fn a_record_of_somebody_else_is_no_dead_letter() {
        let mut block = Block::new("orders.dlq".into(), 0);
        block.push(0, None, None, Some(b"{}"), []);
        assert_eq!(DeadLetter::read(&block.record(0)), None);
    }
}
