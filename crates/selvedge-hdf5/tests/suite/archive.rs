//! Files that `Rechunk` compressed hold what their sources do, for this crate, for stock h5py, and for
//! all that is done with files.

#![allow(
    clippy::cast_possible_truncation,
    reason = "bits are cut to 16 on purpose"
)]

use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    CompareOptions, Compression, DeclareError, ReadError, ReadPattern, Reader, Rechunk, Recorder,
    RewriteError, RunState, Tensor, add_checksums, bf16, compare, f16, recover, verify_checksums,
};
use selvedge_testing::{Random, python};

use crate::common::faults::{names, new_path};

/// Two whole chunks of 16 steps, and one of 5.
const STEPS: u64 = 37;
const COMPRESSED: [&str; 6] = ["W", "all_bits", "half", "noise", "planes", "zeros"];

/// A run of every kind of tensor. In `W` three quarters of the elements stay from step to step.
fn record(folder: &Path, compression: Compression) -> PathBuf {
    let path = folder.join(format!("{compression}_1.h5"));
    let mut run = Recorder::create(&path)
        .steps(STEPS)
        .tensor::<bf16>("W", [131, 64])
        .tensor::<u16>("all_bits", [65_536])
        .tensor::<f16>("half", [8192])
        .tensor::<u16>("noise", [9000])
        .tensor::<i16>("planes", [3, 9001])
        .tensor::<bf16>("zeros", [10, 1024])
        .tensor::<bf16>("small", [8191])
        .tensor::<f32>("moment", [5000])
        .scalar::<f32>("loss")
        .constant("mask", &[true, false, true])
        .attribute("learning_rate", 1e-3)
        .compression(compression)
        .start()
        .unwrap();
    let mut random = Random(7);
    let mut draw = |len: usize| -> Vec<u16> {
        let words = (0..len.div_ceil(4)).map(|_| random.draw());
        let words = words.flat_map(|word| [0, 16, 32, 48].map(|shift| (word >> shift) as u16));
        words.take(len).collect()
    };
    let mut weights = vec![0_u16; 131 * 64];
    for step in 0..STEPS {
        for (weight, drawn) in weights.iter_mut().zip(draw(131 * 64)) {
            if drawn % 4 == 0 || step == 0 {
                *weight = drawn & 0x83FF | 0x3C00;
            }
        }
        let w: Vec<bf16> = weights.iter().copied().map(bf16::from_bits).collect();
        let all_bits: Vec<u16> = (0..=u16::MAX)
            .map(|bits| bits.wrapping_add((step / 3) as u16))
            .collect();
        let half: Vec<f16> = draw(8192).into_iter().map(f16::from_bits).collect();
        let planes: Vec<i16> = (0..27_003_u32)
            .map(|at| (at * 7 / (step as u32 + 1)) as i16)
            .collect();
        let small: Vec<bf16> = draw(8191).into_iter().map(bf16::from_bits).collect();
        let (noise, moment) = (draw(9000), vec![step as f32; 5000]);
        run.append(|row| {
            row.put("W", &w)?
                .put("all_bits", &all_bits)?
                .put("half", &half)?
                .put("noise", &noise)?
                .put("planes", &planes)?
                .put("zeros", &[bf16::ZERO; 10 * 1024])?
                .put("small", &small)?
                .put("moment", &moment)?
                .put("loss", &(step as f32))
        })
        .unwrap();
    }
    run.finish().unwrap();
    path
}

