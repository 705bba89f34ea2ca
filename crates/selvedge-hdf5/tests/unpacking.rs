//! Compressed chunks, ours and h5py's, are read as the same values stored plainly are.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    Compression, DataLayout, Dtype, Error, Reader, Recorder, Tensor, bf16, compare, CompareOptions,
};
use selvedge_testing::python;

/// Every tensor twice: compressed, and plain under the name `plain_…`.
const WRITE: &str = r#"
import sys, h5py, numpy as np
random = np.random.default_rng(1)
def values(shape, dtype):
    # Half of it compresses.
    noise = random.integers(0, 256, (*shape, np.dtype(dtype).itemsize), dtype=np.uint8)
    noise[..., -1] //= 64
    return noise.view(dtype).reshape(shape)
gzip = dict(compression="gzip", compression_opts=1)
both = dict(compression="gzip", compression_opts=4, shuffle=True)
with h5py.File(sys.argv[1], "w") as f:
    for name, shape, dtype, options in [
        ("steps", (20, 30, 7), "u2", dict(chunks=(1, 30, 7), **both)),
        ("many_steps", (20, 30, 7), "u2", dict(chunks=(6, 30, 7), **both)),
        ("gzip_alone", (20, 30, 7), "u2", dict(chunks=(6, 30, 7), **gzip)),
        ("rows", (20, 30, 7), "f4", dict(chunks=(6, 8, 7), **both)),
        ("scattered", (20, 30, 7), "f4", dict(chunks=(6, 8, 3), **both)),
        ("four_axes", (9, 5, 6, 7), "f8", dict(chunks=(2, 2, 4, 7), **both)),
        ("four_axes_cut", (9, 5, 6, 7), "u1", dict(chunks=(4, 1, 6, 5), **both)),
        ("long", (1000,), "i8", dict(chunks=(64,), **both)),
        ("guessed", (50, 100, 40), "u2", dict(chunks=True, **both)),
        ("grows", (5, 12), "u2", dict(chunks=(4, 16), maxshape=(None, None), **both)),
        ("half", (20, 30, 7), "f2", dict(chunks=(3, 30, 7), **both)),
        ("checked", (20, 30, 7), "u2", dict(chunks=(3, 30, 7), fletcher32=True, **both)),
        ("holes", (20, 30, 7), "u2", dict(chunks=(3, 30, 7), fillvalue=7, **both)),
        ("swapped", (20, 30, 7), ">u2", dict(chunks=(3, 30, 7), **both)),
    ]:
        data = values(shape, dtype)
        if name == "holes":
            data[6:12] = 7
            d = f.create_dataset(name, shape=shape, dtype=dtype, **options)
            d[:6], d[12:] = data[:6], data[12:]
        else:
            f.create_dataset(name, data=data, **options)
        f.create_dataset("plain_" + name, data=data, chunks=(1, *shape[1:]))
    # A stream and a chunk as it is, of one dataset.
    d = f.create_dataset("masked", shape=(6, 4, 5), dtype="u2", chunks=(1, 4, 5), **both)
    data = values((6, 4, 5), "u2")
    d[:] = data
    d.id.write_direct_chunk((1, 0, 0), data[1].tobytes(), filter_mask=3)
    f.create_dataset("plain_masked", data=data, chunks=(1, 4, 5))
"#;

fn packed_and_plain(file: &Reader) -> impl Iterator<Item = (&Tensor, &Tensor)> {
    file.tensors().iter().filter_map(|tensor| {
        let plain = file.tensor(&format!("plain_{}", tensor.name())).ok()?;
        Some((tensor, plain))
    })
}

/// What `read` gives of the compressed tensor and of the plain one.
fn same<T: PartialEq>(
    (packed, plain): (&Tensor, &Tensor),
    what: &str,
    read: impl Fn(&Tensor) -> T,
) {
    assert!(read(packed) == read(plain), "{what} of `{}`", packed.name());
}

