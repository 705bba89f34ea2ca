//! A run whose every value is a function of tensor, step and index, and those who check it: this
//! crate's reader, and a long-lived Python process with stock h5py.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::str::FromStr;

use half::bf16;
use selvedge_hdf5::{
    Attribute, OpenStep, Reader, RecordError, Recorder, RecorderBuilder, RunState, StorageError,
};
use selvedge_testing::{Guard, python};

/// The step tensors of the sample, in the order of their numbers.
pub(crate) const TENSORS: [&str; 5] = ["W", "moment", "mask", "loss", "count"];

/// Number of the constant `ids` among the tensors.
const IDS: u32 = 100;

/// Elements of one step: of `W` along both axes, of `moment` and of `mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) w: [usize; 2],
    pub(crate) moment: usize,
    pub(crate) mask: usize,
}

/// Less than 100 bytes.
pub(crate) const SMALL: Shape = Shape {
    w: [6, 4],
    moment: 7,
    mask: 5,
};

/// About 84 kB.
pub(crate) const LARGE: Shape = Shape {
    w: [128, 256],
    moment: 4500,
    mask: 701,
};

/// 32 bits that tell which element of which step of which tensor it is.
pub(crate) fn bits(tensor: u32, step: u32, index: u32) -> u32 {
    let hash = tensor
        .wrapping_mul(0x9E37_79B1)
        .wrapping_add(step.wrapping_mul(0x85EB_CA6B))
        .wrapping_add(index.wrapping_mul(0xC2B2_AE35));
    let hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
    hash ^ (hash >> 12)
}

fn values<T>(tensor: u32, step: u64, len: usize, make: impl Fn(u32) -> T) -> Vec<T> {
    let step = u32::try_from(step).expect("a test has few steps");
    let len = u32::try_from(len).expect("a test has small tensors");
    (0..len)
        .map(|index| make(bits(tensor, step, index)))
        .collect()
}

pub(crate) fn as_bf16(bits: u32) -> bf16 {
    // All bit patterns, signalling NaNs among them; half of the values are near 1, and compress.
    let near_one = bits & 1 == 1;
    let value = (bits >> 16) as u16;
    bf16::from_bits(if near_one {
        value & 0x3FF | 0x3C00
    } else {
        value
    })
}

fn as_f32(bits: u32) -> f32 {
    // 24 bits, which `f32` holds exactly.
    (bits >> 8) as f32
}

fn as_i64(bits: u32) -> i64 {
    i64::from(bits) - (1 << 31)
}

fn as_bool(bits: u32) -> bool {
    bits >> 31 == 1
}

fn ids() -> Vec<i32> {
    values(IDS, 0, 300, |bits| (bits >> 1).cast_signed())
}

/// Declares the sample's tensors, constants and attributes.
pub(crate) fn declare(builder: RecorderBuilder, shape: Shape) -> RecorderBuilder {
    builder
        .tensor::<bf16>("W", shape.w)
        .tensor::<f32>("moment", [shape.moment])
        .tensor::<bool>("mask", [shape.mask])
        .scalar::<f32>("loss")
        .scalar::<i64>("count")
        .constant("ids", &ids())
        .constant("dead", &[true, false, false, true, true])
        .attribute("learning_rate", 1e-3)
        .attribute("betas", [0.9, 0.999])
        .attribute("model", "Thimblé")
}

/// The values of one step.
pub(crate) struct Step {
    w: Vec<bf16>,
    moment: Vec<f32>,
    mask: Vec<bool>,
    loss: f32,
    count: i64,
}

/// The values of step `step`.
pub(crate) fn step(shape: Shape, step: u64) -> Step {
    Step {
        w: values(0, step, shape.w[0] * shape.w[1], as_bf16),
        moment: values(1, step, shape.moment, as_f32),
        mask: values(2, step, shape.mask, as_bool),
        loss: values(3, step, 1, as_f32)[0],
        count: values(4, step, 1, as_i64)[0],
    }
}

/// Appends the next step.
pub(crate) fn append(run: &mut Recorder, shape: Shape) -> Result<u64, RecordError> {
    let values = step(shape, run.appended());
    put(run, &values)
}

/// Appends `values` as the next step.
pub(crate) fn put(run: &mut Recorder, values: &Step) -> Result<u64, RecordError> {
    run.append(|step| fill(step, values))
}

/// Puts `values` into a step.
pub(crate) fn fill<'s, 'r>(
    step: &'s mut selvedge_hdf5::Step<'r>,
    values: &Step,
) -> Result<&'s mut selvedge_hdf5::Step<'r>, RecordError> {
    step.put("W", &values.w)?
        .put("moment", &values.moment)?
        .put("mask", &values.mask)?
        .put("loss", &values.loss)?
        .put("count", &values.count)
}

