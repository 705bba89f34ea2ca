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

/// After a power cut nobody finds a file whose folder has no name.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod on_the_disk {
    use std::path::PathBuf;

    use selvedge_testing::naming::Writer as _;
    use selvedge_testing::{again, is_child, setting, system_calls, traced};

    use super::OneByte;

    #[test]
    fn child_that_writes() {
        if is_child("on_the_disk::child_that_writes") {
            let folder: PathBuf = setting("PATH");
            traced(|| OneByte.write(&folder.join("x.bin"), 1, false)).expect("write");
            traced(|| OneByte.write(&folder.join("new/folder/x.bin"), 1, false)).expect("write");
            traced(|| OneByte.write(&folder.join("new/folder/y.bin"), 1, false)).expect("write");
        }
    }

    #[test]
    fn each_new_folder_is_put_on_the_disk() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = [("PATH", folder.path().display().to_string())];
        let mut child = again("on_the_disk::child_that_writes", &settings);
        let syncs: Vec<usize> = system_calls(&mut child)
            .iter()
            .map(|calls| calls.iter().filter(|&&call| call == libc::SYS_fsync))
            .map(Iterator::count)
            .collect();
        // The file and its folder; the two new ones as well.
        assert_eq!(syncs, [2, 4, 2]);
    }
}
