//! Files of each format, as a version that wrote it made them: `golden/README.md` says how. They are read
//! for ever, with every value, and recovered, resumed and written anew as the files of today are.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    Attribute, Compression, Dtype, Join, Reader, Rechunk, Recorder, RecorderBuilder, RewriteError,
    Role, RunState, bf16, compare, f16, plan_recovery, recover, verify_checksums,
};
use selvedge_testing::python;

/// What a file is, as its `README.md` has it.
#[derive(Clone, Copy, Debug)]
struct Golden {
    name: &'static str,
    /// Steps that are committed.
    steps: u64,
    planned: Option<u64>,
    state: RunState,
    /// Whether it has the constants, the attributes and the notebook.
    described: bool,
    /// Whether it has the compressed tensor `V`.
    compressed: bool,
    /// Whether the tensor `W` has a step that the others lack.
    ahead: bool,
    checksums: bool,
}

/// A file that is finished.
const PLAIN: Golden = Golden {
    name: "",
    steps: 20,
    planned: Some(20),
    state: RunState::Finished,
    described: false,
    compressed: false,
    ahead: false,
    checksums: false,
};

/// One with all there is, whose process was killed.
const KILLED: Golden = Golden {
    steps: 11,
    state: RunState::Recording,
    described: true,
    ..PLAIN
};

/// One with a compressed tensor that is finished.
const FAST: Golden = Golden {
    steps: 8,
    planned: Some(8),
    described: true,
    compressed: true,
    ..PLAIN
};

#[rustfmt::skip]
const FILES: [Golden; 26] = [
    Golden { name: "format1_finished", described: true, ..PLAIN },
    Golden { name: "format1_short", steps: 13, ..PLAIN },
    Golden { name: "format1_killed", ..KILLED },
    Golden { name: "format1_ahead", steps: 5, ahead: true, ..KILLED },
    Golden { name: "format1_open_ended", steps: 25, planned: None, ..PLAIN },
    Golden { name: "format1_open_killed", steps: 25, planned: None, state: RunState::Recording, ..PLAIN },
    Golden { name: "format1_recovered", state: RunState::Recovered, ..KILLED },
    Golden { name: "format1_resumed", steps: 30, planned: Some(30), ..PLAIN },
    Golden { name: "format1_checksums", described: true, checksums: true, ..PLAIN },
    Golden { name: "format1_empty", steps: 0, ..PLAIN },
    Golden { name: "format2_fast", ..FAST },
    Golden { name: "format2_killed", steps: 6, state: RunState::Recording, ..FAST },
    Golden { name: "format2_ahead", steps: 4, state: RunState::Recording, ahead: true, ..FAST },
    Golden { name: "format2_temporal", checksums: true, ..FAST },
    Golden { name: "format3_finished", described: true, ..PLAIN },
    Golden { name: "format3_killed", ..KILLED },
    Golden { name: "format3_ahead", steps: 3, ahead: true, ..KILLED },
    Golden { name: "format3_fast", ..FAST },
    Golden { name: "format3_temporal", checksums: true, ..FAST },
    Golden { name: "format3_numbered", described: true, ..PLAIN },
    Golden { name: "format3_numbered_killed", ..KILLED },
    Golden { name: "format3_open_killed", steps: 25, planned: None, state: RunState::Recording, ..PLAIN },
    Golden { name: "format3_recovered", state: RunState::Recovered, ..KILLED },
    Golden { name: "format3_resumed", steps: 30, planned: Some(30), ..PLAIN },
    Golden { name: "format3_checksums", described: true, checksums: true, ..PLAIN },
    Golden { name: "format3_fast_killed", steps: 6, state: RunState::Recording, ..FAST },
];

impl Golden {
    fn path(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        folder.join(self.name).with_extension("h5")
    }

    /// A copy that may be changed.
    fn copy(&self, folder: &Path) -> PathBuf {
        let copy = folder.join(self.name).with_extension("h5");
        fs::copy(self.path(), &copy).unwrap();
        copy
    }

    fn tensors(&self) -> Vec<&'static str> {
        let mut names = vec!["W", "losses"];
        names.extend(self.compressed.then_some("V"));
        names
    }
}

/// Bits of the step tensor `W`: of every kind, also NaNs that no conversion may touch.
fn w(step: u64) -> Vec<u16> {
    let bits = |nth| u16::try_from((step * 12 + nth) * 40_503 % 65_536).unwrap();
    (0..12).map(bits).collect()
}

fn loss(step: u64) -> f32 {
    10.0 / (step + 1) as f32
}

