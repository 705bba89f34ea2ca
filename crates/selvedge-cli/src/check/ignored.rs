//! What git ignores: the globs of `.gitignore` files and their like.
//!
//! The crate `ignore` has the globs, and would read the files, too: by their paths, to the end, whatever
//! lies there. So they are read here, within limits. Of a folder they hold if they lie in it, or in one
//! above it up to the top of the repository, the nearest first.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use selvedge_base::{LONGEST_TEXT, read_regular};
use selvedge_conventions::Patterns;

use super::Failure;

/// The files that a folder may have, of which the first decides. Git does not read that one.
const NAMES: [&str; 2] = [".ignore", ".gitignore"];

/// The most globs of all files together: each takes kilobytes when it is compiled.
const MOST: usize = 100_000;

/// What is ignored, of folders as they are walked through.
pub(super) struct Ignored {
    folders: HashMap<PathBuf, Option<Rc<Folder>>>,
    /// Whether git sees a folder. It sees what was walked through.
    seen: HashMap<PathBuf, bool>,
    walked: Vec<PathBuf>,
    /// What holds everywhere, after all that is in folders: the files of the repository and of the user.
    everywhere: Vec<Gitignore>,
    reader: GlobReader,
}

/// Reads files with globs.
#[derive(Default)]
struct GlobReader {
    /// Globs of the files that were read.
    count: usize,
    failures: Vec<Failure>,
}

/// The globs of a folder.
struct Folder {
    /// By [`NAMES`].
    globs: [Option<Gitignore>; NAMES.len()],
    /// The next folder above it that has some.
    above: Option<Rc<Folder>>,
}

impl Ignored {
    /// What is ignored below the folders and files of `walked`. `everywhere` has the files whose globs
    /// hold in all of the repository that `root` is in, the first of which decides.
    pub(super) fn new(root: &Path, walked: &[&Path], everywhere: &[PathBuf]) -> Self {
        let has_git = |folder: &&Path| folder.join(".git").exists();
        let top = root.ancestors().find(has_git).unwrap_or(root);
        let mut reader = GlobReader::default();
        let everywhere = everywhere
            .iter()
            .filter_map(|file| reader.globs(top, file))
            .collect();
        let mut ignored = Self {
            folders: HashMap::new(),
            seen: walked
                .iter()
                .map(|path| ((*path).to_owned(), true))
                .collect(),
            walked: walked.iter().map(|path| (*path).to_owned()).collect(),
            everywhere,
            reader,
        };
        for path in walked {
            let folders: Vec<&Path> = path.ancestors().collect();
            let top = folders.iter().position(has_git);
            let within = &folders[..top.map_or(folders.len(), |top| top + 1)];
            let mut above = None;
            for folder in within.iter().rev() {
                let known = ignored.folders.get(*folder).cloned();
                above = known.unwrap_or_else(|| ignored.add(folder, above));
            }
        }
        ignored
    }

    /// Whether git sees a file below one that was walked through: neither it nor a folder on the way is
    /// ignored. What was named is seen.
    pub(super) fn sees(&mut self, file: &Path) -> bool {
        let named = self.seen.get(file).copied();
        named.unwrap_or_else(|| {
            let folder = file.parent();
            folder.is_some_and(|folder| self.sees_folder(folder))
                && !self.contains(file, false, true)
        })
    }

    fn sees_folder(&mut self, folder: &Path) -> bool {
        if let Some(known) = self.seen.get(folder) {
            return *known;
        }
        let above = folder.parent();
        let seen = above.is_some_and(|above| self.sees_folder(above))
            && !self.contains(folder, true, true);
        self.seen.insert(folder.to_owned(), seen);
        seen
    }

    /// Whether a file that git tracks is left out all the same: a file that git does not read says so.
    pub(super) fn leaves_out(&mut self, file: &Path) -> bool {
        let folders = file.ancestors().skip(1);
        let walked = self.walked.clone();
        let mut below = folders.take_while(|folder| !walked.iter().any(|path| path == folder));
        self.contains(file, false, false) || below.any(|folder| self.contains(folder, true, false))
    }

