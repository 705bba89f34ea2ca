//! `selvedge rules`: what is checked, and why.

use std::path::PathBuf;

use selvedge_conventions::{Config, RULES, Rule, Selector};
use serde::Serialize;

use super::check;
use crate::outcome::Outcome;
use crate::output;
use crate::render::{self, Page};

const EXAMPLES: &str = "\
Examples:
  selvedge rules
  selvedge rules TEN002
  selvedge rules missing-notebook-id
  selvedge rules --json | jq '.rules[].code'

A rule is on or off, and has the severity, as selvedge.toml says; without one, the defaults hold.";

/// List the rules of `selvedge check`, or explain some.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Rules to explain: codes, starts of codes or names
    #[arg(value_name = "CODE", value_parser = str::parse::<Selector>)]
    rules: Vec<Selector>,

    /// Take this configuration, and look for no selvedge.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    rules: Vec<JsonRule>,
}

#[derive(Serialize)]
struct JsonRule {
    code: &'static str,
    name: &'static str,
    /// The severity in effect; that of the rule where it is off.
    severity: &'static str,
    on: bool,
    on_by_default: bool,
    reads_contents: bool,
    summary: String,
    page: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let config = check::configuration(args.config.as_deref())?;
    let rules: Vec<&'static dyn Rule> = RULES
        .iter()
        .copied()
        .filter(|rule| {
            args.rules.is_empty() || args.rules.iter().any(|selector| selector.matches(*rule))
        })
        .collect();
    if args.json {
        let rules = rules.iter().map(|rule| json(*rule, &config)).collect();
        output::print_json(&Report { rules })?;
    } else if args.rules.is_empty() {
        output::print(&render::rules::list(&rules, &config, Page::of_stdout()))?;
    } else {
        let pages: Vec<String> = rules.iter().map(|rule| rule.page()).collect();
        output::print(&render::rules::manual(&pages.join("\n"), Page::of_stdout()))?;
    }
    Ok(Outcome::Success)
}

fn json(rule: &'static dyn Rule, config: &Config) -> JsonRule {
    let severity = config.severity(rule);
    JsonRule {
        code: rule.code(),
        name: rule.name(),
        severity: severity.unwrap_or_else(|| rule.severity()).as_str(),
        on: severity.is_some(),
        on_by_default: rule.is_on_by_default(),
        reads_contents: rule.reads_contents(),
        summary: rule.summary(),
        page: rule.page(),
    }
}
