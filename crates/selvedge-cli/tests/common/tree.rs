//! Small repositories for `selvedge check`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use selvedge_testing::python;

use super::{Place, Run};

/// A notebook that is as it should be.
pub(crate) const NOTEBOOK: &str = r#"{"cells": [{"cell_type": "code", "execution_count": 1, "metadata": {},
 "outputs": [{"name": "stdout", "output_type": "stream", "text": ["3699\n"]}],
 "source": ["print(mask.sum())"]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}"#;

/// A safetensors file with one tensor of the dtype, which has two bytes, and values of zero.
pub(crate) fn safetensors(dtype: &str) -> Vec<u8> {
    let header =
        format!(r#"{{"mask": {{"dtype": "{dtype}", "shape": [4], "data_offsets": [0, 8]}}}}"#);
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), &[0; 8]].concat()
}

impl Place {
    /// Writes a file, and the folders that it is in.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().expect("it is in the place");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(&path, contents).expect("a file");
        path
    }

    /// A command of git in the place.
    pub(crate) fn git(&self, args: &[&str]) {
        let status = Command::new("git")
            .current_dir(self.path("."))
            .args(args)
            .status();
        assert!(status.expect("git starts").success(), "{args:?}");
    }

    /// An HDF5 file that h5py makes with lines of Python, in which it is `f`.
    pub(crate) fn hdf5(&self, name: &str, lines: &str) -> PathBuf {
        let path = self.write(name, "");
        let script = format!(
            "import sys, h5py, numpy as np\nwith h5py.File(sys.argv[1], 'w') as f:\n    {}",
            lines.replace('\n', "\n    ")
        );
        python::on_file(&script, &path);
        path
    }

    /// A check of the whole place, a line for each finding.
    pub(crate) fn check(&self, args: &[&str]) -> Run {
        self.run(&[&["check", "--output-format", "concise"], args].concat())
    }

    /// The paths and codes of what is found, as JSON has them.
    pub(crate) fn findings(&self, args: &[&str]) -> Vec<String> {
        let run = self.run(&[&["check", "--output-format", "json", "--quiet"], args].concat());
        let json: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
        let findings = json["findings"].as_array().expect("an array");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        findings
            .iter()
            .map(|finding| format!("{} {}", text(&finding["path"]), text(&finding["code"])))
            .collect()
    }
}

/// A place with one sound notebook, its tensor file, and an empty configuration that makes it a root.
pub(crate) fn sound() -> Place {
    let place = Place::new();
    place.write("selvedge.toml", "");
    place.write("notebooks/1.5d_clusters.ipynb", NOTEBOOK);
    place.write("tensors/Flannel/1.5d_mask.safetensors", safetensors("BF16"));
    place
}
