//! Every operation of every library, by criterion: `cargo bench --manifest-path benches/Cargo.toml -- "parse"`.

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};

fn operations(c: &mut Criterion) {
    for mut operation in traceparent_benches::all() {
        c.benchmark_group(operation.name).bench_function(operation.library, |b| {
            b.iter_custom(|times| {
                let start = Instant::now();
                (operation.run)(times);
                start.elapsed()
            });
        });
    }
}

criterion_group!(benches, operations);
criterion_main!(benches);
