//! What a reader of Zarr makes of references is what the file has, whatever its form, and the steps that were
//! committed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use libdeflater::Decompressor;
use selvedge_hdf5::{
    Compression, Dtype, Error, Note, ReadError, ReadPattern, Reader, Rechunk, Recorder,
    ReferenceCodec, ReferenceOptions, ReferencedArray, ReferencedPiece, References, Shard,
    TensorSpec, bf16, new_run_id,
};
use selvedge_testing::python;

use crate::common::ranks::{append, declare, joined, shard, single};

/// The values of an array, as a reader of Zarr puts them together, and how many pieces were no range of a file.
fn assembled(references: &References, array: &ReferencedArray) -> (Vec<u8>, usize) {
    let element = array.dtype().size();
    let (shape, chunk) = (array.shape(), array.chunk_shape());
    let size = |axes: &[u64]| usize::try_from(axes.iter().product::<u64>()).unwrap() * element;
    let mut values = vec![0xEE; size(shape)];
    let mut inline = 0;
    let each = |place: &[u64], piece: ReferencedPiece<'_>| {
        let mut bytes = match piece {
            ReferencedPiece::Range {
                file,
                offset,
                length,
            } => {
                let mut bytes = vec![0; usize::try_from(length).unwrap()];
                let file = File::open(&references.files()[file]).unwrap();
                file.read_exact_at(&mut bytes, offset).unwrap();
                bytes
            }
            ReferencedPiece::Inline(bytes) => {
                inline += 1;
                bytes.to_vec()
            }
        };
        for codec in array.codecs().iter().rev() {
            match codec {
                ReferenceCodec::Zlib => {
                    let mut plain = vec![0; size(chunk)];
                    let found = Decompressor::new().zlib_decompress(&bytes, &mut plain);
                    assert_eq!(found.unwrap(), plain.len());
                    bytes = plain;
                }
                ReferenceCodec::Shuffle { element } => {
                    let count = bytes.len() / element;
                    let at = |nth: usize| bytes[nth % element * count + nth / element];
                    bytes = (0..bytes.len()).map(at).collect();
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(bytes.len(), size(chunk), "{}", array.name());
        for (nth, value) in bytes.chunks(element).enumerate() {
            let (mut rest, mut at, mut stride, mut is_there) = (nth as u64, 0, 1, true);
            for axis in (0..shape.len()).rev() {
                let index = place[axis] * chunk[axis] + rest % chunk[axis];
                rest /= chunk[axis];
                is_there &= index < shape[axis];
                at += index * stride;
                stride *= shape[axis];
            }
            if is_there {
                let at = usize::try_from(at).unwrap() * element;
                values[at..at + element].copy_from_slice(value);
            }
        }
        Ok::<(), Error>(())
    };
    array.for_each_piece(0, each).unwrap();
    (values, inline)
}

/// Holds references against what is read of `path`.
fn check(references: &References, path: &Path) {
    let file = Reader::open(path).unwrap();
    assert_eq!(references.steps(), file.committed_steps());
    assert_eq!(references.arrays().len(), file.tensors().len());
    for array in references.arrays() {
        let tensor = file.tensor(array.name()).unwrap();
        assert_eq!(array.shape(), tensor.shape(), "{}", array.name());
        let (values, _) = assembled(references, array);
        let piece = array.chunk_shape();
        assert!(
            values == tensor.read_bytes().unwrap(),
            "{} of {}, in pieces {piece:?}",
            array.name(),
            path.display()
        );
    }
}

fn of(path: &Path, piece: u64) -> References {
    let options = ReferenceOptions::default().piece_bytes(piece);
    References::of(&Reader::open(path).unwrap(), &options).unwrap()
}

const STEP: usize = 64 * 130;

fn values(step: u64) -> Vec<bf16> {
    let value = |index: u64| 0x3F00 | u16::try_from((step * 3 + index) % 200).unwrap();
    (0..STEP as u64)
        .map(|index| bf16::from_bits(value(index)))
        .collect()
}

/// Records 50 steps, of which 53 are planned, and leaves the file without a word.
fn begin(path: &Path, compression: Compression, pattern: ReadPattern) -> Recorder {
    let mut run = Recorder::create(path)
        .steps(53)
        .chunk_target(20 * 2 * STEP as u64)
        .compression(compression)
        .read_pattern(pattern)
        .tensor::<bf16>("W", [64, 130])
        .tensor::<bf16>("small", [3])
        .scalar::<f32>("loss")
        .constant("mask", &[true, false, true])
        .constant("scale", &0.5_f64)
        .attribute("lr", 1e-3)
        .start()
        .unwrap();
    for step in 0..50_u16 {
        let small = [bf16::from_f32(step.into()); 3];
        run.append(|row| {
            row.put("W", &values(step.into()))?
                .put("small", &small)?
                .put("loss", &f32::from(step))
        })
        .unwrap();
    }
    run.commit().unwrap();
    run
}

#[test]
fn references_are_the_values_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, compression, pattern) in [
        ("plain", Compression::None, ReadPattern::WholeTensor),
        ("steps", Compression::None, ReadPattern::SingleSteps),
        ("tokens", Compression::None, ReadPattern::TokenSubset),
        ("fast", Compression::Fast, ReadPattern::WholeTensor),
    ] {
        let path = folder.path().join(format!("{name}.h5"));
        let mut run = begin(&path, compression, pattern);
        // While it is recorded, of the steps that are there; and those references hold when it has gone on.
        let live = of(&path, 40_000);
        check(&live, &path);
        run.append(|row| {
            row.put("W", &values(50))?
                .put("small", &[bf16::ONE; 3])?
                .put("loss", &0.5_f32)
        })
        .unwrap();
        run.commit().unwrap();
        let grown = of(&path, 40_000);
        assert_eq!((live.steps(), grown.steps()), (50, 51));
        for (before, after) in live.arrays().iter().zip(grown.arrays()) {
            assert_eq!(before.chunk_shape(), after.chunk_shape());
            let (before, after) = (assembled(&live, before).0, assembled(&grown, after).0);
            assert_eq!(before, after[..before.len()]);
        }
        // After the death of its writer, and when it is finished.
        drop(run);
        check(&of(&path, 40_000), &path);
        Recorder::resume(&path).start().unwrap().finish().unwrap();
        for piece in [0, 1, 100, 40_000, 8_000_000] {
            check(&of(&path, piece), &path);
        }
    }
    let archive = folder.path().join("archive.h5");
    Rechunk::new(folder.path().join("plain.h5"), &archive)
        .compression(Compression::Temporal)
        .run(|_| ())
        .unwrap();
    check(&of(&archive, 8_000_000), &archive);

    let plain = of(&folder.path().join("plain.h5"), 40_000);
    let arrays = plain.arrays().iter();
    let found: Vec<_> = arrays
        .map(|array| (array.name(), array.dimension_names().join(" ")))
        .collect();
    let expected = [
        ("W", "step dim_64 dim_130"),
        ("loss", "step"),
        ("mask", "dim_3"),
        ("scale", ""),
        ("small", "step dim_3"),
    ];
    assert_eq!(found, expected.map(|(name, axes)| (name, axes.to_owned())));
    let given: Vec<&str> = plain.attributes().iter().map(|(name, _)| &**name).collect();
    assert_eq!(given, ["created", "lr"]);
}

