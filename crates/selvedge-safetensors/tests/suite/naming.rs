//! How a file gets its name: the contract that every writer is held to.

use std::path::Path;

use selvedge_safetensors::{Save, SaveError};
use selvedge_testing::naming::Writer;

use crate::common::bytes_of;

/// Values that are there are written at once.
struct AtOnce;

/// Values that come later are written in pieces.
struct InPieces;

impl Writer for AtOnce {
    fn ending(&self) -> &'static str {
        "safetensors"
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        let save = Save::new(path).overwrite(overwrite).scalar("x", value);
        save.write().map(drop).map_err(|error| said(&error))
    }

    fn read(&self, path: &Path) -> u8 {
        bytes_of(path, "x")[0]
    }
}

impl Writer for InPieces {
    fn ending(&self) -> &'static str {
        AtOnce.ending()
    }

    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String> {
        let save = Save::new(path).overwrite(overwrite);
        let written = save.declare::<u8>("x", [3]).start().and_then(|mut file| {
            file.write("x", &[value])?;
            file.write("x", &[value; 2])?;
            file.finish()
        });
        written.map(drop).map_err(|error| said(&error))
    }

    fn read(&self, path: &Path) -> u8 {
        AtOnce.read(path)
    }
}

fn said(error: &SaveError) -> String {
    format!("{error:?}")
}

mod at_once {
    selvedge_testing::naming_contract!(super::AtOnce);
}

mod in_pieces {
    selvedge_testing::naming_contract!(super::InPieces);
}
