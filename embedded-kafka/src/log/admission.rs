//! What the settings of a topic ask of the records of a batch, as Kafka's
//! `LogValidator` does: a batch with one bad record is refused whole.

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::batch::Header;
use super::options::LogOptions;
use super::records::Records;
use super::unpack::{UnpackError, uncompressed};

/// A record without a timestamp.
const NO_TIMESTAMP: i64 = -1;

/// Refuses a batch whose records the topic does not take.
pub(super) fn check(
    options: &LogOptions,
    header: &Header,
    batch: &Bytes,
    now_ms: i64,
) -> Result<(), ResponseError> {
    let earliest = now_ms.saturating_sub(options.timestamp_before_max_ms);
    let latest = now_ms.saturating_add(options.timestamp_after_max_ms);
    let stamped_by_client = !options.log_append_time;
    if stamped_by_client && header.max_timestamp > latest {
        return Err(ResponseError::InvalidTimestamp);
    }
    // Most topics take records of any age: those need no look at each record.
    let has_earliest = stamped_by_client && options.timestamp_before_max_ms < i64::MAX;
    if !options.compact && !has_earliest {
        return Ok(());
    }
    let unpacked = uncompressed(header, batch).map_err(|error| match error {
        UnpackError::TooLarge { .. } => ResponseError::MessageTooLarge,
        _ => ResponseError::CorruptMessage,
    })?;
    for record in Records::new(&unpacked) {
        let record = record.map_err(|_| ResponseError::CorruptMessage)?;
        if options.compact && record.key.is_none() {
            return Err(ResponseError::InvalidRecord);
        }
        let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
        if has_earliest && timestamp < earliest && timestamp != NO_TIMESTAMP {
            return Err(ResponseError::InvalidTimestamp);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kafka_protocol::records::Compression;

    use super::super::records::tests::batch_of;
    use super::*;

    const NOW: i64 = 1_767_225_600_000;

    fn verdict(
        configs: &[(&str, &str)],
        records: &[(Option<&str>, i64)],
    ) -> Result<(), ResponseError> {
        let configs: BTreeMap<_, _> =
            configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let records: Vec<_> =
            records.iter().map(|(key, timestamp)| (*key, Some("v"), *timestamp)).collect();
        let batch = batch_of(&records, (-1, -1, -1), false, Compression::None);
        let header = Header::check(&batch).unwrap();
        check(&LogOptions::new(&configs), &header, &batch, NOW)
    }

    #[test]
    fn a_timestamp_far_ahead_is_refused_unless_the_broker_stamps() {
        let hour = 3_600_000;
        assert_eq!(verdict(&[], &[(None, NOW + hour), (None, 0)]), Ok(()));
        let ahead = [(None, 0), (None, NOW + hour + 1)];
        assert_eq!(verdict(&[], &ahead), Err(ResponseError::InvalidTimestamp));
        assert_eq!(verdict(&[("message.timestamp.after.max.ms", "3600001")], &ahead), Ok(()));
        let any = [("message.timestamp.after.max.ms", "9223372036854775807")];
        assert_eq!(verdict(&any, &[(None, i64::MAX)]), Ok(()));
        assert_eq!(verdict(&[("message.timestamp.type", "LogAppendTime")], &ahead), Ok(()));
    }

    #[test]
    fn a_timestamp_too_long_ago_is_refused_where_the_topic_says_so() {
        let before = [("message.timestamp.before.max.ms", "1000")];
        assert_eq!(verdict(&before, &[(None, NOW - 1000), (None, NOW)]), Ok(()));
        let old = [(None, NOW), (None, NOW - 1001)];
        assert_eq!(verdict(&before, &old), Err(ResponseError::InvalidTimestamp));
        assert_eq!(verdict(&[], &[(None, 0)]), Ok(()));
    }

    #[test]
    fn a_compacted_topic_takes_records_with_keys_only() {
        let compact = [("cleanup.policy", "compact,delete")];
        assert_eq!(verdict(&compact, &[(Some("k"), NOW), (Some(""), NOW)]), Ok(()));
        let unkeyed = [(Some("k"), NOW), (None, NOW)];
        assert_eq!(verdict(&compact, &unkeyed), Err(ResponseError::InvalidRecord));
        assert_eq!(verdict(&[], &unkeyed), Ok(()));
    }
}
