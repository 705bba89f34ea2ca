//! Selecting rules by code, by the start of codes, or by name.

use std::fmt;

/// Some of the rules: one by its code or name, all whose codes start alike, or all.
///
/// ```
/// use selvedge_conventions::{Rule, Selector, rule};
///
/// let names: Selector = "NAM".parse()?;
/// assert!(names.matches(rule("NAM001").unwrap()));
/// assert_eq!("missing-notebook-id".parse::<Selector>()?, "NAM001".parse()?);
///
/// let error = "NAN001".parse::<Selector>().unwrap_err();
/// assert!(error.to_string().ends_with("; did you mean `NAM001`?"));
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector {
    /// A whole code, or the start of some; nothing for all.
    prefix: String,
}

impl Selector {
    /// All rules.
    pub const ALL: &'static str = "ALL";

    /// Selects the rules whose codes start like this; nothing for all.
    pub(crate) fn of_codes(prefix: String) -> Self {
        Self { prefix }
    }

    /// What the codes start with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How exactly the rule of this code is meant, or `None` if it is not: of two selectors of one
    /// rule, the more specific one counts.
    pub(crate) fn specificity(&self, code: &str) -> Option<usize> {
        code.starts_with(&self.prefix).then_some(self.prefix.len())
    }
}

/// The specificity of the most specific one of `selectors` for the rule of this code.
pub(crate) fn most_specific<'a>(
    selectors: impl IntoIterator<Item = &'a Selector>,
    code: &str,
) -> Option<usize> {
    selectors
        .into_iter()
        .filter_map(|selector| selector.specificity(code))
        .max()
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.prefix.is_empty() {
            Self::ALL
        } else {
            &self.prefix
        })
    }
}
