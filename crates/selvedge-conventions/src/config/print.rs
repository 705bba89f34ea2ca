//! The effective configuration as a `selvedge.toml`.

use std::fmt::Write as _;

use toml::Value;

use super::Config;
use crate::RULES;
use crate::document::quoted;
use crate::units::exact_size;

impl Config {
    /// The whole configuration, defaults included, as a `selvedge.toml` that reads back to the
    /// same.
    #[must_use]
    pub fn to_toml(&self) -> String {
        print(self)
    }
}

fn print(config: &Config) -> String {
    let Config {
        roots,
        exclude,
        tensors,
        notebooks,
        trajectories,
        limits,
        rules,
        per_file_ignores,
    } = config;
    let mut printed = Printed::default();
    printed.key("roots", &list(roots));
    printed.key("exclude", &list(exclude.globs()));
    printed.table("tensors");
    printed.key("directories", &list(tensors.directories.globs()));
    printed.key("models", &list(tensors.models.globs()));
    printed.table("notebooks");
    printed.key("directories", &list(notebooks.directories.globs()));
    printed.key("id-pattern", &string(notebooks.id_pattern.as_str()));
    printed.table("trajectories");
    printed.key("read-pattern", &string(trajectories.read_pattern.as_str()));
    printed.table("limits");
    for (key, bytes) in [
        ("safetensors-size", limits.safetensors_size),
        ("memory", limits.memory),
        ("chunk-size", limits.chunk_size),
    ] {
        printed.key(key, &string(exact_size(bytes)));
    }
    printed.key("tail-waste", &Value::Float(limits.tail_waste));
    printed.table("rules");
    for rule in RULES {
        let level = rules.severity(*rule).map_or("off", |level| level.as_str());
        printed.key(rule.code(), &string(level));
    }
    if !per_file_ignores.is_empty() {
        printed.table("per-file-ignores");
    }
    for ignore in per_file_ignores {
        let rules: Vec<String> = ignore.rules.iter().map(ToString::to_string).collect();
        for glob in ignore.files.globs() {
            printed.key(&quoted(glob), &list(&rules));
        }
    }
    printed.0
}

#[derive(Default)]
struct Printed(String);

impl Printed {
    fn table(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[{name}]");
    }

    fn key(&mut self, key: &str, value: &Value) {
        let _ = writeln!(self.0, "{key} = {value}");
    }
}

fn string(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn list(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(string).collect())
}
