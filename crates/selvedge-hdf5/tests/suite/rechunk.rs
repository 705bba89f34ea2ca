//! Rechunking: from every layout to every pattern, judged by stock h5py.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use selvedge_hdf5::{
    Attribute, CompareOptions, Dtype, FileError, ReadError, ReadPattern, Reader, Rechunk, Recorder,
    RewriteError, Role, RunState, StorageError, bf16, compare, f16,
};
use selvedge_testing::python;

use crate::common::faults::{begin, names, new_path};
use crate::common::sample::{Checker, LARGE, SMALL, append, check, declare};

const PATTERNS: [ReadPattern; 3] = [
    ReadPattern::WholeTensor,
    ReadPattern::SingleSteps,
    ReadPattern::TokenSubset,
];

/// A file of plain h5py with every layout. The largest tensor has 37 rows.
const FOREIGN: &str = r#"
import sys, h5py, numpy as np
rng = np.random.default_rng(11)
words = lambda *shape: rng.integers(0, 2**16, shape, np.uint16)
with h5py.File(sys.argv[1], "w") as f:
    shape = (37, 50, 8)
    put = f.create_dataset
    put("W", data=words(37, 400, 128), chunks=(5, 400, 128)).attrs["logical_dtype"] = "bfloat16"
    f["W"].attrs["unit"] = "none"
    f["W"].attrs["scale"] = [0.5, float("nan")]
    put("tokens", data=words(*shape), chunks=(37, 7, 8))
    put("odd", data=words(*shape), chunks=(4, 7, 3))
    put("gzip", data=words(*shape), chunks=(5, 50, 8), compression=1, shuffle=True)
    put("gzip_tokens", data=words(*shape), chunks=(11, 7, 8), compression=4, fletcher32=True)
    put("contiguous", data=words(*shape))
    put("wide", data=words(*shape), chunks=(10, 64, 8), maxshape=(None, None, 8))
    put("sparse", shape=shape, dtype="f4", chunks=(5, 50, 8), fillvalue=2.5)
    f["sparse"][3:9] = 1
    put("big", data=rng.random(shape).astype(">f4"), chunks=(5, 50, 8))
    put("big_scalars", data=rng.random(37).astype(">f8"))
    put("half", data=words(*shape).view(np.float16))
    put("losses", data=rng.random(37).astype("f4"), maxshape=(None,), chunks=(1024,))
    put("flags", data=rng.random(37) < 0.5)
    put("group/inner/m", data=words(37, 3, 2, 5), chunks=(2, 1, 2, 5))
    put("mask", data=rng.random(50) < 0.5)
    put("big_ids", data=np.arange(90_000, dtype=">i8").reshape(300, 300), chunks=(7, 300), compression="gzip")
    put("single", data=np.float64(0.1))
    put("empty", shape=(37, 0), dtype="f4")
    put("none", shape=(0, 4), maxshape=(None, 4), dtype="i2")
    f.attrs["learning_rate"] = 1e-3
    f.attrs["betas"] = [0.9, 0.999]
    f.attrs["model"] = "Thimblé"
    f.attrs["notebook"] = "1.5d_thimble.ipynb"
    f.attrs["created"] = "2025-01-02T03:04:05Z"
"#;

