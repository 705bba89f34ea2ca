//! `cargo xtask python`: builds the wheel of the Python package, and installs it beside torch under the target
//! directory.
//!
//! The environment is `<target>/torch`, made of the newest Python that the machine has, with what
//! `testing/python/torch.txt` and `zarr.txt` pin. On Linux that is torch without CUDA's libraries, for the CPU; somebody who has a
//! Python of their own installs the wheel, or the folder `crates/selvedge-python`, there.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::process;

use super::Command;
use crate::args;
use crate::failure::{Failure, Result};
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "python",
    about: "Build the Python package and install it under the target directory",
    help: "\
Usage: cargo xtask python [--zig] [--object-stores]

Builds the wheel of the package `selvedge` into <target>/wheels, makes <target>/torch (the newest Python of the
machine with torch for the CPU, numpy, h5py, ml_dtypes and readers of Zarr, pinned in testing/python), installs the wheel there,
and says how large it is and how to use it.

With --object-stores the package opens s3://, gs://, az:// and https://, too, and may be larger than the 6 MB of the one that is
given away.

With --zig the wheel is for every Linux with glibc 2.28 or later, as it is given away, and not for that of the machine: by
zig, which stands in for the C compiler and the linker, and is installed into <target>/zig (100 MB).

In a Python of your own: `pip install ./crates/selvedge-python`. It needs Rust and a C compiler.
",
    forwards_help: false,
    run,
};

/// What a wheel has at most, with the program in it, and without object stores.
const MOST_BYTES: u64 = 6_000_000;

fn run(args: &[OsString]) -> Result<()> {
    let [zig, object_stores] = args::switches(args, ["--zig", "--object-stores"])?;
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Unused)?;
    let python = Tools::package_python(&workspace)?;
    let mut package = Package::new(&workspace, &tools, &python, Profile::Release)?;
    package.object_stores = object_stores;
    if zig {
        package.zig = Some(Tools::zig_python(&workspace)?);
    }
    for mut command in package.install() {
        run_child(&mut command)?;
    }
    let wheel = package.wheel()?;
    let bytes = fs::metadata(&wheel)
        .map_err(Failure::io("read", &wheel))?
        .len();
    println!("\n{}: {:.2} MB", wheel.display(), bytes as f64 / 1e6);
    if bytes > MOST_BYTES && !object_stores {
        return Err(Failure::Failed(format!(
            "a wheel has at most {} MB: see `[profile.wheel]` of Cargo.toml",
            MOST_BYTES / 1_000_000
        )));
    }
    println!(
        "Installed. Try it:\n  {} -c 'import selvedge; help(selvedge)'",
        python.display()
    );
    println!(
        "In a Python of your own:\n  pip install {}",
        wheel.display()
    );
    Ok(())
}

/// How the module is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// As it is given away.
    Release,
    /// With what the tests are built with.
    Dev,
}

/// Building the package, and installing it into an environment.
pub(super) struct Package<'a> {
    workspace: &'a Workspace,
    tools: &'a Tools,
    python: &'a Path,
    profile: Profile,
    /// Whether it opens objects. It does where it is tested: without them the crates are compiled from their packages.
    object_stores: bool,
    /// The Python that has zig, if that builds the wheel.
    zig: Option<PathBuf>,
    /// Where the wheel goes.
    wheels: PathBuf,
}

impl<'a> Package<'a> {
    /// Wheels of an earlier version are removed: pip would take the one with the highest number.
    pub(super) fn new(
        workspace: &'a Workspace,
        tools: &'a Tools,
        python: &'a Path,
        profile: Profile,
    ) -> Result<Self> {
        let wheels = workspace.target.join(match profile {
            Profile::Release => "wheels",
            Profile::Dev => "wheels-dev",
        });
        if wheels.exists() {
            fs::remove_dir_all(&wheels).map_err(Failure::io("remove", &wheels))?;
        }
        Ok(Self {
            workspace,
            tools,
            python,
            profile,
            object_stores: profile == Profile::Dev,
            zig: None,
            wheels,
        })
    }

    /// The commands that build the wheel and install it.
    pub(super) fn install(&self) -> Vec<process::Command> {
        let mut build = self.module("maturin");
        let profile = match self.profile {
            Profile::Release => "wheel",
            Profile::Dev => "dev",
        };
        build
            .args(["build", "--locked", "--profile", profile])
            // The default of maturin leaves 3 % more.
            .args(["--compression-level", "9", "--manifest-path"])
            .arg(self.folder().join("Cargo.toml"))
            .arg("--interpreter")
            .arg(self.python)
            .arg("--out")
            .arg(&self.wheels)
            .env("CARGO_TARGET_DIR", &self.workspace.target);
        if self.object_stores {
            build.args(["--features", "object-store"]);
        }
        if self.profile == Profile::Release {
            // What walks the stack of C is of no use without its names, and takes 0.1 MB of a wheel.
            let mut flags = env::var_os("CFLAGS").unwrap_or_default();
            // gcc takes the first, and zig the second.
            flags.push(" -fno-asynchronous-unwind-tables -fno-unwind-tables");
            build.env("CFLAGS", flags);
        }
        if let Some(bin) = self.zig.as_deref().and_then(Path::parent) {
            let path = env::var_os("PATH").unwrap_or_default();
            let path = iter::once(bin.to_owned()).chain(env::split_paths(&path));
            build
                .args(["--zig", "--compatibility", "manylinux_2_28"])
                // maturin looks for the Python that has zig there.
                .env("PATH", env::join_paths(path).unwrap_or_default());
        }
        let mut install = self.module("pip");
        install
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args([
                "--no-deps",
                "--no-index",
                "--force-reinstall",
                "--find-links",
            ])
            .arg(&self.wheels)
            .arg("selvedge");
        vec![build, install]
    }

    /// The command that runs the package's tests.
    pub(super) fn test(&self) -> process::Command {
        let mut pytest = self.module("pytest");
        pytest.current_dir(self.folder());
        pytest
    }

    /// The package of a release build in the environment of all neighbours, and that environment's Python.
    pub(super) fn among_neighbours(workspace: &Workspace, tools: &Tools) -> Result<PathBuf> {
        let python = Tools::neighbours_python(workspace)?;
        let mut package = Package::new(workspace, tools, &python, Profile::Release)?;
        package.object_stores = true;
        for mut command in package.install() {
            run_child(&mut command)?;
        }
        Ok(python)
    }

    fn folder(&self) -> PathBuf {
        self.workspace.root.join("crates/selvedge-python")
    }

    fn module(&self, name: &str) -> process::Command {
        let mut command = self.tools.command(self.python);
        command.args(["-m", name]).current_dir(&self.workspace.root);
        command
    }

    /// The wheel that was built.
    fn wheel(&self) -> Result<PathBuf> {
        let mut entries = self
            .wheels
            .read_dir()
            .map_err(Failure::io("list", &self.wheels))?;
        let found = entries.find_map(|entry| Some(entry.ok()?.path()));
        found.ok_or_else(|| {
            Failure::Failed(format!("there is no wheel in {}", self.wheels.display()))
        })
    }
}
