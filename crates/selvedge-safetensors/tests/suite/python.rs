//! Against Python's safetensors, both ways; and the golden files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{DTYPES, new_path};
use selvedge_safetensors::{Dtype, Mapped, Reader, Save, bf16, f16, recover};
use selvedge_testing::python;

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(name)
}

/// Checks the tensors of a file that `golden/generate.py` wrote.
fn check_python_file(path: &Path) {
    let reader = Reader::open(path).unwrap();
    // SAFETY: nobody changes the golden file, or the one of this test.
    let mapped = unsafe { Mapped::open(path) }.unwrap();
    let bytes = |name: &str, dtype: Dtype, shape: &[usize]| {
        let tensor = reader.tensor(name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (dtype, shape), "{name}");
        let bytes = tensor.read_bytes().unwrap();
        assert_eq!(mapped.tensor(name).unwrap().bytes(), bytes, "{name}");
        bytes
    };
    let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    assert_eq!(bytes("bf16", Dtype::BF16, &[256, 256]), all);
    assert_eq!(bytes("f16", Dtype::F16, &[65_536]), all);
    let values: Vec<bf16> = reader.tensor("bf16").unwrap().read().unwrap();
    assert!(values.iter().map(|value| value.to_bits()).eq(0..=u16::MAX));
    let view = mapped.tensor("f16").unwrap();
    assert!(
        view.as_slice::<f16>()
            .unwrap()
            .iter()
            .map(|value| value.to_bits())
            .eq(0..=u16::MAX)
    );

    let all: Vec<u8> = (0..=u8::MAX).collect();
    for (name, dtype) in [
        ("float8_e4m3fn", Dtype::F8_E4M3),
        ("float8_e4m3fnuz", Dtype::F8_E4M3FNUZ),
        ("float8_e5m2", Dtype::F8_E5M2),
        ("float8_e5m2fnuz", Dtype::F8_E5M2FNUZ),
        ("float8_e8m0fnu", Dtype::F8_E8M0),
    ] {
        assert_eq!(bytes(name, dtype, &[256]), all);
        assert_eq!(reader.tensor(name).unwrap().read::<u8>().unwrap(), all);
    }

    macro_rules! integers {
        ($($type:ty => $name:literal),*) => {$(
            let values: Vec<$type> = reader.tensor($name).unwrap().read().unwrap();
            assert_eq!(values, [<$type>::MIN, 0, 1, <$type>::MAX], $name);
        )*};
    }
    integers!(i8 => "int8", u8 => "uint8", i16 => "int16", u16 => "uint16");
    integers!(i32 => "int32", u32 => "uint32", i64 => "int64", u64 => "uint64");
    macro_rules! floats {
        ($($type:ty => $name:literal),*) => {$(
            let values: Vec<$type> = reader.tensor($name).unwrap().read().unwrap();
            let infinity = <$type>::INFINITY;
            let expected = [-0.0, <$type>::from_bits(1), <$type>::MAX, infinity, -infinity];
            assert!(values[..5].iter().map(|v| v.to_bits()).eq(expected.map(<$type>::to_bits)));
            assert!(values[5].is_nan() && values.len() == 6);
        )*};
    }
    floats!(f32 => "float32", f64 => "float64");

    assert_eq!(
        reader.tensor("bool").unwrap().read::<bool>().unwrap(),
        [true, false, true]
    );
    let complex: Vec<[f32; 2]> = reader.tensor("c64").unwrap().read().unwrap();
    assert_eq!(complex[0], [1.0, 2.0]);
    assert_eq!(complex[1][1], f32::NEG_INFINITY);
    assert_eq!(reader.tensor("empty").unwrap().shape(), [0, 64]);
    assert_eq!(
        reader.tensor("scalar").unwrap().read::<i64>().unwrap(),
        [17]
    );
    let title = reader.tensor("überschrift \"x\"\n").unwrap();
    assert_eq!(title.read::<f32>().unwrap(), [1.5]);
    assert_eq!(reader.header().metadata()["note"], "Grüße");
}

#[test]
fn the_golden_file_of_python_is_read() {
    check_python_file(&golden("python.safetensors"));
}

