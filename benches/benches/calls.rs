//! What takes nanoseconds and is compared with its own past, not with a peer: criterion's.
//!
//! `cargo bench -p selvedge-benches`, with criterion's options: `--save-baseline NAME`, then `--baseline NAME`.

use std::hint::black_box;
use std::path::Path;

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use selvedge_benches::record::contender::{append, builder};
use selvedge_benches::record::workload::Workload;
use tempfile::TempDir;

/// `append` where copying is next to nothing, and planning a run.
fn calls(criterion: &mut Criterion) {
    let folder =
        TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder in the target directory");
    let path = folder.path().join("calls.h5");
    let scalars = Workload::scalars(0).expect("a workload");
    criterion.bench_function("append-scalar", |b| append_scalar(b, &scalars, &path));
    let thimble = Workload::large(0).expect("a workload");
    criterion.bench_function("plan", |b| {
        b.iter(|| black_box(builder(&thimble, &path).steps(6001)).plan());
    });
}

fn append_scalar(b: &mut Bencher<'_>, workload: &Workload, path: &Path) {
    let mut run = builder(workload, path)
        .overwrite(true)
        .start()
        .expect("a recorder");
    let (mut step, mut last) = (0, Ok(0));
    b.iter(|| {
        last = append(&mut run, workload, step);
        step += 1;
    });
    // A recorder that has failed once fails ever after.
    last.expect("every step was recorded");
    run.finish().expect("the file is complete");
}

criterion_group!(benches, calls);
criterion_main!(benches);
