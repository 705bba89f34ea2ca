//! Which of the two formats data should have.

use std::fmt;

/// A file format for tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One file of named tensors, saved at once: this crate.
    Safetensors,
    /// A trajectory, written step by step: the crate `selvedge-hdf5`.
    Hdf5,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Safetensors => "safetensors",
            Self::Hdf5 => "HDF5",
        })
    }
}

/// A format, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// The format.
    pub format: Format,
    /// The reason, as a sentence for people without its full stop.
    pub reason: String,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.format, self.reason)
    }
}

/// Chooses the format for `bytes` bytes of tensors.
///
/// | the data | fit `ram_limit` | larger |
/// |---|---|---|
/// | saved at once: masks, PCA results, final weights | safetensors | HDF5 |
/// | written step by step: training trajectories | HDF5 | HDF5 |
///
/// safetensors is what most tools load, as a whole, without a library of HDF5's size. A trajectory
/// belongs into HDF5 whatever its size: each step is readable while the run goes on, several
/// tensors grow together, and a kill loses nothing that was committed. So do data larger than the
/// memory of those who read them, because most readers of safetensors load whole tensors, where
/// HDF5's read a part.
///
/// (One tensor that grows, and is read when it is finished, can be a safetensors file, too:
/// [`Save::growing`](crate::Save::growing).)
///
/// `ram_limit` is what a process may hold, in bytes; 24 GB is the rule on a laptop with 32.
///
/// ```
/// use selvedge_safetensors::{Format, choose_format};
///
/// let mask = choose_format(10_000, false, 24_000_000_000);
/// assert_eq!(mask.format, Format::Safetensors);
/// let trajectory = choose_format(4 * 7_681_280_000, true, 24_000_000_000);
/// assert_eq!(trajectory.format, Format::Hdf5);
/// println!("{trajectory}");
/// ```
#[must_use]
pub fn choose_format(bytes: u64, step_by_step: bool, ram_limit: u64) -> Choice {
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let fits = bytes <= ram_limit;
    let (format, reason) = match (step_by_step, fits) {
        (false, true) => (
            Format::Safetensors,
            "the data are saved at once and fit memory".to_owned(),
        ),
        (false, false) => (
            Format::Hdf5,
            format!(
                "{:.2} GB are more than the {:.2} GB that a process may hold, and HDF5 is read in \
                 parts",
                gigabytes(bytes),
                gigabytes(ram_limit)
            ),
        ),
        (true, _) => (
            Format::Hdf5,
            "the data are written step by step, and every step that is committed can be read, also \
             after a kill"
                .to_owned(),
        ),
    };
    Choice { format, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_gives_its_reason() {
        assert_eq!(
            choose_format(30_727_680_000, false, 24_000_000_000).to_string(),
            "HDF5: 30.73 GB are more than the 24.00 GB that a process may hold, and HDF5 is read in \
             parts"
        );
        assert_eq!(
            choose_format(100, false, 100).format,
            Format::Safetensors,
            "the limit is included"
        );
        assert_eq!(choose_format(4, true, 100).format, Format::Hdf5);
    }
}