/// Scales as netCDF writes them, and labels; names that cannot be kept are not.
const NAMED: &str = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    def add(name, *axes):
        f[name] = np.zeros([len(f[axis]) for axis in axes], 'f4')
        for axis, scale in zip(f[name].dims, axes):
            axis.attach_scale(f[scale])
    for name, length in [('time', 6), ('x', 3), ('g/x', 4), ('h/y', 3), ('h/dim_4', 3), ('p/z', 3), ('q/z', 4)]:
        f[name] = np.arange(length)
        f[name].make_scale('This is a netCDF dimension')
    add('W', 'time', 'x', 'x')
    add('g/V', 'time', 'g/x')
    add('h/U', 'h/y', 'h/dim_4')
    f['h/T'] = np.zeros((4, 3))
    add('r/A', 'p/z')
    add('r/B', 'q/z')
    f['L'] = np.zeros((6, 3, 2))
    f['L'].dims[1].label = 'token'
    f.create_dataset('alone', (6,), '>f4').make_scale('This is a netCDF dimension but not a netCDF variable.         6')
    f.create_dataset('endless', (0,), '>f4', maxshape=(None,)).make_scale('This is a netCDF dimension but not a netCDF variable.         0')
";

#[test]
fn axes_have_the_names_that_the_file_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.h5");
    python::on_file(NAMED, &path);
    let references = of(&path, 8_000_000);
    let arrays = references.arrays().iter();
    let found = arrays.map(|array| (array.name(), array.dimension_names().join(" ")));
    let found: std::collections::HashMap<_, _> = found.collect();
    for (name, axes) in [
        ("time", "time"),
        ("W", "time x dim_3"),
        ("L", "step token dim_2"),
        ("g/V", "time x"),
        ("h/U", "y dim_4"),
        ("h/T", "dim_4_2 dim_3"),
        ("r/A", "dim_3"),
        ("r/B", "dim_4"),
    ] {
        assert_eq!(found[name], axes, "{name}");
        assert!(!found.contains_key("alone"), "it has no values");
    }
    let file = Reader::open(&path).unwrap();
    // What an unlimited one has itself is no length: those of its variables grow without it.
    for (name, length) in [("alone", Some(6)), ("endless", None)] {
        let told = Note::Dimension {
            name: name.to_owned(),
            length,
        };
        assert!(file.notes().contains(&told), "{:?}", file.notes());
        let refused = file.tensor(name).unwrap_err().to_string();
        assert!(refused.contains("a dimension of netCDF"), "{refused}");
    }
}

