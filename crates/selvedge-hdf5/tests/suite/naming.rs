//! How a file gets its name: the contract that every writer is held to.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use selvedge_hdf5::{Durability, Error, Join, Reader, Rechunk, Recorder, RecorderBuilder, Shard};
use selvedge_testing::naming::Writer;

/// A recorder's file has its name from the start, so that it can be read meanwhile.
struct Live;

/// The file of steps that are all there already has it when the last of them is in it.
struct Late;

/// A file that is written anew, of one for each value.
struct Anew(tempfile::TempDir);

impl Anew {
    fn new() -> Self {
        let inputs = tempfile::tempdir().expect("a folder");
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(inputs.path(), readable).expect("chmod");
        for value in 0..10 {
            let input = inputs.path().join(format!("{value}.h5"));
            record(Recorder::create(input), value, false).expect("record");
        }
        Self(inputs)
    }
}

/// A view of the one rank of a run, of one for each value.
struct View(Anew);

impl View {
    fn new() -> Self {
        let inputs = Anew::new();
        for value in 0..10 {
            let run = value.to_string();
            let shard = Shard {
                run,
                rank: 0,
                world_size: 1,
            };
            let path = inputs.0.path().join(format!("{value}.h5"));
            record(Recorder::create(path).shard(shard), value, true).expect("record");
        }
        Self(inputs)
    }
}

fn record(run: RecorderBuilder, value: u8, overwrite: bool) -> Result<(), Error> {
    let run = run.overwrite(overwrite).durability(Durability::every(1));
    let mut run = run.steps(1).scalar::<u8>("x").start()?;
    run.append(|step| step.put("x", &value))?;
    run.finish()?;
    Ok(())
}

fn said(error: impl Into<Error>) -> String {
    format!("{:?}", error.into())
}

fn read(path: &Path) -> u8 {
    let file = Reader::open(path).expect("open");
    let tensor = file.tensor("x").expect("the tensor");
    tensor.read::<u8>().expect("read")[0]
}

impl Writer for Live {
    fn ending(&self) -> &'static str {
        "h5"
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        record(Recorder::create(path), value, overwrite).map_err(said)
    }

    fn read(&self, path: &Path) -> u8 {
        read(path)
    }
}

impl Writer for Late {
    fn ending(&self) -> &'static str {
        "h5"
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        let run = Recorder::create(path).named_when_finished(true);
        record(run, value, overwrite).map_err(said)
    }

    fn read(&self, path: &Path) -> u8 {
        read(path)
    }
}

impl Writer for Anew {
    fn ending(&self) -> &'static str {
        "h5"
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        let input = self.0.path().join(format!("{value}.h5"));
        Rechunk::new(input, path)
            .overwrite(overwrite)
            .run(|_| {})
            .map(drop)
            .map_err(said)
    }

    fn read(&self, path: &Path) -> u8 {
        read(path)
    }
}

impl Writer for View {
    fn ending(&self) -> &'static str {
        "h5"
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        let Self(Anew(inputs)) = self;
        let join = Join::new([inputs.path().join(format!("{value}.h5"))]);
        join.overwrite(overwrite)
            .write(path)
            .map(drop)
            .map_err(said)
    }

    fn read(&self, path: &Path) -> u8 {
        let Self(Anew(inputs)) = self;
        let view = Reader::options()
            .follow_links_inside(inputs.path())
            .open(path);
        let view = view.expect("open");
        view.tensor("x")
            .expect("the tensor")
            .read::<u8>()
            .expect("read")[0]
    }
}

mod live {
    selvedge_testing::naming_contract!(super::Live);
}

mod late {
    selvedge_testing::naming_contract!(super::Late);
}

mod anew {
    selvedge_testing::naming_contract!(super::Anew::new());
}

mod view {
    selvedge_testing::naming_contract!(super::View::new());
}