/// Compares the second file with the first; the third argument tells how its chunks must be.
const JUDGE: &str = r#"
import sys, h5py, numpy as np
STEPS = 37
with h5py.File(sys.argv[1]) as a, h5py.File(sys.argv[2]) as b:
    names = []
    a.visititems(lambda name, d: names.append(name) if isinstance(d, h5py.Dataset) else None)
    assert sorted(b) == sorted(n.replace("/", ".") for n in names), sorted(b)
    for name in names:
        x, y = a[name], b[name.replace("/", ".")]
        assert x.shape == y.shape and x.dtype.newbyteorder("<") == y.dtype, (name, x, y)
        assert x[()].astype(y.dtype).tobytes() == y[()].tobytes(), name
        step = x.shape[:1] == (STEPS,) and 0 not in x.shape
        assert (y.chunks is not None) == step, (name, y.chunks)
        if step:
            assert y.maxshape[0] is None and y.compression is None
            if sys.argv[3] == "steps" and name == "W":
                assert y.chunks == (18, 400, 128) or y.chunks[0] <= 20, y.chunks
            if sys.argv[3] == "tokens" and name == "W":
                assert y.chunks[0] == STEPS and y.chunks[1] < 400, y.chunks
        kept = {k: v for k, v in y.attrs.items() if not k.startswith("selvedge_")}
        if y.ndim == 1 and not y.chunks:
            # A constant of one axis names it, as HDF5's dimension scales do.
            scale = kept.pop("CLASS"), kept.pop("NAME").decode()
            assert scale == (b"DIMENSION_SCALE", name.replace("/", ".")), (name, scale)
        asked = {k: v for k, v in x.attrs.items() if not k.startswith("selvedge_")}
        if x.is_scale:
            del asked["CLASS"], asked["NAME"]
        assert sorted(kept) == sorted(asked), (name, sorted(kept))
        for k, v in asked.items():
            assert np.array_equal(v, kept[k], equal_nan=isinstance(v, np.ndarray)), (name, k)
    for k, v in a.attrs.items():
        if not k.startswith("selvedge_"):
            assert np.array_equal(v, b.attrs[k]), k
    assert b.attrs["selvedge_state"] == 1 and b.attrs["selvedge_steps_planned"] == STEPS
    assert b.attrs["selvedge_format"] == 3 and "created" in b.attrs
    W = b["W"][:].view(np.uint16)
    print("ok", [b[k].shape for k in b][:1])
"#;

fn word(pattern: ReadPattern) -> &'static str {
    match pattern {
        ReadPattern::SingleSteps => "steps",
        ReadPattern::TokenSubset => "tokens",
        _ => "whole",
    }
}

fn judge(input: &Path, output: &Path, pattern: ReadPattern) {
    let words = [
        input.as_os_str(),
        output.as_os_str(),
        word(pattern).as_ref(),
    ];
    python::run(JUDGE, words);
    let [left, right] = [input, output].map(|path| Reader::open(path).unwrap());
    let found = compare(
        &left,
        &right,
        &CompareOptions::default().count(true),
        |_| {},
    )
    .unwrap();
    // Whether names were kept or, of those in a group, are others now.
    assert_eq!(found.only_left, [""; 0]);
    assert_eq!(found.only_right, [""; 0]);
    assert_eq!(found.tensors.len(), left.tensors().len());
    for tensor in &found.tensors {
        assert_eq!(tensor.differing.unwrap_or(0), 0, "{tensor}");
    }
}

#[test]
fn every_layout_to_every_pattern_and_on_to_every_other() {
    let (folder, path) = new_path();
    python::on_file(FOREIGN, &path);
    for first in PATTERNS {
        let middle = folder.path().join("middle_1.h5");
        let rechunk = Rechunk::new(&path, &middle).pattern(first).overwrite(true);
        let plan = rechunk.plan().unwrap();
        println!("{plan}");
        let mut last = 0;
        let summary = rechunk
            .run(|progress| {
                assert!(progress.done >= last && progress.done <= progress.total);
                last = progress.done;
            })
            .unwrap();
        println!("{summary}");
        let mut made = summary.plan;
        made.free_disk = plan.free_disk;
        assert_eq!((made, last), (plan, summary.bytes));
        judge(&path, &middle, first);
        let file = Reader::open(&middle).unwrap();
        assert_eq!(
            (file.state(), file.committed_steps()),
            (RunState::Finished, 37)
        );
        let w = file.tensor("W").unwrap();
        assert_eq!((w.role(), w.dtype().unwrap()), (Role::Step, Dtype::Bf16));
        drop(file);
        for second in PATTERNS {
            let end = folder.path().join("end_1.h5");
            let rechunk = Rechunk::new(&middle, &end)
                .pattern(second)
                .overwrite(true)
                .checksums(true)
                .memory(1 << 20);
            rechunk.run(|_| {}).unwrap();
            judge(&middle, &end, second);
        }
    }
    assert_eq!(
        names(folder.path()),
        ["end_1.h5", "middle_1.h5", "run_1.h5"]
    );
}

