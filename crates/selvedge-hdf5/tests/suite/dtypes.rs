//! Stored types of other programs: each is read as what it is, or refused by its name. Never as a type
//! that is only as long.

use std::path::Path;

use selvedge_hdf5::{
    Complex32, Complex64, Dtype, ReadError, Reader, Rechunk, Recorder, Tensor, bf16,
};
use selvedge_testing::python;

/// What the Python programs below share: `put(name, type, bytes, …)` stores bytes as they are.
const COMMON: &str = r#"
import sys, h5py, numpy as np, ml_dtypes
from h5py import h5d, h5p, h5s, h5t
patterns = np.arange(65536, dtype="u2").reshape(256, 256)
def plan(chunks=None, gzip=False):
    made = h5p.create(h5p.DATASET_CREATE)
    if chunks:
        made.set_chunk(chunks)
    if gzip:
        made.set_shuffle()
        made.set_deflate(1)
    return made
def put(name, kind, values, **how):
    made = h5d.create(f.id, name.encode(), kind, h5s.create_simple(values.shape), plan(**how))
    made.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(values), mtype=kind)
def float_type(size, sign, exponent_at, exponent, mantissa_at, mantissa, bias, base=h5t.IEEE_F64LE):
    kind = base.copy()
    kind.set_fields(sign, exponent_at, exponent, mantissa_at, mantissa)
    kind.set_precision(size * 8)
    kind.set_size(size)
    kind.set_ebias(bias)
    return kind
LAYOUTS = {"contiguous": {}, "chunked": dict(chunks=(100, 256)), "ragged": dict(chunks=(100, 100)), "gzip": dict(chunks=(16, 256), gzip=True)}
f = h5py.File(sys.argv[1], "w")
"#;

/// A file of h5py, made by a program that goes on after [`COMMON`].
fn made_by(folder: &Path, program: &str) -> Reader {
    let path = folder.join("theirs_1.h5");
    python::on_file(&format!("{COMMON}\n{program}\nf.close()\n"), &path);
    Reader::open(path).unwrap()
}

fn all_patterns() -> Vec<u16> {
    (0..=u16::MAX).collect()
}

/// Every bfloat16 pattern, in each way in which it lies in files of HDF5, keeps its bits: those of HDF5's own
/// type too, which libhdf5 would make a float32 of, with other NaNs.
#[test]
fn every_bf16_pattern_keeps_its_bits() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = made_by(
        folder.path(),
        r#"
bf16 = float_type(2, 15, 7, 8, 0, 7, 127, base=h5t.IEEE_F32LE)
big = float_type(2, 15, 7, 8, 0, 7, 127, base=h5t.IEEE_F32BE)
for layout, how in LAYOUTS.items():
    put(f"little_{layout}", bf16, patterns, **how)
    put(f"big_{layout}", big, patterns.byteswap(), **how)
    put(f"int16_{layout}", h5t.STD_I16LE, patterns.view("i2"), **how)
    f[f"int16_{layout}"].attrs["logical_dtype"] = "torch.bfloat16"
    put(f"int16be_{layout}", h5t.STD_I16BE, patterns.byteswap().view("i2"), **how)
    f[f"int16be_{layout}"].attrs["logical_dtype"] = "bfloat16"
    opaque = {"contiguous": {}, "chunked": dict(chunks=(100, 256)), "ragged": dict(chunks=(100, 100)), "gzip": dict(chunks=(16, 256), compression="gzip", shuffle=True)}[layout]
    f.create_dataset(f"opaque_{layout}", data=patterns.view(ml_dtypes.bfloat16), **opaque)
"#,
    );
    let names: Vec<String> = file.tensors().iter().map(|t| t.name().to_owned()).collect();
    assert_eq!(names.len(), 20);
    for name in &names {
        if name.starts_with("opaque") {
            let tensor = file.tensor(name).unwrap();
            let error = tensor.read::<bf16>().unwrap_err().to_string();
            assert!(
                error.contains("assume_bf16") && error.contains("2 opaque bytes"),
                "{error}"
            );
            assert!(
                tensor.dtype_name().contains("bfloat16"),
                "{}",
                tensor.dtype_name()
            );
            file.assume_bf16(name).unwrap();
        }
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype().unwrap(), Dtype::Bf16, "{name}");
        assert_eq!(tensor.remark(), None, "{name}");
        assert_eq!(tensor.read::<u16>().unwrap(), all_patterns(), "{name}");
        let row = tensor.read_step::<u16>(200).unwrap();
        assert_eq!(row, all_patterns()[200 * 256..201 * 256], "{name}");
    }
    // The whole way through a new file.
    let output = folder.path().join("new_1.h5");
    let opaque = names.iter().filter(|name| name.starts_with("opaque"));
    let rechunk = Rechunk::new(file.path(), &output).assume_bf16(opaque.cloned());
    rechunk.run(|_| {}).unwrap();
    let new = Reader::open(&output).unwrap();
    for name in &names {
        let tensor = new.tensor(name).unwrap();
        assert_eq!(tensor.dtype().unwrap(), Dtype::Bf16, "{name}");
        assert_eq!(tensor.read::<u16>().unwrap(), all_patterns(), "{name}");
    }
}

