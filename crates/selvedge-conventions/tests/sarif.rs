//! Reports in SARIF against the schema of the standard.

mod common;

use common::fixtures::all;
use selvedge_conventions::{Format, RULES, Report};
use serde_json::Value;

/// The schema, as OASIS publishes it: see the README beside it.
const SCHEMA: &str = include_str!("sarif/sarif-schema-2.1.0.json");

fn validator() -> jsonschema::Validator {
    // The one pattern that is no regular expression of ECMAScript, for its stray `]`.
    let corrected = SCHEMA.replace("[a-zA-Z]{2}]?$\"", "[a-zA-Z]{2}$\"");
    assert_ne!(corrected, SCHEMA, "a later version of the schema?");
    let schema: Value = serde_json::from_str(&corrected).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
fn check(report: &Report) -> Value {
    let validator = validator();
    let log: Value = serde_json::from_str(&report.render(Format::Sarif)).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&log)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    log
}

#[test]
fn a_report_of_every_rule_is_valid() {
    let findings: Vec<_> = all()
        .into_iter()
        .flat_map(|fixture| {
            let worlds = fixture.passing.into_iter().chain(fixture.failing);
            worlds.flat_map(move |(_, world)| world.check(fixture.code))
        })
        .collect();
    let count = findings.len();
    let log = check(&Report::new(findings, 71));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), RULES.len());
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), count);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
}

#[test]
fn a_report_of_nothing_is_valid() {
    check(&Report::new(Vec::new(), 0));
}

/// The schema does refuse what is wrong, so that the tests above mean something.
#[test]
fn the_schema_refuses_what_is_no_sarif() {
    let validator = validator();
    let mut log: Value =
        serde_json::from_str(&Report::new(Vec::new(), 0).render(Format::Sarif)).unwrap();
    log["runs"][0]["results"] = serde_json::json!([{"ruleId": "NAM001"}]);
    assert!(!validator.is_valid(&log), "a result without a message");
}