#[test]
fn a_run_of_ours_keeps_all_it_has() {
    let mut checker = Checker::new();
    for shape in [SMALL, LARGE] {
        let (folder, path) = new_path();
        // Open-ended, over several chunks, and not finished: the file of a recorder that died.
        drop(begin(
            Recorder::create(&path).chunk_target(900_000),
            shape,
            43,
        ));
        for pattern in PATTERNS {
            let output = folder.path().join("sub/out_1.h5");
            let rechunk = Rechunk::new(&path, &output)
                .pattern(pattern)
                .overwrite(true)
                .chunk_target(700_000);
            rechunk.run(|_| {}).unwrap();
            let seen = checker.check(&output, shape);
            assert_eq!((seen.extents, seen.state), ([43; 5], 1));
            assert_eq!(check(&output, shape), seen);
            let [left, right] = [&path, &output].map(|path| Reader::open(path).unwrap());
            assert_eq!(left.attribute("created"), right.attribute("created"));
            let options = CompareOptions::default().attributes(true);
            let found = compare(&left, &right, &options, |_| {}).unwrap();
            assert!(found.is_equal(), "{found}");
        }
        // The output is a run like any other: it goes on, past its plan.
        let output = folder.path().join("sub/out_1.h5");
        let mut run = declare(Recorder::resume(&output), shape)
            .steps(50)
            .start()
            .unwrap();
        while run.appended() < 50 {
            append(&mut run, shape).unwrap();
        }
        run.finish().unwrap();
        assert_eq!(checker.check(&output, shape).extents, [50; 5]);
    }
}

#[test]
fn a_live_file_gives_its_committed_steps_and_is_not_replaced() {
    let (folder, path) = new_path();
    let mut run = begin(Recorder::create(&path).steps(100), SMALL, 20);
    let output = folder.path().join("out_1.h5");
    let summary = Rechunk::new(&path, &output).run(|_| {}).unwrap();
    assert_eq!(summary.plan.steps, 20);
    assert_eq!(check(&output, SMALL).extents, [20; 5]);
    let error = Rechunk::new(&path, &path)
        .overwrite(true)
        .run(|_| {})
        .unwrap_err();
    assert!(
        matches!(
            error,
            RewriteError::Storage(StorageError::File(FileError::InUse { .. }))
        ),
        "{error}"
    );
    append(&mut run, SMALL).unwrap();
    run.finish().unwrap();
    assert_eq!(check(&path, SMALL).extents, [21; 5]);
    assert_eq!(names(folder.path()), ["out_1.h5", "run_1.h5"]);
}

#[test]
fn a_file_can_be_rechunked_in_place() {
    let (folder, path) = new_path();
    begin(Recorder::create(&path), LARGE, 30).finish().unwrap();
    let rechunk = Rechunk::new(&path, &path).pattern(ReadPattern::TokenSubset);
    let error = rechunk.run(|_| {}).unwrap_err();
    assert!(
        matches!(
            error,
            RewriteError::Storage(StorageError::File(FileError::AlreadyExists { .. }))
        ),
        "{error}"
    );
    let before = Reader::open(&path).unwrap();
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&path, mode(0o640)).unwrap();
    rechunk.overwrite(true).run(|_| {}).unwrap();
    let now = path.metadata().unwrap().permissions().mode();
    assert_eq!(now & 0o7777, 0o640);
    // Whoever has the old file open keeps it.
    assert_eq!(
        before.tensor("W").unwrap().read::<u16>().unwrap().len(),
        30 * 128 * 256
    );
    assert_eq!(Checker::new().check(&path, LARGE).extents, [30; 5]);
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.tensor("loss").unwrap().chunk_shape(), Some(&[30][..]));
    assert_eq!(names(folder.path()), ["run_1.h5"]);
}

const ODD: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    f["W"] = np.arange(12, dtype="f4").reshape(6, 2)
    f["names"] = ["a", "b", "c", "d", "e", "f"]
    f["c"] = np.zeros(6, "i4,f8")
    f.attrs["table"] = np.zeros((2, 2))
    f["W"].attrs["ref"] = f["c"].ref
