//! Columns into the records that go out.

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};

use super::{StageError, packing::Packing, process::unplanned, work::Work};
use crate::{
    broker::{OutPack, SetParts},
    codec::{
        arrow_ipc::{self, ArrowConfig},
        json::{EncodeConfig, EncodeError, Encoder},
    },
    record::{EncodedRows, Room, Topic},
    transform::{Output, Setters},
};

/// What a record of the output topic is.
#[derive(Debug, Clone, Copy)]
pub enum EncodeFormat<'a> {
    Json,
    /// Rows with a key go to one of so many partitions.
    Arrow {
        config: &'a ArrowConfig,
        partitions: usize,
    },
}

/// Writes batches of one topic.
pub(super) struct Writing {
    encoding: Encoding,
    record_bytes_max: usize,
    /// The columns of the value, where others are among those of the output.
    value: Option<Vec<usize>>,
    /// With the topic's key field as the key.
    setters: Setters,
    /// What the last rows took.
    room: Room,
}

enum Encoding {
    Json(Encoder),
    Arrow(Packing),
}

/// Rows ready to be sent.
pub(super) struct Written {
    pub rows: EncodedRows,
    pub set: SetParts,
    /// For each row of the output, its input record.
    pub origins: Vec<u32>,
    pub packs: Option<Vec<OutPack>>,
}

/// Rows that cannot be written, by their index.
pub(super) type Bad = Vec<(usize, EncodeError)>;

impl Writing {
    pub(super) fn new(
        topic: &Topic,
        output: &SchemaRef,
        key: Option<&str>,
        format: EncodeFormat<'_>,
        record_bytes_max: usize,
    ) -> Result<Self, StageError> {
        let mut setters = Setters::of(output)
            .map_err(|source| StageError::Setter { topic: topic.clone(), source })?;
        let fields = setters.value_schema(output);
        let encoding = match format {
            EncodeFormat::Json => Encoding::Json(
                Encoder::with_config(&fields, EncodeConfig { record_bytes_max })
                    .map_err(|source| StageError::Encode { topic: topic.clone(), source })?,
            ),
            EncodeFormat::Arrow { config, partitions } => {
                let encoder = arrow_ipc::Encoder::new(&fields, config)
                    .map_err(|source| StageError::Pack { topic: topic.clone(), source })?;
                Encoding::Arrow(Packing { encoder, partitions, record_bytes_max })
            }
        };
        let value = (!setters.is_empty()).then(|| setters.value_columns(output.fields().len()));
        let field = key.and_then(|name| output.index_of(name).ok());
        setters.key = setters.key.or(field);
        Ok(Self { encoding, record_bytes_max, value, setters, room: Room::default() })
    }

    /// The columns of the value.
    pub(super) fn value(&self, output: &RecordBatch) -> Result<RecordBatch, StageError> {
        match &self.value {
            None => Ok(output.clone()),
            Some(columns) => output.project(columns).map_err(unplanned),
        }
    }

    /// The rows as they go out, and those that cannot.
    pub(super) fn write(
        &mut self,
        work: &Work,
        output: &Output,
    ) -> Result<(Written, Bad), StageError> {
        let origins = work.origins(output);
        let value = self.value(&output.batch)?;
        let column = |index: Option<usize>| index.map(|index| output.batch.column(index));
        let Setters { key, timestamp, headers } = self.setters;
        let set =
            SetParts::new(column(key), column(timestamp), column(headers)).map_err(unplanned)?;
        let mut rows = EncodedRows::with_room(self.room);
        let (packs, bad) = match &self.encoding {
            Encoding::Json(encoder) => {
                let mut bad = encoder.encode(&value, &mut rows);
                if key.is_some() || headers.is_some() {
                    // The broker refuses what is too large, and with it the whole transaction.
                    let limit = self.record_bytes_max;
                    let large =
                        (0..rows.len()).filter(|&row| rows.row(row).len() + set.size(row) > limit);
                    bad.extend(large.map(|row| (row, EncodeError::TooLarge { limit })));
                }
                (None, bad)
            }
            Encoding::Arrow(packing) => {
                let (packs, bad) =
                    packing.pack(work, &value, &set, &origins, &mut rows).map_err(unplanned)?;
                (Some(packs), bad)
            }
        };
        self.room = rows.room();
        Ok((Written { rows, set, origins, packs }, bad))
    }
}
