//! The tools that cargo's children need: CMake for the static HDF5, and Python with stock h5py.
//!
//! What the machine has is used; what it lacks is installed under the target directory, pinned, and nowhere else.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::venv::{Host, Venv, imports};
use crate::workspace::{Workspace, cargo};

/// The oldest CMake that builds HDF5 2.
const OLDEST_CMAKE: (u32, u32) = (3, 26);

const PEERS: &[&str] = &["h5py", "ml_dtypes", "numpy", "safetensors"];

/// What the benches import besides. Without zarr, which needs a newer Python, they only lack a contender.
const BENCH_PEERS: &[&str] = &[
    "h5py",
    "hdf5plugin",
    "ml_dtypes",
    "nbformat",
    "nbstripout",
    "numpy",
    "safetensors",
];

/// What the Python that the package is installed into imports.
const PACKAGE_PEERS: &[&str] = &[
    "torch",
    "h5py",
    "maturin",
    "ml_dtypes",
    "mypy",
    "numpy",
    "pytest",
    "safetensors",
];

/// What the recipes and the table of neighbours import besides.
const NEIGHBOURS: &[&str] = &[
    "torch",
    "distributed",
    "h5netcdf",
    "moto",
    "netCDF4",
    "pyfive",
    "pytest",
    "s3fs",
    "tables",
    "tensorstore",
];

/// What to do where there is no Python.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Python {
    /// Fail.
    Required,
    /// Fail; with the packages of the benches besides.
    Benches,
    /// Go on without, with a note.
    Wanted,
    /// Don't look.
    Unused,
}

/// The tools of a command.
pub(crate) struct Tools {
    pub(crate) cmake: PathBuf,
    pub(crate) python: Option<PathBuf>,
}

impl Tools {
    /// Finds or installs them.
    pub(crate) fn prepare(workspace: &Workspace, python: Python) -> Result<Self> {
        let _lock = lock(workspace)?;
        let cmake = find_cmake(workspace)?;
        let python = match python {
            Python::Unused => None,
            Python::Required => Some(find_python(workspace, false)?),
            Python::Benches => Some(find_python(workspace, true)?),
            Python::Wanted => find_python(workspace, false)
                .inspect_err(|failure| eprintln!("note: going on without Python: {failure}"))
                .ok(),
        };
        Ok(Self { cmake, python })
    }

    /// Finds or makes the Python that the package is installed into, with torch.
    pub(crate) fn package_python(workspace: &Workspace) -> Result<PathBuf> {
        let what = "Python with torch for the CPU, readers of Zarr, maturin, pytest and mypy (690 MB to download, 1.8 GB on disk)";
        beside_torch(workspace, "torch", &[], PACKAGE_PEERS, (3, 11), what)
    }

    /// Finds or makes the Python that has zig.
    pub(crate) fn zig_python(workspace: &Workspace) -> Result<PathBuf> {
        let _lock = lock(workspace)?;
        let venv = Venv {
            dir: workspace.target.join("zig"),
            requirements: vec![workspace.root.join("testing/python/zig.txt")],
            modules: &["ziglang"],
            oldest_python: (3, 8),
            host: Host::First,
            only_pins: true,
            script: None,
            what: "zig (100 MB to download, 400 MB on disk)",
        };
        venv.ensure()
    }

    /// Finds or makes the Python of the recipes and of the table of neighbours: the package's, and everything that
    /// people read such files with.
    pub(crate) fn neighbours_python(workspace: &Workspace) -> Result<PathBuf> {
        let what = "Python with torch, Dask, Ray, servers of S3 and readers of HDF5 and Zarr (1.1 GB to download, 2.5 GB on disk)";
        let pins = ["neighbours.txt"];
        beside_torch(workspace, "neighbours", &pins, NEIGHBOURS, (3, 12), what)
    }

    /// A program with `CMAKE` and `SELVEDGE_PYTHON` in its environment.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("CMAKE", &self.cmake);
        if let Some(python) = &self.python {
            command.env("SELVEDGE_PYTHON", python);
        }
        command
    }

    /// Cargo, with the tools in its environment.
    pub(crate) fn cargo(&self) -> Command {
        self.command(cargo())
    }
}

/// Finds or makes an environment of this name with torch, the readers of Zarr, and what is pinned besides.
fn beside_torch(
    workspace: &Workspace,
    name: &str,
    besides: &[&str],
    modules: &'static [&'static str],
    oldest_python: (u32, u32),
    what: &'static str,
) -> Result<PathBuf> {
    let _lock = lock(workspace)?;
    let tools = workspace.root.join("testing/python");
    let pins = ["torch.txt", "zarr.txt"].iter().chain(besides);
    let venv = Venv {
        dir: workspace.target.join(name),
        requirements: pins.map(|pins| tools.join(pins)).collect(),
        modules,
        oldest_python,
        host: Host::Newest,
        only_pins: true,
        script: cfg!(target_os = "linux").then(|| tools.join("torch_without_cuda.py")),
        what,
    };
    venv.ensure()
}

