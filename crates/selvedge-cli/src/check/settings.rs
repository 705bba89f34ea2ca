//! The settings of git that lie in no file of the tree.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use selvedge_base::text::escaped;
use selvedge_conventions::GitFilter;

use super::Failure;
use super::git::{self, NoAnswer};

/// What git says of a repository, and where it looks for more.
#[derive(Default)]
pub(super) struct GitSettings {
    pub(super) filters: Vec<GitFilter>,
    /// Attribute files beside those of the tree.
    pub(super) attribute_files: Vec<PathBuf>,
    /// Files with globs of what is ignored, beside those of the tree. The first decides.
    pub(super) ignore_files: Vec<PathBuf>,
    pub(super) hook: Option<PathBuf>,
    /// The top of the repository.
    pub(super) top: Option<PathBuf>,
    /// That git did not answer.
    pub(super) failure: Option<Failure>,
}

/// The settings that are asked for.
const WANTED: &str = r"^(core\.(attributesfile|excludesfile)|filter\..*\.clean)$";

impl GitSettings {
    /// Asks git. Where there is no git, or no repository, files are looked for in their usual places.
    pub(super) fn ask(root: &Path) -> Self {
        let mut settings = Self::default();
        if settings.fill(root) == Err(NoAnswer) {
            settings.failure = Some(Failure(
                "git gives no answer, so what it does to notebooks is not checked; is a file of its \
                 configuration a pipe?"
                    .to_owned(),
            ));
        }
        settings
    }

    fn fill(&mut self, root: &Path) -> Result<(), NoAnswer> {
        let of_user = configuration_folder().map(|folder| folder.join("git"));
        let mut excludes = of_user.as_ref().map(|folder| folder.join("ignore"));
        let mut exclude = root.join(".git/info/exclude");
        self.ignore_files = [Some(exclude.clone()), excludes.clone()]
            .into_iter()
            .flatten()
            .collect();
        let files = ["hooks/pre-commit", "info/attributes", "info/exclude"];
        let asked = files.into_iter().flat_map(|file| ["--git-path", file]);
        let asked: Vec<&str> = std::iter::once("rev-parse")
            .chain(asked)
            .chain(["--show-toplevel"])
            .collect();
        let Some(answer) = git::ask(root, &asked)? else {
            return Ok(());
        };
        // Relative to the folder that git ran in, or absolute.
        let lines = answer.split(|&byte| byte == b'\n');
        let mut paths = lines.map(|path| root.join(OsStr::from_bytes(path)));
        self.hook = paths.next();
        self.attribute_files.extend(paths.next());
        exclude = paths.next().unwrap_or(exclude);
        self.top = paths.next();
        let answer = git::ask(root, &["config", "-z", "--get-regexp", WANTED])?;
        let mut attributes = of_user.map(|folder| folder.join("attributes"));
        let mut filters = String::new();
        for setting in answer.unwrap_or_default().split(|&byte| byte == 0) {
            let mut parts = setting.splitn(2, |&byte| byte == b'\n');
            let (key, value) = (parts.next(), parts.next().unwrap_or_default());
            match key {
                Some(b"core.attributesfile") => attributes = path(root, value),
                Some(b"core.excludesfile") => excludes = path(root, value),
                Some(key) if !key.is_empty() => {
                    filters.push_str(&escaped(setting));
                    filters.push('\0');
                }
                _ => {}
            }
        }
        self.ignore_files = [Some(exclude), excludes].into_iter().flatten().collect();
        self.attribute_files.extend(attributes);
        self.filters = GitFilter::parse(&filters);
        Ok(())
    }
}

/// A path of git's configuration, which may begin with that of the user's home. An empty one is none.
fn path(root: &Path, value: &[u8]) -> Option<PathBuf> {
    if value.is_empty() {
        return None;
    }
    Some(match value.strip_prefix(b"~/") {
        Some(below) => PathBuf::from(variable("HOME")?).join(OsStr::from_bytes(below)),
        None => root.join(OsStr::from_bytes(value)),
    })
}

fn configuration_folder() -> Option<PathBuf> {
    variable("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")))
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
