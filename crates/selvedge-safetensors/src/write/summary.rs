//! What became of a save.

use std::fmt;
use std::path::PathBuf;

/// What was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The file, behind symbolic links.
    pub path: PathBuf,
    /// Its number of tensors.
    pub tensors: usize,
    /// Rows of the growing tensor; `None` where none grew.
    pub rows: Option<u64>,
    /// Bytes of the file.
    pub bytes: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            tensors,
            rows,
            bytes,
        } = self;
        let plural = if *tensors == 1 { "" } else { "s" };
        write!(f, "{}: {tensors} tensor{plural}", path.display())?;
        if let Some(rows) = rows {
            let plural = if *rows == 1 { "" } else { "s" };
            write!(f, ", {rows} row{plural}")?;
        }
        match bytes {
            0..1000 => write!(f, ", {bytes} B"),
            1000..1_000_000 => write!(f, ", {:.1} kB", *bytes as f64 / 1e3),
            1_000_000..1_000_000_000 => write!(f, ", {:.1} MB", *bytes as f64 / 1e6),
            _ => write!(f, ", {:.2} GB", *bytes as f64 / 1e9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_a_line() {
        let summary = Summary {
            path: "tensors/Flannel/1.5d_mask.safetensors".into(),
            tensors: 2,
            rows: None,
            bytes: 12_850_432,
        };
        assert_eq!(
            summary.to_string(),
            "tensors/Flannel/1.5d_mask.safetensors: 2 tensors, 12.9 MB"
        );
        let growing = Summary {
            tensors: 1,
            rows: Some(6001),
            bytes: 30_727_680_256,
            ..summary
        };
        assert_eq!(
            growing.to_string(),
            "tensors/Flannel/1.5d_mask.safetensors: 1 tensor, 6001 rows, 30.73 GB"
        );
    }
}
