//! Selections against numpy: random steps, strides and rows of tensors in every layout.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::common::elsewhere::Elsewhere;
use half::{bf16, f16};
use selvedge_hdf5::{Dtype, Element, Indices, Reader, Recorder, Selection, Tensor};
use selvedge_testing::{Random, python, seed};

/// The tensors of a file, by h5py: name, shape and what is special.
const WRITE: &str = r#"
import sys, h5py, numpy as np
rng = np.random.default_rng(7)
words = lambda *shape: rng.integers(0, 2**16, shape, np.uint16)
with h5py.File(sys.argv[1], "w") as f:
    def put(name, data, **kwargs):
        d = f.create_dataset(name, data=data, **kwargs)
        if data.dtype == np.uint16:
            d.attrs["logical_dtype"] = "bfloat16"
    shape = (37, 50, 8)
    put("steps", words(*shape), chunks=(5, 50, 8))
    put("one", words(*shape), chunks=(1, 50, 8))
    put("tokens", words(*shape), chunks=(37, 7, 8))
    put("both", words(*shape), chunks=(4, 7, 8))
    put("inner", words(*shape), chunks=(3, 50, 3))
    put("gzip", words(*shape), chunks=(5, 50, 8), compression=1, shuffle=True)
    put("contiguous", words(*shape))
    put("wide", words(*shape), chunks=(10, 64, 8), maxshape=(None, None, 8))
    put("sparse", words(*shape), chunks=(5, 50, 8), maxshape=(None, 50, 8))
    f["sparse"].resize(60, axis=0)
    put("big-endian", rng.random(shape).astype(">f4"), chunks=(5, 50, 8))
    put("f16", words(*shape).view(np.float16), chunks=(5, 50, 8))
    put("f32", words(37, 50, 16).view(np.float32), chunks=(5, 50, 8))
    put("vector", words(37, 50), chunks=(6, 50))
    put("scalars", words(37), chunks=(16,))
    put("deep", words(9, 4, 3, 2, 5), chunks=(2, 1, 2, 2, 5))
    # Larger than what a thread takes at once: many steps, and large steps.
    put("many", words(700, 128, 64), chunks=(100, 128, 64))
    put("large", words(3, 1100, 2048), chunks=(2, 1100, 2048))
"#;

/// Answers selections: lines of name, start, stop, stride and rows (`-` for all), separated by tabs.
/// The results, as they lie in memory and as float32, go one after the other into a file.
const ANSWER: &str = r#"
import sys, h5py, ml_dtypes, numpy as np
with h5py.File(sys.argv[1]) as f, open(sys.argv[3], "wb") as out:
    whole = {}
    for line in open(sys.argv[2]):
        name, start, stop, stride, rows = line.rstrip("\n").split("\t")
        if name not in whole:
            whole[name] = f[name][:]
        found = whole[name][int(start):int(stop):int(stride)]
        if rows != "-":
            found = found[:, np.array([int(row) for row in rows.split()], int)]
        if found.dtype == ">f4":
            found = found.astype("<f4")
        out.write(found.tobytes())
        wide = found.view(ml_dtypes.bfloat16) if found.dtype == np.uint16 else found
        out.write(wide.astype(np.float32).tobytes())
"#;

/// One selection, as it is asked of both.
#[derive(Debug)]
struct Asked {
    name: String,
    steps: std::ops::Range<u64>,
    stride: u64,
    rows: Option<Vec<usize>>,
}

impl Asked {
    fn random(random: &mut Random, tensor: &Tensor) -> Self {
        let shape = tensor.shape();
        let mut ends = [random.below(shape[0] + 1), random.below(shape[0] + 1)];
        ends.sort_unstable();
        if random.below(3) == 0 {
            ends = [0, shape[0]];
        }
        let rows = shape.get(1).filter(|_| random.below(4) > 0).map(|&rows| {
            let pick = |random: &mut Random| usize::try_from(random.below(rows)).unwrap();
            match random.below(3) {
                // A mask in effect, random ones in any order, and a run.
                0 => {
                    let share = 1 + random.below(9);
                    let all = 0..usize::try_from(rows).unwrap();
                    all.filter(|_| random.below(10) < share).collect()
                }
                1 => (0..random.below(40)).map(|_| pick(random)).collect(),
                _ => {
                    let first = pick(random);
                    (first..usize::try_from(rows).unwrap())
                        .take(1 + pick(random))
                        .collect()
                }
            }
        });
        Self {
            name: tensor.name().to_owned(),
            steps: ends[0]..ends[1],
            stride: if random.below(2) == 0 {
                1
            } else {
                1 + random.below(12)
            },
            rows,
        }
    }

