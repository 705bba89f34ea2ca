//! Which rules are on, and at which severity.

use std::collections::BTreeMap;

use crate::Severity;

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

/// The severity of each rule, or that it is off: what differs from the rules' own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleLevels(BTreeMap<&'static str, Option<Severity>>);

impl RuleLevels {
    /// The severities of the rules with these codes, where they differ.
    pub(crate) fn of_codes(
        levels: impl IntoIterator<Item = (&'static str, Option<Severity>)>,
    ) -> Self {
        Self(levels.into_iter().collect())
    }

    /// What differs for the rule of this code.
    pub(crate) fn of(&self, code: &str) -> Option<Option<Severity>> {
        self.0.get(code).copied()
    }
}
