//! Compressed chunks, ours and h5py's, are read as the same values stored plainly are.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    CompareOptions, Compression, DataLayout, Dtype, ReadError, Reader, Rechunk, Recorder, Tensor,
    add_checksums, bf16, compare, verify_checksums,
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
        let (steps, rows) = (packed.shape()[0], packed.shape().get(1).copied());
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

const STEPS: u64 = 8;

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
    for step in 0..STEPS {
        let mask = [0xFFFF, 0, 0x81FF, 0x00FF][(step % 4) as usize];
        let mut noise = |len: usize| -> Vec<u16> {
            (0..len.div_ceil(4))
                .flat_map(|_| {
                    let draw = random.draw();
                    [0, 16, 32, 48].map(|shift| (draw << shift >> 48) as u16 & mask)
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

    let (plain, packed) = (
        Reader::open(&plain).unwrap(),
        Reader::open(&packed).unwrap(),
    );
    let comparison = compare(&plain, &packed, &CompareOptions::default(), |_| {}).unwrap();
    assert!(comparison.is_equal(), "{comparison}");
    assert_eq!(packed.committed_steps(), STEPS);
    assert_eq!(
        packed.tensor("large").unwrap().chunk_shape(),
        Some(&[1, 5, 300_000][..])
    );
    for (name, compressed) in [
        ("W", true),
        ("large", true),
        ("moment", false),
        ("loss", false),
    ] {
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
        let blocks = file
            .tensor("W")
            .unwrap()
            .select()
            .blocks::<u16>(300_000)
            .unwrap();
        blocks
            .flat_map(|block| block.unwrap().to_vec())
            .collect::<Vec<_>>()
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
    let file = OpenOptions::new()
        .write(true)
        .read(true)
        .open(&path)
        .unwrap();
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
        let ReadError::DamagedChunk { tensor, chunk, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((tensor.as_str(), &chunk[..]), ("W", &[6, 0, 0][..]));
        let text = error.to_string();
        assert!(text.contains("`W`") && text.contains("(6, 0, 0)"), "{text}");
    }
    assert_eq!(w.read_steps::<bf16>(0..6).unwrap().len(), 6 * 65 * 256);
    assert_eq!(w.read_steps::<bf16>(7..STEPS).unwrap().len(), 65 * 256);
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
            matches!(&error, ReadError::DamagedChunk { tensor, .. } if tensor == name),
            "{name}: {error}"
        );
    }
}

/// Reads every dataset of both files and compares them, with nothing but h5py.
const SAME: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1]) as plain, h5py.File(sys.argv[2]) as packed:
    assert sorted(plain) == sorted(packed)
    masks, longer = set(), set()
    for name in plain:
        np.testing.assert_array_equal(plain[name][...], packed[name][...], name)
        if packed[name].compression:
            assert packed[name].compression == "gzip" and packed[name].shuffle
            assert packed[name].attrs["selvedge_encoder"].startswith("selvedge-deflate ")
            d = packed[name].id
            chunks = [d.get_chunk_info(i) for i in range(d.get_num_chunks())]
            masks |= {chunk.filter_mask for chunk in chunks}
            size = np.prod(packed[name].chunks) * packed[name].dtype.itemsize
            longer |= {bool(chunk.size > size) for chunk in chunks}
    # Some do not compress, and went through the filters like the others.
    assert masks == {0} and longer == {False, True}, (masks, longer)
    assert packed.attrs["selvedge_format"] == 3 and plain.attrs["selvedge_format"] == 3
"#;

#[test]
fn stock_h5py_reads_compressed_runs() {
    let folder = tempfile::tempdir().unwrap();
    let plain = record(folder.path(), Compression::None);
    let packed = record(folder.path(), Compression::Fast);
    python::run(SAME, [&plain, &packed]);
}