    fn line(&self) -> String {
        let rows = self.rows.as_ref().map_or("-".to_owned(), |rows| {
            rows.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        });
        let (start, end) = (self.steps.start, self.steps.end);
        format!("{}\t{start}\t{end}\t{}\t{rows}", self.name, self.stride)
    }

    fn select(&self, tensor: &Tensor) -> Selection {
        let selection = tensor.select().steps(self.steps.clone()).every(self.stride);
        match &self.rows {
            Some(rows) => selection.rows(rows.clone()),
            None => selection,
        }
    }
}

/// The bytes of a selection by every way to read it, which must be the same.
fn bytes<T: Element + PartialEq>(selection: &Selection, what: &Asked, memory: u64) -> Vec<u8> {
    let values: Vec<T> = selection
        .read()
        .unwrap_or_else(|error| panic!("{what:?}: {error:?}"));
    let count: u64 = selection.shape().unwrap().iter().product();
    assert_eq!(values.len() as u64, count, "{what:?}");
    let mut again = vec![T::default(); values.len()];
    selection.read_into(&mut again).unwrap();
    let all = T::as_bytes(&values).to_vec();
    assert!(T::as_bytes(&again) == all, "{what:?}: `read_into`");
    let mut blocks = Vec::new();
    let mut next = 0;
    for block in selection.blocks::<T>(memory).unwrap() {
        let block = block.unwrap_or_else(|error| panic!("{what:?}: {error:?}"));
        assert_eq!(block.steps().start, next);
        next = block.steps().end;
        blocks.extend_from_slice(T::as_bytes(&block));
    }
    assert!(blocks == all, "{what:?}: `blocks`");
    all
}

fn same_floats(found: &[f32], expected: &[u8]) -> bool {
    let expected = expected
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    // numpy and this crate may keep other bits of a NaN.
    let same = |(a, b): (&f32, f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    found.len() == expected.len() && found.iter().zip(expected).all(same)
}

#[test]
fn random_selections_are_what_numpy_makes_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layouts.h5");
    python::on_file(WRITE, &path);
    let file = Reader::open(&path).unwrap();
    let mut random = Random(seed());
    let mut asked = Vec::new();
    for tensor in file.tensors() {
        let large = tensor.shape().iter().product::<u64>() > 1_000_000;
        for _ in 0..if large { 6 } else { 25 } {
            asked.push(Asked::random(&mut random, tensor));
        }
    }
    let (lines, answers) = (folder.path().join("lines"), folder.path().join("answers"));
    let mut text = String::new();
    for asked in &asked {
        writeln!(text, "{}", asked.line()).unwrap();
    }
    fs::write(&lines, text).unwrap();
    python::run(ANSWER, [&path, &lines, &answers]);
    let answers = fs::read(&answers).unwrap();
    let mut rest = &answers[..];
    let elsewhere = Elsewhere::new(&path).open().unwrap();
    for asked in &asked {
        let there = asked.select(elsewhere.tensor(&asked.name).unwrap());
        let tensor = file.tensor(&asked.name).unwrap();
        let selection = asked.select(tensor);
        let memory = random.below(1 << 16) << random.below(9);
        let found = match tensor.dtype().unwrap() {
            Dtype::Bf16 => bytes::<bf16>(&selection, asked, memory),
            Dtype::F16 => bytes::<f16>(&selection, asked, memory),
            _ => bytes::<f32>(&selection, asked, memory),
        };
        let (expected, later) = rest.split_at(found.len());
        assert!(found == expected, "{asked:?}");
        let mut bytes_there = vec![0; found.len()];
        there.read_bytes_into(&mut bytes_there).unwrap();
        assert!(bytes_there == found, "{asked:?} elsewhere");
        let widened = selection.read_f32().unwrap();
        let widened_there = there.read_f32().unwrap();
        assert!(
            bytemuck::cast_slice::<_, u32>(&widened_there)
                == bytemuck::cast_slice::<_, u32>(&widened),
            "{asked:?}"
        );
        let (expected, later) = later.split_at(widened.len() * 4);
        assert!(same_floats(&widened, expected), "{asked:?} as float32");
        let mut again = vec![0.0; widened.len()];
        selection.read_f32_into(&mut again).unwrap();
        assert!(
            same_floats(&again, expected),
            "{asked:?} as float32, into a buffer"
        );
        rest = later;
    }
    assert!(rest.is_empty());
}