/// Bits of the step tensor `V`: those of step 2 have no order and are not compressed, the others are
/// small numbers.
fn v(step: u64) -> Vec<u16> {
    let bits = |nth: u64| {
        let mixed = (step * 8192 + nth + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let random = u16::try_from(mixed >> 40 & 0xFFFF).unwrap();
        if step == 2 {
            random
        } else {
            0x3C00 | random & 0x0007
        }
    };
    (0..8192).map(bits).collect()
}

fn all<T>(steps: Range<u64>, step: impl FnMut(u64) -> Vec<T>) -> Vec<T> {
    steps.flat_map(step).collect()
}

/// Checks all that a file holds, up to `steps`.
fn check(path: &Path, golden: Golden, steps: u64, state: RunState) {
    let name = golden.name;
    let file = Reader::open(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(file.committed_steps(), steps, "{name}");
    assert_eq!(file.state(), state, "{name}");

    let w_of = file.tensor("W").unwrap();
    assert_eq!(
        (w_of.role(), w_of.dtype().unwrap()),
        (Role::Step, Dtype::Bf16)
    );
    assert_eq!((w_of.shape(), w_of.steps()), (vec![steps, 4, 3], steps));
    assert!(w_of.read::<u16>().unwrap() == all(0..steps, w), "{name}: W");
    let losses = file.tensor("losses").unwrap();
    assert_eq!(
        (losses.role(), losses.dtype().unwrap()),
        (Role::Step, Dtype::F32)
    );
    assert_eq!(losses.shape(), [steps]);
    assert_eq!(
        losses.read::<f32>().unwrap(),
        all(0..steps, |step| vec![loss(step)]),
        "{name}"
    );
    // From the last to the first, each by itself, and all but the ends in one piece.
    for step in (0..steps).rev() {
        let found: Vec<bf16> = w_of.read_step(step).unwrap();
        assert!(
            found.into_iter().map(bf16::to_bits).eq(w(step)),
            "{name}: step {step} of W"
        );
        assert_eq!(
            losses.read_step::<f32>(step).unwrap(),
            [loss(step)],
            "{name}"
        );
    }
    if steps > 2 {
        let found: Vec<u16> = w_of.read_steps(1..steps - 1).unwrap();
        assert!(found == all(1..steps - 1, w), "{name}: W");
    }
    assert!(
        w_of.read_step::<u16>(steps).is_err(),
        "{name}: there is no more"
    );

    if golden.compressed {
        let tensor = file.tensor("V").unwrap();
        assert_eq!(
            (tensor.role(), tensor.dtype().unwrap()),
            (Role::Step, Dtype::Bf16)
        );
        assert_eq!(tensor.encoder(), Some("selvedge-deflate 0.1.0"));
        assert!(
            tensor.read::<u16>().unwrap() == all(0..steps, v),
            "{name}: V"
        );
        for step in (0..steps).rev() {
            let found = tensor.read_step::<u16>(step).unwrap();
            assert!(found == v(step), "{name}: step {step} of V");
        }
    }
    if golden.described {
        check_description(&file, name);
    }
    let constants = if golden.described { 3 } else { 0 };
    assert_eq!(
        file.tensors().len(),
        golden.tensors().len() + constants,
        "{name}"
    );
}

fn check_description(file: &Reader, name: &str) {
    let constant = |wanted| {
        let tensor = file.tensor(wanted).unwrap();
        assert_eq!(tensor.role(), Role::Constant, "{name}: {wanted}");
        tensor
    };
    let dead: Vec<bool> = constant("dead_mask").read().unwrap();
    assert_eq!(dead, [true, false, false, true], "{name}");
    let ids: Vec<i64> = constant("ids").read().unwrap();
    assert_eq!(ids, [7, -1, i64::MAX], "{name}");
    assert_eq!(constant("grid").shape(), [2, 2], "{name}");
    let grid: Vec<f16> = constant("grid").read().unwrap();
    assert_eq!(
        grid,
        [f16::ONE, f16::NEG_ONE, f16::INFINITY, f16::ZERO],
        "{name}"
    );
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    for (key, expected) in [
        ("learning_rate", Attribute::Float(1e-3)),
        ("layers", Attribute::Int(12)),
        ("huge", Attribute::Uint(u64::MAX)),
        ("tied", Attribute::Bool(true)),
        ("title", Attribute::Text("Flächenträgheit".to_owned())),
        ("betas", Attribute::Floats(vec![0.9, 0.999])),
        ("names", Attribute::Texts(texts(["a", "b"]))),
        (
            "notebook",
            Attribute::Text("1.31a_thimble_7.ipynb".to_owned()),
        ),
    ] {
        assert_eq!(file.attribute(key), Some(&expected), "{name}: {key}");
    }
}

#[test]
fn every_golden_file_is_read() {
    let mut names: Vec<&str> = FILES.iter().map(|golden| golden.name).collect();
    names.sort_unstable();
    let folder = FILES[0].path();
    let there = fs::read_dir(folder.parent().unwrap()).unwrap();
    let mut there: Vec<PathBuf> = there.map(|entry| entry.unwrap().path()).collect();
    there.retain(|path| path.extension().is_some_and(|extension| extension == "h5"));
    there.sort_unstable();
    let stems = there.iter().map(|path| path.file_stem().unwrap());
    assert!(stems.eq(names), "{there:?}: each is described here");

    for golden in FILES {
        check(&golden.path(), golden, golden.steps, golden.state);
        let file = Reader::open(golden.path()).unwrap();
        assert_eq!(file.planned_steps(), golden.planned, "{}", golden.name);
        let format = i64::from(golden.name.as_bytes()[6] - b'0');
        let told = file.attribute("selvedge_format");
        assert_eq!(told, Some(&Attribute::Int(format)), "{}", golden.name);
        let extent = |name| file.tensor(name).unwrap().extent().unwrap();
        let ahead = golden.steps + u64::from(golden.ahead);
        assert_eq!(extent("W"), ahead, "{}", golden.name);
        assert_eq!(extent("losses"), golden.steps, "{}", golden.name);
        let report = verify_checksums(&file, |_| {}).unwrap();
        assert_eq!(report.has_checksums(), golden.checksums, "{}", golden.name);
        assert!(report.is_clean(), "{}: {report}", golden.name);
    }
}

#[test]
fn every_golden_file_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    for golden in FILES {
        let (name, died) = (golden.name, golden.state == RunState::Recording);
        let path = golden.copy(folder.path());
        let planned = plan_recovery(&path).unwrap();
        assert_eq!(
            fs::read(&path).unwrap(),
            fs::read(golden.path()).unwrap(),
            "{name}"
        );
        let found = recover(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        for found in [&planned, &found] {
            let expected = (golden.steps, golden.state, died);
            assert_eq!(
                (found.committed, found.state, found.changed),
                expected,
                "{name}"
            );
            let ahead = golden.ahead.then(|| ("W".to_owned(), golden.steps + 1));
            assert!(found.ahead.iter().eq(&ahead), "{name}: {:?}", found.ahead);
        }
        let state = if died {
            RunState::Recovered
        } else {
            golden.state
        };
        check(&path, golden, golden.steps, state);
        let again = recover(&path).unwrap();
        assert!(
            !again.changed && again.ahead.is_empty(),
            "{name}: {again:?}"
        );
    }
}

fn declare(builder: RecorderBuilder, golden: Golden) -> RecorderBuilder {
    let mut builder = builder
        .tensor::<bf16>("W", [4, 3])
        .scalar::<f32>("losses")
        .chunk_target(240);
    if golden.described {
        builder = builder
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
            .notebook("1.31a_thimble_7.ipynb");
    }
    if golden.compressed {
        builder = builder
            .tensor::<bf16>("V", [128, 64])
            .compression(Compression::Fast);
    }
    builder
}

fn append(run: &mut Recorder, golden: Golden, steps: Range<u64>) {
    let floats = |bits: Vec<u16>| bits.into_iter().map(bf16::from_bits).collect::<Vec<_>>();
    for step in steps {
        let (w, v) = (floats(w(step)), floats(v(step)));
        run.append(|slot| {
            let slot = slot.put("W", &w)?.put("losses", &loss(step))?;
            if golden.compressed {
                slot.put("V", &v)
            } else {
                Ok(slot)
            }
        })
        .unwrap();
    }
}

#[test]
fn every_golden_file_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    for golden in FILES {
        let path = golden.copy(folder.path());
        let resume = || declare(Recorder::resume(&path), golden);
        let more = golden.steps..golden.steps + 12;
        let builder = match golden.planned {
            Some(_) => resume().steps(more.end),
            None => resume(),
        };
        if golden.name.ends_with("temporal") {
            let refused = builder.start().unwrap_err().to_string();
            assert!(refused.contains("is an archive"), "{refused}");
            check(&path, golden, golden.steps, golden.state);
            continue;
        }
        let mut run = builder
            .start()
            .unwrap_or_else(|error| panic!("{}: {error}", golden.name));
        append(&mut run, golden, more.clone());
        run.finish().unwrap();
        check(&path, golden, more.end, RunState::Finished);
    }
}

#[test]
fn every_golden_file_is_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    for golden in FILES {
        let name = golden.name;
        let (from, to) = (golden.path(), folder.path().join("anew.h5"));
        for compression in [Compression::None, Compression::Fast, Compression::Temporal] {
            let rechunk = Rechunk::new(&from, &to)
                .compression(compression)
                .overwrite(true);
            match rechunk.run(|_| {}) {
                Ok(_) => {}
                Err(RewriteError::NothingToRechunk { .. }) if golden.steps == 0 => continue,
                Err(error) => panic!("{name}: {error}"),
            }
            let [one, two] = [&from, &to].map(|path| Reader::open(path).unwrap());
            let found = compare(&one, &two, &Default::default(), |_| {}).unwrap();
            assert!(found.is_equal(), "{name}: {found:?}");
        }
    }
}

