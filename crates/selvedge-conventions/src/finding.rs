//! What was found: a diagnosis with its file, its rule and its severity.

use crate::rules::rule;
use crate::{Diagnosis, Fix, Place, Rule, Severity, TreePath};

/// Something that a rule found in a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The file.
    pub path: TreePath,
    /// The code of the rule.
    pub code: &'static str,
    /// How much it matters, by the configuration.
    pub severity: Severity,
    /// What is wrong: one clause, lower case, without a full stop.
    pub message: String,
    /// Where in the file.
    pub place: Place,
    /// What to do about it.
    pub help: Option<String>,
    /// How it can be fixed.
    pub fix: Option<Fix>,
}

impl Finding {
    pub(crate) fn new(
        path: TreePath,
        rule: &dyn Rule,
        severity: Severity,
        diagnosis: Diagnosis,
    ) -> Self {
        let Diagnosis {
            message,
            place,
            help,
            fix,
        } = diagnosis;
        Self {
            path,
            code: rule.code(),
            severity,
            message,
            place,
            help,
            fix,
        }
    }

    /// The name of the rule.
    #[must_use]
    pub fn rule_name(&self) -> &'static str {
        rule(self.code).map_or("", |rule| rule.name())
    }

    /// What findings are sorted by: the file, the place in it, the rule, and what it says.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        let key = |finding: &Self| (finding.place.clone(), finding.code);
        self.path
            .cmp(&other.path)
            .then_with(|| key(self).cmp(&key(other)))
            .then_with(|| self.message.cmp(&other.message))
    }
}