/// Holds the second file, which is compressed, against the first.
const JUDGE: &str = r#"
import sys, h5py, numpy as np
chunks = {
    "temporal": dict(W=(16, 27, 64), all_bits=(16, 2048), half=(16, 2048), noise=(16, 1800),
                     planes=(16, 1, 1801), zeros=(16, 2, 1024)),
    "fast": dict(W=(1, 131, 64), all_bits=(1, 65536), half=(1, 8192), noise=(1, 9000),
                 planes=(1, 3, 9001), zeros=(1, 10, 1024)),
}[sys.argv[3]]
with h5py.File(sys.argv[1]) as a, h5py.File(sys.argv[2]) as b:
    assert sorted(a) == sorted(b), sorted(b)
    for name in a:
        x, y = a[name], b[name]
        assert x.dtype == y.dtype and x.shape == y.shape, name
        assert x[()].tobytes() == y[()].tobytes(), name
        # A step of the last chunk, a stride over chunks, and the end of each step.
        if y.ndim > 1:
            assert x[36].tobytes() == y[36].tobytes(), name
            assert x[3:37:9, -2:].tobytes() == y[3:37:9, -2:].tobytes(), name
        assert x.attrs.get("logical_dtype") == y.attrs.get("logical_dtype")
        if name not in chunks:
            assert y.compression is None and "selvedge_encoder" not in y.attrs, name
            continue
        assert y.compression == "gzip" and y.shuffle and y.maxshape[0] is None, name
        assert y.chunks == chunks[name], (name, y.chunks)
        assert y.attrs["selvedge_encoder"].startswith("selvedge-deflate "), name
        count = y.id.get_num_chunks()
        assert count == np.prod([-(-n // c) for n, c in zip(y.shape, y.chunks)]), name
        chunks_of = [y.id.get_chunk_info(n) for n in range(count)]
        assert {c.filter_mask for c in chunks_of} == {0}, name
        # What does not compress is a few bytes longer.
        size = np.prod(y.chunks) * y.dtype.itemsize
        assert (size < chunks_of[0].size <= size + 64) == (name in ("noise", "half")), name
    assert b.attrs["selvedge_format"] == 3 and b.attrs["selvedge_state"] == 1
    assert b.attrs["learning_rate"] == 1e-3 and a.attrs["created"] == b.attrs["created"]
    bits = b["all_bits"][:]
    for step in (0, 15, 16, 36):
        assert len(np.unique(bits[step])) == 65536, step
"#;

/// What `read` gives of all tensors of two files.
fn same<T: PartialEq>(files: [&Reader; 2], what: &str, read: impl Fn(&Tensor) -> T) {
    for tensor in files[0].tensors() {
        let other = files[1].tensor(tensor.name()).unwrap();
        assert!(read(tensor) == read(other), "{what} of `{}`", tensor.name());
    }
}

/// Reads parts of both files, and compares.
fn compare_parts(source: &Path, output: &Path) {
    let [left, right] = [source, output].map(|path| Reader::open(path).unwrap());
    let options = CompareOptions::default().attributes(true);
    let found = compare(&left, &right, &options, |_| {}).unwrap();
    assert!(found.is_equal(), "{found}");
    let files = [&left, &right];
    same(files, "all", |tensor| tensor.read_bytes().unwrap());
    for (steps, stride) in [(15..17, 1), (36..37, 1), (3..37, 7), (20..20, 1)] {
        for rows in [None, Some([2, 0, 1, 1])] {
            same(files, "a part", |tensor| {
                let large = tensor.name() == "all_bits";
                let flat = rows.is_some() && tensor.step_shape().is_empty();
                if tensor.steps() == 0 || large || flat {
                    return Vec::new();
                }
                let part = tensor.select().steps(steps.clone()).every(stride);
                let part = match &rows {
                    Some(rows) => part.rows(rows.as_slice()),
                    None => part,
                };
                let len: u64 = part.shape().unwrap().iter().product();
                let len = usize::try_from(len).unwrap() * tensor.dtype().unwrap().size();
                let mut bytes = vec![0; len];
                part.read_bytes_into(&mut bytes).unwrap();
                bytes
            });
        }
    }
    same(files, "blocks", |tensor| {
        let mut values = Vec::new();
        if ["W", "noise", "zeros"].contains(&tensor.name()) {
            let every = tensor.select().every(2);
            for block in every.blocks::<u16>(1 << 20).unwrap() {
                values.extend_from_slice(&block.unwrap());
            }
        }
        values
    });
}

#[test]
fn an_archive_holds_what_its_source_does() {
    let folder = tempfile::tempdir().unwrap();
    let plain = record(folder.path(), Compression::None);
    let packed = record(folder.path(), Compression::Fast);
    for compression in [Compression::Fast, Compression::Temporal] {
        for (source, checksums) in [(&plain, false), (&plain, true), (&packed, true)] {
            let output = folder.path().join("out_1.h5");
            let rechunk = Rechunk::new(source, &output)
                .compression(compression)
                .checksums(checksums)
                .overwrite(true);
            let mut last = 0;
            let summary = rechunk
                .run(|progress| {
                    assert!(progress.done >= last && progress.done <= progress.total);
                    last = progress.done;
                })
                .unwrap();
            assert_eq!(last, summary.bytes);
            assert_eq!(summary.file_bytes, output.metadata().unwrap().len());
            assert!(summary.ratio() > 1.2, "{summary}");
            println!("{}\n{summary}", summary.plan);
            let compression = compression.to_string();
            let words = [source.as_os_str(), output.as_os_str(), compression.as_ref()];
            python::run(JUDGE, words);
            compare_parts(source, &output);
            let report = verify_checksums(&Reader::open(&output).unwrap(), |_| {}).unwrap();
            assert_eq!(report.has_checksums(), checksums);
            assert!(!checksums || report.is_clean(), "{report}");
        }
    }
    // Elements that stay make it smaller.
    let [fast, temporal] = [Compression::Fast, Compression::Temporal].map(|compression| {
        let output = folder.path().join("out_1.h5");
        let rechunk = Rechunk::new(&plain, &output).compression(compression);
        rechunk.overwrite(true).run(|_| {}).unwrap();
        let file = Reader::open(&output).unwrap();
        file.tensor("W").unwrap().stored_bytes()
    });
    assert!(temporal * 5 < fast * 4, "{temporal} and {fast}");
}

/// From an archive a plain file is made again, and another archive.
#[test]
fn an_archive_is_a_source_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let plain = record(folder.path(), Compression::None);
    let [archive, output] = ["archive_1.h5", "out_1.h5"].map(|name| folder.path().join(name));
    let rechunk = Rechunk::new(&plain, &archive).compression(Compression::Temporal);
    rechunk.run(|_| {}).unwrap();
    for (compression, pattern) in [
        (Compression::None, ReadPattern::WholeTensor),
        (Compression::None, ReadPattern::TokenSubset),
        (Compression::Fast, ReadPattern::SingleSteps),
        (Compression::Temporal, ReadPattern::TokenSubset),
    ] {
        let rechunk = Rechunk::new(&archive, &output)
            .compression(compression)
            .pattern(pattern)
            .overwrite(true);
        rechunk.run(|_| {}).unwrap();
        compare_parts(&plain, &output);
        let file = Reader::open(&output).unwrap();
        let encoder = file.tensor("W").unwrap().encoder();
        assert_eq!(encoder.is_some(), compression != Compression::None);
    }
    // In place.
    let rechunk = Rechunk::new(&output, &output).compression(Compression::Temporal);
    rechunk.overwrite(true).run(|_| {}).unwrap();
    compare_parts(&plain, &output);
    assert_eq!(
        names(folder.path()),
        ["archive_1.h5", "none_1.h5", "out_1.h5"]
    );
}

/// Every length that a last chunk can have.
#[test]
fn any_number_of_steps() {
    let (folder, path) = new_path();
    let output = folder.path().join("out_1.h5");
    for steps in (1..=18).chain([31, 32, 33]) {
        let mut run = Recorder::create(&path)
            .steps(steps)
            .overwrite(true)
            .tensor::<bf16>("W", [129, 64])
            .start()
            .unwrap();
        for step in 0..steps {
            let values: Vec<bf16> = (0..129 * 64_u64)
                .map(|at| bf16::from_bits((at * 31 + (at % 3) * step) as u16))
                .collect();
            run.append(|row| row.put("W", &values)).unwrap();
        }
        run.finish().unwrap();
        let rechunk = Rechunk::new(&path, &output)
            .compression(Compression::Temporal)
            .overwrite(true);
        rechunk.run(|_| {}).unwrap();
        let [left, right] = [&path, &output].map(|path| Reader::open(path).unwrap());
        let chunk = right.tensor("W").unwrap().chunk_shape().unwrap().to_vec();
        let expected = match steps {
            1 => [1, 129, 64],
            _ => [steps.min(16), 26, 64],
        };
        assert_eq!(chunk, expected);
        let bits = |file: &Reader| file.tensor("W").unwrap().read::<u16>().unwrap();
        assert!(bits(&left) == bits(&right), "{steps} steps");
    }
}

/// Steps of 5 MB, of which a part is read and encoded at a time, where nothing needs whole steps.
#[test]
fn large_steps_are_encoded_in_parts() {
    let (folder, path) = new_path();
    let output = folder.path().join("out_1.h5");
    let mut run = Recorder::create(&path)
        .steps(3)
        .tensor::<u16>("W", [5, 500_000])
        .start()
        .unwrap();
    let step = |number: u64| -> Vec<u16> {
        (0..2_500_000_u64)
            .map(|at| {
                (at.wrapping_mul(0x9E37_79B9) >> 17) as u16 & 0x83FF | (number * (at % 2)) as u16
            })
            .collect()
    };
    for number in 0..3 {
        let values = step(number);
        run.append(|row| row.put("W", &values)).unwrap();
    }
    run.finish().unwrap();
    for (compression, checksums, chunk) in [
        (Compression::Fast, false, [1, 3, 500_000]),
        (Compression::Temporal, false, [3, 1, 2041]),
        (Compression::Temporal, true, [3, 1, 2041]),
    ] {
        let rechunk = Rechunk::new(&path, &output)
            .compression(compression)
            .checksums(checksums)
            .overwrite(true);
        let rechunk = match (compression, checksums) {
            (Compression::Temporal, false) => rechunk.memory(40 << 20),
            _ => rechunk,
        };
        let summary = rechunk.run(|_| {}).unwrap();
        assert!(summary.ratio() > 1.2, "{summary}");
        let file = Reader::open(&output).unwrap();
        let tensor = file.tensor("W").unwrap();
        assert_eq!(tensor.chunk_shape(), Some(&chunk[..]));
        for number in 0..3 {
            let found = tensor.read_step::<u16>(number).unwrap();
            assert!(found == step(number), "{compression}, step {number}");
        }
        let report = verify_checksums(&file, |_| {}).unwrap();
        assert!(report.is_clean() || !checksums, "{report}");
    }
    // With checksums a thread has whole steps, and that much memory.
    let rechunk = Rechunk::new(&path, folder.path().join("no.h5"))
        .compression(Compression::Temporal)
        .checksums(true)
        .memory(40 << 20);
    let error = rechunk.plan().unwrap_err();
    assert!(
        matches!(error, RewriteError::Read(ReadError::WorkingMemory { .. })),
        "{error}"
    );
}

const FOREIGN: &str = r#"
import sys, h5py, numpy as np
rng = np.random.default_rng(3)
def kept(shape, dtype):
    a = rng.integers(0, 1024, shape, np.uint16)
    a[1:] = np.where(rng.random((len(a) - 1, *shape[1:])) < 0.7, a[:-1], a[1:])
    return np.maximum.accumulate(a, 0).astype(dtype)
with h5py.File(sys.argv[1], "w") as f:
    shape = (41, 90, 100)
    put = lambda name, **k: f.create_dataset(name, maxshape=(None, *shape[1:]) if "chunks" in k else None, **k)
    put("gzip", data=kept(shape, "u2"), chunks=(5, 90, 100), compression=1, shuffle=True)
    put("long_chunks", data=kept(shape, "u2"), chunks=(41, 30, 100), compression=1)
    put("scattered", data=kept(shape, "u2"), chunks=(7, 40, 30))
    put("big", data=kept(shape, ">i2"), chunks=(4, 90, 100))
    put("checked", data=kept(shape, "i2"), chunks=(4, 90, 100), compression=1, fletcher32=True)
    put("contiguous", data=kept(shape, "u2"))
    put("half", data=(kept(shape, "u2") // 8 / 64).astype("f2"))
    f["wide"] = rng.random((41, 90, 100)).astype("f4")
"#;

const JUDGE_FOREIGN: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1]) as a, h5py.File(sys.argv[2]) as b:
    for name in a:
        x, y = a[name][:], b[name]
        if name == "half":
            x = (x.astype("f4").view("u4") >> 16).astype("u2")
        assert x.astype(y.dtype).tobytes() == y[:].tobytes(), name
        assert (y.compression is None) == (name == "wide"), name
        assert name == "wide" or y.chunks == (16, 18, 100), (name, y.chunks)
"#;

#[test]
fn files_of_other_programs_become_archives() {
    let (folder, path) = new_path();
    python::on_file(FOREIGN, &path);
    let output = folder.path().join("out_1.h5");
    for memory in [40 << 20, 256 << 20] {
        let rechunk = Rechunk::new(&path, &output)
            .compression(Compression::Temporal)
            .bf16(["half"])
            .memory(memory)
            .checksums(true)
            .overwrite(true);
        let summary = rechunk.run(|_| {}).unwrap();
        assert!(summary.plan.memory <= memory);
        python::run(JUDGE_FOREIGN, [&path, &output]);
        let report = verify_checksums(&Reader::open(&output).unwrap(), |_| {}).unwrap();
        assert!(report.is_clean(), "{report}");
    }
}

#[test]
fn archives_can_be_put_in_order_and_get_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let plain = record(folder.path(), Compression::None);
    let archive = folder.path().join("archive_1.h5");
    let rechunk = Rechunk::new(&plain, &archive).compression(Compression::Temporal);
    rechunk.run(|_| {}).unwrap();
    let found = recover(&archive).unwrap();
    assert!(!found.changed && found.committed == STEPS, "{found}");
    add_checksums(&archive, |_| {}).unwrap();
    let report = verify_checksums(&Reader::open(&archive).unwrap(), |_| {}).unwrap();
    assert!(report.has_checksums() && report.is_clean(), "{report}");
    // As if its writer had died, with one tensor ahead of the others.
    let died = "
import sys, h5py
with h5py.File(sys.argv[1], 'r+') as f:
    f.attrs.modify('selvedge_state', 0)
    f.attrs.modify('selvedge_commit', [20, f.attrs['selvedge_commit'][1]])
    for name in f:
        if name not in ('noise', 'mask'):
            f[name].resize(20, 0)
";
    python::on_file(died, &archive);
    let found = recover(&archive).unwrap();
    assert!(found.changed && found.committed == 20, "{found}");
    assert_eq!(found.ahead, [("noise".to_owned(), STEPS)]);
    let [left, right] = [&plain, &archive].map(|path| Reader::open(path).unwrap());
    assert_eq!(right.state(), RunState::Recovered);
    for name in ["W", "noise", "all_bits"] {
        let read = |file: &Reader| {
            let tensor = file.tensor(name).unwrap();
            tensor.select().steps(0..20).read::<u16>().unwrap()
        };
        assert!(read(&left) == read(&right), "{name}");
    }
}

#[test]
fn a_run_goes_on_in_fast_chunks_and_not_in_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let plain = record(folder.path(), Compression::None);
    let output = folder.path().join("out_1.h5");
    let make = |compression| {
        let rechunk = Rechunk::new(&plain, &output).compression(compression);
        rechunk.overwrite(true).run(|_| {}).unwrap();
        std::fs::read(&output).unwrap()
    };
    let before = make(Compression::Temporal);
    let resume = || Recorder::resume(&output).steps(50);
    for error in [resume().plan().unwrap_err(), resume().start().unwrap_err()] {
        assert!(
            matches!(error, DeclareError::ResumeArchive { steps: 16, .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.starts_with(&output.display().to_string()), "{text}");
        assert!(text.contains("rechunk it with"), "{text}");
    }
    assert!(before == std::fs::read(&output).unwrap(), "it was changed");

    make(Compression::Fast);
    let mut run = resume().start().unwrap();
    let specs = Reader::open(&output).unwrap();
    while run.appended() < 50 {
        run.append(|row| {
            for tensor in specs.tensors().iter().filter(|tensor| tensor.steps() > 0) {
                let dtype = tensor.dtype().unwrap();
                let ones = vec![1; tensor.step_len() * dtype.size()];
                row.put_bytes(tensor.name(), dtype, &ones)?;
            }
            Ok(row)
        })
        .unwrap();
    }
    run.finish().unwrap();
    let [left, right] = [&plain, &output].map(|path| Reader::open(path).unwrap());
    assert_eq!(right.committed_steps(), 50);
    for name in COMPRESSED {
        let read = |file: &Reader| {
            let part = file.tensor(name).unwrap().select().steps(0..STEPS);
            let len: u64 = part.shape().unwrap().iter().product();
            let mut bytes = vec![0; usize::try_from(len).unwrap() * 2];
            part.read_bytes_into(&mut bytes).unwrap();
            bytes
        };
        assert!(read(&left) == read(&right), "{name}");
    }
    let last = right.tensor("W").unwrap().read_step::<u16>(49).unwrap();
    assert!(last.iter().all(|&bits| bits == 0x0101));
}

#[test]
fn a_recorder_does_not_write_archives() {
    let (folder, path) = new_path();
    let builder = || {
        Recorder::create(&path)
            .tensor::<bf16>("W", [10_000, 64])
            .compression(Compression::Temporal)
    };
    for error in [
        builder().plan().unwrap_err(),
        builder().start().unwrap_err(),
    ] {
        assert!(
            matches!(error, DeclareError::NotForRecording { .. }),
            "{error}"
        );
        let text = error.to_string();
        assert!(text.contains("record with `fast`"), "{text}");
        assert!(text.contains("a kill would cost them"), "{text}");
    }
    assert_eq!(names(folder.path()), [""; 0]);
}