/// A file of nothing but opaque bytes has no steps before somebody says what they are.
#[test]
fn opaque_bytes_become_steps_when_they_are_said_to_be_bf16() {
    let folder = tempfile::tempdir().unwrap();
    let file = made_by(
        folder.path(),
        r#"f["W"] = patterns.view(ml_dtypes.bfloat16)"#,
    );
    let output = folder.path().join("new_1.h5");
    let rechunk = Rechunk::new(file.path(), &output).assume_bf16(["W"]);
    assert_eq!(rechunk.run(|_| {}).unwrap().plan.steps, 256);
    let values = Reader::open(&output).unwrap();
    let values = values.tensor("W").unwrap().read::<u16>().unwrap();
    assert_eq!(values, all_patterns());
}

/// A dataset of which nothing was written has no chunk and no address, and reads as its fill value.
#[test]
fn what_was_never_written_is_its_fill_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = made_by(
        folder.path(),
        r#"
bf16 = float_type(2, 15, 7, 8, 0, 7, 127, base=h5t.IEEE_F32LE)
for layout, how in LAYOUTS.items():
    h5d.create(f.id, layout.encode(), bf16, h5s.create_simple((256, 256)), plan(**how))
f.create_dataset("filled", (8,), "f4", fillvalue=1.5)
f.create_dataset("complex", (8,), "c8", chunks=(2,))
"#,
    );
    for name in ["contiguous", "chunked", "ragged", "gzip"] {
        let values = file.tensor(name).unwrap().read::<bf16>().unwrap();
        assert_eq!(values, [bf16::ZERO; 65_536], "{name}");
    }
    assert_eq!(
        file.tensor("filled").unwrap().read::<f32>().unwrap(),
        [1.5; 8]
    );
    let complex = file.tensor("complex").unwrap().read::<Complex32>().unwrap();
    assert_eq!(complex, [Complex32::ZERO; 8]);
}

/// Floats of another bias, or whose first bit is not implied, were taken for those of IEEE 754, since they
/// have as many bytes.
#[test]
fn floats_that_are_not_ieee_754_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = made_by(
        folder.path(),
        r#"
values = np.linspace(-3, 3, 24, dtype="f4").reshape(4, 6)
def floats(name, base, change, **how):
    kind = base.copy()
    change(kind)
    h5d.create(f.id, name.encode(), kind, h5s.create_simple(values.shape), plan(**how))
    f[name][...] = values
floats("bias_32", h5t.IEEE_F32LE, lambda k: k.set_ebias(100))
floats("bias_64", h5t.IEEE_F64BE, lambda k: k.set_ebias(1000), chunks=(2, 6))
floats("not_implied", h5t.IEEE_F32LE, lambda k: k.set_norm(h5t.NORM_NONE), chunks=(2, 6), gzip=True)
vax = h5t.IEEE_F32LE.copy()
vax.set_order(2)
put("vax", vax, values)
put("long", h5t.NATIVE_LDOUBLE, values.astype(np.longdouble))
put("float_24", float_type(3, 23, 16, 7, 0, 16, 63), np.zeros(4, "V3"))
put("e3m4", float_type(1, 7, 4, 3, 0, 4, 3), np.zeros(4, "u1"))
# The order of a VAX is part of the third version of the message, which h5py does not write for it.
f.close()
bytes = open(sys.argv[1], "rb").read()
assert bytes.count(b"\x11\x61\x1f\0") == 1
open(sys.argv[1], "wb").write(bytes.replace(b"\x11\x61\x1f\0", b"\x31\x61\x1f\0"))
f = h5py.File(sys.argv[1])
assert f["vax"].id.get_type().get_order() == h5t.ORDER_VAX
"#,
    );
    for tensor in file.tensors() {
        let error = tensor.read_bytes().unwrap_err();
        let ReadError::UnsupportedDtype { found, .. } = &error else {
            panic!("{error}")
        };
        assert!(found.contains("float"), "{error}");
        assert!(error.to_string().contains(tensor.name()), "{error}");
    }
    assert_eq!(file.tensors().len(), 7);
    let name = file.tensor("bias_32").unwrap().dtype_name();
    assert!(name.contains("bias of 100"), "{name}");
}