/// Puts `values` into a step that is open.
pub(crate) fn fill_open(step: &mut OpenStep, values: &Step) -> Result<(), RecordError> {
    step.put("W", &values.w)?
        .put("moment", &values.moment)?
        .put("mask", &values.mask)?
        .put("loss", &values.loss)?
        .put("count", &values.count)?;
    Ok(())
}

/// What a check found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Leading extents of [`TENSORS`].
    pub(crate) extents: [u64; 5],
    /// `selvedge_state`.
    pub(crate) state: i64,
}

impl Seen {
    pub(crate) fn committed(&self) -> u64 {
        self.extents.into_iter().min().unwrap_or(0)
    }
}

impl FromStr for Seen {
    type Err = String;

    /// Parses `extents` and state, in this order, separated by blanks.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<i64> = text
            .split_ascii_whitespace()
            .map(|word| word.parse().map_err(|_| text.to_owned()))
            .collect::<Result<_, _>>()?;
        let (&state, extents) = numbers.split_last().ok_or(text)?;
        let extents: Vec<u64> = extents
            .iter()
            .map(|extent| extent.cast_unsigned())
            .collect();
        let extents = extents.try_into().map_err(|_| text.to_owned())?;
        Ok(Self { extents, state })
    }
}

fn assert_steps<T: PartialEq + std::fmt::Debug>(
    path: &Path,
    tensor: usize,
    step_len: usize,
    found: &[T],
    make: impl Fn(u32) -> T,
) {
    let number = u32::try_from(tensor).expect("few tensors");
    for (nth, found) in found.chunks(step_len).enumerate() {
        let expected = values(number, nth as u64, step_len, &make);
        assert!(
            found == expected,
            "step {nth} of tensor `{}` of {} is wrong: {:?} …, expected {:?} …",
            TENSORS[tensor],
            path.display(),
            &found[..step_len.min(8)],
            &expected[..step_len.min(8)],
        );
    }
}

