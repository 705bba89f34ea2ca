//! What runs before a commit: scripts, and the settings of pre-commit, prek, lefthook and others.

mod document;
mod files;
mod lefthook;

pub(crate) use document::Value;
pub(crate) use files::has_groups;
pub use files::{HookFiles, Narrowing};

use crate::TreePath;

/// Something that runs before a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The file that says so.
    pub path: TreePath,
    /// The line, from 1.
    pub line: usize,
    /// The command, or the id of a pre-commit hook with its arguments, as a shell reads it; or a whole
    /// script, whose first line may say that another program reads it.
    pub command: String,
    /// Whether the paths of the files are put behind the command.
    pub is_given_files: bool,
    /// Which files it runs on.
    pub on: Narrowing,
}

impl Hook {
    fn new(path: &TreePath, line: usize, command: String) -> Self {
        Self {
            path: path.clone(),
            line,
            command,
            is_given_files: false,
            on: Narrowing::default(),
        }
    }

    /// Reads the text of a `.pre-commit-config.yaml` or a `prek.toml`, by the name of the file: the
    /// hooks that run by themselves when somebody commits or pushes, and not by hand alone. There are
    /// none in what is not understood.
    #[must_use]
    pub fn parse_pre_commit(path: &TreePath, text: &str) -> Vec<Self> {
        let Some(root) = document(path, text) else {
            return Vec::new();
        };
        let default_stages = root.get("default_stages");
        let repositories = root.get("repos").map_or(&[][..], Value::items);
        let hooks = repositories
            .iter()
            .filter_map(|repository| repository.get("hooks"))
            .flat_map(Value::items);
        let found = hooks.filter_map(|hook| {
            let id = hook.get("id")?;
            let stages = hook.get("stages").or(default_stages);
            if stages.is_some_and(|stages| !runs_by_itself(stages)) || !is_of_notebooks(hook) {
                return None;
            }
            // These look for a text, or print one.
            if matches!(
                hook.get("language").and_then(Value::text),
                Some("pygrep" | "fail")
            ) {
                return None;
            }
            let entry = hook.get("entry").unwrap_or(id).text()?;
            let args = hook.get("args").into_iter().flat_map(Value::texts);
            let words: Vec<String> = args.map(quoted).collect();
            // Both the whole file and the hook narrow down what it is about.
            let patterns = |key: &str| -> Vec<HookFiles> {
                let both = [root.get(key), hook.get(key)].into_iter().flatten();
                both.map(HookFiles::of_pre_commit).collect()
            };
            let command = [&[entry.to_owned()], &words[..]].concat().join(" ");
            Some(Self {
                is_given_files: hook.get("pass_filenames").and_then(Value::text) != Some("false"),
                on: Narrowing {
                    files: patterns("files"),
                    exclude: patterns("exclude"),
                },
                ..Self::new(path, id.line()?, command)
            })
        });
        found.collect()
    }

    /// Reads the text of an `.overcommit.yml`: the commands before a commit that are turned on.
    #[must_use]
    pub fn parse_overcommit(path: &TreePath, text: &str) -> Vec<Self> {
        let root = Value::of_yaml(text);
        let Some(Value::Table(hooks)) = root.as_ref().and_then(|root| root.get("PreCommit")) else {
            return Vec::new();
        };
        let of_hook = |(_, hook): &(String, Value)| {
            let is_on = hook.get("enabled")?.text()? == "true";
            let words: Vec<String> = ["command", "flags"]
                .iter()
                .filter_map(|key| hook.get(key))
                .flat_map(Value::texts)
                .map(quoted)
                .collect();
            let line = hook.get("enabled")?.line()?;
            let files = hook
                .get("include")
                .map(|globs| HookFiles::globs(globs, false));
            let exclude = hook
                .get("exclude")
                .map(|globs| HookFiles::globs(globs, false));
            (is_on && !words.is_empty()).then(|| Self {
                is_given_files: true,
                on: Narrowing {
                    files: files.into_iter().collect(),
                    exclude: exclude.into_iter().collect(),
                },
                ..Self::new(path, line, words.join(" "))
            })
        };
        hooks.iter().filter_map(of_hook).collect()
    }

    /// Reads the text of a `package.json`: what husky, before its version 5, and simple-git-hooks run
    /// before a commit.
    #[must_use]
    pub fn parse_package(path: &TreePath, text: &str) -> Vec<Self> {
        let Some(root) = Value::of_json(text) else {
            return Vec::new();
        };
        let places = [&["husky", "hooks"][..], &["simple-git-hooks"]];
        let commands = places.into_iter().filter_map(|keys| {
            let table = keys.iter().try_fold(&root, |value, key| value.get(key))?;
            let command = table.get("pre-commit")?;
            Some(Self::new(path, command.line()?, command.text()?.to_owned()))
        });
        commands.collect()
    }

    /// A script such as `.git/hooks/pre-commit`.
    #[must_use]
    pub fn of_script(path: &TreePath, text: String) -> Self {
        Self::new(path, 1, text)
    }
}

fn document(path: &TreePath, text: &str) -> Option<Value> {
    if path.file_name().ends_with(".toml") {
        Value::of_toml(text)
    } else {
        Value::of_yaml(text)
    }
}

fn runs_by_itself(stages: &Value) -> bool {
    // As pre-commit names them today, and as it did before its version 3.2.
    const BEFORE: [&str; 7] = [
        "pre-commit",
        "commit",
        "pre-merge-commit",
        "merge-commit",
        "pre-push",
        "push",
        "pre-rebase",
    ];
    stages.texts().any(|stage| BEFORE.contains(&stage))
}