    /// Whether a file or folder is ignored for itself, by what git reads or by the others alone.
    fn contains(&mut self, path: &Path, is_folder: bool, by_git: bool) -> bool {
        let folder = path.parent().and_then(|parent| self.folder(parent));
        let nearest_first = |which: usize| {
            let folders =
                std::iter::successors(folder.as_deref(), |folder| folder.above.as_deref());
            folders.filter_map(move |folder| folder.globs[which].as_ref())
        };
        let names = if by_git { NAMES.len() } else { 1 };
        let in_folders = (0..names).flat_map(nearest_first);
        in_folders
            .chain(self.everywhere.iter().filter(|_| by_git))
            .map(|globs| globs.matched(path, is_folder))
            .find(|found| !found.is_none())
            .is_some_and(|found| found.is_ignore())
    }

    /// What could not be read.
    pub(super) fn failures(self) -> Vec<Failure> {
        self.reader.failures
    }

    fn folder(&mut self, path: &Path) -> Option<Rc<Folder>> {
        if let Some(known) = self.folders.get(path) {
            return known.clone();
        }
        // A folder is asked for after those above it.
        let above = path
            .parent()
            .and_then(|parent| self.folders.get(parent).cloned().flatten());
        self.add(path, above)
    }

    fn add(&mut self, path: &Path, above: Option<Rc<Folder>>) -> Option<Rc<Folder>> {
        let globs = NAMES.map(|name| self.reader.globs(path, &path.join(name)));
        let folder = match globs.iter().any(Option::is_some) {
            true => Some(Rc::new(Folder { globs, above })),
            false => above,
        };
        self.folders.insert(path.to_owned(), folder.clone());
        folder
    }
}

