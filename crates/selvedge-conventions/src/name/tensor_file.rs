//! The name of a tensor file: `1.5d_cluster_mask.safetensors`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{IdPattern, NotebookId, is_plain_text, made_plain};
use crate::Error;
use selvedge_base::natural;

/// The name of a tensor file, `<id>_<what>.safetensors`: the notebook that made it, and what it
/// holds.
///
/// ```
/// use selvedge_conventions::TensorFileName;
///
/// let name: TensorFileName = "1.5d_cluster_mask.safetensors".parse()?;
/// assert_eq!(name.id().as_str(), "1.5d");
/// assert_eq!(name.what(), "cluster_mask");
/// assert_eq!(name.to_string(), "1.5d_cluster_mask.safetensors");
///
/// let error = "cluster mask 1.5d.safetensors".parse::<TensorFileName>().unwrap_err();
/// assert!(error.to_string().ends_with("; did you mean `1.5d_cluster_mask.safetensors`?"));
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorFileName {
    id: NotebookId,
    what: String,
}

impl TensorFileName {
    /// The extension, without its dot.
    pub const EXTENSION: &'static str = "safetensors";

    /// A name of its parts: which notebook made the file, and what is in it.
    ///
    /// # Errors
    ///
    /// [`Error::TensorFileName`] if `what` is not made of ASCII letters, digits, `_`, `-`, `.`, `+`
    /// and `=`, the first a letter or a digit.
    pub fn new(id: NotebookId, what: &str) -> Result<Self, Error> {
        if is_plain_text(what) {
            let what = what.to_owned();
            return Ok(Self { id, what });
        }
        let plain = made_plain(what);
        Err(Error::TensorFileName {
            given: format!("{id}_{what}.{}", Self::EXTENSION),
            expected: "a part after the id of letters, digits, `_`, `-`, `.`, `+` and `=`, the \
                       first a letter or a digit"
                .to_owned(),
            nearest: is_plain_text(&plain).then(|| format!("{id}_{plain}.{}", Self::EXTENSION)),
        })
    }

    /// Reads the name of a file, whose id has to match the pattern.
    ///
    /// # Errors
    ///
    /// [`Error::TensorFileName`] with what was expected and the nearest valid name.
    pub fn parse(file_name: &str, pattern: &IdPattern) -> Result<Self, Error> {
        let parts = file_name
            .strip_suffix(".safetensors")
            .and_then(|stem| stem.split_once('_'));
        if let Some((id, what)) = parts
            && let Ok(id) = pattern.parse(id)
            && let Ok(name) = Self::new(id, what)
        {
            return Ok(name);
        }
        Err(Error::TensorFileName {
            given: file_name.to_owned(),
            expected: format!(
                "`<notebook id>_<what>.safetensors`, where the id is {}",
                pattern.expected()
            ),
            nearest: Self::nearest(file_name, pattern).map(|name| name.to_string()),
        })
    }

    /// The notebook that made the file.
    #[must_use]
    pub fn id(&self) -> &NotebookId {
        &self.id
    }

    /// What the file holds.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The name that `file_name` may have been meant to be: there is none unless an id stands
    /// somewhere in it.
    pub(crate) fn nearest(file_name: &str, pattern: &IdPattern) -> Option<Self> {
        let stem = without_extension(file_name);
        let lower = stem.to_ascii_lowercase();
        let (id, before, after) = pattern
            .id_at_start(stem)
            .map(|(id, after)| (id, "", after))
            .or_else(|| pattern.id_inside(stem))
            // An id in capitals: only the case of the id changes, for ASCII keeps its length.
            .or_else(|| {
                let (id, before, after) = pattern.id_inside(&lower)?;
                let (start, end) = (before.len(), stem.len() - after.len());
                Some((id, &stem[..start], &stem[end..]))
            })?;
        let what = made_plain(&format!("{before}_{after}"));
        Self::new(id, if what.is_empty() { "tensors" } else { &what }).ok()
    }
}

/// The name without an extension that looks like one of tensors, as it may be misspelt.
fn without_extension(file_name: &str) -> &str {
    match file_name.rsplit_once('.') {
        Some((stem, extension))
            if extension.to_ascii_lowercase().starts_with("safe")
                || extension.eq_ignore_ascii_case("st") =>
        {
            stem
        }
        _ => file_name,
    }
}

impl fmt::Display for TensorFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}_{}.{}", self.id, self.what, Self::EXTENSION))
    }
}

impl FromStr for TensorFileName {
    type Err = Error;

    /// Reads a name whose id has the default pattern.
    fn from_str(file_name: &str) -> Result<Self, Error> {
        Self::parse(file_name, &IdPattern::default())
    }
}

impl Ord for TensorFileName {
    /// By notebook, then by what the file holds.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_what = || natural::compare(&self.what, &other.what);
        self.id.cmp(&other.id).then_with(by_what)
    }
}

impl PartialOrd for TensorFileName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