/// A step is one range of bytes, of its own length where no more fits the piece.
#[test]
fn a_step_is_one_piece() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.h5");
    drop(begin(&path, Compression::None, ReadPattern::WholeTensor));
    let step = 2 * STEP as u64;
    // The chunks have 18 steps.
    for (piece, steps) in [
        (step, 1),
        (3 * step + 1, 3),
        (4 * step, 3),
        (100 * step, 18),
    ] {
        let references = of(&path, piece);
        let w = &references.arrays()[0];
        assert_eq!(w.chunk_shape(), [steps, 64, 130]);
        let mut pieces = 0;
        w.for_each_piece(0, |_, piece| {
            let ReferencedPiece::Range { length, .. } = piece else {
                panic!("{piece:?}")
            };
            assert_eq!(length, steps * step);
            pieces += 1;
            Ok::<(), Error>(())
        })
        .unwrap();
        assert_eq!(pieces, 50_u64.div_ceil(steps));
    }
}

/// Ranks that have parts of several lengths, along several axes.
#[test]
fn references_of_ranks_are_the_values_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, view) = joined(folder.path());
    let single = single(folder.path(), 57);
    for piece in [1, 8_000_000] {
        let options = ReferenceOptions::default().piece_bytes(piece);
        let of_ranks = References::of_ranks(paths.iter().rev(), &options).unwrap();
        assert_eq!(of_ranks.files().len(), 4);
        for references in [of_ranks, of(&view, piece)] {
            check(&references, &single);
        }
    }
}

#[test]
fn ranks_are_referenced_where_their_chunks_meet() {
    let folder = tempfile::tempdir().unwrap();
    let values = |rows: usize| -> Vec<bf16> {
        let value = |index: usize| 0x3F00 | u16::try_from(index % 251).unwrap();
        (0..rows * 256)
            .map(|index| bf16::from_bits(value(index)))
            .collect()
    };
    let record = |rows: [usize; 2], compressed: [Compression; 2]| {
        let run = new_run_id().unwrap();
        let whole = [rows[0] + rows[1], 256];
        let ranks = [0, 1].map(|rank| {
            let path = folder.path().join(format!("rank_{rank}.h5"));
            let (run, rank_number) = (run.clone(), rank as u64);
            let spec = TensorSpec::new("W", Dtype::Bf16, [rows[rank], 256])
                .part_of(whole, [[0, rows[0]][rank], 0]);
            let mut recorder = Recorder::create(&path)
                .overwrite(true)
                .steps(1)
                .shard(Shard {
                    run,
                    rank: rank_number,
                    world_size: 2,
                })
                .compression(compressed[rank])
                .tensor_spec(spec)
                .start()
                .unwrap();
            recorder
                .append(|row| row.put("W", &values(rows[rank])))
                .unwrap();
            recorder.finish().unwrap();
            path
        });
        References::of_ranks(&ranks, &ReferenceOptions::default()).map(|references| {
            let array = &references.arrays()[0];
            (array.chunk_shape().to_vec(), assembled(&references, array))
        })
    };
    // The second file ends where its 40 rows do, and a piece has 64.
    for (rows, compression, inline) in [
        ([64, 64], Compression::Fast, 0),
        ([64, 64], Compression::None, 0),
        ([64, 40], Compression::None, 1),
    ] {
        let (piece, found) = record(rows, [compression; 2]).unwrap();
        assert_eq!((piece, found.1), (vec![1, 64, 256], inline));
        let mut expected = values(rows[0]);
        expected.extend(values(rows[1]));
        let expected: Vec<u8> = expected
            .into_iter()
            .flat_map(|value| value.to_bits().to_le_bytes())
            .collect();
        assert!(found.0 == expected, "{rows:?}, {compression}");
    }
    for (rows, compressed, why) in [
        (
            [64, 40],
            [Compression::Fast; 2],
            "do not begin and end where chunks do",
        ),
        (
            [64, 64],
            [Compression::Fast, Compression::None],
            "not all compressed in the same way",
        ),
    ] {
        let error = record(rows, compressed).unwrap_err().to_string();
        assert!(error.contains("`W`") && error.contains(why), "{error}");
    }
}

