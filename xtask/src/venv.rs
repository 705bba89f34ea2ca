//! Python virtual environments under the target directory, with pinned packages.
//!
//! **Invariant:** an environment is used only if its stamp, a copy of the requirements, is there and equal. The stamp
//! is written last, so an environment that was killed half-made, or whose pins have changed, is made again.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::failure::{Failure, Result};

const STAMP: &str = "selvedge-requirements.txt";

/// The newest Python, 3.N, that all pins have wheels for.
const NEWEST_MINOR: u32 = 14;

/// A virtual environment: what is in it, and where.
pub(crate) struct Venv {
    pub(crate) dir: PathBuf,
    /// The files of pinned requirements.
    pub(crate) requirements: Vec<PathBuf>,
    /// What it has to be able to import.
    pub(crate) modules: &'static [&'static str],
    /// The oldest Python that the pins have wheels for.
    pub(crate) oldest_python: (u32, u32),
    /// Which Python of the machine it is made of.
    pub(crate) host: Host,
    /// Whether the pins are of all that is installed, and what they ask for besides is left out on purpose.
    pub(crate) only_pins: bool,
    /// A script that completes the installation: it is given the folder of the packages.
    pub(crate) script: Option<PathBuf>,
    /// What is being installed and about how big it is, for the user.
    pub(crate) what: &'static str,
}

/// Which Python of the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// The one that the user means by `python3`, if it is new enough.
    First,
    /// The newest that the machine has, those of pyenv among them.
    Newest,
}

impl Venv {
    /// The path of its Python, whether it exists or not.
    pub(crate) fn python(&self) -> PathBuf {
        self.dir.join(if cfg!(windows) {
            "Scripts/python.exe"
        } else {
            "bin/python"
        })
    }

    /// Makes the environment unless it is there already, and returns its Python.
    ///
    /// # Errors
    /// Says what is missing (Python, its venv module, the network, a wheel) and what to do about it.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        let mut requirements = String::new();
        for path in &self.requirements {
            requirements += &fs::read_to_string(path).map_err(Failure::io("read", path))?;
        }
        if self.is_current(&requirements) {
            return Ok(self.python());
        }
        let host = match self.host {
            Host::First => host_python(self.oldest_python)?,
            Host::Newest => newest_python(self.oldest_python)?,
        };
        eprintln!("installing {} into {}", self.what, self.dir.display());
        let pip = self.create(&host)?;
        self.install(pip)?;
        if !imports(&self.python(), self.modules) {
            return Err(Failure::Failed(format!(
                "{} was installed, but {} cannot import {}",
                self.what,
                self.python().display(),
                self.modules.join(", ")
            )));
        }
        let stamp = self.dir.join(STAMP);
        fs::write(&stamp, requirements).map_err(Failure::io("write", &stamp))?;
        Ok(self.python())
    }

    fn is_current(&self, requirements: &str) -> bool {
        fs::read_to_string(self.dir.join(STAMP)).is_ok_and(|stamp| stamp == requirements)
            && imports(&self.python(), self.modules)
    }

    /// Makes an empty environment and returns the pip that installs into it.
    ///
    /// Debian's Python comes without the module that puts pip into an environment; there, `virtualenv` or the host's
    /// own pip do it.
    fn create(&self, host: &Path) -> Result<Command> {
        let own_pip = || {
            let mut pip = Command::new(self.python());
            pip.args(["-I", "-m", "pip"]);
            pip
        };
        let host_pip = || {
            let mut pip = Command::new(host);
            pip.args(["-m", "pip", "--python"]).arg(self.python());
            pip
        };
        let attempts: [(&[&str], &dyn Fn() -> Command); 3] = [
            (&["-I", "-m", "venv"], &own_pip),
            (&["-m", "virtualenv", "--quiet"], &own_pip),
            (&["-I", "-m", "venv", "--without-pip"], &host_pip),
        ];
        let mut first_error = None;
        for (args, pip) in attempts {
            self.remove()?;
            let made = output(Command::new(host).args(args).arg(&self.dir))?;
            let tried = if made.status.success() {
                output(pip().arg("--version"))?
            } else {
                made
            };
            if tried.status.success() {
                return Ok(pip());
            }
            first_error.get_or_insert_with(|| said(&tried));
        }
        self.remove()?;
        Err(Failure::Failed(format!(
            "{} cannot make a virtual environment with pip\n{}\n\
             on Debian and Ubuntu: `apt install python3-venv`; elsewhere: install pip and venv for this Python",
            host.display(),
            indent(&first_error.unwrap_or_default()),
        )))
    }

    fn install(&self, mut pip: Command) -> Result<()> {
        // A source distribution of h5py would look for an HDF5 to build against: wheels or nothing.
        pip.args([
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ])
        .args(["--only-binary", ":all:"]);
        if self.only_pins {
            pip.arg("--no-deps");
        }
        for path in &self.requirements {
            pip.arg("--requirement").arg(path);
        }
        let installed = output(&mut pip)?;
        if installed.status.success() {
            return self.complete();
        }
        let text = said(&installed);
        let hint = if is_offline(&text) {
            "pip cannot reach its package index: check the network, or `pip config list` for an index or proxy"
        } else {
            "is there a wheel of these versions for this Python and platform?"
        };
        Err(Failure::Failed(format!(
            "pip could not install {}\n{}\n{hint}",
            self.what,
            indent(&text)
        )))
    }

    /// Runs the script that completes the installation.
    fn complete(&self) -> Result<()> {
        let Some(script) = &self.script else {
            return Ok(());
        };
        let code = "import sysconfig; print(sysconfig.get_path('purelib'))";
        let packages = output(Command::new(self.python()).args(["-I", "-c", code]))?;
        let packages = said(&packages);
        let completed = output(
            Command::new(self.python())
                .arg("-I")
                .arg(script)
                .arg(packages),
        )?;
        if completed.status.success() {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "{} failed after {} was installed; it needs a C compiler and binutils\n{}",
            script.display(),
            self.what,
            indent(&said(&completed))
        )))
    }

    fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::io("remove", &self.dir)(error))
            }
            _ => Ok(()),
        }
    }
}