"#;

#[test]
fn what_cannot_be_kept_is_refused_or_told() {
    let (folder, path) = new_path();
    python::on_file(ODD, &path);
    let output = folder.path().join("out_1.h5");
    let rechunk = Rechunk::new(&path, &output);
    let error = rechunk.run(|_| {}).unwrap_err();
    assert!(matches!(error, RewriteError::CannotKeep { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("`c`") && text.contains("`names`"), "{text}");
    assert_eq!(names(folder.path()), ["run_1.h5"]);
    let summary = rechunk.skip_unsupported(true).run(|_| {}).unwrap();
    let left: Vec<&str> = summary
        .plan
        .left_out
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        left,
        ["`c`", "`names`", "attribute `table`", "attribute `W: ref`"]
    );
    let file = Reader::open(&output).unwrap();
    assert_eq!(file.tensors().len(), 1);
    assert!(file.attribute("created").is_some());

    // Nothing with steps.
    python::on_file(
        "import sys, h5py\nwith h5py.File(sys.argv[1], 'w') as f: f['x'] = 1.5",
        &path,
    );
    let error = Rechunk::new(&path, folder.path().join("no.h5"))
        .plan()
        .unwrap_err();
    assert!(
        matches!(error, RewriteError::NothingToRechunk { .. }),
        "{error}"
    );
    // Two datasets of one name.
    let twice = "import sys, h5py, numpy as np\nwith h5py.File(sys.argv[1], 'w') as f:\n  f['a/b'] = np.ones(3); f['a.b'] = np.ones(3)";
    python::on_file(twice, &path);
    let error = Rechunk::new(&path, folder.path().join("no.h5"))
        .plan()
        .unwrap_err();
    assert!(matches!(error, RewriteError::CannotKeep { .. }), "{error}");
}

const ACCIDENT: &str = r#"
import sys, h5py, ml_dtypes, numpy as np
rng = np.random.default_rng(5)
bits = rng.integers(0, 2**16, (30, 40, 8), np.uint16)
with np.errstate(all="ignore"):
    half = bits.view(ml_dtypes.bfloat16).astype(np.float16)
with h5py.File(sys.argv[1], "w") as f:
    f.create_dataset("W", data=half, chunks=(4, 40, 8), compression=1)
    f["m"] = rng.normal(size=(30, 40)).astype(np.float16)
    f["bits"] = bits
"#;

const REPAIRED: &str = r#"
import sys, h5py, ml_dtypes, numpy as np
with h5py.File(sys.argv[1]) as a, h5py.File(sys.argv[2]) as b:
    for name in ("W", "m"):
        assert b[name].dtype == np.uint16 and b[name].attrs["logical_dtype"] == "bfloat16"
        x, y = a[name][:], b[name][:].view(ml_dtypes.bfloat16)
        with np.errstate(all="ignore"):
            expected = x.astype(np.float32).astype(ml_dtypes.bfloat16)
        same = (expected.view(np.uint16) == b[name][:]) | np.isnan(x)
        assert same.all() and (np.isnan(x) == np.isnan(y.astype("f4"))).all()
    assert b["bits"].attrs["logical_dtype"] == "bfloat16"
    assert (a["bits"][:] == b["bits"][:]).all()
"#;

/// bfloat16 that was stored as float16 was found out days later, in a notebook.
#[test]
fn bfloat16_stored_as_float16_comes_back_marked() {
    let (folder, path) = new_path();
    python::on_file(ACCIDENT, &path);
    let output = folder.path().join("out_1.h5");
    let rechunk = Rechunk::new(&path, &output)
        .bf16(["W", "m"])
        .assume_bf16(["bits"]);
    let summary = rechunk.run(|_| {}).unwrap();
    println!("{summary}");
    python::run(REPAIRED, [&path, &output]);
    let [(w, of_w), (m, of_m)] = &summary.converted[..] else {
        panic!("{summary}")
    };
    assert_eq!((w.as_str(), m.as_str()), ("W", "m"));
    assert!(of_w.can_be_bf16() && of_w.uncertain() > 0 && of_w.exact > 0);
    // Data that never were bfloat16 show.
    assert!(!of_m.can_be_bf16() && of_m.rounded > of_m.total / 2);
    let file = Reader::open(&path).unwrap();
    for (tensor, expected) in [("W", of_w), ("m", of_m)] {
        let survey = selvedge_hdf5::survey_float16(file.tensor(tensor).unwrap()).unwrap();
        assert_eq!(survey, *expected);
    }
    let file = Reader::open(&output).unwrap();
    assert_eq!(
        file.tensor("W").unwrap().read::<bf16>().unwrap().len(),
        9600
    );
    assert!(file.tensor("W").unwrap().read::<f16>().is_err());
    let error = Rechunk::new(&path, &output)
        .bf16(["bits"])
        .plan()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor `bits` holds uint16, asked for float16"
    );
}

