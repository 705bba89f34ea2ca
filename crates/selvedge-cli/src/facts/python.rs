//! The Python that reads a tensor, with its dtype and all of its bits.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use selvedge_base::text::steers;
use selvedge_hdf5::Dtype;
use selvedge_safetensors::TensorInfo;

use super::{Format, TensorFacts};
use crate::object;
use crate::source::Array;

/// The lines that open an HDF5 file as `f`, which is marked by a writer in SWMR mode or not.
pub(super) fn open_hdf5(path: &Path, tensors: &[TensorFacts], is_swmr: bool) -> Vec<String> {
    let torch = tensors
        .iter()
        .any(|tensor| tensor.python.contains("torch."));
    let (name, is_object) = (quoted(path), object::url(path).is_some());
    let file = match is_object {
        true => format!("fsspec.open({name}).open()"),
        false => name,
    };
    let mut modules = vec!["h5py"];
    modules.extend(is_object.then_some("fsspec"));
    modules.extend(torch.then_some("torch"));
    vec![
        format!("import {}", modules.join(", ")),
        match is_swmr {
            true => format!("f = h5py.File({file}, swmr=True)"),
            false => format!("f = h5py.File({file})"),
        },
    ]
}

/// The expression that reads tensor `name` of `f`.
pub(super) fn read_hdf5(name: &str, dtype: Option<Dtype>, stored: &str, rank: usize) -> String {
    let dataset = format!("f[{}]", quoted(name));
    let Some(dtype) = dtype else {
        // Strings and records, for which torch has no tensor.
        return format!("{dataset}[()]");
    };
    // `[...]` gives an array also where the dataset is a single value, which `[:]` refuses.
    let index = if rank == 0 { "[...]" } else { "[:]" };
    let mut array = format!("{dataset}{index}");
    let native = stored.strip_prefix("big-endian ");
    // h5py widens HDF5's own small floats, which changes nothing but NaNs.
    let widened = native.unwrap_or(stored) == dtype.name();
    if let Some(native) = native {
        // torch refuses arrays of another byte order.
        let native = match dtype {
            Dtype::Bf16 if widened => "float32",
            _ => native,
        };
        array = format!("{array}.astype({})", quoted(native));
    } else if dtype == Dtype::Bf16 && stored.contains("opaque") {
        array = format!("{array}.view(\"uint16\")");
    } else if dtype == Dtype::Bool && !widened {
        // h5py makes integers of a bitfield.
        array = format!("{array}.astype(bool)");
    }
    let tensor = format!("torch.from_numpy({array})");
    match dtype {
        Dtype::Bf16 | Dtype::F8E4M3 | Dtype::F8E5M2 => {
            let call = if widened { "to" } else { "view" };
            format!("{tensor}.{call}(torch.{dtype})")
        }
        _ => tensor,
    }
}

/// The Python that reads a safetensors file.
pub(super) struct SafetensorsLines<'a> {
    path: &'a Path,
    /// Whether torch has all of its dtypes: else it reads none of its tensors with one call.
    all_of_torch: bool,
}

impl<'a> SafetensorsLines<'a> {
    pub(super) fn new(path: &'a Path, tensors: &[TensorInfo]) -> Self {
        Self {
            path,
            all_of_torch: tensors.iter().all(is_of_torch),
        }
    }

    /// The lines that open the file, as `tensors` or as `f`.
    pub(super) fn open(&self) -> Vec<String> {
        let path = quoted(self.path);
        if self.all_of_torch {
            return vec![
                "from safetensors.torch import load_file".to_owned(),
                format!("tensors = load_file({path})"),
            ];
        }
        vec![
            "import numpy as np".to_owned(),
            "from safetensors import safe_open".to_owned(),
            format!("f = safe_open({path}, \"pt\")"),
        ]
    }

    /// The expression that reads a tensor; of a dtype that torch has not, its bytes.
    pub(super) fn read(&self, info: &TensorInfo) -> String {
        let name = quoted(&info.name);
        if self.all_of_torch {
            format!("tensors[{name}]")
        } else if is_of_torch(info) {
            format!("f.get_tensor({name})")
        } else {
            let (path, bytes, start) = (quoted(self.path), info.bytes(), info.range.start);
            let dtype = info.dtype;
            format!(
                "np.fromfile({path}, \"uint8\", {bytes}, offset={start})  # the bytes: torch has no {dtype}"
            )
        }
    }
}

/// Whether torch has the dtype: not those of 6 bits.
fn is_of_torch(info: &TensorInfo) -> bool {
    info.dtype.bitsize() != 6
}

/// The lines that make arrays of `NumPy` ready: of a `.npz` file as `arrays`.
pub(super) fn open_numpy(path: &Path, format: Format, tensors: &[TensorFacts]) -> Vec<String> {
    let mut tensors = tensors.iter();
    let torch = tensors.any(|tensor| tensor.python.contains("torch."));
    let import = ["import numpy as np", "import numpy as np, torch"];
    let mut lines = vec![import[usize::from(torch)].to_owned()];
    if format == Format::Npz {
        let path = quoted(path);
        lines.push(format!("arrays = np.load({path})"));
    }
    lines
}