#[test]
fn compressed_chunks_of_h5py_are_read_as_plain_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign_1.h5");
    python::on_file(WRITE, &path);
    let file = Reader::open(&path).unwrap();
    let mut looked = 0;
    for both in packed_and_plain(&file) {
        let (packed, _) = both;
        let DataLayout::Chunked { filters, .. } = packed.data_layout().unwrap() else {
            panic!("`{}` is not chunked", packed.name());
        };
        assert!(!filters.is_empty(), "{}", packed.name());
        let element = packed.dtype().unwrap().size();
        same(both, "all", |tensor| tensor.read_bytes().unwrap());
        let steps = packed.steps();
        let rows = packed.step_shape().first().copied();
        for (first, last, stride) in [(0, steps, 3), (1, steps - 1, 1), (2, 4, 5), (3, 3, 1)] {
            let select = |tensor: &Tensor, rows: Option<&[usize]>| {
                let selection = tensor.select().steps(first..last).every(stride);
                let selection = match rows {
                    Some(rows) => selection.rows(rows),
                    None => selection,
                };
                let len: u64 = selection.shape().unwrap().iter().product();
                let mut bytes = vec![0; usize::try_from(len).unwrap() * element];
                selection.read_bytes_into(&mut bytes).unwrap();
                let widened = match tensor.dtype().unwrap() {
                    Dtype::F16 | Dtype::F32 | Dtype::Bf16 => {
                        let values = selection.read_f32().unwrap();
                        values.into_iter().map(f32::to_bits).collect()
                    }
                    _ => Vec::new(),
                };
                (bytes, widened)
            };
            let what = format!("every {stride}. step of {first}..{last}");
            same(both, &what, |tensor| select(tensor, None));
            if rows.is_some_and(|rows| rows > 4) {
                let rows = [4, 1, 2, 3, 1];
                same(both, &what, |tensor| select(tensor, Some(&rows)));
            }
        }
        looked += 1;
    }
    assert_eq!(looked, 15);
}

const STEPS: u64 = 16;

/// A run in which each kind of step comes: noise, zeros, and what compresses.
fn record(folder: &Path, compression: Compression) -> PathBuf {
    let path = folder.join(format!("run_{compression}.h5"));
    let mut run = Recorder::create(&path)
        .steps(STEPS)
        .tensor::<bf16>("W", [65, 256])
        .tensor::<u16>("large", [9, 300_000])
        .tensor::<f32>("moment", [5000])
        .scalar::<f32>("loss")
        .compression(compression)
        .start()
        .unwrap();
    let mut random = selvedge_testing::Random(1);
    for step in 0..STEPS as u32 {
        let mask = [0xFFFF, 0, 0x81FF, 0x00FF][step as usize % 4];
        let mut noise = |len: usize| -> Vec<u16> {
            (0..len.div_ceil(4))
                .flat_map(|_| {
                    let draw = random.draw();
                    [0, 16, 32, 48].map(|shift| (draw >> shift) as u16 & mask)
                })
                .take(len)
                .collect()
        };
        let w: Vec<bf16> = noise(65 * 256).into_iter().map(bf16::from_bits).collect();
        let large = noise(9 * 300_000);
        let moment = vec![step as f32; 5000];
        run.append(|filled| {
            filled
                .put("W", &w)?
                .put("large", &large)?
                .put("moment", &moment)?
                .put("loss", &(step as f32))
        })
        .unwrap();
    }
    run.finish().unwrap();
    path
}