#[test]
fn chunks_that_must_be_unpacked_need_their_memory() {
    let (folder, path) = new_path();
    let script = "import sys, h5py, numpy as np\nwith h5py.File(sys.argv[1], 'w') as f:\n  f.create_dataset('W', data=np.arange(4_000_000, dtype='f4').reshape(100, -1), chunks=(50, 40_000), compression=1)";
    python::on_file(script, &path);
    let output = folder.path().join("out_1.h5");
    let rechunk = Rechunk::new(&path, &output).memory(20 << 20);
    let error = rechunk.clone().run(|_| {}).unwrap_err();
    let RewriteError::Read(ReadError::WorkingMemory { needed, .. }) = error else {
        panic!("{error}");
    };
    assert!(error.to_string().contains(&format!("--memory {needed}")));
    assert_eq!(names(folder.path()), ["run_1.h5"]);
    rechunk.clone().memory(needed - 1).run(|_| {}).unwrap_err();
    rechunk.memory(needed).run(|_| {}).unwrap();
    let file = Reader::open(&output).unwrap();
    let values: Vec<f32> = file.tensor("W").unwrap().read().unwrap();
    assert!(
        values
            .iter()
            .enumerate()
            .all(|(nth, value)| *value == nth as f32)
    );
}

/// A step larger than what is worked on at a time is copied in parts, over the pieces of its chunks.
#[test]
fn steps_larger_than_a_buffer_are_copied_in_parts() {
    let (folder, path) = new_path();
    let len = 3_000_001;
    let mut run = Recorder::create(&path)
        .steps(3)
        .tensor::<f32>("W", [len])
        .start()
        .unwrap();
    let step = |step: u32| -> Vec<f32> {
        (0..3_000_001_u32)
            .map(|at| (at * 3 + step) as f32)
            .collect()
    };
    for number in 0..3 {
        let values = step(number);
        run.append(|row| row.put("W", &values)).unwrap();
    }
    run.finish().unwrap();
    for pattern in PATTERNS {
        let output = folder.path().join("out_1.h5");
        let rechunk = Rechunk::new(&path, &output)
            .pattern(pattern)
            .overwrite(true)
            .checksums(true);
        rechunk.run(|_| {}).unwrap();
        let file = Reader::open(&output).unwrap();
        for number in 0..3 {
            let found: Vec<f32> = file.tensor("W").unwrap().read_step(number.into()).unwrap();
            assert!(found == step(number), "step {number}");
        }
        let report = selvedge_hdf5::verify_checksums(&file, |_| {}).unwrap();
        assert!(report.has_checksums() && report.is_clean(), "{report}");
    }
}

#[test]
fn an_attribute_of_ours_does_not_say_what_is_no_longer_true() {
    let (folder, path) = new_path();
    begin(Recorder::create(&path).notebook("1.5d.ipynb"), SMALL, 5)
        .finish()
        .unwrap();
    let output = folder.path().join("out_1.h5");
    Rechunk::new(&path, &output).run(|_| {}).unwrap();
    let file = Reader::open(&output).unwrap();
    assert_eq!(file.planned_steps(), Some(5));
    let notebook = Attribute::Text("1.5d.ipynb".to_owned());
    assert_eq!(file.attribute("notebook"), Some(&notebook));
    assert!(fs::metadata(&output).unwrap().len() > 0);
}
