//! The rules that a check runs: the configuration's, as the command line changes them.

use crate::selector::most_specific;
use crate::{Config, RULES, Rule, Selector, Severity};

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
            let chosen = most_specific(select, rule);
            if !select.is_empty() && chosen.is_none() {
                return None;
            }
            // Without selectors everything is meant alike, and least specifically.
            let ignored = most_specific(ignore, rule);
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