#[test]
fn what_python_writes_today_is_the_golden_file() {
    let (folder, _) = new_path();
    let script = fs::read_to_string(golden("generate.py")).unwrap();
    python::on_file(&script, folder.path());
    let written = folder.path().join("python.safetensors");
    check_python_file(&written);
    // But for the order of the metadata, which changes from run to run.
    let [today, golden] =
        [written, golden("python.safetensors")].map(|path| fs::read(path).unwrap());
    let data = |file: &[u8]| {
        let length = usize::try_from(u64::from_le_bytes(*file.first_chunk().unwrap())).unwrap();
        file[8 + length..].to_vec()
    };
    assert!(data(&today) == data(&golden));
}

/// Files that grew, as a version before made them: `golden/make.rs` says how. One was finished, the writer of the
/// other killed within its eighth row.
#[test]
fn golden_files_that_grew_are_read_and_recovered() {
    let (folder, _) = new_path();
    let killed = folder.path().join("killed.safetensors");
    let left = folder.path().join("killed.safetensors.unfinished");
    fs::copy(golden("killed.safetensors"), left).unwrap();
    assert_eq!(recover(&killed).unwrap().rows, Some(7));
    for path in [golden("grown.safetensors"), killed] {
        let file = Reader::open(&path).unwrap();
        let history = file.tensor("history").unwrap();
        assert_eq!(history.shape(), [7, 3]);
        let bits = (0..21_u16).map(|number| number.wrapping_mul(40_503));
        assert!(
            history
                .read::<bf16>()
                .unwrap()
                .into_iter()
                .map(bf16::to_bits)
                .eq(bits)
        );
        assert_eq!(
            file.tensor("ids").unwrap().read::<i32>().unwrap(),
            [0, 1, 2, 3]
        );
        assert_eq!(file.header().metadata()["parameter.threshold"], "0.5");
    }
}

/// The values of a tensor of every dtype: all patterns where there are few, else some.
fn every_dtype() -> Vec<(Dtype, &'static str, Vec<u8>)> {
    let all: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    let bytes = |dtype: Dtype| match dtype {
        Dtype::BOOL => vec![0, 1, 1, 0],
        Dtype::BF16 | Dtype::F16 => all.clone(),
        _ => (0..=u8::MAX).rev().chain(0..=127).collect(),
    };
    DTYPES
        .map(|(dtype, name)| (dtype, name, bytes(dtype)))
        .into()
}

/// A file with everything that can be in one, always the same bytes.
fn write_golden(path: &Path) {
    let tensors = every_dtype();
    let mut save = Save::new(path).reproducible(true);
    for (dtype, name, bytes) in &tensors {
        save = save.raw(*name, *dtype, [bytes.len() * 8 / dtype.bitsize()], bytes);
    }
    save.tensor::<f32>("empty", [0, 64], &[])
        .scalar("scalar", 17_i64)
        .scalar("überschrift \"x\"\n", 1.5_f32)
        .notebook("1.5d_clusters.ipynb")
        .parameter("threshold", 0.5)
        .metadata("note", "Grüße")
        .write()
        .unwrap();
}

/// The format of our own files is not changed by accident. `SELVEDGE_BLESS=1` writes it anew.
#[test]
fn the_golden_file_of_ours_is_what_is_written() {
    let (_folder, path) = new_path();
    write_golden(&path);
    if std::env::var_os("SELVEDGE_BLESS").is_some() {
        fs::copy(&path, golden("selvedge.safetensors")).unwrap();
    }
    let committed = fs::read(golden("selvedge.safetensors")).unwrap();
    assert!(fs::read(&path).unwrap() == committed);
    let file = Reader::open(&path).unwrap();
    for (_, name, bytes) in every_dtype() {
        assert_eq!(
            file.tensor(name).unwrap().read_bytes().unwrap(),
            bytes,
            "{name}"
        );
    }
}

const READ_OURS: &str = r#"
import sys
import ml_dtypes, numpy as np
from safetensors import safe_open, deserialize