/// float8, of HDF5 2 itself and as bits with a marker.
#[test]
fn every_pattern_of_float8_keeps_its_bits() {
    let folder = tempfile::tempdir().unwrap();
    let file = made_by(
        folder.path(),
        r#"
bytes = np.arange(256, dtype="u1").reshape(16, 16)
e4m3, e5m2 = float_type(1, 7, 3, 4, 0, 3, 7), float_type(1, 7, 2, 5, 0, 2, 15)
for layout, how in {"contiguous": {}, "gzip": dict(chunks=(3, 16), gzip=True)}.items():
    put(f"e4m3_{layout}", e4m3, bytes, **how)
    put(f"e5m2_{layout}", e5m2, bytes, **how)
f["e5m2_marked"] = bytes
f["e5m2_marked"].attrs["logical_dtype"] = "torch.float8_e5m2"
f["opaque"] = bytes.view(ml_dtypes.float8_e4m3fn)
"#,
    );
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let output = folder.path().join("new_1.h5");
    let rechunk = Rechunk::new(file.path(), &output).skip_unsupported(true);
    let summary = rechunk.run(|_| {}).unwrap();
    assert_eq!(
        summary.plan.left_out.len(),
        1,
        "{:?}",
        summary.plan.left_out
    );
    let new = Reader::open(&output).unwrap();
    let formats = file
        .tensors()
        .iter()
        .filter(|tensor| tensor.name() != "opaque");
    for tensor in formats {
        let name = tensor.name();
        let expected = match name.starts_with("e4m3") {
            true => Dtype::F8E4M3,
            false => Dtype::F8E5M2,
        };
        for tensor in [tensor, new.tensor(name).unwrap()] {
            assert_eq!(tensor.dtype().unwrap(), expected, "{name}");
            assert_eq!(tensor.read_bytes().unwrap(), bytes, "{name}");
            assert_eq!(tensor.read::<u8>().unwrap(), bytes, "{name}");
        }
    }
    python::on_file(
        r#"
import sys, h5py, numpy as np, ml_dtypes
with h5py.File(sys.argv[1]) as f:
    d = f["e4m3_gzip"]
    assert d.dtype == np.uint8 and d.attrs["logical_dtype"] == "float8_e4m3fn", d
    d[()].view(ml_dtypes.float8_e4m3fn)
"#,
        &output,
    );
    // Of several types of one byte, nobody knows which it is.
    let error = file
        .tensor("opaque")
        .unwrap()
        .dtype()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("float8") && error.contains("opaque byte"),
        "{error}"
    );
}