/// Two commands at once must not install into the same directory.
fn lock(workspace: &Workspace) -> Result<File> {
    let dir = workspace.tools();
    fs::create_dir_all(&dir).map_err(Failure::io("create", &dir))?;
    let path = dir.join(".lock");
    let file = File::create(&path).map_err(Failure::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => eprintln!("waiting for another `cargo xtask` to install"),
        Err(TryLockError::Error(error)) => return Err(Failure::io("lock", &path)(error)),
    }
    file.lock().map_err(Failure::io("lock", &path))?;
    Ok(file)
}

/// The environment variable, unless it names something under the target directory: that is ours, from an `export`
/// of an earlier day, and is made again where it has gone.
fn chosen(workspace: &Workspace, variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| !path.starts_with(&workspace.target))
}

fn find_cmake(workspace: &Workspace) -> Result<PathBuf> {
    let (major, minor) = OLDEST_CMAKE;
    if let Some(path) = chosen(workspace, "CMAKE") {
        return match cmake_version(&path) {
            Some(version) if version >= OLDEST_CMAKE => Ok(path),
            Some((have_major, have_minor)) => Err(Failure::Failed(format!(
                "CMAKE={} is version {have_major}.{have_minor}; HDF5 needs {major}.{minor} or newer: unset CMAKE to have one installed",
                path.display()
            ))),
            None => Err(Failure::Failed(format!(
                "CMAKE={} does not run: unset it to have a CMake found or installed",
                path.display()
            ))),
        };
    }
    if let Some(path) = on_path("cmake")
        && cmake_version(&path).is_some_and(|version| version >= OLDEST_CMAKE)
    {
        return Ok(path);
    }
    let venv = Venv {
        dir: workspace.tools().join("venv"),
        requirements: vec![workspace.root.join("testing/python/cmake.txt")],
        modules: &["cmake"],
        oldest_python: (3, 8),
        host: Host::First,
        only_pins: false,
        script: None,
        what: "CMake (30 MB to download, 110 MB on disk)",
    };
    let python = venv.ensure().map_err(|failure| match failure {
        Failure::Failed(message) => Failure::Failed(format!(
            "HDF5 is built with CMake {major}.{minor} or newer: there is none on the PATH, and installing one failed. \
             Install it (`apt install cmake`, `brew install cmake`) or fix this:\n{message}"
        )),
        other => other,
    })?;
    // The program itself: the wheel's script beside Python is a wrapper that starts Python first.
    let code = "import cmake; print(cmake.CMAKE_BIN_DIR)";
    let output = Command::new(&python).args(["-I", "-c", code]).output();
    let bin = output.map_err(Failure::io("start", &python))?.stdout;
    let path = Path::new(String::from_utf8_lossy(&bin).trim_end())
        .join("cmake")
        .with_extension(env::consts::EXE_EXTENSION);
    match cmake_version(&path) {
        Some(_) => Ok(path),
        None => Err(Failure::Failed(format!(
            "the installed {} does not run: remove {} and try again",
            path.display(),
            venv.dir.display()
        ))),
    }
}

fn find_python(workspace: &Workspace, benches: bool) -> Result<PathBuf> {
    if let Some(path) = chosen(workspace, "SELVEDGE_PYTHON") {
        return if imports(&path, PEERS) {
            Ok(path)
        } else {
            Err(Failure::Failed(format!(
                "SELVEDGE_PYTHON={} does not run or lacks one of {}: unset it to have one installed",
                path.display(),
                PEERS.join(", ")
            )))
        };
    }
    let requirements = workspace.root.join("testing/python/requirements.txt");
    let venv = if benches {
        Venv {
            dir: workspace.target.join("bench-python"),
            requirements: vec![
                requirements,
                workspace.root.join("testing/python/benches.txt"),
            ],
            modules: BENCH_PEERS,
            oldest_python: (3, 10),
            host: Host::First,
            only_pins: false,
            script: None,
            what: "Python with the peers of the benches (105 MB to download, 400 MB on disk)",
        }
    } else {
        Venv {
            dir: workspace.target.join("python"),
            requirements: vec![requirements],
            modules: PEERS,
            oldest_python: (3, 10),
            host: Host::First,
            only_pins: false,
            script: None,
            what: "Python with h5py, ml_dtypes, numpy and safetensors (25 MB to download, 120 MB on disk)",
        }
    };
    venv.ensure()
}

/// The first file of this name in the PATH's directories.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(name).with_extension(env::consts::EXE_EXTENSION))
        .find(|file| file.is_file())
}

fn cmake_version(cmake: &Path) -> Option<(u32, u32)> {
    let output = Command::new(cmake).arg("--version").output().ok()?;
    parse_cmake_version(&String::from_utf8_lossy(&output.stdout))
}

/// The version in the first line, `cmake version 3.31.6`.
fn parse_cmake_version(text: &str) -> Option<(u32, u32)> {
    let version = text.strip_prefix("cmake version ")?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmake_versions_are_compared_as_numbers() {
        let check =
            |text: &str, expected| assert_eq!(parse_cmake_version(text), expected, "{text}");
        check(
            "cmake version 3.31.6\n\nCMake suite maintained…",
            Some((3, 31)),
        );
        check("cmake version 4.4.4", Some((4, 4)));
        check("cmake version 3.5-rc1", Some((3, 5)));
        check("cmake3 version 3.26.0", None);
        check("", None);
        assert!((3, 5) < OLDEST_CMAKE && (4, 0) > OLDEST_CMAKE);
    }
}
