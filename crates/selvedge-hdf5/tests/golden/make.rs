//! Makes the golden files. `README.md` beside it tells how it was run, for those of each format.
//!
//! Values follow from the step alone, so that a test can compute them again: see `w`, `loss` and the constants.

use std::env;
use std::path::Path;
use std::process::Command;

use selvedge_hdf5::{
    Compression, Dtype, Join, Rechunk, Recorder, RecorderBuilder, Shard, TensorSpec, add_checksums,
    bf16, f16, recover,
};

const ROWS: usize = 4;
const COLUMNS: usize = 3;

/// Element `nth` of `W` at `step`, as bits: they pass through quiet and signalling NaNs, infinities and subnormals.
fn w(step: u64, nth: usize) -> bf16 {
    let seed = step * 12 + nth as u64;
    bf16::from_bits((seed * 40_503 % 65_536) as u16)
}

fn loss(step: u64) -> f32 {
    10.0 / (step + 1) as f32
}

fn declare(builder: RecorderBuilder) -> RecorderBuilder {
    builder
        .tensor::<bf16>("W", [ROWS, COLUMNS])
        .scalar::<f32>("losses")
}

fn describe(builder: RecorderBuilder) -> RecorderBuilder {
    builder
        .constant("dead_mask", &[true, false, false, true])
        .constant("ids", &[7_i64, -1, i64::MAX])
        .constant_of_shape(
            "grid",
            [2, 2],
            &[f16::ONE, f16::NEG_ONE, f16::INFINITY, f16::ZERO],
        )
        .attribute("learning_rate", 1e-3)
        .attribute("layers", 12_i64)
        .attribute("huge", u64::MAX)
        .attribute("tied", true)
        .attribute("title", "Flächenträgheit")
        .attribute("betas", vec![0.9, 0.999])
        .attribute("names", vec!["a".to_owned(), "b".to_owned()])
        .notebook("1.31a_thimble_7.ipynb")
}

fn append(run: &mut Recorder, steps: std::ops::Range<u64>) {
    for step in steps {
        let values: Vec<bf16> = (0..ROWS * COLUMNS).map(|nth| w(step, nth)).collect();
        run.append(|slot| slot.put("W", &values)?.put("losses", &loss(step)))
            .unwrap();
        // One commit for each step, so that the moment of a kill decides.
        run.commit().unwrap();
    }
}

/// Steps of two rows of chunks, so that the index has more than one entry a tensor.
fn small_chunks(builder: RecorderBuilder) -> RecorderBuilder {
    builder.chunk_target(240)
}