/// Complex numbers: the record of h5py, and what it would be in HDF5 2, in both byte orders.
#[test]
fn complex_numbers_keep_their_bits() {
    let folder = tempfile::tempdir().unwrap();
    let file = made_by(
        folder.path(),
        r#"
values = (np.arange(24) - 7.5 + 1j * np.arange(24)[::-1]).reshape(4, 6)
values[0, 0] = complex(np.nan, -np.inf)
for name in ("c8", "c16"):
    for order in ("<", ">"):
        f.create_dataset(f"{name}_{'big' if order == '>' else 'little'}", data=values.astype(order + name))
    f.create_dataset(f"{name}_gzip", data=values.astype(name), chunks=(1, 6), compression="gzip", shuffle=True)
# HDF5 2's own.
for name, kind, dtype in [("native8", h5t.COMPLEX_IEEE_F32LE, "<c8"), ("native16_big", h5t.COMPLEX_IEEE_F64BE, ">c16")]:
    put(name, kind, values.astype(dtype))
f["matlab"] = values.astype("c16").view([("real", "f8"), ("imag", "f8")])
# Records that are none.
f["swapped"] = values.astype("c16").view([("i", "f8"), ("r", "f8")])
f["mixed"] = np.zeros(3, [("r", "f4"), ("i", "f8")])
f["padded"] = np.zeros(3, np.dtype({"names": ["r", "i"], "formats": ["f4", "f4"], "offsets": [0, 4], "itemsize": 16}))
f["integers"] = np.zeros(3, [("r", "i4"), ("i", "i4")])
"#,
    );
    let expected: Vec<Complex64> = (0..24_u32)
        .map(|nth| match nth {
            0 => Complex64::new(f64::NAN, f64::NEG_INFINITY),
            nth => Complex64::new(f64::from(nth) - 7.5, f64::from(23 - nth)),
        })
        .collect();
    let same = |left: f64, right: f64| left == right || (left.is_nan() && right.is_nan());
    let check = |tensor: &Tensor| {
        let found: Vec<Complex64> = match tensor.dtype().unwrap() {
            Dtype::C64 => {
                let values = tensor.read::<Complex32>().unwrap();
                let wide = |value: Complex32| Complex64::new(value.re.into(), value.im.into());
                values.into_iter().map(wide).collect()
            }
            Dtype::C128 => tensor.read::<Complex64>().unwrap(),
            other => panic!("{other}"),
        };
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                same(found.re, expected.re) && same(found.im, expected.im),
                "{}: {found} and {expected}",
                tensor.name()
            );
        }
        assert_eq!(found.len(), expected.len());
    };
    let output = folder.path().join("new_1.h5");
    Rechunk::new(file.path(), &output)
        .skip_unsupported(true)
        .run(|_| {})
        .unwrap();
    let new = Reader::open(&output).unwrap();
    for kind in ["c8", "c16"] {
        for layout in ["little", "big", "gzip"] {
            let name = format!("{kind}_{layout}");
            check(file.tensor(&name).unwrap());
            check(new.tensor(&name).unwrap());
        }
    }
    for name in ["matlab", "native8", "native16_big"] {
        check(file.tensor(name).unwrap());
        check(new.tensor(name).unwrap());
    }
    assert_eq!(
        file.tensor("c8_big").unwrap().stored_type(),
        "big-endian complex64"
    );
    for name in ["swapped", "mixed", "padded", "integers"] {
        let error = file.tensor(name).unwrap().dtype().unwrap_err().to_string();
        assert!(
            error.contains("a record (") && error.contains(name),
            "{error}"
        );
    }
    python::on_file(
        "import sys, h5py\nwith h5py.File(sys.argv[1]) as f: assert f['c8_big'].dtype == 'c8' and f['matlab'].dtype == 'c16'",
        &output,
    );
}

/// A run records complex numbers like any other values.
#[test]
fn complex_numbers_are_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    let mut run = Recorder::create(&path)
        .steps(3)
        .tensor::<Complex32>("spectrum", [4])
        .start()
        .unwrap();
    for step in 0..3_u8 {
        let value = Complex32::new(step.into(), -1.0);
        run.append(|row| row.put("spectrum", &[value; 4])).unwrap();
    }
    run.finish().unwrap();
    python::on_file(
        "import sys, h5py, numpy as np\nf = h5py.File(sys.argv[1])\nassert f['spectrum'].dtype == 'c8' and (f['spectrum'][:] == np.arange(3)[:, None] - 1j).all()",
        &path,
    );
}

/// Bools: of h5py, of PyTables (a bitfield), and enumerations that only look like them.
#[test]
fn bools_are_those_of_which_nobody_can_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let file = made_by(
        folder.path(),
        r#"
mask = (np.arange(40) % 3 == 0)
f["h5py"] = mask
put("pytables", h5t.NATIVE_B8, mask.astype("u1"))
put("pytables_gzip", h5t.NATIVE_B8, mask.astype("u1"), chunks=(16,), gzip=True)
put("flags", h5t.NATIVE_B8, np.arange(40, dtype="u1"))
put("wide", h5t.NATIVE_B16, np.arange(40, dtype="u2"))
def enumeration(name, base, **members):
    kind = h5t.enum_create(base)
    for member, value in members.items():
        kind.enum_insert(member.encode(), value)
    put(name, kind, np.zeros(4, {h5t.NATIVE_INT8: "i1", h5t.NATIVE_INT32: "i4"}[base]))
enumeration("lower", h5t.NATIVE_INT8, false=0, true=1)
enumeration("turned", h5t.NATIVE_INT8, FALSE=1, TRUE=0)
enumeration("long", h5t.NATIVE_INT32, FALSE=0, TRUE=1)
enumeration("three", h5t.NATIVE_INT8, FALSE=0, TRUE=1, MAYBE=2)
enumeration("colours", h5t.NATIVE_INT8, RED=-1, GREEN=1)
"#,
    );
    let mask: Vec<bool> = (0..40).map(|index| index % 3 == 0).collect();
    for name in ["h5py", "pytables", "pytables_gzip"] {
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype().unwrap(), Dtype::Bool, "{name}");
        assert_eq!(tensor.read::<bool>().unwrap(), mask, "{name}");
    }
    assert_eq!(
        file.tensor("lower").unwrap().read::<bool>().unwrap(),
        [false; 4]
    );
    // The type of a bitfield does not tell whether it is a bool, but its values do.
    let flags = file.tensor("flags").unwrap();
    let error = flags.check_readable().unwrap_err();
    assert!(
        matches!(error, ReadError::UnsupportedDtype { .. }),
        "{error}"
    );
    let error = flags.read_bytes().unwrap_err();
    assert!(
        format!("{error:?}").contains("a bitfield of 8 bits that are not all 0 or 1"),
        "{error:?}"
    );
    for name in ["wide", "turned", "long", "three", "colours"] {
        let error = file.tensor(name).unwrap().dtype().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert!(
            error.contains("enumeration in") || error.contains("bitfield of 16"),
            "{error}"
        );
    }
    let colours = file.tensor("colours").unwrap().dtype_name();
    assert_eq!(colours, "an enumeration in int8 (RED = -1, GREEN = 1)");
}

