//! The scripts of a `package.json`, and what lint-staged runs.

use std::collections::BTreeMap;

use crate::facts::Value;
use crate::{HookFiles, Narrowing};

/// A command with the arguments that are put behind it, and the files, where it is given some.
pub(super) struct Command {
    pub(super) text: String,
    pub(super) arguments: Vec<String>,
    pub(super) given: Option<Narrowing>,
}

/// The commands that a call of `npm` and its like, or of lint-staged, runs.
pub(super) fn commands(words: &[String], scripts: &BTreeMap<String, String>) -> Vec<Command> {
    let rest = words.iter().skip(1).filter(|word| !word.starts_with('-'));
    let rest: Vec<&str> = rest.map(String::as_str).collect();
    let is_staged = |word: &str| super::tools::base(word) == "lint-staged";
    match (words.first().map(String::as_str), &rest[..]) {
        (Some(name), _) if is_staged(name) => lint_staged(scripts),
        (_, ["run" | "run-script", name, ..] | [name, ..]) => match script(name, scripts) {
            Some(text) => vec![Command {
                text,
                arguments: Vec::new(),
                given: None,
            }],
            None if is_staged(name) => lint_staged(scripts),
            None => match &rest[..] {
                ["exec" | "dlx" | "x", name, ..] if is_staged(name) => lint_staged(scripts),
                ["exec" | "dlx" | "x", ..] => vec![Command {
                    text: shlex::try_join(rest[1..].iter().copied()).unwrap_or_default(),
                    arguments: Vec::new(),
                    given: None,
                }],
                _ => Vec::new(),
            },
        },
        _ => Vec::new(),
    }
}

fn document(name: &str, scripts: &BTreeMap<String, String>) -> Option<Value> {
    Value::of_json(scripts.get(name)?)
}

fn script(name: &str, scripts: &BTreeMap<String, String>) -> Option<String> {
    let package = document("package.json", scripts)?;
    let text = package.get("scripts")?.get(name)?.text()?;
    Some(text.to_owned())
}

/// Globs of lint-staged, each with its commands, to which the files are given.
fn lint_staged(scripts: &BTreeMap<String, String>) -> Vec<Command> {
    const FILES: [&str; 4] = [
        ".lintstagedrc",
        ".lintstagedrc.json",
        ".lintstagedrc.yaml",
        ".lintstagedrc.yml",
    ];
    let in_package =
        document("package.json", scripts).and_then(|package| package.get("lint-staged").cloned());
    let all = in_package.or_else(|| FILES.iter().find_map(|name| document(name, scripts)));
    let Some(Value::Table(entries)) = all else {
        return Vec::new();
    };
    let commands = entries.into_iter().flat_map(|(glob, value)| {
        // Without a folder it is about names.
        let globs = if glob.contains('/') {
            vec![glob.trim_start_matches('/').to_owned()]
        } else {
            vec![glob.clone(), format!("**/{glob}")]
        };
        let files = HookFiles::Globs {
            globs,
            is_lenient: false,
        };
        let texts: Vec<String> = value.texts().map(str::to_owned).collect();
        texts.into_iter().map(move |text| Command {
            text,
            arguments: Vec::new(),
            given: Some(Narrowing::to(files.clone())),
        })
    });
    commands.collect()
}
