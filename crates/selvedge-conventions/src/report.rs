//! What a check ends with: its findings in order, and a line that sums them up.

use std::collections::HashSet;
use std::fmt;

use crate::units::count;
use crate::{Baseline, Finding, FixSafety, Severity, StaleEntry, TreePath};

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
    /// How many files were checked.
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
            write!(
                f,
                "; the baseline hides {}",
                count(report.hidden, "more finding")
            )?;
        }
        match report.stale.len() {
            0 => Ok(()),
            1 => write!(f, "; 1 entry of the baseline is stale"),
            stale => write!(f, "; {stale} entries of the baseline are stale"),
        }
    }
}