/// A file of our own, of `steps` steps of (6, 4) and a scalar.
fn record(path: &Path, steps: u16) {
    let mut run = Recorder::create(path)
        .tensor::<bf16>("W", [6, 4])
        .scalar::<i32>("count")
        .constant("ids", &[[1_i64, 2], [3, 4], [5, 6]].concat())
        .start()
        .unwrap();
    for step in 0..steps {
        let values: Vec<bf16> = (0..24)
            .map(|index| bf16::from_bits(step * 24 + index))
            .collect();
        run.append(|filled| filled.put("W", &values)?.put("count", &i32::from(step)))
            .unwrap();
    }
    run.finish().unwrap();
}

#[test]
fn a_mask_takes_the_rows_for_which_it_is_true() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, 10);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    let mask = [false, true, false, false, true, true];
    let selection = w.select().steps(2..9).every(3).mask(mask);
    assert_eq!(selection.shape().unwrap(), [3, 3, 4]);
    assert_eq!(
        selection.read::<u16>().unwrap(),
        w.select()
            .steps(2..9)
            .every(3)
            .rows([1, 4, 5])
            .read::<u16>()
            .unwrap()
    );
    assert_eq!(selection.read::<u16>().unwrap()[..4], [52, 53, 54, 55]);
    let none = w.select().mask([false; 6]);
    assert_eq!(none.shape().unwrap(), [10, 0, 4]);
    assert_eq!(none.read::<bf16>().unwrap(), []);
    assert_eq!(
        none.blocks::<bf16>(0)
            .unwrap()
            .map(|block| block.unwrap().len())
            .sum::<usize>(),
        0
    );
    // The steps of a constant are the indices of its first axis.
    let ids = file.tensor("ids").unwrap();
    assert_eq!(ids.select().every(4).read::<i64>().unwrap(), [1, 5]);
}

/// In any order, with what comes twice; from the end; ever farther apart. Also in blocks, which begin and end
/// within a list, and with rows.
#[test]
fn steps_are_taken_as_they_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, 10);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    let single = |step: u64| w.read_step::<u16>(step).unwrap();
    for (indices, expected) in [
        (Indices::from([7, 0, 1, 2, 2, -1]), &[7, 0, 1, 2, 2, 9][..]),
        (Indices::from(-3), &[7]),
        (Indices::log(4), &[0, 1, 3, 9]),
        ("8.., ..:4".parse().unwrap(), &[8, 9, 0, 4, 8]),
    ] {
        let selection = w.select().steps(indices);
        let expected: Vec<Vec<u16>> = expected.iter().map(|&step| single(step)).collect();
        assert_eq!(selection.shape().unwrap(), [expected.len() as u64, 6, 4]);
        assert_eq!(selection.read::<u16>().unwrap(), expected.concat());
        let blocks = selection.blocks::<bf16>(3 * 48 * 2).unwrap();
        let blocks: Vec<u16> = blocks
            .flat_map(|block| {
                block
                    .unwrap()
                    .iter()
                    .map(|value| value.to_bits())
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(blocks, expected.concat());
        let rows = selection
            .clone()
            .every(2)
            .rows([5, 0])
            .read::<u16>()
            .unwrap();
        let expected = expected.iter().step_by(2);
        let expected: Vec<u16> = expected
            .flat_map(|step| [&step[20..], &step[..4]].concat())
            .collect();
        assert_eq!(rows, expected);
    }
}

#[test]
fn mistakes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, 10);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    let count = file.tensor("count").unwrap();
    let message = |selection: Selection| selection.shape().unwrap_err().to_string();
    for (found, expected) in [
        (
            message(w.select().steps([0, -11])),
            "tensor `W` has steps 0..10, asked for -11",
        ),
        (
            message(w.select().steps(3..11)),
            "tensor `W` has steps 0..10, asked for 3..11",
        ),
        (
            message(w.select().every(0)),
            "every 0th step of tensor `W` was asked for; expected 1 or more",
        ),
        (
            message(w.select().rows([0, 6])),
            "a step of tensor `W` has rows 0..6, asked for row 6",
        ),
        (
            message(w.select().mask([true; 5])),
            "a step of tensor `W` has 6 rows, found a mask of 5",
        ),
        (
            message(count.select().rows([0])),
            "the steps of tensor `count` are single values and have no rows",
        ),
        (
            count.select().read_f32().unwrap_err().to_string(),
            "tensor `count` holds int32, and float32 is made of bfloat16, float16 and float32",
        ),
        (
            w.select().read::<f32>().unwrap_err().to_string(),
            &w.read::<f32>().unwrap_err().to_string(),
        ),
        (
            w.select().blocks::<f32>(1).unwrap_err().to_string(),
            &w.read::<f32>().unwrap_err().to_string(),
        ),
        (
            w.select()
                .rows([1])
                .read_into(&mut [bf16::ONE; 39])
                .unwrap_err()
                .to_string(),
            "reading tensor `W` needs a buffer of 40 elements, found 39",
        ),
    ] {
        assert_eq!(found, expected);
    }
}

