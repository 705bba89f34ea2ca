//! What runs before a commit: scripts, and the settings of pre-commit, prek and lefthook.

mod document;
mod files;
mod lefthook;

use document::Value;
pub use files::HookFiles;

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
    /// The files that it runs on are among all of these.
    pub files: Vec<HookFiles>,
    /// Files that it does not run on.
    pub exclude: Vec<HookFiles>,
}

impl Hook {
    fn new(path: &TreePath, line: usize, command: String) -> Self {
        Self {
            path: path.clone(),
            line,
            command,
            is_given_files: false,
            files: Vec::new(),
            exclude: Vec::new(),
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
                files: patterns("files"),
                exclude: patterns("exclude"),
                ..Self::new(path, id.line()?, command)
            })
        });
        found.collect()
    }

    /// A script such as `.git/hooks/pre-commit`.
    #[must_use]
    pub fn of_script(path: &TreePath, text: String) -> Self {
        Self::new(path, 1, text)
    }

    /// Whether it runs on the file, whose path is below the top of the repository; none where what is
    /// written is not understood.
    #[must_use]
    pub fn runs_on(&self, path: &str) -> Option<bool> {
        let mut is_meant = true;
        for files in &self.files {
            is_meant &= files.have(path)?;
        }
        for files in &self.exclude {
            is_meant &= !files.have(path)?;
        }
        Some(is_meant)
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
        assert_eq!(hooks[0].runs_on("docs/1.ipynb"), Some(true));
        assert_eq!(hooks[0].runs_on("notebooks/1.ipynb"), Some(false));
    }

    #[test]
    fn files_that_it_runs_on_are_told() {
        let hook = Hook {
            files: ["^notebooks/", "(?<!docs)/1", r"b\Z"]
                .map(|text| HookFiles::Pattern(text.to_owned()))
                .to_vec(),
            exclude: vec![HookFiles::Pattern("_draft".to_owned())],
            ..Hook::new(&TreePath::new("a"), 1, String::new())
        };
        let runs = |path: &str| hook.runs_on(path);
        assert_eq!(runs("notebooks/1.1a.ipynb"), Some(true));
        for other in [
            "notebooks/1.1a_draft.ipynb",
            "a/notebooks/1.1a.ipynb",
            "notebooks/docs/1",
        ] {
            assert_eq!(runs(other), Some(false), "{other}");
        }
        let unknown = Hook {
            exclude: vec![HookFiles::Pattern("(?P<a".to_owned())],
            ..hook
        };
        assert_eq!(unknown.runs_on("notebooks/1.1a.ipynb"), None);
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
