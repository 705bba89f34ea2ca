//! What a check ends with: its findings in order, and a line that sums them up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::Serialize;

use crate::units::count;
use crate::{Baseline, Finding, FixSafety, Severity, StaleEntry, TreePath};

/// How often a rule has found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OfRule {
    /// The code of the rule.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How many findings there are.
    pub findings: usize,
    /// How many of them `--fix` repairs.
    pub fixable: usize,
}

/// The result of a check.
///
/// ```
/// use selvedge_conventions::{Format, Report};
///
/// let report = Report::new(Vec::new(), 12);
/// assert_eq!(report.render(Format::Concise), "no findings in 12 files\n");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// What was found and is not known already: sorted by file, place and rule.
    pub findings: Vec<Finding>,
    /// How many files were checked, and with them the files of settings in which something was found.
    pub files: usize,
    /// How many findings the baseline hides.
    pub hidden: usize,
    /// Entries of the baseline that allow more than was found.
    pub stale: Vec<StaleEntry>,
}

impl Report {
    /// Sorts the findings of a check of `files` files.
    #[must_use]
    pub fn new(mut findings: Vec<Finding>, files: usize) -> Self {
        findings.sort_by(Finding::order);
        Self {
            findings,
            files,
            hidden: 0,
            stale: Vec::new(),
        }
    }

    /// Hides the findings that the baseline knows. `was_checked` tells whether a rule ran on a file:
    /// an entry of one that did not is not stale. A file that is gone counts as checked.
    #[must_use]
    pub fn with_baseline(
        mut self,
        baseline: &Baseline,
        was_checked: impl Fn(&TreePath, &str) -> bool,
    ) -> Self {
        let before = self.findings.len();
        (self.findings, self.stale) = baseline.apply(self.findings, was_checked);
        self.hidden += before - self.findings.len();
        self
    }

    /// How many findings have the severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// How many files have findings.
    #[must_use]
    pub fn files_with_findings(&self) -> usize {
        let paths: HashSet<_> = self.findings.iter().map(|finding| &finding.path).collect();
        paths.len()
    }

    /// How many findings there are of each rule, the most first.
    #[must_use]
    pub fn statistics(&self) -> Vec<OfRule> {
        let mut counts: BTreeMap<&str, OfRule> = BTreeMap::new();
        for finding in &self.findings {
            let of_rule = counts.entry(finding.code).or_insert(OfRule {
                code: finding.code,
                name: finding.rule_name(),
                findings: 0,
                fixable: 0,
            });
            of_rule.findings += 1;
            let fix = finding.fix.as_ref();
            of_rule.fixable += usize::from(fix.is_some_and(|fix| fix.safety == FixSafety::Safe));
        }
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_by_key(|of_rule| Reverse(of_rule.findings));
        counts
    }

    /// The summary, on one line.
    #[must_use]
    pub fn summary(&self) -> Summary<'_> {
        Summary(self)
    }

    fn fixes(&self, safety: FixSafety) -> usize {
        let fixes = self
            .findings
            .iter()
            .filter_map(|finding| finding.fix.as_ref());
        fixes.filter(|fix| fix.safety == safety).count()
    }
}

/// One line that sums a report up.
pub struct Summary<'r>(&'r Report);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let files = count(report.files, "file");
        if report.findings.is_empty() {
            write!(f, "no findings in {files}")?;
        } else {
            let parts: Vec<_> = [Severity::Error, Severity::Warning, Severity::Note]
                .into_iter()
                .map(|severity| (report.count(severity), severity))
                .filter(|(number, _)| *number > 0)
                .map(|(number, severity)| count(number, severity.as_str()))
                .collect();
            let list = match &parts[..] {
                [most @ .., last] if !most.is_empty() => {
                    format!("{} and {last}", most.join(", "))
                }
                _ => parts.concat(),
            };
            write!(f, "{list} in {} of {files}", report.files_with_findings())?;
        }
        let (safe, unsure) = (
            report.fixes(FixSafety::Safe),
            report.fixes(FixSafety::Unsafe),
        );
        if safe > 0 {
            write!(f, "; {safe} can be fixed with `--fix`")?;
        }
        if unsure > 0 {
            write!(f, "; {unsure} with `--unsafe-fixes`, after a look")?;
        }
        if report.hidden > 0 {
            let what = match report.findings.is_empty() {
                true => "finding",
                false => "more finding",
            };
            write!(f, "; the baseline hides {}", count(report.hidden, what))?;
        }
        match report.stale.len() {
            0 => Ok(()),
            1 => write!(f, "; 1 entry of the baseline is stale"),
            stale => write!(f, "; {stale} entries of the baseline are stale"),
        }
    }
}
