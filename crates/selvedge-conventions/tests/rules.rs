//! Every rule over worlds that pass and worlds that fail, and all that is found in every format.

mod common;

use common::fixtures::all;
use selvedge_conventions::{Baseline, Format, RULES, Report};

#[test]
fn every_rule_has_fixtures_that_pass_and_fixtures_that_fail() {
    let with_fixtures: Vec<_> = all().iter().map(|fixture| fixture.code).collect();
    let codes: Vec<_> = RULES.iter().map(|rule| rule.code()).collect();
    assert_eq!(with_fixtures, codes);
    for fixture in all() {
        assert!(!fixture.passing.is_empty(), "{}: none passes", fixture.code);
        assert!(!fixture.failing.is_empty(), "{}: none fails", fixture.code);
    }
}

#[test]
fn what_passes_passes_and_what_fails_fails() {
    for fixture in all() {
        let code = fixture.code;
        for (what, world) in fixture.passing {
            let found = world.check(code);
            assert!(found.is_empty(), "{code}, {what}: {found:#?}");
        }
        for (what, world) in fixture.failing {
            let found = world.check(code);
            assert!(!found.is_empty(), "{code}, {what}: nothing found");
            assert!(
                found.iter().all(|finding| finding.code == code),
                "{found:#?}"
            );
        }
    }
}

/// All that the failing fixtures show, less one that a baseline knows, which also has a stale entry.
fn report() -> Report {
    let worlds = || {
        all()
            .into_iter()
            .map(|fixture| (fixture.code, fixture.failing))
    };
    let findings = worlds()
        .flat_map(|(code, worlds)| worlds.into_iter().map(move |(_, world)| (code, world)))
        .flat_map(|(code, world)| world.check(code))
        .collect();
    let baseline =
        "version = 1\n[files]\n\"notebooks/1.5b_many.ipynb\" = { NBK003 = 1, NBK005 = 1 }";
    let baseline = Baseline::parse(baseline, "baseline.toml").unwrap();
    Report::new(findings, 71).with_baseline(&baseline, |_, _| true)
}

#[test]
fn full() {
    insta::assert_snapshot!(report().render(Format::Full));
}

#[test]
fn concise() {
    insta::assert_snapshot!(report().render(Format::Concise));
}

#[test]
fn json() {
    insta::assert_snapshot!(report().render(Format::Json));
}

#[test]
fn github() {
    insta::assert_snapshot!(report().render(Format::Github));
}

/// Without the manual pages, of which all but the first are left out, and the version.
#[test]
fn sarif() {
    let text = report().render(Format::Sarif);
    let rules = "\"rules\": [";
    let start = text.find(rules).unwrap();
    let first = start + text[start..].find("\n            },").unwrap();
    let end = first + text[first..].find("\n          ]").unwrap();
    let shortened = format!("{}\n            }}{}", &text[..first], &text[end..])
        .replace(env!("CARGO_PKG_VERSION"), "[version]");
    insta::assert_snapshot!(shortened);
}

#[test]
fn every_format_ends_with_one_line_break_and_has_the_summary() {
    for report in [report(), Report::new(Vec::new(), 0)] {
        for format in Format::ALL {
            let text = report.render(format);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{format}");
            // JSON escapes nothing that a summary has.
            assert!(
                text.contains(&report.summary().to_string()),
                "{format}: {text}"
            );
        }
    }
}