/// Whether this Python runs and finds the modules. They are not loaded, which would take ten times as long.
pub(crate) fn imports(python: &Path, modules: &[&str]) -> bool {
    let code = "import importlib.util, sys\n\
                sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))";
    let check = Command::new(python)
        .args(["-I", "-c", code])
        .args(modules)
        .output();
    check.is_ok_and(|output| output.status.success())
}

/// The first Python on the PATH that is new enough.
fn host_python(oldest: (u32, u32)) -> Result<PathBuf> {
    // The plain name first: it is the user's choice. The system's one may be too old, as on macOS.
    let plain = ["python3", "python"].map(String::from);
    let versioned = (oldest.1..=NEWEST_MINOR)
        .rev()
        .map(|minor| format!("python3.{minor}"));
    let mut too_old = None;
    for name in plain.into_iter().chain(versioned) {
        match python_version(&name) {
            Some((version, path)) if version >= oldest => return Ok(path),
            Some((version, path)) => {
                too_old.get_or_insert((version, path));
            }
            None => {}
        }
    }
    let found = too_old.map_or(
        String::from("there is none on the PATH"),
        |((major, minor), path)| format!("{} is {major}.{minor}", path.display()),
    );
    Err(Failure::Failed(format!(
        "Python {}.{} or newer is needed and {found}\n\
         on Debian and Ubuntu: `apt install python3-venv`; on macOS: `brew install python`",
        oldest.0, oldest.1
    )))
}

/// The newest Python of the machine, of the PATH or of pyenv.
fn newest_python(oldest: (u32, u32)) -> Result<PathBuf> {
    let mut names: Vec<PathBuf> = (oldest.1..=NEWEST_MINOR)
        .map(|minor| format!("python3.{minor}").into())
        .collect();
    names.push("python3".into());
    let pyenv = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".pyenv")));
    let versions = pyenv.and_then(|root| root.join("versions").read_dir().ok());
    for version in versions.into_iter().flatten().flatten() {
        names.push(version.path().join("bin/python"));
    }
    let found = names.iter().filter_map(python_version);
    let fitting = found.filter(|(version, _)| *version >= oldest && version.1 <= NEWEST_MINOR);
    match fitting.max_by_key(|(version, _)| *version) {
        Some((_, path)) => Ok(path),
        // It says what is missing.
        None => host_python(oldest),
    }
}

/// The version and the real path of a Python on the PATH, which may be a wrapper that runs another one.
fn python_version(name: impl AsRef<OsStr>) -> Option<((u32, u32), PathBuf)> {
    let code = "import sys; print(*sys.version_info[:2], sys.executable)";
    let output = Command::new(name).args(["-I", "-c", code]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    let mut words = text.trim_end().splitn(3, ' ');
    let version = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some((version, PathBuf::from(words.next()?)))
}

fn output(command: &mut Command) -> Result<Output> {
    let program = PathBuf::from(command.get_program());
    command.output().map_err(Failure::io("start", &program))
}

/// What a failed program said: `venv` explains itself on stdout, pip on stderr.
fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// The last lines, without all but the last of pip's retries.
fn indent(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("WARNING: Retrying") || line.contains("(total=0"))
        .collect();
    let last = &lines[lines.len().saturating_sub(12)..];
    last.iter()
        .map(|line| format!("  | {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_offline(pip: &str) -> bool {
    let signs = [
        "NewConnectionError",
        "ConnectTimeoutError",
        "ConnectionResetError",
        "NameResolutionError",
        "Connection refused",
        "ProxyError",
        "ReadTimeoutError",
    ];
    signs.iter().any(|sign| pip.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn venv(dir: PathBuf) -> Venv {
        let requirements = dir.join("requirements.txt");
        Venv {
            dir,
            requirements: vec![requirements],
            modules: &["json"],
            oldest_python: (3, 8),
            host: Host::First,
            only_pins: false,
            script: None,
            what: "a test",
        }
    }

    /// A directory that is removed at the end of the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn an_environment_without_a_python_is_not_current() {
        let scratch = Scratch::new("no-python");
        let venv = venv(scratch.0.clone());
        fs::write(scratch.0.join(STAMP), "pins").unwrap();
        assert!(!venv.is_current("pins"));
    }

    /// A stand-in for Python, so that the test needs none.
    #[cfg(unix)]
    #[test]
    fn an_environment_is_current_with_its_stamp_alone() {
        let scratch = Scratch::new("stamp");
        let venv = venv(scratch.0.clone());
        let python = venv.python();
        fs::create_dir_all(python.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/bin/true", &python).unwrap();
        assert!(!venv.is_current("pins"), "half made: no stamp");
        fs::write(scratch.0.join(STAMP), "pins").unwrap();
        assert!(venv.is_current("pins"));
        assert!(!venv.is_current("other pins"));
        fs::remove_file(&python).unwrap();
        std::os::unix::fs::symlink("/bin/false", &python).unwrap();
        assert!(!venv.is_current("pins"), "a module is missing");
    }

    #[test]
    fn the_end_of_a_long_message_is_kept() {
        let text: String = (0..20).map(|line| format!("{line}\n")).collect();
        let kept = indent(&text);
        assert_eq!(kept.lines().count(), 12);
        assert!(kept.ends_with("  | 19"));
        assert_eq!(indent(""), "");
    }
}
