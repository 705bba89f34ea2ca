//! The name of a model's or a run's directory: `Qwen3-4B-Instruct-2507`, `Thimble`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{is_plain_text, made_plain};
use crate::Error;
use selvedge_base::natural;

/// The name of a directory in `tensors`: a model, or the experiment that runs belong to.
///
/// ```
/// use selvedge_conventions::ModelName;
///
/// let model: ModelName = "Qwen3-4B-Instruct-2507".parse()?;
/// let error = "Qwen/Qwen3-4B-Instruct-2507".parse::<ModelName>().unwrap_err();
/// assert!(error.to_string().ends_with("; did you mean `Qwen3-4B-Instruct-2507`?"));
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelName(String);

impl ModelName {
    /// The name as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ModelName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if is_plain_text(text) {
            return Ok(Self(text.to_owned()));
        }
        // Hubs name models `organisation/model`, and the directory is that of the model.
        let last = text.trim_end_matches(['/', '\\']);
        let last = last.rsplit(['/', '\\']).next().unwrap_or(last);
        let plain = made_plain(last);
        Err(Error::ModelName {
            given: text.to_owned(),
            nearest: is_plain_text(&plain).then_some(plain),
        })
    }
}

impl Ord for ModelName {
    /// As people count: `Qwen3-4B` stands before `Qwen3-14B`.
    fn cmp(&self, other: &Self) -> Ordering {
        natural::compare(&self.0, &other.0)
    }
}

impl PartialOrd for ModelName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