/// Blocks that nobody takes: the thread that reads ahead ends with them, and memory is bounded.
#[test]
fn blocks_may_be_left_at_any_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, 1000);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    for taken in 0..20 {
        let blocks = w.select().blocks::<bf16>(1000).unwrap();
        let kept: Vec<_> = blocks.take(taken).map(Result::unwrap).collect();
        assert!(kept.iter().all(|block| block.len() == 6 * 24));
    }
}

#[test]
fn a_file_that_is_cut_meanwhile_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, 1000);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    w.read::<bf16>().unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(10_000)
        .unwrap();
    for error in [
        w.read::<bf16>().unwrap_err(),
        w.select().rows([3, 1]).read::<bf16>().unwrap_err(),
        w.select().read_f32().unwrap_err(),
        w.select()
            .blocks::<bf16>(1 << 20)
            .unwrap()
            .find_map(Result::err)
            .unwrap(),
    ] {
        assert!(error.is_damage(), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("run_1.h5") && text.contains("`W`"), "{text}");
    }
}

#[test]
fn threads_may_share_a_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, 1000);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    let expected: Vec<u16> = w.read().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(w.read::<u16>().unwrap() == expected));
        }
    });
}

/// What is read without a Rust type, and written without one.
#[test]
fn bytes_of_a_selection_and_of_a_constant() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("thimble_1.h5");
    let bits: Vec<u8> = (0..6_u16).flat_map(u16::to_le_bytes).collect();
    let spec = selvedge_hdf5::TensorSpec::new("centers", selvedge_hdf5::Dtype::Bf16, [3, 2]);
    let mut run = Recorder::create(&path)
        .scalar::<f32>("loss")
        .constant_bytes(spec.clone(), bits.clone())
        .start()
        .unwrap();
    for loss in [0.5_f32, 0.25, 0.125] {
        run.append(|step| step.put("loss", &loss)).unwrap();
    }
    run.finish().unwrap();
    let file = Reader::open(&path).unwrap();
    let centers = file.tensor("centers").unwrap();
    assert_eq!(centers.read_bytes().unwrap(), bits);
    let mut last = [0; 4];
    centers
        .select()
        .steps(2..3)
        .read_bytes_into(&mut last)
        .unwrap();
    assert_eq!(last, bits[8..]);
    let loss = file.tensor("loss").unwrap().select().every(2);
    let mut found = [0; 8];
    loss.read_bytes_into(&mut found).unwrap();
    assert_eq!(found[..4], 0.5_f32.to_le_bytes());
    assert_eq!(found[4..], 0.125_f32.to_le_bytes());
    let error = loss.read_bytes_into(&mut [0; 7]).unwrap_err();
    assert!(error.to_string().contains('8'), "{error}");
    let short = Recorder::create(folder.path().join("thimble_2.h5"))
        .scalar::<f32>("loss")
        .constant_bytes(spec, bits[1..].to_vec());
    assert!(short.start().is_err());
}
