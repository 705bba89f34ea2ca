//! What a repository does to notebooks before they are committed.

use crate::TreePath;

/// The settings of git, and of hooks, that notebooks go through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RepositoryFacts {
    /// The lines of `.gitattributes` files and of `.git/info/attributes`.
    pub attributes: Vec<GitAttribute>,
    /// The filters of git's configuration.
    pub filters: Vec<GitFilter>,
    /// What runs before a commit.
    pub hooks: Vec<Hook>,
}

/// A line of a `.gitattributes` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitAttribute {
    /// The file.
    pub path: TreePath,
    /// The line, from 1.
    pub line: usize,
    /// The files that it is about.
    pub pattern: String,
    /// Its attributes: `filter=nbstripout`, `-text`.
    pub attributes: Vec<String>,
}

impl GitAttribute {
    /// Reads the text of a `.gitattributes` file.
    #[must_use]
    pub fn parse(path: &TreePath, text: &str) -> Vec<Self> {
        (1..)
            .zip(text.lines())
            .filter_map(|(line, text)| {
                let mut words = words(text);
                let pattern = words.next().filter(|word| !word.starts_with('#'))?;
                Some(Self {
                    path: path.clone(),
                    line,
                    pattern,
                    attributes: words.collect(),
                })
            })
            .collect()
    }
}

/// The words of a line, of which the first may stand in quotes.
fn words(line: &str) -> impl Iterator<Item = String> {
    let line = line.trim();
    let (first, rest) = match line.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((quoted, rest)) => (quoted, rest),
        None => line.split_once(char::is_whitespace).unwrap_or((line, "")),
    };
    let first = (!first.is_empty()).then(|| first.to_owned());
    let rest: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
    first.into_iter().chain(rest)
}

/// A filter of git's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitFilter {
    /// Its name, which `filter=` in an attributes file refers to.
    pub name: String,
    /// The command that files go through when they are added, `filter.<name>.clean`.
    pub clean: String,
}

impl GitFilter {
    /// Reads what `git config --get-regexp '^filter\..*\.clean$'` prints: a line for each filter,
    /// its key and its command.
    #[must_use]
    pub fn parse(text: &str) -> Vec<Self> {
        text.lines()
            .filter_map(|line| {
                let (key, clean) = line.split_once(' ')?;
                // The name may have a `.` of its own.
                let name = key.strip_prefix("filter.")?.strip_suffix(".clean")?;
                Some(Self {
                    name: name.to_owned(),
                    clean: clean.to_owned(),
                })
            })
            .collect()
    }
}

/// Something that runs before a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The file that says so.
    pub path: TreePath,
    /// The line, from 1.
    pub line: usize,
    /// The command, or the id of a pre-commit hook with its arguments, on one line.
    pub command: String,
}

impl Hook {
    /// Reads the text of a `.pre-commit-config.yaml`: each hook from its `id:` to the next one.
    ///
    /// This is no YAML parser. It finds the hooks of files as people write them, and none in what it
    /// does not understand.
    #[must_use]
    pub fn parse_pre_commit(path: &TreePath, text: &str) -> Vec<Self> {
        let mut hooks: Vec<Self> = Vec::new();
        let mut inside = false;
        for (line, text) in lines_without_comments(text) {
            let item = text.strip_prefix("- ").map_or(text, str::trim);
            if let Some(id) = item.strip_prefix("id:") {
                inside = true;
                hooks.push(Self {
                    path: path.clone(),
                    line,
                    command: id.trim().to_owned(),
                });
            } else if item.starts_with("repo:") {
                inside = false;
            } else if let (true, Some(hook)) = (inside, hooks.last_mut()) {
                hook.command.push(' ');
                hook.command.push_str(text);
            }
        }
        hooks
    }

    /// Reads the text of a script such as `.git/hooks/pre-commit`: each line that is no comment.
    #[must_use]
    pub fn parse_script(path: &TreePath, text: &str) -> Vec<Self> {
        lines_without_comments(text)
            .map(|(line, text)| Self {
                path: path.clone(),
                line,
                command: text.to_owned(),
            })
            .collect()
    }
}

fn lines_without_comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .map(|(line, text)| (line, text.trim()))
        .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-#\" \\nidrepo:=*é]{0,60}") {
            let path = TreePath::new("a");
            let _ = GitAttribute::parse(&path, &text);
            let _ = Hook::parse_pre_commit(&path, &text);
            let _ = Hook::parse_script(&path, &text);
            let _ = GitFilter::parse(&text);
        }
    }

    #[test]
    fn attributes_are_read() {
        let path = TreePath::new(".gitattributes");
        let text = "# notebooks\n\n*.ipynb filter=nbstripout -text\n\"a b.ipynb\" !filter\n";
        let read = GitAttribute::parse(&path, text);
        let lines: Vec<_> = read
            .iter()
            .map(|line| (line.line, &*line.pattern, line.attributes.join(" ")))
            .collect();
        assert_eq!(
            lines,
            [
                (3, "*.ipynb", "filter=nbstripout -text".to_owned()),
                (4, "a b.ipynb", "!filter".to_owned()),
            ]
        );
    }

    #[test]
    fn filters_are_read() {
        let text =
            "filter.lfs.clean git-lfs clean -- %f\nfilter.a.b.clean jq .\nfilter.x.smudge cat\n";
        let read = GitFilter::parse(text);
        let filters: Vec<_> = read.iter().map(|f| (&*f.name, &*f.clean)).collect();
        assert_eq!(filters, [("lfs", "git-lfs clean -- %f"), ("a.b", "jq .")]);
    }

    #[test]
    fn hooks_are_read() {
        let path = TreePath::new(".pre-commit-config.yaml");
        let text = "\
repos:
  - repo: https://example.org/nbstripout
    rev: '1'
    hooks:
      # - id: commented
      - id: nbstripout
        args:
          - --keep-output
  - repo: local
    hooks:
      - id: ruff
";
        let read = Hook::parse_pre_commit(&path, text);
        let hooks: Vec<_> = read
            .iter()
            .map(|hook| (hook.line, &*hook.command))
            .collect();
        assert_eq!(
            hooks,
            [(6, "nbstripout args: - --keep-output"), (11, "ruff")]
        );
    }
}
