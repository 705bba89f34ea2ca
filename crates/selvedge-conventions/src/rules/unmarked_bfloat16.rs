//! A tensor of 16-bit integers that may be bfloat16, and does not say so.
//!
//! ## What it does
//!
//! Finds `uint16` datasets of HDF5 without the attribute `logical_dtype`, `U16` tensors of
//! safetensors, which has bfloat16 itself, and `uint16` arrays of NumPy, which can say nothing, if their
//! values look like bfloat16. Tensors that Selvedge recorded are not meant, because it
//! sets the attribute; nor are those with another `logical_dtype`, such as `"uint16"`; nor those of
//! one axis, unless their values look like bfloat16, because they are mostly ids and counts; nor
//! those whose values are integers. NaN, infinity and what nearly vanished are left out of account. Two opaque bytes are found too: that is what h5py makes of
//! an array of the bfloat16 of `ml_dtypes`.
//!
//! The fix adds the attribute and changes no value. It is safe where the values are numbers in bfloat16 of both
//! signs, which have the same exponents and mantissas as measured numbers have them. Numbers of one sign,
//! such as second moments, need that and a tensor of the same shape in the file that is bfloat16, or a name
//! that says so. All others need a look.
//!
//! ## Why is this bad?
//!
//! Who reads `uint16` has to know that the numbers are bits. Somebody who does not takes 16,256 for
//! a weight, where 1.0 is meant. Opaque bytes no reader takes for numbers at all.
//!
//! ## Example
//!
//! ```python
//! f.create_dataset("W", shape=(6001, 10000, 64), dtype="uint16")
//! ```
//!
//! ## Use instead
//!
//! ```python
//! dataset = f.create_dataset("W", shape=(6001, 10000, 64), dtype="uint16")
//! dataset.attrs["logical_dtype"] = "bfloat16"
//! ```

use selvedge_base::text::{shell_path, shell_word};

use crate::rule::Metadata;
use crate::{Artifact, Context, Diagnosis, Dtype, Fix, FixAction, Rule, Severity, TensorFacts};

pub(super) struct UnmarkedBfloat16;

impl Rule for UnmarkedBfloat16 {
    fn metadata(&self) -> &'static Metadata {
        const METADATA: Metadata = Metadata::new(
            "TEN003",
            "unmarked-bfloat16",
            Severity::Warning,
            include_str!("unmarked_bfloat16.rs"),
        );
        &METADATA
    }

    fn check(&self, artifact: &Artifact, _: &Context<'_>) -> Vec<Diagnosis> {
        let hdf5 = artifact.hdf5();
        if hdf5.is_some_and(|facts| facts.selvedge_version.is_some()) {
            return Vec::new();
        }
        let tensors = artifact.tensors().iter();
        tensors
            .filter(|tensor| tensor.logical_dtype.is_none())
            .filter_map(|tensor| match tensor.dtype {
                Dtype::Uint16 => diagnosis(tensor, artifact),
                Dtype::Opaque16 => Some(opaque(tensor, artifact)),
                _ => None,
            })
            .collect()
    }
}

fn opaque(tensor: &TensorFacts, artifact: &Artifact) -> Diagnosis {
    let help = match artifact.numpy() {
        Some(_) => as_safetensors(tensor, artifact),
        None => format!(
            "store `array.view(\"uint16\")` with the attribute `logical_dtype = \"bfloat16\"`; \
             `selvedge rechunk --assume-bf16 {}` makes such a file of this one",
            shell_word(&tensor.name)
        ),
    };
    Diagnosis::new("two opaque bytes that may be bfloat16, which no reader knows again")
        .tensor(&tensor.name)
        .help(help)
}

/// What to do about a file of NumPy, which cannot say what bits mean.
fn as_safetensors(tensor: &TensorFacts, artifact: &Artifact) -> String {
    let file_name = artifact.path.file_name();
    let stem = file_name
        .rsplit_once('.')
        .map_or(file_name, |(stem, _)| stem);
    format!(
        "safetensors has bfloat16: `selvedge convert {} {} --assume-bf16 {}`",
        shell_path(file_name),
        shell_path(&format!("{stem}.safetensors")),
        shell_word(&tensor.name)
    )
}

/// Whether a tensor of the same shape is bfloat16, by its mark or by its values. Nobody records numbers
/// of a network and whole ones in one shape, but for a few.
fn has_sibling(tensor: &TensorFacts, all: &[TensorFacts]) -> bool {
    let is_bfloat16 = |other: &TensorFacts| match &other.logical_dtype {
        Some(logical) => logical == "bfloat16",
        None => other.uint16.is_some_and(|seen| seen.is_bfloat16()),
    };
    let mut others = all.iter().filter(|other| other.shape == tensor.shape);
    others.any(|other| other.dtype == tensor.dtype && is_bfloat16(other))
}

/// Whether the name is one that optimizers and trainers give to numbers of one sign.
fn is_named_so(name: &str) -> bool {
    const WORDS: [&str; 6] = [
        "variance",
        "exp_avg",
        "second_moment",
        "moment",
        "grad",
        "adam",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

fn diagnosis(tensor: &TensorFacts, artifact: &Artifact) -> Option<Diagnosis> {
    let seen = tensor.uint16.unwrap_or_default();
    let (is_named, is_squares) = (is_named_so(&tensor.name), seen.is_squares());
    let sure =
        seen.is_bfloat16() || (is_squares && (is_named || has_sibling(tensor, artifact.tensors())));
    let likely = is_squares || seen.may_be_bfloat16() || (is_named && seen.may_be_squares());
    let is_numpy = artifact.numpy().is_some();
    if !sure && !likely && (seen.is_telling() || tensor.shape.len() < 3 || is_numpy) {
        return None;
    }
    let message = if sure {
        "uint16 whose values are numbers in bfloat16, and nothing says so"
    } else {
        "uint16 that may be bfloat16, and nothing says which"
    };
    let diagnosis = Diagnosis::new(message).tensor(&tensor.name);
    if is_numpy {
        return Some(diagnosis.help(as_safetensors(tensor, artifact)));
    }
    if artifact.hdf5().is_none() {
        return Some(
            diagnosis
                .help("save it as bfloat16, which safetensors has: `tensor.view(torch.bfloat16)`"),
        );
    }
    let action = FixAction::AddBf16Marker {
        tensor: tensor.name.clone(),
    };
    Some(
        diagnosis
            .help(
                "set the attribute `logical_dtype = \"bfloat16\"` on the dataset, or \
                 `\"uint16\"` if it holds integers",
            )
            .fix(if sure {
                Fix::safe(action)
            } else {
                Fix::needs_a_look(action)
            }),
    )
}
