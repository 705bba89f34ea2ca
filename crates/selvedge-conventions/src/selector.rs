//! Selecting rules by code, by the start of codes, or by name.

use std::fmt;
use std::str::FromStr;

use crate::nearest::nearest;
use crate::{Error, RULES, Rule};

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

    /// Whether the rule is one of these.
    #[must_use]
    pub fn matches(&self, rule: &dyn Rule) -> bool {
        rule.code().starts_with(&self.prefix)
    }

    /// Whether this is one rule, by its code or name.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        RULES.iter().any(|rule| rule.code() == self.prefix)
    }

    /// How exactly the rule is meant, or `None` if it is not: of two selectors of one rule, the
    /// more specific one counts.
    pub(crate) fn specificity(&self, rule: &dyn Rule) -> Option<usize> {
        self.matches(rule).then_some(self.prefix.len())
    }
}

/// The specificity of the most specific one of `selectors` for the rule.
pub(crate) fn most_specific<'a>(
    selectors: impl IntoIterator<Item = &'a Selector>,
    rule: &dyn Rule,
) -> Option<usize> {
    selectors
        .into_iter()
        .filter_map(|selector| selector.specificity(rule))
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

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let given = text.trim();
        let prefix = if given.eq_ignore_ascii_case(Self::ALL) {
            String::new()
        } else if let Some(rule) = RULES.iter().find(|rule| rule.name() == given) {
            rule.code().to_owned()
        } else {
            given.to_ascii_uppercase()
        };
        let selector = Self { prefix };
        let some = RULES.iter().any(|rule| selector.matches(*rule));
        if some && !given.is_empty() {
            return Ok(selector);
        }
        let known = RULES.iter().flat_map(|rule| [rule.code(), rule.name()]);
        Err(Error::UnknownRule {
            given: text.to_owned(),
            nearest: nearest(given, known).map(str::to_owned),
        })
    }
}
