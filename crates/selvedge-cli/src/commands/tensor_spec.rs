//! `NAME:DTYPE:SHAPE`: a tensor on the command line.

use selvedge_base::units::parse_grouped;
use selvedge_base::{did_you_mean, nearest};
use selvedge_hdf5::{Dtype, TensorSpec};

/// The short names of dtypes, in the order in which they are offered.
const SHORT: [(&str, Dtype); 17] = [
    ("bf16", Dtype::Bf16),
    ("f16", Dtype::F16),
    ("f32", Dtype::F32),
    ("f64", Dtype::F64),
    ("i8", Dtype::I8),
    ("i16", Dtype::I16),
    ("i32", Dtype::I32),
    ("i64", Dtype::I64),
    ("u8", Dtype::U8),
    ("u16", Dtype::U16),
    ("u32", Dtype::U32),
    ("u64", Dtype::U64),
    ("bool", Dtype::Bool),
    ("f8e4m3", Dtype::F8E4M3),
    ("f8e5m2", Dtype::F8E5M2),
    ("c64", Dtype::C64),
    ("c128", Dtype::C128),
];

/// Reads a tensor, for clap.
///
/// # Errors
///
/// What is wrong, and the form that is expected.
pub(super) fn parse(text: &str) -> Result<TensorSpec, String> {
    // From the end, as names can have colons.
    let mut parts = text.rsplitn(3, ':');
    let (Some(shape), Some(dtype), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("found {}; {}", missing(text), expected()));
    };
    if name.is_empty() {
        return Err(format!("the name is missing; {}", expected()));
    }
    let dtype = parse_dtype(dtype)?;
    let shape = parse_shape(shape)?;
    let spec = TensorSpec::new(name, dtype, shape);
    spec.step_bytes().map_err(|error| error.to_string())?;
    Ok(spec)
}

fn expected() -> &'static str {
    "expected NAME:DTYPE:SHAPE, such as W:bf16:10000x64, or loss:f32: for a single number"
}

fn missing(text: &str) -> &'static str {
    if text.contains(':') {
        "no shape: after the dtype comes another colon"
    } else {
        "no dtype and no shape"
    }
}

/// Takes short names and those of PyTorch and `NumPy`.
fn parse_dtype(text: &str) -> Result<Dtype, String> {
    let lower = text.to_lowercase();
    let short = SHORT.iter().find(|(name, _)| *name == lower);
    if let Some(dtype) = short.map(|(_, dtype)| *dtype).or(Dtype::from_name(&lower)) {
        return Ok(dtype);
    }
    let names = SHORT.iter();
    let names = names.flat_map(|(short, dtype)| [*short, dtype.name()]);
    let meant = did_you_mean(nearest(&lower, names));
    let all: Vec<&str> = SHORT.iter().map(|(name, _)| *name).collect();
    Err(format!(
        "unknown dtype `{text}`{meant} (valid: {})",
        all.join(", ")
    ))
}

/// `10000x64`; `10000,64` and `(10000, 64)` as well, as Python prints them; nothing for a number.
fn parse_shape(text: &str) -> Result<Vec<usize>, String> {
    let inner = text.trim();
    let inner = inner
        .strip_prefix(['(', '['])
        .and_then(|inner| inner.strip_suffix([')', ']']))
        .unwrap_or(inner)
        .trim()
        .trim_end_matches(',');
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    // Where crosses are between the axes, commas are within their lengths.
    let separators: &[char] = match inner.contains(['x', '×']) {
        true => &['x', '×'],
        false => &[','],
    };
    inner
        .split(separators)
        .map(str::trim)
        .map(|axis| {
            let length = parse_grouped(axis).filter(|&length| length > 0);
            length
                .and_then(|length| usize::try_from(length).ok())
                .ok_or_else(|| {
                    let found = match axis {
                        "" => "the length of an axis is missing".to_owned(),
                        axis => format!("`{axis}` is no length of an axis"),
                    };
                    format!(
                        "{found} in the shape `{text}`; expected one like 10000x64, or nothing for a single number"
                    )
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;
    use selvedge_hdf5::{Dtype, TensorSpec};

    #[test]
    fn tensors_are_read() {
        for (text, name, dtype, shape) in [
            ("W:bf16:10000x64", "W", Dtype::Bf16, &[10_000, 64][..]),
            ("W:bf16:10,100x64", "W", Dtype::Bf16, &[10_100, 64]),
            ("W:bfloat16:(10_000, 64)", "W", Dtype::Bf16, &[10_000, 64]),
            ("a:b:F32:3", "a:b", Dtype::F32, &[3]),
            ("loss:f32:", "loss", Dtype::F32, &[]),
            ("loss:float64:()", "loss", Dtype::F64, &[]),
            ("mask:bool:(6,)", "mask", Dtype::Bool, &[6]),
        ] {
            assert_eq!(
                parse(text),
                Ok(TensorSpec::new(name, dtype, shape)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_form_expected() {
        for (text, expected) in [
            ("W", "no dtype and no shape"),
            ("loss:f32", "after the dtype comes another colon"),
            (":f32:", "the name is missing"),
            ("W:bf61:3", "did you mean `bf16`?"),
            ("W:flaot32:3", "did you mean `float32`?"),
            (
                "W:quaternion:3",
                "unknown dtype `quaternion` (valid: bf16, f16",
            ),
            ("W:bf16:10000*64", "`10000*64` is no length"),
            ("W:bf16:3x0", "`0` is no length"),
            (
                "W:f32:10x",
                "the length of an axis is missing in the shape `10x`",
            ),
            ("W:bf16:9999999999x9999999999", "2^63"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