#[test]
fn a_compressed_run_holds_what_a_plain_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let plain = record(folder.path(), Compression::None);
    let packed = record(folder.path(), Compression::Fast);
    let lengths = [&plain, &packed].map(|path| fs::metadata(path).unwrap().len());
    assert!(lengths[1] * 10 < lengths[0] * 7, "{lengths:?}");

    let (plain, packed) = (Reader::open(&plain).unwrap(), Reader::open(&packed).unwrap());
    let comparison = compare(&plain, &packed, &CompareOptions::default(), |_| {}).unwrap();
    assert!(comparison.is_equal(), "{comparison}");
    assert_eq!(packed.committed_steps(), STEPS);
    assert_eq!(packed.tensor("large").unwrap().chunk_shape(), Some(&[1, 5, 300_000][..]));
    for (name, compressed) in [("W", true), ("large", true), ("moment", false), ("loss", false)] {
        let [plain, packed] = [&plain, &packed].map(|file| file.tensor(name).unwrap());
        assert_eq!(packed.encoder().is_some(), compressed, "{name}");
        assert_eq!(plain.encoder(), None);
        assert_eq!(plain.attributes().unwrap(), packed.attributes().unwrap());
        let strided = |tensor: &Tensor| {
            let selection = tensor.select().steps(1..STEPS - 1).every(7);
            let len: u64 = selection.shape().unwrap().iter().product();
            let element = tensor.dtype().unwrap().size();
            let mut bytes = vec![0; usize::try_from(len).unwrap() * element];
            selection.read_bytes_into(&mut bytes).unwrap();
            bytes
        };
        assert!(strided(plain) == strided(packed), "{name}");
    }
    let rows = |file: &Reader| {
        let w = file.tensor("W").unwrap();
        let rows = w.select().rows([64, 3, 3, 0]);
        let widened = rows.read_f32().unwrap().into_iter().map(f32::to_bits);
        (rows.read::<u16>().unwrap(), widened.collect::<Vec<_>>())
    };
    assert!(rows(&plain) == rows(&packed));
    let blocks = |file: &Reader| {
        let blocks = file.tensor("W").unwrap().select().blocks::<u16>(300_000).unwrap();
        blocks.flat_map(|block| block.unwrap().to_vec()).collect::<Vec<_>>()
    };
    assert!(blocks(&plain) == blocks(&packed));
}

/// A byte of a stream is changed: the error names the tensor and the chunk, and the other steps are
/// read.
#[test]
fn a_damaged_stream_is_an_error_that_names_the_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), Compression::Fast);
    let where_ = python::on_file(
        "import h5py, sys\n\
         with h5py.File(sys.argv[1]) as f:\n    \
             chunk = f['W'].id.get_chunk_info_by_coord((6, 0, 0))\n    \
             assert chunk.filter_mask == 0\n    \
             print(chunk.byte_offset, chunk.size)",
        &path,
    );
    let numbers: Vec<u64> = where_
        .split_ascii_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    let file = OpenOptions::new().write(true).read(true).open(&path).unwrap();
    let at = numbers[0] + numbers[1] / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();

    let reader = Reader::open(&path).unwrap();
    let w = reader.tensor("W").unwrap();
    for error in [
        w.read::<bf16>().unwrap_err(),
        w.read_step::<bf16>(6).unwrap_err(),
        w.select().rows([1]).read_f32().unwrap_err(),
    ] {
        let Error::DamagedChunk { tensor, chunk, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((tensor.as_str(), &chunk[..]), ("W", &[6, 0, 0][..]));
        let text = error.to_string();
        assert!(text.contains("`W`") && text.contains("(6, 0, 0)"), "{text}");
    }
    assert_eq!(w.read_steps::<bf16>(0..6).unwrap().len(), 6 * 65 * 256);
    assert_eq!(w.read_steps::<bf16>(7..STEPS).unwrap().len(), 9 * 65 * 256);
}

/// What the index says of a chunk's size is a claim: h5py writes streams that are too short, too long
/// and too small for what they are to hold.
#[test]
fn streams_of_the_wrong_length_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile_1.h5");
    python::on_file(
        "import h5py, sys, zlib\n\
         with h5py.File(sys.argv[1], 'w') as f:\n    \
             for name, shape, data, mask in [\n        \
                 ('short', (1, 1000), zlib.compress(b'x' * 1999), 0),\n        \
                 ('long', (1, 1000), zlib.compress(b'x' * 2001), 0),\n        \
                 ('tiny', (1, 2**30), zlib.compress(b'x' * 2000), 0),\n        \
                 ('plain', (1, 1000), b'x' * 1999, 3),\n        \
                 ('rubbish', (1, 1000), b'y' * 500, 0),\n        \
             ]:\n        \
                 d = f.create_dataset(name, shape=shape, chunks=shape, dtype='u2', \
                     compression='gzip', shuffle=True)\n        \
                 d.id.write_direct_chunk((0, 0), data, filter_mask=mask)",
        &path,
    );
    let file = Reader::open(&path).unwrap();
    for name in ["short", "long", "tiny", "plain", "rubbish"] {
        let error = file.tensor(name).unwrap().read::<u16>().unwrap_err();
        assert!(
            matches!(&error, Error::DamagedChunk { tensor, .. } if tensor == name),
            "{name}: {error}"
        );
    }
}
