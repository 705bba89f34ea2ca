//! Findings that are known, so that a check can be turned on before everything is fixed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::document::{self, Document, Entry, each, quoted};
use crate::{Error, Finding, TreePath};

/// How many findings of each rule are known in each file.
///
/// ```
/// use selvedge_conventions::Baseline;
///
/// let text = "version = 1\n\n[files]\n\"notebooks/1.5d.ipynb\" = { NBK003 = 2 }\n";
/// let baseline = Baseline::parse(text, "selvedge-baseline.toml")?;
/// assert!(baseline.to_toml().ends_with(text));
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    /// By file and code. A code need not be of a rule that there is: rules are removed.
    counts: BTreeMap<TreePath, BTreeMap<String, u64>>,
}

/// An entry of a baseline that allows more findings than there are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleEntry {
    /// The file.
    pub path: TreePath,
    /// The code of the rule.
    pub code: String,
    /// The findings that the entry allows.
    pub allowed: u64,
    /// The findings that there are.
    pub found: u64,
}

impl Baseline {
    const VERSION: u64 = 1;

    /// A baseline that knows these findings.
    #[must_use]
    pub fn of<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Self {
        let mut counts: BTreeMap<TreePath, BTreeMap<String, u64>> = BTreeMap::new();
        for finding in findings {
            let codes = counts.entry(finding.path.clone()).or_default();
            *codes.entry(finding.code.to_owned()).or_default() += 1;
        }
        Self { counts }
    }

    /// The same, with the entries of another one that were not looked at now.
    #[must_use]
    pub fn keeping(mut self, known: &Self, was_checked: impl Fn(&TreePath, &str) -> bool) -> Self {
        for (path, codes) in &known.counts {
            let kept = codes.iter().filter(|(code, _)| !was_checked(path, code));
            for (code, count) in kept {
                let codes = self.counts.entry(path.clone()).or_default();
                codes.insert(code.clone(), *count);
            }
        }
        self
    }

    /// How many findings it knows.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }

    /// Reads a file that [`to_toml`](Self::to_toml) made.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and what [`parse`](Self::parse) returns.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::parse(&document::read(path)?, path)
    }

    /// Reads the text of a baseline; the path is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Syntax`], [`Error::UnknownKey`] and [`Error::InvalidValue`], each with the line.
    pub fn parse(text: &str, path: impl AsRef<Path>) -> Result<Self, Error> {
        const KEYS: &[&str] = &["version", "files"];
        let document = Document {
            text,
            path: path.as_ref(),
        };
        let root = document.parse()?;
        let mut baseline = Self::default();
        let mut version = None;
        each(document, "", root.get_ref(), KEYS, |key, entry| {
            match key {
                "version" => {
                    version = entry.whole_number();
                    if version != Some(Self::VERSION) {
                        return Err(entry.expected("1: a later Selvedge may have made the file"));
                    }
                }
                _ => baseline.counts = files(&entry)?,
            }
            Ok(())
        })?;
        match version {
            Some(_) => Ok(baseline),
            None => Err(document.invalid(0..0, "version", "1", "missing")),
        }
    }

    /// The baseline as TOML, sorted, one line for each file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = format!(
            "# Findings of `selvedge check` that are known, by file and rule. `--write-baseline` \
             makes this file.\nversion = {}\n\n[files]\n",
            Self::VERSION
        );
        for (path, codes) in &self.counts {
            let codes: Vec<_> = codes
                .iter()
                .map(|(code, count)| format!("{} = {count}", key(code)))
                .collect();
            let path = quoted(path.as_str());
            let _ = writeln!(text, "{path} = {{ {} }}", codes.join(", "));
        }
        text
    }

    /// Takes away, of the findings of each file and rule, the first ones, as many as are known.
    /// Returns the rest, and the entries that allow more than there are.
    pub(crate) fn apply(
        &self,
        findings: Vec<Finding>,
        was_checked: impl Fn(&TreePath, &str) -> bool,
    ) -> (Vec<Finding>, Vec<StaleEntry>) {
        let found = Self::of(&findings);
        let mut left = self.counts.clone();
        let findings = findings
            .into_iter()
            .filter(|finding| {
                let codes = left.get_mut(&finding.path);
                match codes.and_then(|codes| codes.get_mut(finding.code)) {
                    Some(count @ 1..) => {
                        *count -= 1;
                        false
                    }
                    _ => true,
                }
            })
            .collect();
        let stale = left
            .into_iter()
            .flat_map(|(path, codes)| codes.into_iter().map(move |entry| (path.clone(), entry)))
            .filter(|(path, (code, left))| *left > 0 && was_checked(path, code))
            .map(|(path, (code, left))| {
                let codes = found.counts.get(&path);
                let found = codes
                    .and_then(|codes| codes.get(&code))
                    .copied()
                    .unwrap_or(0);
                StaleEntry {
                    allowed: left.saturating_add(found),
                    path,
                    code,
                    found,
                }
            })
            .collect();
        (findings, stale)
    }
}