/// A whole run of its own name: what is declared, how long it is, and how it ends.
fn make(name: &str, path: &Path) {
    let create = || small_chunks(declare(Recorder::create(path)));
    match name {
        "format1_finished" | "format3_finished" | "format3_numbered" => {
            let mut run = describe(create()).steps(20).start().unwrap();
            append(&mut run, 0..20);
            run.finish().unwrap();
        }
        "format1_short" => {
            let mut run = create().steps(20).start().unwrap();
            append(&mut run, 0..13);
            run.finish().unwrap();
        }
        "format1_killed" | "format1_ahead" | "format3_killed" | "format3_ahead"
        | "format3_numbered_killed" => {
            let mut run = describe(create()).steps(20).start().unwrap();
            append(&mut run, 0..11);
            std::process::abort();
        }
        "format1_open_ended" => {
            let mut run = create().start().unwrap();
            append(&mut run, 0..25);
            run.finish().unwrap();
        }
        "format1_open_killed" | "format3_open_killed" => {
            let mut run = create().start().unwrap();
            append(&mut run, 0..25);
            std::process::abort();
        }
        "format1_recovered" | "format3_recovered" => {
            let mut killed = Command::new(env::current_exe().unwrap());
            assert!(
                !killed
                    .arg(name.replace("recovered", "killed"))
                    .arg(path)
                    .status()
                    .unwrap()
                    .success()
            );
            recover(path).unwrap();
        }
        "format1_resumed" | "format3_resumed" => {
            let mut run = create().steps(20).start().unwrap();
            append(&mut run, 0..20);
            run.finish().unwrap();
            let mut run = small_chunks(declare(Recorder::resume(path)))
                .steps(30)
                .start()
                .unwrap();
            append(&mut run, 20..30);
            run.finish().unwrap();
        }
        "format1_checksums" | "format3_checksums" => {
            let mut run = describe(create()).steps(20).start().unwrap();
            append(&mut run, 0..20);
            run.finish().unwrap();
            add_checksums(path, |_| {}).unwrap();
        }
        "format1_empty" => {
            let run = create().steps(20).start().unwrap();
            run.finish().unwrap();
        }
        "format2_fast" | "format2_killed" | "format2_ahead" | "format3_fast"
        | "format3_fast_killed" => {
            let builder = describe(create()).compression(Compression::Fast);
            // Steps that shrink, and one that does not.
            let mut run = builder
                .tensor::<bf16>("V", [128, 64])
                .steps(8)
                .start()
                .unwrap();
            for step in 0..if name.ends_with("fast") { 8 } else { 6 } {
                let values: Vec<bf16> = (0..ROWS * COLUMNS).map(|nth| w(step, nth)).collect();
                let v: Vec<bf16> = (0..8192).map(|nth| v(step, nth)).collect();
                run.append(|slot| {
                    slot.put("W", &values)?
                        .put("losses", &loss(step))?
                        .put("V", &v)
                })
                .unwrap();
                run.commit().unwrap();
            }
            if !name.ends_with("fast") {
                std::process::abort();
            }
            run.finish().unwrap();
        }
        "format2_temporal" | "format3_temporal" => {
            let plain = path.with_extension("plain");
            make(&name.replace("temporal", "fast"), &plain);
            let rechunk = Rechunk::new(&plain, path).compression(Compression::Temporal);
            rechunk.checksums(true).run(|_| {}).unwrap();
            std::fs::remove_file(plain).unwrap();
        }
        // The files of two ranks, of which the second dies, and the view of them.
        "rank0" | "rank1" => {
            let rank = usize::from(name == "rank1");
            let shard = Shard {
                run: "golden".to_owned(),
                rank: rank as u64,
                world_size: 2,
            };
            let part = TensorSpec::new("W", Dtype::Bf16, [ROWS, COLUMNS]);
            let run = small_chunks(Recorder::create(path)).shard(shard);
            let run = run.tensor_spec(part.part_of([2 * ROWS, COLUMNS], [rank * ROWS, 0]));
            let mut run = run.scalar::<f32>("losses").steps(20).start().unwrap();
            for step in 0..if rank == 0 { 20 } else { 11 } {
                let seed = step + 20 * rank as u64;
                let values: Vec<bf16> = (0..ROWS * COLUMNS).map(|nth| w(seed, nth)).collect();
                run.append(|slot| slot.put("W", &values)?.put("losses", &loss(step)))
                    .unwrap();
                run.commit().unwrap();
            }
            if rank == 1 {
                std::process::abort();
            }
            run.finish().unwrap();
        }
        "view" => {
            let ranks = ["rank0.h5", "rank1.h5"].map(|rank| path.with_file_name(rank));
            Join::new(&ranks).write(path).unwrap();
        }
        other => panic!("no such file: {other}"),
    }
}

/// Of step 2 bits without an order, which do not shrink; else small numbers that do.
fn v(step: u64, nth: u64) -> bf16 {
    let mixed = (step * 8192 + nth + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let random = (mixed >> 40) as u16;
    bf16::from_bits(if step == 2 {
        random
    } else {
        0x3C00 | random & 0x0007
    })
}

fn main() {
    let mut arguments = env::args().skip(1);
    let (name, path) = (arguments.next().unwrap(), arguments.next().unwrap());
    make(&name, Path::new(&path));
}
