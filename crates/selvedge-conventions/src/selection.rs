//! Which rules hold: those that a text selects, those of a configuration, and those that a check runs.
//!
//! The types of the configuration are plain data and know no rule, since rules look at them; what
//! needs the list of all rules stands here.

use std::str::FromStr;

use crate::config::Level;
use crate::selector::most_specific;
use crate::{Config, Error, RULES, Rule, RuleLevels, Selector, Severity, TreePath};
use selvedge_base::nearest;

impl Selector {
    /// Whether the rule is one of these.
    #[must_use]
    pub fn matches(&self, rule: &dyn Rule) -> bool {
        self.specificity(rule.code()).is_some()
    }

    /// Whether this is one rule, by its code or name.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        RULES.iter().any(|rule| rule.code() == self.prefix())
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
        let selector = Self::of_codes(prefix);
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

impl RuleLevels {
    /// Takes the levels of some rules over the defaults. Of two selectors of one rule the more
    /// specific one counts. A rule that is off by default is turned on by its code or name alone.
    pub(crate) fn new(levels: &[(Selector, Level)]) -> Self {
        let severity = |rule: &dyn Rule| {
            let most = most_specific(levels.iter().map(|(selector, _)| selector), rule.code());
            let found = levels
                .iter()
                .find(|(selector, _)| most.is_some() && selector.specificity(rule.code()) == most);
            match found {
                None => default_severity(rule),
                Some((_, Level::Off)) => None,
                Some((selector, _)) if !rule.is_on_by_default() && !selector.is_exact() => None,
                Some((_, Level::On)) => Some(rule.severity()),
                Some((_, Level::At(severity))) => Some(*severity),
            }
        };
        let all = RULES.iter().map(|rule| (*rule, severity(*rule)));
        let changed = all.filter(|(rule, severity)| *severity != default_severity(*rule));
        Self::of_codes(changed.map(|(rule, severity)| (rule.code(), severity)))
    }

    /// The severity of the rule, or `None` if it is off.
    #[must_use]
    pub fn severity(&self, rule: &dyn Rule) -> Option<Severity> {
        let changed = self.of(rule.code());
        changed.unwrap_or_else(|| default_severity(rule))
    }
}

fn default_severity(rule: &dyn Rule) -> Option<Severity> {
    rule.is_on_by_default().then(|| rule.severity())
}

impl Config {
    /// Whether `per-file-ignores` says that the rule does not hold for the file.
    #[must_use]
    pub fn ignores(&self, path: &TreePath, rule: &dyn Rule) -> bool {
        self.per_file_ignores.iter().any(|ignore| {
            ignore.rules.iter().any(|selector| selector.matches(rule))
                && ignore.files.matches_file_or_directory_of(path)
        })
    }

    /// The severity that the rule has, or `None` if it is off.
    #[must_use]
    pub fn severity(&self, rule: &dyn Rule) -> Option<Severity> {
        self.rules.severity(rule)
    }
}

/// The rules that a check runs, each with the severity of its findings.
///
/// Without selectors these are the rules that the configuration has on. With some to select, it is
/// those alone; what is ignored is then taken away. Where two selectors are about one rule the more
/// specific one counts, so that `--select TEN002 --ignore TEN` runs `TEN002`. A rule that is off is
/// turned on only by its code or name.
///
/// ```
/// use selvedge_conventions::{Config, Rule, Selection};
///
/// let selection = Selection::new(&Config::default(), &["NBK".parse()?], &["NBK005".parse()?]);
/// let codes: Vec<_> = selection.rules().map(|(rule, _)| rule.code()).collect();
/// assert!(codes.contains(&"NBK001") && !codes.contains(&"NBK005"));
/// assert!(!codes.contains(&"NBK006"), "it is off by default");
/// # Ok::<(), selvedge_conventions::Error>(())
/// ```
#[derive(Clone)]
pub struct Selection(Vec<(&'static dyn Rule, Severity)>);

impl Selection {
    /// The rules of the configuration, as `select` and `ignore` of the command line change them.
    #[must_use]
    pub fn new(config: &Config, select: &[Selector], ignore: &[Selector]) -> Self {
        let selected = |rule: &dyn Rule| -> Option<Severity> {
            let configured = config.severity(rule);
            let chosen = most_specific(select, rule.code());
            if !select.is_empty() && chosen.is_none() {
                return None;
            }
            // Without selectors everything is meant alike, and least specifically.
            let ignored = most_specific(ignore, rule.code());
            if ignored.is_some() && ignored >= chosen {
                return None;
            }
            let named = select
                .iter()
                .any(|selector| selector.is_exact() && selector.matches(rule));
            configured.or_else(|| named.then(|| rule.severity()))
        };
        Self(
            RULES
                .iter()
                .filter_map(|rule| Some((*rule, selected(*rule)?)))
                .collect(),
        )
    }

    /// The rules, by code, with their severities.
    pub fn rules(&self) -> impl Iterator<Item = (&'static dyn Rule, Severity)> {
        self.0.iter().copied()
    }

    /// Whether the rule is one of them.
    #[must_use]
    pub fn contains(&self, code: &str) -> bool {
        self.0.iter().any(|(rule, _)| rule.code() == code)
    }

    /// Whether one of the rules needs the bytes of whole files: the values of float16 tensors
    /// ([`Float16Evidence`](crate::Float16Evidence)), or content hashes
    /// ([`TreeFile`](crate::TreeFile)).
    #[must_use]
    pub fn reads_contents(&self) -> bool {
        self.0.iter().any(|(rule, _)| rule.reads_contents())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(toml: &str, select: &[&str], ignore: &[&str], code: &str, expected: Option<Severity>) {
        let config = Config::parse(toml, "selvedge.toml").unwrap();
        let selectors = |texts: &[&str]| -> Vec<Selector> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let selection = Selection::new(&config, &selectors(select), &selectors(ignore));
        let found = selection.rules().find(|(rule, _)| rule.code() == code);
        assert_eq!(found.map(|(_, severity)| severity), expected);
    }

    #[test]
    fn the_more_specific_selector_counts() {
        let warning = Some(Severity::Warning);
        check("", &[], &[], "TEN002", warning);
        check("", &["NAM"], &[], "TEN002", None);
        check("", &[], &["TEN"], "TEN002", None);
        check("", &["TEN002"], &["TEN"], "TEN002", warning);
        check("", &["TEN"], &["TEN002"], "TEN002", None);
        check("", &["TEN"], &["TEN"], "TEN002", None);
        check("", &["ALL"], &["ALL"], "TEN002", None);
        check("", &["ALL"], &[], "TEN002", warning);
    }

    #[test]
    fn what_is_off_is_turned_on_by_its_code_or_name() {
        let warning = Some(Severity::Warning);
        check("", &["ALL"], &[], "TEN006", None);
        check("", &["TEN"], &[], "TEN006", None);
        check("", &["TEN006"], &[], "TEN006", warning);
        check("", &["duplicate-content"], &[], "TEN006", warning);
        check(
            "rules.TEN006 = 'error'",
            &["TEN"],
            &[],
            "TEN006",
            Some(Severity::Error),
        );
        check("rules.TEN002 = 'off'", &["TEN"], &[], "TEN002", None);
        check("rules.TEN002 = 'off'", &["TEN002"], &[], "TEN002", warning);
    }
}