/// What no reader of Zarr can have is refused by name, or left out, also where others are there.
#[test]
fn what_has_no_references_is_refused_by_name() {
    const MAKE: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    ones = np.arange(24, dtype=np.float32).reshape(6, 4)
    f["good"] = ones
    f["empty"] = ones[:, :0].reshape(6, 0, 2)
    f.create_dataset("none", (0, 4, 0), "<f4", chunks=(2, 3, 1), maxshape=(None, 4, None))
    f.create_dataset("gzip", data=ones, chunks=(4, 3), compression="gzip", shuffle=True)
    f.create_dataset("sum", data=ones, chunks=(4, 3), fletcher32=True)
    f.create_dataset("lzf", data=ones, chunks=(4, 3), compression="lzf")
    f.create_dataset("big", data=ones.astype(">f4"))
    f.create_dataset("holes", (6, 4), "<f4", chunks=(3, 4))[0] = 1
    f.create_dataset("pieces", data=ones, chunks=(4, 3))
    f.create_dataset("scattered", data=ones.reshape(6, 2, 2), chunks=(4, 2, 1))
    f.create_dataset("text", data="text")
    layout = h5py.VirtualLayout((6, 4), "<f4")
    layout[:] = h5py.VirtualSource(f["good"])
    f.create_virtual_dataset("virtual", layout)
    compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    compact.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(f.id, b"compact", h5py.h5t.IEEE_F32LE, space, compact).write(space, space, ones[0])
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("others.h5");
    python::on_file(MAKE, &path);
    let reader = Reader::open(&path).unwrap();
    let options = ReferenceOptions::default();
    assert!(matches!(
        References::of(&reader, &options),
        Err(ReadError::NotReferenced { .. })
    ));
    let found = References::of(&reader, &options.skip_unsupported(true)).unwrap();
    let names: Vec<&str> = found.arrays().iter().map(ReferencedArray::name).collect();
    assert_eq!(names, ["empty", "good", "gzip", "none", "pieces", "sum"]);
    for array in &found.arrays()[..5] {
        let expected = reader.tensor(array.name()).unwrap().read_bytes().unwrap();
        assert_eq!(assembled(&found, array).0, expected);
    }
    assert_eq!(found.arrays()[5].codecs(), [ReferenceCodec::Fletcher32]);
    let left_out = found.left_out();
    for (name, why) in [
        ("lzf", "went through lzf"),
        ("big", "stored as big-endian float32"),
        ("holes", "no chunk at [3, 0]"),
        ("scattered", "cut a step into pieces"),
        ("text", "text"),
        ("virtual", "in other files"),
        ("compact", "in the header"),
    ] {
        let is_told = |said: &&String| said.contains(&format!("`{name}`")) && said.contains(why);
        assert!(
            left_out.iter().any(|said| is_told(&said)),
            "{name}: {left_out:#?}"
        );
    }
    assert_eq!(left_out.len(), 7);
}

/// A rank that has no steps yet has arrays without pieces.
#[test]
fn a_run_without_steps_has_no_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rank_0.h5");
    let mut run = declare(Recorder::create(&path).shard(shard("a", 0)), Some(0))
        .start()
        .unwrap();
    check(&of(&path, 100), &path);
    append(&mut run, Some(0), 1);
    run.commit().unwrap();
    check(&of(&path, 100), &path);
}

/// A place after the end of the file is damage, and no reference: also where others are left out.
#[test]
fn values_that_the_file_ends_before_are_damage() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Fast] {
        let path = folder.path().join(format!("{compression}.h5"));
        let run = begin(&path, compression, ReadPattern::SingleSteps);
        run.finish().unwrap();
        let mut places = Vec::new();
        let w = &of(&path, 8_000_000).arrays()[0].clone();
        w.for_each_piece(0, |_, piece| {
            let ReferencedPiece::Range { offset, .. } = piece else {
                panic!("{piece:?}")
            };
            places.push(offset.to_le_bytes());
            Ok::<(), Error>(())
        })
        .unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(8).position(|bytes| bytes == places[0]);
        bytes[at.unwrap()..][..8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
        fs::write(&path, bytes).unwrap();
        let options = ReferenceOptions::default().skip_unsupported(true);
        let error = References::of(&Reader::open(&path).unwrap(), &options).unwrap_err();
        assert!(
            error.is_damage() && error.to_string().contains("`W`"),
            "{error}"
        );
    }
}
