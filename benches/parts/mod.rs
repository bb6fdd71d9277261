//! The parts of a stage's work, each for itself, on one batch of orders.

use std::{hint::black_box, path::Path, sync::Arc};

use lineage_hub::{
    cli::generate::orders::{self, Orders},
    codec::{
        arrow_ipc::{self, ArrowConfig},
        json,
    },
    lineage::Counts,
    pipeline::{self, Options, Project, StagePlan},
    record::{Block, EncodedRows, partition_of},
    stage::{Account, processor},
    transform::{Functions, Input, Transforms, arrow::array::RecordBatch},
};

/// Records of a batch: as many as a stage works on at a time.
pub(crate) const RECORDS: usize = 4096;

/// A part, and how to do it once for a whole batch.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnMut()>,
}

impl Part {
    fn new(name: &'static str, run: impl FnMut() + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// The sample project's stages do them.
pub(crate) fn all() -> Vec<Part> {
    let extract = stage("orders/extract");
    let transform = stage("orders/transform");
    let block = Arc::new(batch());

    let mut decoder = json::Decoder::new(&extract.from.schema, json::DecodeConfig::default())
        .expect("the sample's fields are read from JSON");
    let input = decode(&mut decoder, &block);
    let mut select = extract.plan.transform();
    let extracted = select
        .apply(&Input { partition: 0, batch: &input })
        .expect("the sample's SELECT works on its orders")
        .batch;
    let encoder = json::Encoder::new(&extracted.schema()).expect("it has a form in JSON");
    let packer = arrow_ipc::Encoder::new(&extracted.schema(), &ArrowConfig::default())
        .expect("it has a form in Arrow");
    let kept = packer
        .kept(extracted.num_rows(), |_| (None, Some(0), std::iter::empty()))
        .expect("keys and timestamps are columns");
    let columns: Vec<_> = extracted.columns().iter().cloned().chain(kept).collect();
    let mut record = Vec::new();
    packer.encode(&columns, &mut record).expect("the columns are the encoder's");
    let unpacker = arrow_ipc::Decoder::new(&transform.from.schema);
    let mut stage = processor(&extract, 4).expect("the sample's stage runs");

    let (lines, keyed) = (Arc::clone(&block), Arc::clone(&block));
    vec![
        Part::new("decode", move || {
            black_box(decode(&mut decoder, &lines));
        }),
        Part::new("transform", move || {
            let done = select.apply(&Input { partition: 0, batch: &input });
            black_box(done.is_ok());
        }),
        Part::new("encode", move || {
            let mut rows = EncodedRows::default();
            black_box(encoder.encode(&extracted, &mut rows));
            black_box(rows.size());
        }),
        Part::new("pack", move || {
            let mut bytes = Vec::new();
            black_box(packer.encode(&columns, &mut bytes).is_ok());
        }),
        Part::new("unpack", move || {
            black_box(unpacker.decode(&record).is_ok());
        }),
        Part::new("partition", move || {
            let keys = keyed.iter().filter_map(|record| record.key());
            black_box(keys.map(|key| partition_of(key, 64)).sum::<usize>());
        }),
        Part::new("account", account),
        Part::new("stage", move || {
            black_box(stage.process(&block).is_ok());
        }),
    ]
}

/// As a commit does for a partition that it has records of; as often as there are
/// records, for once is too little to count.
fn account() {
    let mut account = Account::default();
    for _ in 0..RECORDS {
        account.total += Counts { read: 1, bytes_in: 282, ..Counts::default() };
        let text = black_box(account.to_string());
        black_box(text.parse::<Account>().is_ok());
    }
}

fn decode(decoder: &mut json::Decoder, block: &Block) -> RecordBatch {
    for record in block.iter() {
        // Some of the orders are malformed, as in life.
        black_box(decoder.decode(record.value().unwrap_or_default()).is_ok());
    }
    decoder.finish()
}

fn batch() -> Block {
    let mut block = Block::new("raw.orders".into(), 0);
    let (mut workload, mut value) = (Orders::new(42), Vec::new());
    for offset in 0..RECORDS {
        workload.write_next(&mut value);
        let key = orders::key(&value);
        block.push(offset as i64, Some(0), Some(key), Some(&value), []);
    }
    block
}

fn stage(id: &str) -> Arc<StagePlan> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::load(root).expect("the sample project is there");
    let (functions, transforms) = (Functions::default(), Transforms::default());
    let options = Options { functions: &functions, transforms: &transforms, namespace: "bench" };
    let (plan, _) = pipeline::check(&project, options).into_plan().expect("it has no mistakes");
    Arc::clone(plan.stage(id).expect("it has this stage"))
}