path = sys.argv[1]
patterns = np.arange(65536).astype(np.uint16)
some = np.concatenate([np.arange(255, -1, -1), np.arange(128)]).astype(np.uint8)
with safe_open(path, "np") as f:
    assert f.metadata() == {
        "notebook": "1.5d_clusters.ipynb", "parameter.threshold": "0.5", "note": "Grüße",
    }, f.metadata()
    names = set(f.keys())
    bf16 = f.get_tensor("BF16")
    assert bf16.dtype == ml_dtypes.bfloat16 and (bf16.view(np.uint16) == patterns).all()
    assert (f.get_tensor("F16").view(np.uint16) == patterns).all()
    assert f.get_tensor("BOOL").tolist() == [False, True, True, False]
    numpy = {"U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "I32": "int32",
             "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64",
             "I64": "int64", "U64": "uint64"}
    for name, dtype in numpy.items():
        tensor = f.get_tensor(name)
        assert tensor.dtype == dtype and tensor.tobytes() == some.tobytes(), name
    assert f.get_tensor("empty").shape == (0, 64)
    assert f.get_tensor("scalar").shape == () and f.get_tensor("scalar") == 17
    assert f.get_tensor('überschrift "x"\n') == 1.5
    # A part, as it is read in place.
    assert (f.get_slice("BF16")[100:200].view(np.uint16) == patterns[100:200]).all()

# The dtypes that numpy has no counterpart of.
raw = dict(deserialize(open(path, "rb").read()))
assert set(raw) == names
for name in ["F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"]:
    bits = {"F4": 4, "F6": 6, "F8": 8}[name[:2]]
    assert raw[name]["dtype"] == name and bytes(raw[name]["data"]) == some.tobytes(), name
    assert raw[name]["shape"] == [len(some) * 8 // bits], (name, raw[name]["shape"])
"#;

#[test]
fn python_reads_ours() {
    let (_folder, path) = new_path();
    write_golden(&path);
    python::on_file(READ_OURS, &path);
    python::on_file(READ_OURS, &golden("selvedge.safetensors"));
}

const READ_GROWN: &str = r#"
import sys
import ml_dtypes, numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file

loaded = load_file(sys.argv[1])
assert loaded["history"].shape == (1000, 64) and loaded["history"].dtype == ml_dtypes.bfloat16
assert (loaded["history"].view(np.uint16).ravel() == np.arange(64000)).all()
assert loaded["mask"].tolist() == [True, False, True]
with safe_open(sys.argv[1], "np") as f:
    metadata = f.metadata()
    assert sorted(metadata) == ["created", "notebook", "parameter.rate", "selvedge_version"], metadata
    assert metadata["parameter.rate"] == "0.001"
    assert f.get_slice("history")[7:9].shape == (2, 64)
"#;

#[test]
fn python_reads_a_file_that_grew() {
    let (_folder, path) = new_path();
    let start = || {
        let save = Save::new(&path).tensor("mask", [3], &[true, false, true]);
        let save = save.notebook("1.5d_history.ipynb").parameter("rate", 1e-3);
        let mut file = save.growing::<bf16>("history", [64]).start().unwrap();
        for row in 0..1000_u16 {
            let values: Vec<u16> = (row * 64..(row + 1) * 64).collect();
            file.write("history", &values).unwrap();
        }
        file
    };
    start().finish().unwrap();
    python::on_file(READ_GROWN, &path);
    fs::remove_file(&path).unwrap();
    drop(start());
    selvedge_safetensors::recover(&path).unwrap();
    python::on_file(READ_GROWN, &path);
}

/// The document that the project was made from: its lines, with numpy in place of torch.
const SEED: &str = r#"
import sys
from pathlib import Path
from safetensors.numpy import save_file, load_file

output_path = Path(sys.argv[1])
data = load_file(output_path)
cluster_mask, count = data["cluster_mask"], data["n_clusters"]
assert cluster_mask.shape == (10000,) and cluster_mask.sum() == 3334 and count == 17
save_file({"cluster_mask": cluster_mask, "n_clusters": count}, str(output_path))
"#;

#[test]
fn the_seeds_lines_read_ours_and_we_read_theirs() {
    let (folder, _) = new_path();
    let path = folder
        .path()
        .join("tensors/Qwen3-4B-Instruct-2507/1.5d_cluster_mask.safetensors");
    let mask: Vec<bool> = (0..10_000).map(|token| token % 3 == 0).collect();
    Save::new(&path)
        .tensor("cluster_mask", [mask.len()], &mask)
        .scalar("n_clusters", 17_i64)
        .write()
        .unwrap();
    python::on_file(SEED, &path);
    let file = Reader::open(&path).unwrap();
    assert_eq!(
        file.tensor("cluster_mask").unwrap().read::<bool>().unwrap(),
        mask
    );
    assert_eq!(
        file.tensor("n_clusters").unwrap().read::<i64>().unwrap(),
        [17]
    );
}
