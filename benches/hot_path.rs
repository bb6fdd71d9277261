//! Times of the parts of a stage's work: `cargo bench --bench hot_path`.
//!
//! Times of a shared machine say little from one day to the next; what holds in CI
//! are the instructions that `benches/instructions.rs` is counted by.

mod parts;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn hot_path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hot path");
    group.throughput(Throughput::Elements(parts::RECORDS as u64));
    for mut part in parts::all() {
        group.bench_function(part.name, |bencher| bencher.iter(&mut part.run));
    }
    group.finish();
}

criterion_group!(benches, hot_path);
criterion_main!(benches);
