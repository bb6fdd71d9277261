//! The columns about a record beside its value, built only where a SELECT reads them.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Int32Array, Int64Array, MapBuilder, StringArray, StringBuilder,
        TimestampMillisecondArray,
    },
    error::ArrowError,
};

use crate::{
    record::{Block, Record},
    transform::MetadataColumn,
};

/// The column of those records of `block` whose indices are `rows`.
pub(super) fn build(
    column: MetadataColumn,
    block: &Block,
    rows: &[u32],
) -> Result<ArrayRef, ArrowError> {
    let records = || rows.iter().map(|row| block.record(*row as usize));
    Ok(match column {
        MetadataColumn::Key => Arc::new(text(records().map(|record| record.key()))),
        MetadataColumn::Run => Arc::new(text(records().map(|record| record.run()))),
        MetadataColumn::Topic => {
            Arc::new(StringArray::from_iter_values(records().map(|_| &**block.topic())))
        }
        MetadataColumn::Partition => {
            Arc::new(Int32Array::from_value(block.partition(), rows.len()))
        }
        MetadataColumn::Offset => {
            Arc::new(Int64Array::from_iter_values(records().map(|record| record.offset())))
        }
        MetadataColumn::Timestamp => Arc::new(
            records()
                .map(|record| record.timestamp())
                .collect::<TimestampMillisecondArray>()
                .with_timezone("+00:00"),
        ),
        MetadataColumn::Headers => headers(records())?,
    })
}

fn text<'a>(parts: impl Iterator<Item = Option<&'a [u8]>>) -> StringArray {
    parts.map(|part| part.and_then(|bytes| std::str::from_utf8(bytes).ok())).collect()
}

/// Where a name repeats the last value stands, as for Kafka's own `lastHeader`.
fn headers<'a>(records: impl Iterator<Item = Record<'a>>) -> Result<ArrayRef, ArrowError> {
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for record in records {
        for (index, (name, value)) in record.headers().enumerate() {
            if record.headers().skip(index + 1).any(|(later, _)| later == name) {
                continue;
            }
            map.keys().append_value(name);
            map.values().append_option(value.and_then(|bytes| std::str::from_utf8(bytes).ok()));
        }
        map.append(true)?;
    }
    Ok(Arc::new(map.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;

    #[test]
    fn every_column_has_the_type_that_was_planned_and_the_rows_asked_for() {
        let mut block = Block::new("orders".into(), 3);
        block.push(7, Some(1), Some(b"a"), Some(b"{}"), []);
        block.push(8, None, None, Some(b"{}"), [("h", Some(&b"1"[..])), ("h", Some(&b"2"[..]))]);
        for column in MetadataColumn::ALL {
            let array = build(column, &block, &[1]).unwrap();
            assert_eq!(array.data_type(), column.field().data_type(), "{column:?}");
            assert_eq!(array.len(), 1);
        }
        let offsets = build(MetadataColumn::Offset, &block, &[0, 1]).unwrap();
        assert_eq!(offsets.as_primitive::<arrow::datatypes::Int64Type>().values(), &[7, 8]);
        let headers = build(MetadataColumn::Headers, &block, &[1]).unwrap();
        assert_eq!(headers.as_map().values().as_string::<i32>().value(0), "2");
        assert_eq!(headers.as_map().keys().len(), 1);
    }
}
