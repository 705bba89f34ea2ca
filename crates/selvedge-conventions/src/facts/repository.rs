//! What a repository does to notebooks before they are committed.

use std::collections::{BTreeMap, HashSet};

use super::Hook;
use crate::TreePath;

/// The settings of git, and of hooks, that notebooks go through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RepositoryFacts {
    /// The folder of the tree below the top of the git repository, with a `/` at its end; empty where it
    /// is the top.
    pub folder: String,
    /// The lines of `.gitattributes` files and of `.git/info/attributes`.
    pub attributes: Vec<GitAttribute>,
    /// The filters of git's configuration.
    pub filters: Vec<GitFilter>,
    /// Which notebooks go through which filter, as git says; none where it was not asked.
    pub filtered: Option<Vec<Filtered>>,
    /// Notebooks that tell nbstripout and its like to leave their outputs, by `keep_output`.
    pub keeping: HashSet<TreePath>,
    /// What runs before a commit.
    pub hooks: Vec<Hook>,
    /// The text of scripts of the repository that hooks, filters and other scripts name, by their paths
    /// as they name them, without `./`; with them `Makefile`, `package.json`, `pyproject.toml` and the like,
    /// where one of them may be read.
    pub scripts: BTreeMap<String, String>,
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

/// Notebooks that go through a filter when they are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filtered {
    /// The name of the filter.
    pub filter: String,
    /// The notebooks.
    pub notebooks: Vec<TreePath>,
}

impl Filtered {
    /// Reads what `git check-attr -z filter` prints: a path, the name of the attribute and its value,
    /// each with a zero byte behind it.
    #[must_use]
    pub fn parse(text: &str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        let words: Vec<&str> = text.split('\0').collect();
        let (triples, _) = words.as_chunks::<3>();
        for [path, _, filter] in triples {
            // Set without a value, taken back, and not there.
            if matches!(*filter, "set" | "unset" | "unspecified") {
                continue;
            }
            let path = TreePath::new(path);
            match found.iter_mut().find(|known| known.filter == *filter) {
                Some(known) => known.notebooks.push(path),
                None => found.push(Self {
                    filter: (*filter).to_owned(),
                    notebooks: vec![path],
                }),
            }
        }
        found
    }
}

impl GitFilter {
    /// Reads what `git config -z --get-regexp '^filter\..*\.clean$'` prints: the key of each filter and
    /// its command, which may have several lines, with a zero byte behind it.
    #[must_use]
    pub fn parse(text: &str) -> Vec<Self> {
        text.split('\0')
            .filter_map(|setting| {
                let (key, clean) = setting.split_once('\n')?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-#\" \\nidrepo:=*é]{0,60}") {
            let path = TreePath::new("a");
            let _ = GitAttribute::parse(&path, &text);
            let _ = GitFilter::parse(&text);
            let _ = Filtered::parse(&text);
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
        let text = "filter.lfs.clean\ngit-lfs clean -- %f\0filter.a.b.clean\njq \\\n.\0\
                    filter.x.smudge\ncat\0";
        let read = GitFilter::parse(text);
        let filters: Vec<_> = read.iter().map(|f| (&*f.name, &*f.clean)).collect();
        assert_eq!(
            filters,
            [("lfs", "git-lfs clean -- %f"), ("a.b", "jq \\\n.")]
        );
    }

    #[test]
    fn what_git_says_of_paths_is_read() {
        let text =
            "a.ipynb\0filter\0nbstripout\0b.ipynb\0filter\0unset\0c.ipynb\0filter\0nbstripout\0";
        let expected = Filtered {
            filter: "nbstripout".to_owned(),
            notebooks: ["a.ipynb", "c.ipynb"].map(TreePath::new).to_vec(),
        };
        assert_eq!(Filtered::parse(text), [expected]);
    }
}
