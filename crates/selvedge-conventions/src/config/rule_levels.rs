//! Which rules are on, and at which severity.

use crate::selector::most_specific;
use crate::{RULES, Rule, Selector, Severity};

/// What the table `[rules]` says of some rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Off,
    /// On, with the severity that the rule has of itself.
    On,
    At(Severity),
}

impl Level {
    /// All of them, with the names that `selvedge.toml` gives them.
    pub(crate) const ALL: [(&'static str, Self); 5] = [
        ("off", Self::Off),
        ("on", Self::On),
        ("note", Self::At(Severity::Note)),
        ("warning", Self::At(Severity::Warning)),
        ("error", Self::At(Severity::Error)),
    ];
}

/// The severity of each rule, or that it is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLevels(
    /// In the order of [`RULES`].
    Vec<Option<Severity>>,
);

impl Default for RuleLevels {
    fn default() -> Self {
        Self(RULES.iter().map(|rule| default_severity(*rule)).collect())
    }
}

impl RuleLevels {
    /// Takes the levels of some rules over the defaults. Of two selectors of one rule the more
    /// specific one counts. A rule that is off by default is turned on by its code or name alone.
    pub(crate) fn new(levels: &[(Selector, Level)]) -> Self {
        Self(
            RULES
                .iter()
                .map(|rule| {
                    let most = most_specific(levels.iter().map(|(selector, _)| selector), *rule);
                    let found = levels.iter().find(|(selector, _)| {
                        most.is_some() && selector.specificity(*rule) == most
                    });
                    match found {
                        None => default_severity(*rule),
                        Some((_, Level::Off)) => None,
                        Some((selector, _)) if !rule.is_on_by_default() && !selector.is_exact() => {
                            None
                        }
                        Some((_, Level::On)) => Some(rule.severity()),
                        Some((_, Level::At(severity))) => Some(*severity),
                    }
                })
                .collect(),
        )
    }

    /// The severity of the rule, or `None` if it is off.
    #[must_use]
    pub fn severity(&self, rule: &dyn Rule) -> Option<Severity> {
        let index = RULES.iter().position(|known| known.code() == rule.code())?;
        self.0[index]
    }
}

fn default_severity(rule: &dyn Rule) -> Option<Severity> {
    rule.is_on_by_default().then(|| rule.severity())
}
