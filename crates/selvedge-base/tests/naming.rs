//! How a file gets its name, with the smallest writer that there is.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use selvedge_base::{FileError, Partial};
use selvedge_testing::naming::Writer;
use selvedge_testing::naming_contract;

struct OneByte;

impl Writer for OneByte {
    fn ending(&self) -> &'static str {
        "bin"
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        let mut partial = Partial::create(path, overwrite).map_err(|error| said(&error))?;
        let written = partial.file().write_all_at(&[value], 0);
        written.map_err(|error| format!("cannot write to {}: {error}", path.display()))?;
        partial.publish(true).map_err(|error| said(&error))
    }

    fn read(&self, path: &Path) -> u8 {
        fs::read(path).expect("read")[0]
    }
}

fn said(error: &FileError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

naming_contract!(OneByte);
