//! Every type behind every filter of HDF5: what h5py reads is read with the same values, or refused for what it
//! is. It is never called damaged.

use selvedge_hdf5::{Dtype, ReadError, Reader};
use selvedge_testing::python;

use crate::common::faults::new_path;

/// For each type and each pipeline a dataset `TYPE PIPELINE` and beside it what h5py reads of it, as
/// `plain/TYPE PIPELINE`. libhdf5 refuses some pairs.
const MATRIX: &str = r#"
import sys, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z
values = np.arange(-17, 18).reshape(5, 7)
def bits(base, precision, offset):
    kind = base.copy()
    kind.set_precision(precision)
    kind.set_offset(offset)
    return kind
numpy_type = lambda kind: h5t.py_create(np.dtype(kind), logical=True)
TYPES = {kind: (numpy_type(kind), values.astype(kind)) for kind in ("<i1", "<i2", ">i2", "<i4", ">i4", "<i8", "<f2", ">f2", "<f4", ">f4", "<f8", "<c8", ">c16")}
TYPES |= {kind: (numpy_type(kind), np.abs(values).astype(kind)) for kind in ("<u1", "<u2", ">u4", "<u8")}
TYPES["bool"] = (numpy_type("?"), values % 2 == 0)
TYPES["levels"] = (h5t.py_create(h5py.enum_dtype({"LOW": -20, "HIGH": 20}, "i4"), logical=True), values.astype("i4"))
TYPES["record"] = (numpy_type("<i4,<f8"), values.astype("<i4").astype("<i4,<f8"))
TYPES["opaque"] = (h5t.py_create(np.dtype("V2")), np.abs(values).astype("<u2").view("V2"))
TYPES["list"] = (h5t.py_create(np.dtype(("<i4", (3,)))), None)
TYPES["bits"] = (h5t.STD_B8LE, (np.abs(values) % 2).astype("u1"))
for base, name in ((h5t.STD_I16LE, "<i2"), (h5t.STD_I16BE, ">i2"), (h5t.STD_U32LE, "<u4"), (h5t.STD_U32BE, ">u4")):
    for precision, offset in ((12, 0), (7, 3)):
        numbers = values if "i" in name else np.abs(values)
        TYPES[f"{name} {precision} {offset}"] = (bits(base, precision, offset), numbers.astype("i8"))
def steps(*names):
    def make(plan):
        for name in names:
            if name == "nbit":
                plan.set_filter(5)
            elif name == "scaleoffset":
                plan.set_scaleoffset(h5z.SO_INT, 0)
            elif name == "scaled":
                plan.set_scaleoffset(h5z.SO_FLOAT_DSCALE, 3)
            elif name == "lzf":
                plan.set_filter(32000, h5z.FLAG_OPTIONAL, ())
            elif name == "szip":
                plan.set_szip(h5z.SZIP_NN_OPTION_MASK, 8)
            else:
                getattr(plan, "set_" + name)(*((4,) if name == "deflate" else ()))
    return make
PIPELINES = [("nbit",), ("scaleoffset",), ("scaled",), ("szip",), ("shuffle",), ("fletcher32",), ("deflate",), ("lzf",),
    ("shuffle", "deflate"), ("shuffle", "lzf", "fletcher32"), ("nbit", "deflate"), ("nbit", "fletcher32"), ("nbit", "shuffle", "deflate"),
    ("scaleoffset", "deflate", "fletcher32"), ("deflate", "deflate"), ("fletcher32", "deflate", "fletcher32"), ("deflate", "fletcher32", "deflate"),
    ("deflate", "lzf"), ("lzf", "deflate"), ("deflate", "shuffle"), ("deflate", "shuffle", "deflate"), ("shuffle", "deflate", "deflate")]
with h5py.File(sys.argv[1], "w") as f:
    for name, (kind, data) in TYPES.items():
        for pipeline in PIPELINES:
            path = f"{name} {' '.join(pipeline)}"
            try:
                plan = h5p.create(h5p.DATASET_CREATE)
                plan.set_chunk((2, 3))
                steps(*pipeline)(plan)
                d = h5d.create(f.id, path.encode(), kind, h5s.create_simple((5, 7)), plan)
                if data is not None:
                    memory = kind if data.dtype.kind == "V" or name == "bits" else h5t.py_create(data.dtype, logical=True)
                    d.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(data), mtype=memory)
            except Exception:
                if path in f:
                    del f[path]