/// The expression that reads an array.
pub(super) fn read_numpy(path: &Path, array: &Array, format: Format) -> String {
    let (name, file) = (quoted(&array.name), quoted(path));
    let found = match format {
        Format::Npz => format!("arrays[{name}]"),
        _ => format!("np.load({file})"),
    };
    match array.kind {
        None if array.descr.ends_with('O') => {
            let member = match format {
                Format::Npz => format!("[{name}]"),
                _ => String::new(),
            };
            format!("np.load({file}, allow_pickle=True){member}  # runs any code that is in it")
        }
        // What NumPy has no type for is bytes to it.
        Some(kind) if kind.is_without_numpy() => {
            let bits = format!("uint{}", kind.bits);
            format!(
                "torch.from_numpy({found}.view({})).view(torch.{})",
                quoted(&bits),
                kind.name
            )
        }
        _ => found,
    }
}

/// A string literal of Python. Bytes of a path that are no UTF-8 are the surrogates that Python has
/// for them.
fn quoted<T: AsRef<OsStr> + ?Sized>(text: &T) -> String {
    let mut literal = String::from("\"");
    for chunk in text.as_ref().as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => literal.extend(['\\', c]),
                '\n' => literal.push_str("\\n"),
                c if steers(c) => literal.push_str(&match u32::from(c) {
                    short @ ..0x100 => format!("\\x{short:02x}"),
                    long => format!("\\u{long:04x}"),
                }),
                c => literal.push(c),
            }
        }
        let surrogates = chunk.invalid().iter();
        literal.extend(surrogates.map(|byte| format!("\\udc{byte:02x}")));
    }
    literal.push('"');
    literal
}

/// A name as a variable of Python.
pub(crate) fn identifier(name: &str) -> String {
    let mut identifier: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    // Words of Python, and what the lines before use.
    const TAKEN: &str = "False None True and as assert async await break class continue def del elif else \
                         except finally for from global if import in is lambda nonlocal not or pass raise \
                         return try while with yield arrays f h5py load_file np safe_open tensors torch";
    if identifier.is_empty() || identifier.starts_with(|c: char| c.is_ascii_digit()) {
        identifier.insert(0, '_');
    }
    if TAKEN.split(' ').any(|word| word == identifier) {
        identifier.push('_');
    }
    identifier
}

#[cfg(test)]
mod tests {
    use super::{identifier, quoted, read_hdf5};
    use selvedge_hdf5::Dtype;

    #[test]
    fn each_dtype_is_read_with_its_bits() {
        for (dtype, stored, rank, expected) in [
            (
                Dtype::Bf16,
                "uint16",
                3,
                r#"torch.from_numpy(f["W"][:]).view(torch.bfloat16)"#,
            ),
            (
                Dtype::Bf16,
                "uint16",
                0,
                r#"torch.from_numpy(f["W"][...]).view(torch.bfloat16)"#,
            ),
            (
                Dtype::Bf16,
                "big-endian uint16",
                1,
                r#"torch.from_numpy(f["W"][:].astype("uint16")).view(torch.bfloat16)"#,
            ),
            (
                Dtype::Bf16,
                "bfloat16",
                1,
                r#"torch.from_numpy(f["W"][:]).to(torch.bfloat16)"#,
            ),
            (
                Dtype::Bf16,
                "big-endian bfloat16",
                1,
                r#"torch.from_numpy(f["W"][:].astype("float32")).to(torch.bfloat16)"#,
            ),
            (
                Dtype::Bf16,
                "2 opaque bytes",
                1,
                r#"torch.from_numpy(f["W"][:].view("uint16")).view(torch.bfloat16)"#,
            ),
            (
                Dtype::F8E5M2,
                "uint8",
                1,
                r#"torch.from_numpy(f["W"][:]).view(torch.float8_e5m2)"#,
            ),
            (
                Dtype::Bool,
                "a bitfield of 8 bits",
                1,
                r#"torch.from_numpy(f["W"][:].astype(bool))"#,
            ),
            (Dtype::F32, "float32", 1, r#"torch.from_numpy(f["W"][:])"#),
            (
                Dtype::F64,
                "big-endian float64",
                0,
                r#"torch.from_numpy(f["W"][...].astype("float64"))"#,
            ),
            (Dtype::Bool, "bool", 1, r#"torch.from_numpy(f["W"][:])"#),
        ] {
            assert_eq!(read_hdf5("W", Some(dtype), stored, rank), expected);
        }
        assert_eq!(read_hdf5("text", None, "a string", 1), r#"f["text"][()]"#);
    }

    #[test]
    fn names_become_literals_and_variables() {
        assert_eq!(quoted("a\"b\\\n\u{1b}"), r#""a\"b\\\n\x1b""#);
        assert_eq!(identifier("layers.0/weight"), "layers_0_weight");
        assert_eq!(identifier("0"), "_0");
        assert_eq!(identifier("lambda"), "lambda_");
        assert_eq!(identifier(""), "_");
    }
}
