//! The name of a trajectory: `thimble_7.h5`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{is_plain_text, made_plain};
use crate::Error;
use selvedge_base::natural;

/// The name of a trajectory, `<run>_<n>.h5`: the experiment, and the number of the run.
///
/// ```
/// use selvedge_conventions::TrajectoryName;
///
/// let name: TrajectoryName = "thimble_7.h5".parse()?;
/// assert_eq!((name.run(), name.number()), ("thimble", 7));
/// assert!(name < "thimble_10.h5".parse()?);
///
/// let error = "thimble-7.hdf5".parse::<TrajectoryName>().unwrap_err();
/// assert!(error.to_string().ends_with("; did you mean `thimble_7.h5`?"));
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrajectoryName {
    run: String,
    /// Digits, which may start with zeros: a name prints as it was written.
    digits: String,
    number: u64,
}

impl TrajectoryName {
    /// The extension, without its dot.
    pub const EXTENSION: &'static str = "h5";

    /// A name of its parts.
    ///
    /// # Errors
    ///
    /// [`Error::TrajectoryName`] if `run` is not made of ASCII letters, digits, `_`, `-`, `.`, `+`
    /// and `=`, the first a letter or a digit.
    pub fn new(run: &str, number: u64) -> Result<Self, Error> {
        format!("{run}_{number}.{}", Self::EXTENSION).parse()
    }

    /// The experiment.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// Which run of it this is.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    fn accept(file_name: &str) -> Option<Self> {
        let stem = file_name.strip_suffix(".h5")?;
        let (run, digits) = stem.rsplit_once('_')?;
        if !is_plain_text(run) || !digits.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            run: run.to_owned(),
            digits: digits.to_owned(),
            number: digits.parse().ok()?,
        })
    }

    /// The name that `file_name` may have been meant to be.
    pub(crate) fn nearest(file_name: &str) -> Option<Self> {
        let stem = match file_name.rsplit_once('.') {
            Some((stem, extension))
                if ["h5", "hdf5", "hdf", "he5", "hd5"]
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known)) =>
            {
                stem
            }
            _ => file_name,
        };
        let plain = made_plain(stem);
        let run = plain.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &plain[run.len()..];
        let run = run.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let digits = if digits.is_empty() { "1" } else { digits };
        Self::accept(&format!("{run}_{digits}.{}", Self::EXTENSION))
    }
}

impl fmt::Display for TrajectoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}_{}.{}", self.run, self.digits, Self::EXTENSION))
    }
}

impl FromStr for TrajectoryName {
    type Err = Error;

    fn from_str(file_name: &str) -> Result<Self, Error> {
        Self::accept(file_name).ok_or_else(|| Error::TrajectoryName {
            given: file_name.to_owned(),
            nearest: Self::nearest(file_name).map(|name| name.to_string()),
        })
    }
}

impl Ord for TrajectoryName {
    /// By experiment, then by the number of the run.
    fn cmp(&self, other: &Self) -> Ordering {
        natural::compare(&self.run, &other.run)
            .then_with(|| natural::compare(&self.digits, &other.digits))
    }
}

impl PartialOrd for TrajectoryName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