/// HDF5's own program, of the system's HDF5 and not of ours. Systems without it skip this.
#[test]
fn h5dump_reads_compressed_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), Compression::Fast);
    for name in ["W", "large"] {
        let dumped = folder.path().join("dumped.bin");
        let mut h5dump = std::process::Command::new("h5dump");
        h5dump.args(["-d", name, "-b", "LE", "-o"]).arg(&dumped);
        let Ok(output) = h5dump.arg(&path).output() else {
            eprintln!("there is no h5dump");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        let expected = Reader::open(&path)
            .unwrap()
            .tensor(name)
            .unwrap()
            .read_bytes();
        assert!(fs::read(&dumped).unwrap() == expected.unwrap(), "{name}");
    }
}

/// A compressed run goes on like any other: it is verified, resumed, and rechunked into a plain file.
#[test]
fn a_compressed_run_is_verified_resumed_and_rechunked() {
    let folder = tempfile::tempdir().unwrap();
    let packed = record(folder.path(), Compression::Fast);
    let before = Reader::open(&packed)
        .unwrap()
        .tensor("W")
        .unwrap()
        .read::<u16>();
    let before = before.unwrap();
    add_checksums(&packed, |_| {}).unwrap();
    let verified = |path: &Path| {
        let report = verify_checksums(&Reader::open(path).unwrap(), |_| {}).unwrap();
        assert!(report.has_checksums() && report.is_clean());
    };
    verified(&packed);

    // h5py appends noise, which its zlib leaves as it is, shuffled, and zeros.
    python::on_file(
        "import h5py, sys, numpy as np\n\
         random = np.random.default_rng(1)\n\
         with h5py.File(sys.argv[1], 'r+') as f:\n    \
             for name in ('W', 'large', 'moment', 'loss'):\n        \
                 d = f[name]\n        \
                 d.resize(len(d) + 2, axis=0)\n        \
                 noise = random.integers(0, 2**16, d.shape[1:], dtype='u2')\n        \
                 d[-2] = noise if name in ('W', 'large') else 0\n        \
                 d[-1] = 0\n        \
                 if name == 'W':\n            \
                     # As the first versions of the recorder stored it.\n            \
                     at = (len(d) - 2, *[0] * (d.ndim - 1))\n            \
                     d.id.write_direct_chunk(at, noise.tobytes(), filter_mask=3)\n    \
             masks = {f['W'].id.get_chunk_info(i).filter_mask for i in range(len(f['W']))}\n    \
             assert masks == {0, 3}, masks",
        &packed,
    );
    const STEPS: u64 = self::STEPS + 2;
    // What the file has decides; and so it does in the plan.
    let builder = Recorder::resume(&packed).steps(STEPS + 3);
    let plan = builder.plan().unwrap();
    assert!(plan.encoding.is_some() && plan.tensors.iter().any(|tensor| tensor.compressed));
    let mut run = builder.start().unwrap();
    let (w, large) = (vec![bf16::ONE; 65 * 256], vec![7_u16; 9 * 300_000]);
    for _ in 0..3 {
        run.append(|filled| {
            filled
                .put("W", &w)?
                .put("large", &large)?
                .put("moment", &[1.0_f32; 5000])?
                .put("loss", &0.5_f32)
        })
        .unwrap();
    }
    run.finish().unwrap();
    verified(&packed);

    let plain = folder.path().join("plain_1.h5");
    Rechunk::new(&packed, &plain).run(|_| {}).unwrap();
    let (packed, plain) = (
        Reader::open(&packed).unwrap(),
        Reader::open(&plain).unwrap(),
    );
    let comparison = compare(&packed, &plain, &CompareOptions::default(), |_| {}).unwrap();
    assert!(comparison.is_equal(), "{comparison}");
    let w = plain.tensor("W").unwrap();
    assert_eq!((w.encoder(), w.steps()), (None, STEPS + 3));
    assert!(w.read::<u16>().unwrap()[..before.len()] == before);
    assert!(
        w.read_step::<bf16>(STEPS)
            .unwrap()
            .iter()
            .all(|value| *value == bf16::ONE)
    );
}