const H5PY: &str = r#"
import sys, h5py, numpy as np

def w(steps):
    return (np.arange(steps * 12, dtype=np.uint64) * 40503 % 65536).astype(np.uint16).reshape(steps, 4, 3)

def v(steps):
    mixed = (np.arange(steps * 8192, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    random = (mixed >> np.uint64(40)).astype(np.uint16).reshape(steps, 128, 64)
    bits = random & 7 | 0x3C00
    if steps > 2:
        bits[2] = random[2]
    return bits

with h5py.File(sys.argv[1]) as f:
    shapes = []
    for name in sys.argv[2:]:
        steps = len(f[name])
        values = {"W": w, "V": v, "losses": lambda steps: np.float32(10) / np.arange(1, steps + 1, dtype=np.float32)}[name](steps)
        assert f[name].dtype == values.dtype and np.array_equal(f[name][:], values), name
        if name != "losses":
            assert f[name].attrs["logical_dtype"] == "bfloat16"
        shapes.append(steps)
    if "ids" in f:
        assert f["ids"][:].tolist() == [7, -1, 2**63 - 1]
        assert f["dead_mask"][:].tolist() == [True, False, False, True]
        assert f["grid"].dtype == np.float16 and f["grid"][:].tolist() == [[1, -1], [np.inf, 0]]
        assert f.attrs["title"] == "Flächenträgheit" and f.attrs["huge"] == 2**64 - 1
    print(*shapes, f.attrs["selvedge_state"])
"#;

/// Stock h5py reads them, and what was recovered of them.
#[test]
fn every_golden_file_is_read_by_h5py() {
    let folder = tempfile::tempdir().unwrap();
    for golden in FILES {
        let look = |path: &Path| {
            let path = path.display().to_string();
            let names = golden.tensors().into_iter().map(str::to_owned);
            python::run(H5PY, [path].into_iter().chain(names))
        };
        let told = |ahead: u64, state: u8| {
            let steps = golden.tensors().into_iter().map(|name| match name {
                "W" => golden.steps + ahead,
                _ => golden.steps,
            });
            let words = steps.map(|steps| steps.to_string());
            let words: Vec<String> = words.chain([state.to_string()]).collect();
            words.join(" ")
        };
        let (state, after) = match golden.state {
            RunState::Recording => (0, 2),
            RunState::Finished => (1, 1),
            _ => (2, 2),
        };
        let name = golden.name;
        assert_eq!(
            look(&golden.path()),
            told(golden.ahead.into(), state),
            "{name}"
        );
        let copy = golden.copy(folder.path());
        recover(&copy).unwrap();
        assert_eq!(look(&copy), told(0, after), "{name}");
    }
}

/// Bits of `W` of both ranks, as the view has them.
fn w_of_ranks(step: u64) -> Vec<u16> {
    [w(step), w(step + 20)].concat()
}

/// The files of two ranks, of which the second was killed, and the view of them.
#[test]
fn joined_ranks_are_read_recovered_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let [rank0, rank1, view] = ["rank0.h5", "rank1.h5", "view.h5"].map(|name| {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ranks");
        let copy = folder.path().join(name);
        fs::copy(golden.join(name), &copy).unwrap();
        copy
    });
    let check = |steps: u64| {
        let file = Reader::open(&view).unwrap();
        assert_eq!((file.committed_steps(), file.sources().len()), (steps, 2));
        let tensor = file.tensor("W").unwrap();
        assert_eq!(tensor.shape(), [steps, 8, 3]);
        assert!(tensor.read::<u16>().unwrap() == all(0..steps, w_of_ranks));
        let losses: Vec<f32> = file.tensor("losses").unwrap().read().unwrap();
        assert_eq!(losses, all(0..steps, |step| vec![loss(step)]));
        let h5py = "import sys, h5py\nprint(h5py.File(sys.argv[1])['W'][:].tobytes().hex())";
        let bytes = all(0..steps, w_of_ranks)
            .into_iter()
            .flat_map(u16::to_le_bytes);
        let expected: String = bytes.map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(python::on_file(h5py, &view).trim(), expected);
    };
    check(11);
    assert_eq!(recover(&rank1).unwrap().committed, 11);
    check(11);
    let mut run = Recorder::resume(&rank1).steps(20).start().unwrap();
    for step in 11..20 {
        let values: Vec<bf16> = w(step + 20).into_iter().map(bf16::from_bits).collect();
        run.append(|slot| slot.put("W", &values)?.put("losses", &loss(step)))
            .unwrap();
    }
    run.finish().unwrap();
    check(11);
    let join = Join::new([&rank0, &rank1]).overwrite(true);
    assert_eq!(join.write(&view).unwrap().steps, 20);
    check(20);
}