/// Whether the types of files that the hook is about have notebooks among them.
fn is_of_notebooks(hook: &Value) -> bool {
    const OF_NOTEBOOKS: [&str; 5] = ["file", "text", "json", "jupyter", "non-executable"];
    let is_one = |name: &str| OF_NOTEBOOKS.contains(&name);
    let types = |key: &str| hook.get(key).into_iter().flat_map(Value::texts);
    types("types").all(is_one)
        && (hook.get("types_or").is_none() || types("types_or").any(is_one))
        && !types("exclude_types").any(|name| name != "non-executable" && is_one(name))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(name: &str, text: &str) -> Vec<(usize, String)> {
        let path = TreePath::new(name);
        let hooks = if name.contains("lefthook") {
            Hook::parse_lefthook(&path, text)
        } else {
            Hook::parse_pre_commit(&path, text)
        };
        hooks
            .into_iter()
            .map(|hook| (hook.line, hook.command))
            .collect()
    }

    #[test]
    fn hooks_are_read_from_what_people_write() {
        let yaml = "\
default_stages: [pre-commit]
repos:
  - repo: https://example.org/nbstripout
    rev: '1'
    hooks:
      # - id: commented
      - id: nbstripout
        args: &keep
          - --keep-output
          - 'two words'
      - {id: other, args: *keep}
      - id: by-hand
        stages: [manual]
      - {id: of-scripts, types: [python]}
      - {id: of-pages, types_or: [html, markdown]}
      - {id: of-others, exclude_types: [jupyter]}
  - repo: local
    hooks:
      - id: strip
        entry: nb-clean clean
        args: [\"-co\"]
        types_or: [python, jupyter]
      - {id: look, entry: nbstripout, language: pygrep}
";
        let keep = "--keep-output 'two words'";
        assert_eq!(
            read(".pre-commit-config.yaml", yaml),
            [
                (7, format!("nbstripout {keep}")),
                (11, format!("other {keep}")),
                (19, "nb-clean clean -co".to_owned()),
            ]
        );
        let toml = "[[repos]]\nrepo = 'a'\nhooks = [{ id = 'nbstripout', args = ['-t'] }]\n";
        assert_eq!(read("prek.toml", toml), [(3, "nbstripout -t".to_owned())]);
        let toml = "[[repos]]\nhooks = [{ id = 'a', files = { glob = 'docs/*.ipynb' } }]\n";
        let hooks = Hook::parse_pre_commit(&TreePath::new("prek.toml"), toml);
        assert_eq!(hooks[0].on.has("docs/1.ipynb"), Some(true));
        assert_eq!(hooks[0].on.has("notebooks/1.ipynb"), Some(false));
    }

    #[test]
    fn files_that_it_runs_on_are_told() {
        let on = Narrowing {
            files: ["^notebooks/", "(?<!docs)/1", r"b\Z"]
                .map(|text| HookFiles::Pattern(text.to_owned()))
                .to_vec(),
            exclude: vec![HookFiles::Pattern("_draft".to_owned())],
        };
        assert_eq!(on.has("notebooks/1.1a.ipynb"), Some(true));
        for other in [
            "notebooks/1.1a_draft.ipynb",
            "a/notebooks/1.1a.ipynb",
            "notebooks/docs/1",
        ] {
            assert_eq!(on.has(other), Some(false), "{other}");
        }
        let unknown = Narrowing {
            exclude: vec![HookFiles::Pattern("(?P<a".to_owned())],
            ..on
        };
        assert_eq!(unknown.has("notebooks/1.1a.ipynb"), None);
    }

    #[test]
    fn hooks_of_overcommit_are_read() {
        let text = "PreCommit:\n  Strip:\n    enabled: true\n    command: ['nbstripout', '--keep-count']\n    \
                    include: 'docs/**/*.ipynb'\n  Off:\n    enabled: false\n    command: ['nbstripout']\n";
        let hooks = Hook::parse_overcommit(&TreePath::new(".overcommit.yml"), text);
        let [hook] = &hooks[..] else {
            panic!("{hooks:?}");
        };
        assert_eq!((hook.line, &*hook.command), (3, "nbstripout --keep-count"));
        assert_eq!(hook.on.has("docs/a/1.ipynb"), Some(true));
        assert_eq!(hook.on.has("notebooks/1.ipynb"), Some(false));
    }

    #[test]
    fn hooks_of_a_package_are_read() {
        let text = "{\n\t\"husky\": {\"hooks\": {\"pre-commit\": \"npx lint-staged\"}},\n\t\
                    \"simple-git-hooks\": {\n\t\t\"pre-commit\": \"nbstripout a.ipynb\"\n\t}\n}";
        let hooks = Hook::parse_package(&TreePath::new("package.json"), text);
        let found: Vec<_> = hooks
            .iter()
            .map(|hook| (hook.line, &*hook.command))
            .collect();
        assert_eq!(found, [(2, "npx lint-staged"), (4, "nbstripout a.ipynb")]);
        assert!(Hook::parse_package(&TreePath::new("package.json"), "{\"husky\": 1}").is_empty());
    }

    /// Nine aliases of nine aliases, nine times: a small file.
    #[test]
    fn aliases_of_aliases_are_not_unfolded() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let alias = format!("*a{}", level - 1);
            let list = [alias.as_str(); 9].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        assert_eq!(Value::of_yaml(&text), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-#\"' \\nidrepohks:=*&<\\[\\]{},|>é]{0,80}") {
            for name in [".pre-commit-config.yaml", "prek.toml", "lefthook.yml"] {
                let _ = read(name, &text);
            }
        }
    }
}