names = []
with h5py.File(sys.argv[1], "r+") as f:
    for path in [path for path in f]:
        try:
            read = f[path][()]
        except Exception:
            # NumPy has no such numbers.
            read = np.zeros(f[path].shape, "i8")
            try:
                f[path].id.read(h5s.ALL, h5s.ALL, read)
            except Exception:
                del f[path]
                continue
        kind = read.dtype
        if kind.kind in "iufbc" and h5py.check_enum_dtype(kind) is None:
            f["plain/" + path] = read.astype(kind.newbyteorder("<"))
    print(len(f) - 1)
"#;

/// The values of a tensor as numbers, whatever their dtype.
fn numbers(file: &Reader, name: &str) -> Result<Vec<f64>, ReadError> {
    let tensor = file.tensor(name)?;
    let bytes = tensor.read_bytes()?;
    macro_rules! all {
        ($type:ty) => {{
            let (elements, _) = bytes.as_chunks();
            let numbers = elements.iter().map(|one| <$type>::from_le_bytes(*one));
            numbers.map(|number| number as f64).collect()
        }};
    }
    Ok(match tensor.dtype()? {
        Dtype::I8 => all!(i8),
        Dtype::I16 => all!(i16),
        Dtype::I32 => all!(i32),
        Dtype::I64 => all!(i64),
        Dtype::U8 | Dtype::Bool => all!(u8),
        Dtype::U16 => all!(u16),
        Dtype::U32 => all!(u32),
        Dtype::U64 => all!(u64),
        Dtype::F32 | Dtype::C64 => all!(f32),
        Dtype::F64 | Dtype::C128 => all!(f64),
        Dtype::F16 => {
            let (elements, _) = bytes.as_chunks();
            let numbers = elements
                .iter()
                .map(|one| selvedge_hdf5::f16::from_le_bytes(*one));
            numbers.map(f64::from).collect()
        }
        other => panic!("{name}: {other}"),
    })
}

/// Bools behind nbit, which changes nothing of them and says no more, were called damaged, and left out with what
/// is; so were streams within streams.
#[test]
fn what_h5py_reads_behind_a_filter_is_read_or_refused_by_name() {
    let (_folder, path) = new_path();
    let made: usize = python::on_file(MATRIX, &path).trim().parse().unwrap();
    let file = Reader::open(&path).unwrap();
    let (mut read, mut refused) = (0, Vec::new());
    for tensor in file.tensors() {
        let name = tensor.name();
        if name.starts_with("plain/") {
            continue;
        }
        let found = numbers(&file, name);
        assert_eq!(found.is_err(), tensor.check_readable().is_err(), "{name}");
        match found {
            Ok(found) => {
                let plain = format!("plain/{name}");
                assert_eq!(found, numbers(&file, &plain).unwrap(), "{name}");
                read += 1;
            }
            Err(error) => {
                assert!(error.is_unsupported(), "{name}: {error:?}");
                refused.push(name);
            }
        }
    }
    assert_eq!(read + refused.len(), made);
    // A stream of LZF is not decoded here to look into it; and there are types without a counterpart.
    let is_known = |name: &&str| {
        let types = ["levels", "record", "opaque", "list"];
        let streams = ["lzf", "deflate shuffle deflate"];
        let many = name.matches("deflate").count() + name.matches("lzf").count() > 1;
        let is_odd = many && streams.iter().any(|stream| name.contains(stream));
        !is_odd && !types.iter().any(|kind| name.starts_with(kind))
    };
    refused.retain(is_known);
    assert!(refused.is_empty(), "{refused:?}");
    assert!(read > 300, "{read}");
}

/// What is behind szip was to be read with a plugin that there is not.
#[test]
fn advice_for_szip_names_no_plugin() {
    let (_folder, path) = new_path();
    let make = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    f.create_dataset('W', data=np.arange(64).reshape(8, 8), chunks=(8, 8), compression='szip')
";
    python::on_file(make, &path);
    let file = Reader::open(&path).unwrap();
    let filter = file.tensor("W").unwrap().missing_filter().unwrap();
    assert_eq!((&*filter.name, filter.id), ("szip", 4));
    let advice = filter.advice();
    assert!(
        advice.contains("h5repack") && !advice.contains("PLUGIN_PATH"),
        "{advice}"
    );
}