impl GlobReader {
    /// The globs of a file, of what is below `folder`; none where there is no such file.
    fn globs(&mut self, folder: &Path, file: &Path) -> Option<Gitignore> {
        let failures = &mut self.failures;
        let mut told = |why: &dyn fmt::Display| {
            let file = file.display();
            let message = format!("cannot read what is ignored in {file}: {why}");
            failures.push(Failure(message));
            None
        };
        let mut bytes = Vec::new();
        match read_regular(file, LONGEST_TEXT, &mut bytes) {
            Ok(()) => {}
            // Git takes no notice of a folder of this name either.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
                ) =>
            {
                return None;
            }
            Err(error) => return told(&error),
        }
        let mut builder = GitignoreBuilder::new(folder);
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
        let lines = text.split(|&byte| byte == b'\n');
        let count = lines.clone().filter(|line| !line.is_empty()).count();
        self.count = self.count.saturating_add(count);
        if self.count > MOST {
            return told(&format_args!(
                "it has {count} lines, and all such files together may have {MOST}"
            ));
        }
        for line in lines {
            // What is no glob, or none that a path is as long as, ignores nothing. A glob is UTF-8.
            if let Ok(line) = std::str::from_utf8(line)
                && line.len() <= Patterns::LONGEST
            {
                let _ = builder.add_line(None, line);
            }
        }
        match builder.build() {
            Ok(globs) => (!globs.is_empty()).then_some(globs),
            Err(error) => told(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use selvedge_testing::make_pipe;

    use super::*;

    /// A place with these files, and what of the paths is ignored below it.
    fn check(files: &[(&str, &str)], paths: &[(&str, bool)]) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        fs::create_dir(root.join(".git")).unwrap();
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let everywhere = [root.join(".git/info/exclude"), root.join(".git/user")];
        for (path, expected) in paths {
            let mut ignored = Ignored::new(root, &[root], &everywhere);
            let seen = match path.strip_suffix('/') {
                Some(folder) => ignored.sees_folder(&root.join(folder)),
                None => ignored.sees(&root.join(path)),
            };
            assert_eq!(!seen, *expected, "{path} of {files:?}");
            assert!(ignored.failures().is_empty());
        }
    }

    #[test]
    fn the_nearest_file_decides_and_in_it_the_last_line() {
        let files = [
            (".gitignore", "*.log\n/top.txt\nout/\n!keep.log\n"),
            ("a/.gitignore", "!*.log\nb.log\n"),
        ];
        check(
            &files,
            &[
                ("x.log", true),
                ("keep.log", false),
                ("top.txt", true),
                ("a/top.txt", false),
                ("out/", true),
                ("out", false),
                ("a/x.log", false),
                ("a/b.log", true),
                ("a/c/b.log", true),
            ],
        );
    }

    #[test]
    fn what_holds_everywhere_comes_last_and_ignore_files_first() {
        let files = [
            (".gitignore", "!a\nb\n"),
            ("c/.ignore", "!b\n"),
            (".git/info/exclude", "a\nd\n"),
            (".git/user", "!d\ne\n"),
        ];
        let paths = [
            ("a", false),
            ("b", true),
            ("c/b", false),
            ("d", true),
            ("e", true),
        ];
        check(&files, &paths);
    }

    #[test]
    fn what_git_tracks_is_left_out_where_git_was_not_asked() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join(".gitignore"), "*.ipynb\n").unwrap();
        fs::write(root.join(".ignore"), "b\nc.ipynb\n").unwrap();
        let mut ignored = Ignored::new(root, &[root], &[]);
        for (path, expected) in [
            ("a/1.ipynb", false),
            ("a/b/1.ipynb", true),
            ("c.ipynb", true),
        ] {
            assert!(!ignored.sees(&root.join(path)));
            assert_eq!(ignored.leaves_out(&root.join(path)), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_glob_ignores_nothing() {
        check(
            &[(".gitignore", "\u{feff}a\r\n[\n# b\n\nc  \n")],
            &[("a", true), ("b", false), ("c", true)],
        );
    }

    /// Alternatives within each other, thousands of them, overflowed the stack, and each glob takes
    /// kilobytes.
    #[test]
    fn globs_have_a_longest_length_and_a_most() {
        let nested = |depth: usize| format!("{}b{}\n", "{a,".repeat(depth), "}".repeat(depth));
        let text = nested(30_000) + &nested(100) + "c\n";
        check(
            &[(".gitignore", &text)],
            &[("b", true), ("c", true), ("d", false)],
        );
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        fs::write(root.join(".gitignore"), "a*b\n".repeat(MOST + 1)).unwrap();
        let mut ignored = Ignored::new(root, &[root], &[]);
        assert!(ignored.sees(&root.join("ab")));
        let [Failure(told)] = &ignored.failures()[..] else {
            panic!("one failure")
        };
        let expected = "it has 100001 lines, and all such files together may have 100000";
        assert!(told.ends_with(expected), "{told}");
    }

    /// A walk waited for a writer that never came, and read `/dev/zero` until the memory was full.
    #[test]
    fn what_is_no_file_is_told_and_not_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        make_pipe(&root.join(".gitignore"));
        std::os::unix::fs::symlink("/dev/zero", root.join(".ignore")).unwrap();
        fs::create_dir_all(root.join("a/.gitignore")).unwrap();
        let mut ignored = Ignored::new(root, &[root], &[root.join("none")]);
        assert!(ignored.sees(&root.join("a/b")));
        let mut failures: Vec<String> = ignored
            .failures()
            .into_iter()
            .map(|Failure(message)| message)
            .collect();
        failures.sort();
        let [pipe, device] = &failures[..] else {
            panic!("{failures:?}")
        };
        assert!(
            pipe.ends_with(".gitignore: it is a pipe, and no regular file"),
            "{pipe}"
        );
        assert!(
            device.ends_with(".ignore: it is a device, and no regular file"),
            "{device}"
        );
    }
}
