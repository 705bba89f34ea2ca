//! What the tests of this crate share.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod judge;

use std::fs;
use std::path::{Path, PathBuf};

use selvedge_safetensors::{Dtype, Reader};

/// A folder and the path of a file in it.
pub(crate) fn new_path() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("1.5d_mask.safetensors");
    (folder, path)
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The message of an error that names the file, with its sources.
pub(crate) fn named(error: &dyn std::error::Error, path: &Path) -> String {
    let text = format!("{error:?}");
    assert!(
        text.contains(&path.display().to_string()),
        "`{text}` does not name {}",
        path.display()
    );
    println!("{text}");
    text
}

/// Every dtype that the format has, with its name in a header.
pub(crate) const DTYPES: [(Dtype, &str); 22] = [
    (Dtype::BOOL, "BOOL"),
    (Dtype::F4, "F4"),
    (Dtype::F6_E2M3, "F6_E2M3"),
    (Dtype::F6_E3M2, "F6_E3M2"),
    (Dtype::U8, "U8"),
    (Dtype::I8, "I8"),
    (Dtype::F8_E5M2, "F8_E5M2"),
    (Dtype::F8_E4M3, "F8_E4M3"),
    (Dtype::F8_E8M0, "F8_E8M0"),
    (Dtype::F8_E4M3FNUZ, "F8_E4M3FNUZ"),
    (Dtype::F8_E5M2FNUZ, "F8_E5M2FNUZ"),
    (Dtype::I16, "I16"),
    (Dtype::U16, "U16"),
    (Dtype::F16, "F16"),
    (Dtype::BF16, "BF16"),
    (Dtype::I32, "I32"),
    (Dtype::U32, "U32"),
    (Dtype::F32, "F32"),
    (Dtype::C64, "C64"),
    (Dtype::F64, "F64"),
    (Dtype::I64, "I64"),
    (Dtype::U64, "U64"),
];

/// A file of safetensors by hand: its header's text, and its data.
pub(crate) fn by_hand(header: &str, data: &[u8]) -> Vec<u8> {
    let length = header.len() as u64;
    [&length.to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// The values of a tensor, by the load that copies.
pub(crate) fn bytes_of(path: &Path, tensor: &str) -> Vec<u8> {
    let file = Reader::open(path).expect("open");
    file.tensor(tensor)
        .expect("tensor")
        .read_bytes()
        .expect("read")
}
