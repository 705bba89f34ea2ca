//! How a file gets its name: the contract that every writer is held to, for `convert`, `references`, `report` and `rechunk`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use selvedge_hdf5::{Reader, Recorder};
use selvedge_testing::naming::Writer;

/// A command that makes a file of another, of which there is one for each value.
struct Made {
    inputs: tempfile::TempDir,
    command: &'static str,
    ending: &'static str,
}

impl Made {
    fn by(command: &'static str, ending: &'static str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let inputs = tempfile::tempdir().expect("a folder");
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(inputs.path(), readable).expect("chmod");
        let made = Self {
            inputs,
            command,
            ending,
        };
        for value in 0..10 {
            let run = Recorder::create(made.input(value)).steps(1);
            let mut run = run.tensor::<u8>("x", [2]).start().expect("start");
            run.append(|step| step.put("x", &[value; 2]))
                .expect("append");
            run.finish().expect("finish");
        }
        made
    }

    fn input(&self, value: u8) -> PathBuf {
        self.inputs.path().join(format!("{value}.h5"))
    }
}

impl Writer for Made {
    fn ending(&self) -> &'static str {
        self.ending
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        let mut program = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        program.arg(self.command).arg(self.input(value));
        program
            .args(["html", "json"].contains(&self.ending).then_some("-o"))
            .arg(path);
        // Without it a folder that is not there is mistyped.
        program.arg("--parents");
        let output = program
            .args(overwrite.then_some("--overwrite"))
            .output()
            .expect("the program starts");
        if output.status.success() {
            return Ok(());
        }
        assert!(output.status.code().is_some(), "{output:?}");
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn read(&self, path: &Path) -> u8 {
        match self.ending {
            "h5" => {
                let file = Reader::open(path).expect("open");
                file.tensor("x").expect("x").read::<u8>().expect("read")[0]
            }
            // A page has the name of the file that it is about.
            "html" => {
                let page = fs::read_to_string(path).expect("read");
                let (before, _) = page.split_once(".h5</title>").expect("a title");
                before.as_bytes()[before.len() - 1] - b'0'
            }
            // References have the name of the file that they are to.
            "json" => {
                let references = fs::read_to_string(path).expect("read");
                let (before, _) = references.split_once(".h5\"").expect("a name");
                before.as_bytes()[before.len() - 1] - b'0'
            }
            _ => *fs::read(path).expect("read").last().expect("values"),
        }
    }
}

mod convert_to_hdf5 {
    selvedge_testing::naming_contract!(super::Made::by("convert", "h5"));
}

mod convert_to_safetensors {
    selvedge_testing::naming_contract!(super::Made::by("convert", "safetensors"));
}

mod convert_to_npy {
    selvedge_testing::naming_contract!(super::Made::by("convert", "npy"));
}

mod references {
    selvedge_testing::naming_contract!(super::Made::by("references", "json"));
}

mod report {
    selvedge_testing::naming_contract!(super::Made::by("report", "html"));
}

mod rechunk {
    selvedge_testing::naming_contract!(super::Made::by("rechunk", "h5"));
}
