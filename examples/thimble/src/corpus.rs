//! The text to learn from: the sources and documents under one folder.
//!
//! Files are read in sorted order and hidden folders, `target/` and links are passed over, so
//! that the same tree gives the same text on every machine. The text is capped: the demo should
//! start at once, also when it is pointed at somebody's home.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// More text than this is left out: the default run looks at less than a tenth of it.
pub(crate) const MAX_BYTES: usize = 8 << 20;

const EXTENSIONS: [&str; 5] = ["md", "py", "rs", "toml", "txt"];

/// The text, and what became of the files.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// Files that are in `text`, the last one perhaps cut.
    pub(crate) files: usize,
    /// Files that could not be read or are not UTF-8.
    pub(crate) skipped: usize,
    /// Whether text was left out because of the limit.
    pub(crate) capped: bool,
    pub(crate) text: String,
}

impl Corpus {
    /// Reads the files under `root`, at most `max_bytes` of text.
    ///
    /// # Errors
    /// If `root` is not a readable folder, or there is no text in it.
    pub(crate) fn read(root: &Path, max_bytes: usize) -> Result<Self> {
        let mut paths = Vec::new();
        collect(root, &mut paths)
            .with_context(|| format!("the corpus folder {} cannot be read", root.display()))?;

        let mut corpus = Self {
            files: 0,
            skipped: 0,
            capped: false,
            text: String::new(),
        };
        for path in paths {
            let Ok(text) = fs::read_to_string(&path) else {
                corpus.skipped += 1;
                continue;
            };
            let end = text.floor_char_boundary(max_bytes - corpus.text.len());
            corpus.text.push_str(&text[..end]);
            corpus.files += 1;
            if end < text.len() {
                corpus.capped = true;
                break;
            }
        }
        if corpus.text.is_empty() {
            bail!(
                "no text under {}: looked for {}",
                root.display(),
                EXTENSIONS.join(", ")
            );
        }
        Ok(corpus)
    }
}

impl fmt::Display for Corpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = if self.files == 1 { "file" } else { "files" };
        write!(f, "{} {files}, {} bytes", self.files, self.text.len())?;
        if self.skipped > 0 {
            write!(
                f,
                "; skipped, because not readable or not UTF-8: {}",
                self.skipped
            )?;
        }
        if self.capped {
            write!(f, "; more text was left out")?;
        }
        Ok(())
    }
}

/// Adds the files under `folder`, sorted by name, depth first.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if name.as_encoded_bytes().starts_with(b".") || name == "target" {
            continue;
        }
        let path = entry.path();
        if kind.is_dir() {
            // Below the root, a folder that may not be read is passed over like such a file.
            let _ = collect(&path, paths);
        } else if kind.is_file()
            && path
                .extension()
                .is_some_and(|have| EXTENSIONS.iter().any(|want| have == *want))
        {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }

    #[test]
    fn reads_sources_in_sorted_order_and_nothing_else() {
        let root = folder(&[
            ("b.md", b"two "),
            ("a/z.rs", b"one "),
            ("c.toml", b"three"),
            ("target/x.rs", b"built"),
            (".git/x.txt", b"hidden"),
            ("image.png", b"no text"),
            ("latin1.txt", b"caf\xe9"),
        ]);
        let corpus = Corpus::read(root.path(), MAX_BYTES).unwrap();
        assert_eq!(corpus.text, "one two three");
        assert_eq!((corpus.files, corpus.skipped, corpus.capped), (3, 1, false));
    }

    #[test]
    fn a_big_corpus_is_cut_between_characters() {
        let root = folder(&[("a.txt", "abcé".as_bytes()), ("b.txt", b"more")]);
        let corpus = Corpus::read(root.path(), 4).unwrap();
        assert_eq!(
            (corpus.text.as_str(), corpus.files, corpus.capped),
            ("abc", 1, true)
        );
    }

    #[test]
    fn no_text_and_no_folder_are_errors_that_name_the_folder() {
        let root = folder(&[("image.png", b"")]);
        let empty = Corpus::read(root.path(), MAX_BYTES)
            .unwrap_err()
            .to_string();
        assert!(empty.starts_with("no text under "), "{empty}");
        let missing = Corpus::read(&root.path().join("nowhere"), MAX_BYTES).unwrap_err();
        assert!(missing.to_string().contains("nowhere"), "{missing}");
    }
}