/// Checks with this crate's reader that the file at `path` has every committed step of the sample,
/// and the constants and attributes.
pub(crate) fn check(path: &Path, shape: Shape) -> Seen {
    try_check(path, shape).unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

/// Like [`check`]; returns an error where the file does not open.
pub(crate) fn try_check(path: &Path, shape: Shape) -> Result<Seen, StorageError> {
    let file = Reader::open(path)?;
    let tensor = |number: usize| file.tensor(TENSORS[number]).expect("the sample's tensors");
    for number in 0..TENSORS.len() {
        assert_eq!(tensor(number).steps(), file.committed_steps());
    }
    let w: Vec<u16> = tensor(0).read().expect("W");
    assert_steps(path, 0, shape.w[0] * shape.w[1], &w, |bits| {
        as_bf16(bits).to_bits()
    });
    let moment: Vec<f32> = tensor(1).read().expect("moment");
    assert_steps(path, 1, shape.moment, &moment, as_f32);
    let mask: Vec<bool> = tensor(2).read().expect("mask");
    assert_steps(path, 2, shape.mask, &mask, as_bool);
    let loss: Vec<f32> = tensor(3).read().expect("loss");
    assert_steps(path, 3, 1, &loss, as_f32);
    let count: Vec<i64> = tensor(4).read().expect("count");
    assert_steps(path, 4, 1, &count, as_i64);

    assert_eq!(
        file.tensor("ids").expect("ids").read::<i32>().expect("ids"),
        ids()
    );
    let dead: Vec<bool> = file.tensor("dead").expect("dead").read().expect("dead");
    assert_eq!(dead, [true, false, false, true, true]);
    assert_eq!(
        file.attribute("learning_rate"),
        Some(&Attribute::Float(1e-3))
    );
    assert_eq!(
        file.attribute("betas"),
        Some(&Attribute::Floats(vec![0.9, 0.999]))
    );
    assert_eq!(
        file.attribute("model"),
        Some(&Attribute::Text("Thimblé".to_owned()))
    );
    let seen = Seen {
        extents: std::array::from_fn(|number| tensor(number).extent().expect("a step tensor")),
        state: match file.state() {
            RunState::Recording => 0,
            RunState::Finished => 1,
            RunState::Recovered => 2,
            _ => -1,
        },
    };
    assert_eq!(seen.committed(), file.committed_steps());
    Ok(seen)
}

/// The sample in numpy, for scripts that look at it with stock h5py.
pub(crate) const PYTHON_SAMPLE: &str = r#"
import sys, h5py, numpy as np

def bits(tensor, steps, count):
    mask = 0xFFFFFFFF
    step = np.arange(steps.start, steps.stop, dtype=np.uint32) * np.uint32(0x85EBCA6B)
    index = np.arange(count, dtype=np.uint32) * np.uint32(0xC2B2AE35)
    h = step[:, None] + index[None, :] + np.uint32(tensor * 0x9E3779B1 & mask)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    return h ^ (h >> np.uint32(12))

AS = {
    "W": lambda h: np.where(h & 1, h >> np.uint32(16) & 0x3FF | 0x3C00, h >> np.uint32(16)).astype(np.uint16),
    "moment": lambda h: (h >> np.uint32(8)).astype(np.float32),
    "mask": lambda h: h >> np.uint32(31) == 1,
    "loss": lambda h: (h >> np.uint32(8)).astype(np.float32),
    "count": lambda h: h.astype(np.int64) - 2**31,
}
DEAD = [True, False, False, True, True]

def right(number, name, values, first):
    """Whether `values` are the steps of the tensor from `first` on."""
    count = int(np.prod(values.shape[1:], dtype=int))
    expected = AS[name](bits(number, range(first, first + len(values)), count))
    return values.dtype == expected.dtype and np.array_equal(values.reshape(expected.shape), expected)

def check(path, shapes):
    """All that the file has; the extents and the state."""
    with h5py.File(path) as f:
        assert sorted(f) == sorted([*AS, "ids", "dead"]), sorted(f)
        for number, name in enumerate(AS):
            assert f[name].shape[1:] == tuple(shapes[name]), (name, f[name].shape)
            values = f[name][:]
            if not right(number, name, values, 0):
                bad = [i for i in range(len(values)) if not right(number, name, values[i:i+1], i)]
                raise AssertionError(f"{name}: of {len(values)} steps these are wrong: {bad}")
        assert f["W"].attrs["logical_dtype"] == "bfloat16"
        ids = (bits(100, range(1), 300)[0] >> np.uint32(1)).astype(np.int32)
        assert f["ids"].dtype == np.int32 and np.array_equal(f["ids"][:], ids), "ids"
        assert f["dead"][:].tolist() == DEAD, "dead"
        assert f.attrs["learning_rate"] == 1e-3 and f.attrs["model"] == "Thimblé"
        assert f.attrs["betas"].tolist() == [0.9, 0.999]
        return [*(len(f[name]) for name in AS), f.attrs["selvedge_state"]]

def shapes(words):
    w0, w1, moment, mask = map(int, words)
    return {"W": (w0, w1), "moment": (moment,), "mask": (mask,), "loss": (), "count": ()}
"#;

const PYTHON_LOOP: &str = r#"
for line in sys.stdin:
    path, *words = line.rstrip("\n").split("\t")
    try:
        print("ok", *check(path, shapes(words)), flush=True)
    except BaseException as error:
        print("error", type(error).__name__, repr(str(error)), flush=True)
"#;

/// The arguments that the Python scripts take for a shape.
pub(crate) fn shape_words(shape: Shape) -> [String; 4] {
    [shape.w[0], shape.w[1], shape.moment, shape.mask].map(|axis| axis.to_string())
}

/// A Python process with stock h5py that checks one file after the other.
pub(crate) struct Checker {
    process: Guard,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Checker {
    pub(crate) fn new() -> Self {
        let text = format!("{PYTHON_SAMPLE}{PYTHON_LOOP}");
        let mut process = Guard(
            python::script::<&str>(&text, [])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("python starts"),
        );
        Self {
            requests: process.0.stdin.take().expect("a pipe"),
            replies: BufReader::new(process.0.stdout.take().expect("a pipe")),
            process,
        }
    }

    /// Like [`check`], by stock h5py; the error is its message.
    pub(crate) fn look(&mut self, path: &Path, shape: Shape) -> Result<Seen, String> {
        let words = shape_words(shape).join("\t");
        writeln!(self.requests, "{}\t{words}", path.display()).expect("python listens");
        let mut reply = String::new();
        self.replies.read_line(&mut reply).expect("python answers");
        match reply.trim().strip_prefix("ok ") {
            Some(seen) => Ok(seen.parse().expect("numbers")),
            None => Err(format!("{reply} (python: {:?})", self.process.0.try_wait())),
        }
    }

    /// Checks the file by both, which must find the same.
    pub(crate) fn check(&mut self, path: &Path, shape: Shape) -> Seen {
        let h5py = self
            .look(path, shape)
            .unwrap_or_else(|error| panic!("h5py on {}: {error}", path.display()));
        assert_eq!(check(path, shape), h5py, "this crate's reader and h5py");
        h5py
    }
}
