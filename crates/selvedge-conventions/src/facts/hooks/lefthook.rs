//! The settings of lefthook.

use super::document::Value;
use super::{Hook, HookFiles, document};
use crate::TreePath;

impl Hook {
    /// Reads the text of a `lefthook.yml` or `lefthook.toml`: every command and script of the hooks
    /// before a commit and a push, if it is not skipped.
    #[must_use]
    pub fn parse_lefthook(path: &TreePath, text: &str) -> Vec<Self> {
        let Some(root) = document(path, text) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for name in ["pre-commit", "pre-push"] {
            let Some(hook) = root.get(name) else {
                continue;
            };
            let texts = |value: &Value, key: &str| -> Vec<String> {
                let given = value.get(key).into_iter().flat_map(Value::texts);
                // Several may stand in one text.
                let words = given.flat_map(str::split_whitespace);
                words.map(str::to_owned).collect()
            };
            let sources = root.get("source_dir").and_then(Value::text);
            let mut reader = Reader {
                path,
                folder: format!(
                    "{}/{name}",
                    sources.unwrap_or(".lefthook").trim_end_matches('/')
                ),
                is_lenient: root.get("glob_matcher").and_then(Value::text) != Some("doublestar"),
                left_out: texts(hook, "exclude_tags"),
                found: Vec::new(),
            };
            reader.add(hook, None, &Hook::new(path, 1, String::new()));
            found.extend(reader.found);
        }
        found.sort_by_key(|hook| hook.line);
        found
    }
}

struct Reader<'a> {
    path: &'a TreePath,
    /// The folder of the scripts of the hook.
    folder: String,
    is_lenient: bool,
    /// Tags and names of what does not run.
    left_out: Vec<String>,
    found: Vec<Hook>,
}

impl Reader<'_> {
    /// Adds what a command, a group, or a whole hook runs. It has a name, and is narrowed down by what is
    /// around it.
    fn add(&mut self, value: &Value, name: Option<&str>, around: &Hook) {
        let name = value.get("name").and_then(Value::text).or(name);
        let tags = value.get("tags").into_iter().flat_map(Value::texts);
        let mut labels = tags.flat_map(str::split_whitespace).chain(name);
        if may_be_skipped(value) || labels.any(|label| self.left_out.iter().any(|out| out == label))
        {
            return;
        }
        let mut hook = around.clone();
        if let Some(globs) = value.get("glob") {
            hook.on.files.push(HookFiles::globs(globs, self.is_lenient));
        }
        if let Some(folder) = value.get("root").and_then(Value::text) {
            let folder = folder.trim_start_matches("./").trim_end_matches('/');
            if !matches!(folder, "" | ".") {
                hook.on.files.push(HookFiles::Below(format!("{folder}/")));
            }
        }
        if let Some(exclude) = value.get("exclude") {
            hook.on
                .exclude
                .push(HookFiles::globs(exclude, self.is_lenient));
            // A single text was a regular expression before version 2.
            let text = exclude.text().map(str::to_owned);
            hook.on.exclude.extend(text.map(HookFiles::Pattern));
        }
        if let Some(Value::Text { text, line }) = value.get("run") {
            self.push(&hook, *line, text.clone());
        }
        if let Some(Value::Text { text, line }) = value.get("script") {
            self.push_script(&hook, *line, text, value);
        }
        for (key, inner) in entries(value, "scripts") {
            if !may_be_skipped(inner) {
                let line = inner.get("runner").and_then(Value::line).unwrap_or(1);
                self.push_script(&hook, line, key, inner);
            }
        }
        for (key, inner) in entries(value, "commands") {
            self.add(inner, Some(key), &hook);
        }
        for inner in value.get("jobs").map_or(&[][..], Value::items) {
            self.add(inner, None, &hook);
        }
        if let Some(group) = value.get("group") {
            self.add(group, None, &hook);
        }
    }

    fn push(&mut self, hook: &Hook, line: usize, command: String) {
        self.found.push(Hook {
            on: hook.on.clone(),
            ..Hook::new(self.path, line, command)
        });
    }

    fn push_script(&mut self, hook: &Hook, line: usize, name: &str, value: &Value) {
        let runner = value
            .get("runner")
            .and_then(Value::text)
            .unwrap_or_default();
        let command = format!("{runner} {}/{name}", self.folder);
        self.push(hook, line, command.trim_start().to_owned());
    }
}

fn entries<'v>(value: &'v Value, key: &str) -> &'v [(String, Value)] {
    match value.get(key) {
        Some(Value::Table(entries)) => entries,
        _ => &[],
    }
}

/// Whether it never runs, or what a command says decides about it.
fn may_be_skipped(value: &Value) -> bool {
    let asks = |key: &str| {
        let cases = value.get(key).map_or(&[][..], Value::items);
        cases.iter().any(|case| case.get("run").is_some())
    };
    let is = |key: &str, text: &str| value.get(key).and_then(Value::text) == Some(text);
    is("skip", "true") || is("only", "false") || asks("skip") || asks("only")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Vec<Hook> {
        Hook::parse_lefthook(&TreePath::new("lefthook.yml"), yaml)
    }

    #[test]
    fn what_lefthook_runs_is_read() {
        let broken = "pre-commit:\n  commands:\n    a: {run: nbstripout {staged_files}}\n";
        assert!(read(broken).is_empty(), "it is no YAML");
        let yaml = "\
pre-commit:
  exclude_tags: [slow, named]
  commands:
    strip:
      run: nbstripout {staged_files}
    off:
      skip: true
      run: nbstripout a
    asked:
      skip: [{run: 'true'}]
      run: nbstripout b
    merges:
      skip: [merge]
      run: nbstripout c
    tagged: {tags: [slow], run: nbstripout d}
    named: {run: nbstripout e}
  scripts:
    strip.sh: {runner: bash}
  jobs:
    - group:
        jobs:
          - run: nbwipers clean-all .
          - script: other.sh
post-merge:
  commands: {again: {run: nbstripout}}
";
        let found: Vec<_> = read(yaml)
            .into_iter()
            .map(|hook| (hook.line, hook.command))
            .collect();
        let expected = [
            (5, "nbstripout {staged_files}"),
            (14, "nbstripout c"),
            (18, "bash .lefthook/pre-commit/strip.sh"),
            (22, "nbwipers clean-all ."),
            (23, ".lefthook/pre-commit/other.sh"),
        ];
        assert_eq!(
            found,
            expected.map(|(line, command)| (line, command.to_owned()))
        );
    }

    #[track_caller]
    fn check(narrowed: &str, path: &str, expected: bool) {
        let yaml = format!("pre-commit:\n  jobs:\n    - {{{narrowed}, run: nbstripout}}\n");
        assert_eq!(
            read(&yaml)[0].on.has(path),
            Some(expected),
            "{narrowed} {path}"
        );
    }

    #[test]
    fn files_are_narrowed_down() {
        let path = "notebooks/a.ipynb";
        check("glob: '*.ipynb'", path, true);
        check("glob: ['*.py', '*.IPYNB']", path, true);
        check("glob: ['*.py', '*.toml']", path, false);
        check("glob: 'docs/*.ipynb'", path, false);
        check("exclude: ['notebooks/*']", path, false);
        check("exclude: '^notebooks/'", path, false);
        check("exclude: ['docs/*']", path, true);
        check("root: docs/", path, false);
        check("root: ./notebooks", path, true);
    }
}