/// A marker that says what the values are not read as is told, whatever it is.
#[test]
fn markers_that_have_no_effect_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = made_by(
        folder.path(),
        r#"
for name, kind, says in [
    ("floats", "f4", "bfloat16"), ("fine", "f4", "float32"), ("torch", "i8", "torch.int64"),
    ("typo", "u2", "bflota16"), ("number", "u2", "7"), ("half", "f2", "bfloat16"), ("int4", "u1", "int4"),
    ("right", "u2", "bfloat16"),
]:
    f[name] = np.zeros(3, kind)
    f[name].attrs["logical_dtype"] = says
for name, says in {"list": ["bfloat16", "float16"], "integer": 16, "one": ["bfloat16"]}.items():
    f[name] = np.zeros(3, "u2")
    f[name].attrs["logical_dtype"] = says
f["latin1"] = np.zeros(3, "u2")
f["latin1"].attrs.create("logical_dtype", b"bfloat16\xe9", dtype=h5py.string_dtype("utf-8", 9))
"#,
    );
    for name in [
        "floats", "typo", "number", "half", "int4", "latin1", "list", "integer",
    ] {
        let remark = file.tensor(name).unwrap().remark();
        let remark = remark.unwrap_or_else(|| panic!("nothing is told of {name}"));
        assert!(remark.contains("logical_dtype"), "{remark}");
    }
    for name in ["fine", "torch", "right", "one"] {
        assert_eq!(file.tensor(name).unwrap().remark(), None, "{name}");
    }
    assert_eq!(file.tensor("one").unwrap().dtype().unwrap(), Dtype::Bf16);
    let latin1 = file.tensor("latin1").unwrap();
    assert_eq!(latin1.dtype().unwrap(), Dtype::U16);
    let skipped = latin1.skipped_attributes().unwrap();
    assert!(skipped[0].1.contains("bfloat16\\xe9"), "{skipped:?}");
}

/// Everything else is told by a name that says what it is.
#[test]
fn what_is_not_read_is_told_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = made_by(
        folder.path(),
        r#"
f["text"] = "a word"
f["bytes"] = np.array([b"abc"])
f["record"] = np.zeros(2, [("step", "i4"), ("loss", "f8"), ("ok", "?"), ("more", "f4")])
h5d.create(f.id, b"subarray", h5t.array_create(h5t.IEEE_F32LE, (3, 2)), h5s.create_simple((2,)))
f.create_dataset("lists", (2,), h5py.vlen_dtype("i4"))
f["dates"] = np.array(["2026-11-28"], "M8[D]").astype(h5py.opaque_dtype("M8[D]"))
f["reference"] = np.array([f["text"].ref], dtype=h5py.ref_dtype)
f["half_complex"] = np.zeros(2, [("r", "f2"), ("i", "f2")])
"#,
    );
    let expected = [
        ("text", "text"),
        ("bytes", "text of 3 bytes"),
        (
            "record",
            "a record (step: int32, loss: float64, ok: bool, …)",
        ),
        ("subarray", "an array of float32 in each element ((3, 2))"),
        ("lists", "a list of int32 in each element"),
        ("reference", "a reference"),
        ("half_complex", "a record (r: float16, i: float16)"),
    ];
    for (name, expected) in expected {
        assert_eq!(file.tensor(name).unwrap().dtype_name(), expected);
    }
    let dates = file.tensor("dates").unwrap().dtype_name();
    assert!(dates.starts_with("8 opaque bytes (`"), "{dates}");
}
