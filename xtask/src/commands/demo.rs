//! `cargo xtask demo`: trains the example model, records it, and reads the file with stock h5py.
//!
//! Starts `cargo run --release -p thimble` and passes it all arguments, with defaults for the folder that it writes
//! (`<target>/demo`) and the text that it learns from (this workspace). Afterwards `xtask/python/show.py` opens the
//! HDF5 file that it has written, with nothing but h5py and numpy. Without a Python the demo runs all the same.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Command;
use crate::args::{self, Takes};
use crate::failure::{Failure, Result};
use crate::tools::{Python, Tools};
use crate::workspace::{Workspace, run as run_child};

pub(super) const COMMAND: Command = Command {
    name: "demo",
    about: "Train the example model, record it, read it with stock h5py",
    help: "\
Usage: cargo xtask demo [--steps N] [--out DIR] [--corpus DIR] [--seed N] [--overwrite]
                        [--compression fast]

Trains a small language model, records every step of it, and shows the file as stock h5py reads it. The first build takes
5 to 10 minutes on 2 cores (libhdf5 and the model's dependencies), the demo itself some seconds.

  --steps N     steps to train; each takes 5 MB in the file (default: 300)
  --out DIR     folder for tensors/Thimble/thimble_1.h5 (default: <target>/demo, where the file of an earlier run is
                replaced)
  --corpus DIR  folder with the text to learn from: its .md, .py, .rs, .toml and .txt files (default: this workspace)
  --seed N      seed of the weights and the batches: the same seed and corpus record the same bits (default: 1)
  --overwrite   replace a file of an earlier run in --out
  --compression fast
                record the steps compressed, without loss
",
    forwards_help: false,
    run,
};

const FLAGS: [(&str, Takes); 6] = [
    ("--steps", Takes::Count),
    ("--out", Takes::Texts(1)),
    ("--corpus", Takes::Texts(1)),
    ("--seed", Takes::Texts(1)),
    ("--overwrite", Takes::Nothing),
    ("--compression", Takes::OneOf(&["none", "fast"])),
];

fn run(args: &[OsString]) -> Result<()> {
    args::check(args, &FLAGS)?;
    let workspace = Workspace::find()?;
    let tools = Tools::prepare(&workspace, Python::Wanted)?;

    let out = args::value_of(args, "--out");
    let out_dir = out
        .clone()
        .map_or_else(|| workspace.target.join("demo"), PathBuf::from);
    let mut thimble = tools.cargo();
    thimble.args(["run", "--release", "--package", "thimble", "--"]);
    if out.is_none() {
        // The demo's own folder, where the file of an earlier run is in nobody's way.
        thimble.arg("--overwrite").arg("--out").arg(&out_dir);
    }
    if args::value_of(args, "--corpus").is_none() {
        thimble.arg("--corpus").arg(&workspace.root);
    }
    let before = hdf5_files(&out_dir)?;
    run_child(thimble.args(args))?;

    let after = hdf5_files(&out_dir)?;
    let Some(file) = after.difference(&before).next().map(|(path, _)| path) else {
        return Err(Failure::Failed(format!(
            "the demo wrote no .h5 file under {}",
            out_dir.display()
        )));
    };
    let Some(python) = &tools.python else {
        println!(
            "\n{} is not shown as h5py reads it: there is no Python",
            file.display()
        );
        return Ok(());
    };
    println!("\n{} as stock h5py reads it:", file.display());
    let script = workspace.root.join("xtask/python/show.py");
    run_child(tools.command(python).arg("-I").arg(script).arg(file))
}

/// The files `*.h5` under a directory, with the times by which those are known that were written since.
fn hdf5_files(dir: &Path) -> Result<BTreeSet<(PathBuf, SystemTime)>> {
    let mut files = BTreeSet::new();
    let mut pending = vec![dir.to_path_buf()];
    // There is none before the first run.
    while let Some(dir) = pending.pop().filter(|dir| dir.is_dir()) {
        for entry in dir.read_dir().map_err(Failure::io("list", &dir))? {
            let entry = entry.map_err(Failure::io("list", &dir))?;
            let path = entry.path();
            let metadata = entry.metadata().map_err(Failure::io("read", &path))?;
            if metadata.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "h5") {
                let modified = metadata.modified().map_err(Failure::io("read", &path))?;
                files.insert((path, modified));
            }
        }
    }
    Ok(files)
}