fn files(entry: &Entry<'_, '_>) -> Result<BTreeMap<TreePath, BTreeMap<String, u64>>, Error> {
    let mut counts: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (path, value) in entry.table()? {
        let key = format!("files.{}", path.get_ref());
        let file = Entry {
            document: entry.document,
            key,
            value,
        };
        let codes = counts.entry(TreePath::new(&**path.get_ref())).or_default();
        for (code, value) in file.table()? {
            let entry = Entry {
                document: entry.document,
                key: format!("{}.{}", file.key, code.get_ref()),
                value,
            };
            let count = entry.whole_number().filter(|count| *count > 0);
            let count = count.ok_or_else(|| entry.expected("a number of findings, at least 1"))?;
            codes.insert(code.get_ref().to_string(), count);
        }
    }
    Ok(counts)
}

/// A key, in quotes if it has to be.
fn key(text: &str) -> String {
    let bare = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare && !text.is_empty() {
        text.to_owned()
    } else {
        quoted(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Diagnosis, Report, Severity, rule};

    fn finding(path: &str, code: &str, message: &str) -> Finding {
        let rule = rule(code).unwrap();
        let diagnosis = Diagnosis::new(message);
        Finding::new(TreePath::new(path), rule, Severity::Warning, diagnosis)
    }

    fn report() -> Report {
        let findings = vec![
            finding("a.ipynb", "NBK003", "one"),
            finding("a.ipynb", "NBK003", "two"),
            finding("a.ipynb", "NBK004", "three"),
            finding("b.ipynb", "NBK003", "four"),
        ];
        Report::new(findings, 2)
    }

    #[test]
    fn what_was_known_is_hidden_and_what_is_new_is_not() {
        let report = report();
        let baseline = Baseline::of(&report.findings[1..]);
        let left = report.clone().with_baseline(&baseline, |_, _| true);
        assert_eq!(left.findings.len(), 1);
        assert_eq!((left.hidden, left.stale.len()), (3, 0));
        let all = report
            .clone()
            .with_baseline(&Baseline::of(&report.findings), |_, _| true);
        assert!(all.findings.is_empty());
        assert_eq!(
            all.summary().to_string(),
            "no findings in 2 files; the baseline hides 4 findings"
        );
    }

    #[test]
    fn what_is_no_longer_found_is_stale() {
        let text = "version = 1\n[files]\n'a.ipynb' = { NBK003 = 5, NBK004 = 1, OLD001 = 1 }\n\
                    'gone.ipynb' = { NBK001 = 1 }\n";
        let baseline = Baseline::parse(text, "baseline.toml").unwrap();
        let stale = |was_checked: fn(&TreePath, &str) -> bool| -> Vec<_> {
            let report = report().with_baseline(&baseline, was_checked);
            assert_eq!(report.findings.len(), 1);
            let entry = |stale: StaleEntry| {
                (
                    stale.path.to_string(),
                    stale.code,
                    stale.allowed,
                    stale.found,
                )
            };
            report.stale.into_iter().map(entry).collect()
        };
        let (a, gone) = ("a.ipynb".to_owned(), "gone.ipynb".to_owned());
        assert_eq!(
            stale(|_, _| true),
            [
                (a.clone(), "NBK003".to_owned(), 5, 2),
                (a, "OLD001".to_owned(), 1, 0),
                (gone, "NBK001".to_owned(), 1, 0),
            ]
        );
        assert_eq!(stale(|_, code| code == "NBK001").len(), 1);
        assert_eq!(stale(|_, _| false), []);
    }

    #[test]
    fn what_was_not_looked_at_is_kept() {
        let text = "version = 1\n[files]\n'a.ipynb' = { NBK003 = 5, GIT001 = 1 }\n'c.ipynb' = { NBK001 = 2 }\n";
        let known = Baseline::parse(text, "baseline.toml").unwrap();
        let baseline = Baseline::of(&report().findings).keeping(&known, |path, code| {
            path.as_str() != "c.ipynb" && code != "GIT001"
        });
        let expected = "[files]\n\"a.ipynb\" = { GIT001 = 1, NBK003 = 2, NBK004 = 1 }\n\
                        \"b.ipynb\" = { NBK003 = 1 }\n\"c.ipynb\" = { NBK001 = 2 }\n";
        assert!(
            baseline.to_toml().ends_with(expected),
            "{}",
            baseline.to_toml()
        );
        assert_eq!(baseline.findings(), 7);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, expected) in [
            ("", "b.toml:1:1: `version` is missing: expected 1"),
            (
                "version = 2",
                "b.toml:1:11: `version` is `2`: expected 1: a later Selvedge may have made the file",
            ),
            (
                "version = 1\n[files]\na = { NBK003 = 0 }",
                "b.toml:3:16: `files.a.NBK003` is `0`: expected a number of findings, at least 1",
            ),
            (
                "version = 1\n[files]\na = 3",
                "b.toml:3:5: `files.a` is `3`: expected a table",
            ),
        ] {
            let error = Baseline::parse(text, "b.toml").unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_baseline_reads_back(
            entries in prop::collection::vec(("\\PC{1,12}", "[A-Z]{1,3}[0-9]{3}|\\PC{0,5}", 1..9_u64), 0..5),
        ) {
            let mut baseline = Baseline::default();
            for (path, code, count) in entries {
                baseline.counts.entry(TreePath::new(&path)).or_default().insert(code, count);
            }
            prop_assert_eq!(Baseline::parse(&baseline.to_toml(), "b.toml").unwrap(), baseline);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = Baseline::parse(&text, "b.toml");
        }
    }
}
