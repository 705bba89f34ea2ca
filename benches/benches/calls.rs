//! What takes nanoseconds and is compared with its own past, not with a peer: criterion's.
//!
//! `cargo bench -p selvedge-benches`, with criterion's options: `--save-baseline NAME`, then `--baseline NAME`.

use std::hint::black_box;
use std::path::Path;

use criterion::{Bencher, Criterion, criterion_group, criterion_main};
use selvedge_benches::Steps;
use tempfile::TempDir;

/// `append` where copying is next to nothing, and planning a run.
fn calls(criterion: &mut Criterion) {
    let folder =
        TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder in the target directory");
    let path = folder.path().join("calls.h5");
    let scalars = Steps::of(&[0]).expect("a workload");
    criterion.bench_function("append-scalar", |b| append_scalar(b, &scalars, &path));
    let thimble = Steps::of(&[4, 10_000, 64]).expect("a workload");
    criterion.bench_function("plan", |b| {
        b.iter(|| black_box(thimble.builder(&path).steps(6001)).plan());
    });
}

fn append_scalar(b: &mut Bencher<'_>, steps: &Steps, path: &Path) {
    let mut run = steps.builder(path).start().expect("a recorder");
    let (mut step, mut last) = (0, Ok(0));
    b.iter(|| {
        last = steps.append(&mut run, step);
        step += 1;
    });
    // A recorder that has failed once fails ever after.
    last.expect("every step was recorded");
    run.finish().expect("the file is complete");
}

criterion_group!(benches, calls);
criterion_main!(benches);
