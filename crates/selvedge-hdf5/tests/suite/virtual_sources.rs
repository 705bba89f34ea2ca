//! What reading virtual datasets costs: memory whatever the number of sources, and each of their chunks unpacked once.

use std::fs;
use std::path::PathBuf;

use selvedge_hdf5::{CompareOptions, Reader, Rechunk, compare};
use selvedge_testing::{
    Limit, again, bytes_read, is_child, peak, python, run_limited, setting, tell, told,
};

/// Bytes of address space of a process that reads them.
const ADDRESS_SPACE: u64 = 2 << 30;

/// Runs the test `name` again, on the files that a script makes in a folder, and returns the numbers that it tells.
fn in_child(name: &str, script: &str, settings: &[(&str, String)]) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let arguments = settings.iter().map(|(_, value)| value.clone());
    let path = folder.path().join("view.h5").display().to_string();
    python::run(script, [path.clone()].into_iter().chain(arguments));
    let settings = [settings, &[("PATH", path)]].concat();
    let output = run_limited(&again(name, &settings), Limit::AddressSpace(ADDRESS_SPACE));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines = said.lines().filter_map(told);
    lines.map(|line| line.parse().unwrap()).collect()
}

/// Sources of 512 KiB, in two chunks each, of which each gives some rows: in one file, or in files of their own.
const MANY: &str = r#"
import os, sys, h5py, numpy as np
path, sources, where = sys.argv[1], int(sys.argv[2]), sys.argv[3]
folder = os.path.dirname(path)
values = np.arange(8 * 16384, dtype="f4").reshape(8, 16384)
with h5py.File(path, "w", libver="latest") as view, h5py.File(f"{folder}/all.h5", "w", libver="latest") as all:
    layout = h5py.VirtualLayout((8 * sources, 16384), "f4")
    for nth in range(sources):
        name = f"{nth}.h5" if where == "files" else "all.h5"
        file = h5py.File(f"{folder}/{name}", "w", libver="latest") if where == "files" else all
        file.create_dataset(f"s/{nth}", data=values + nth, chunks=(4, 16384), compression=None if nth % 2 else 1)
        source = h5py.VirtualSource(name, f"s/{nth}", shape=values.shape)
        layout[8 * nth:8 * nth + 8] = source
        if where == "files":
            file.close()
    view.create_virtual_dataset("V", layout)
"#;

/// libhdf5 keeps each source open, and chunks of it: memory grew by more than a megabyte for each.
#[test]
fn memory_does_not_grow_with_the_sources() {
    const NAME: &str = "virtual_sources::memory_does_not_grow_with_the_sources";
    const MEMORY: u64 = 64 << 20;
    if is_child(NAME) {
        let path: PathBuf = setting("PATH");
        let new = path.with_file_name("new.h5");
        let rechunk = Rechunk::new(&path, &new).memory(MEMORY);
        let (result, rise) = peak(|| rechunk.run(|_| {}));
        result.unwrap();
        tell(format_args!("{rise}"));
        let (old, new) = (Reader::open(&path).unwrap(), Reader::open(&new).unwrap());
        let options = CompareOptions::default().memory(MEMORY);
        let (result, rise) = peak(|| compare(&old, &new, &options, |_| {}));
        assert!(result.unwrap().is_equal());
        return tell(format_args!("{rise}"));
    }
    for place in ["file", "files"] {
        let rises = [50, 200].map(|sources: u64| {
            let settings = [
                ("SOURCES", sources.to_string()),
                ("WHERE", place.to_owned()),
            ];
            in_child(NAME, MANY, &settings)
        });
        println!("{place}: {rises:?}");
        for (few, many) in rises[0].iter().zip(&rises[1]) {
            assert!(many.max(few) < &MEMORY, "{place}: {rises:?}");
            // A mapping takes memory, too.
            assert!(many < &(few + (24 << 20)), "{place}: {rises:?}");
        }
    }
}

/// Two chunks of 12 MB, which do not compress, as a virtual dataset: at once, and by a mapping for each row.
const LARGE: &str = r#"
import sys, h5py, numpy as np
path, how = sys.argv[1:]
values = np.random.default_rng(1).integers(0, 256, (32, 786432), dtype="u1")
with h5py.File(path + ".source", "w", libver="latest") as f:
    f.create_dataset("S", data=values, chunks=(16, 786432), compression=1)
with h5py.File(path, "w", libver="latest") as f:
    layout, source = h5py.VirtualLayout((32, 786432), "u1"), h5py.VirtualSource("view.h5.source", "S", shape=values.shape)
    if how == "rows":
        for row in range(32):
            layout[row] = source[31 - row]
    else:
        layout[...] = source
    f.create_virtual_dataset("V", layout)
"#;

/// A chunk was read and unpacked again for each piece of rows that was read.
#[test]
fn the_chunks_of_a_source_are_read_once() {
    const NAME: &str = "virtual_sources::the_chunks_of_a_source_are_read_once";
    if is_child(NAME) {
        let path: PathBuf = setting("PATH");
        let open = || Reader::open(&path).unwrap();
        let (file, again) = (open(), open());
        let tensor = file.tensor("V").unwrap();
        tensor.check_readable().unwrap();
        tell(format_args!(
            "{}",
            fs::metadata(path.with_extension("h5.source"))
                .unwrap()
                .len()
        ));
        let ((), steps) = bytes_read(|| {
            for step in 0..32 {
                tensor.read_step::<u8>(step).unwrap();
            }
        });
        let (_, whole) = bytes_read(|| open().tensor("V").unwrap().read::<u8>().unwrap());
        let (_, rows) = bytes_read(|| {
            let (file, rows) = (open(), [5, 70_000, 786_431]);
            file.tensor("V")
                .unwrap()
                .select()
                .rows(rows)
                .read::<u8>()
                .unwrap()
        });
        let options = CompareOptions::default();
        let (result, both) = bytes_read(|| compare(&file, &again, &options, |_| {}).unwrap());
        assert!(result.is_equal());
        for bytes in [steps, whole, rows, both / 2] {
            tell(format_args!("{bytes}"));
        }
        return;
    }
    for how in ["whole", "rows"] {
        let told = in_child(NAME, LARGE, &[("HOW", how.to_owned())]);
        let [stored, read @ ..] = &told[..] else {
            panic!("{told:?}");
        };
        println!("{how}: {read:?} of {stored}");
        assert_eq!(read.len(), 4);
        for bytes in read {
            assert!(*bytes < stored + stored / 8, "{how}: {read:?} of {stored}");
        }
    }
}

/// Columns of many sources, each in one chunk of all rows, do not fit the memory: they are unpacked again for fewer rows, and
/// that is no error.
const COLUMNS: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as f, h5py.File(sys.argv[1] + ".source", "w", libver="latest") as all:
    layout = h5py.VirtualLayout((20_000, 400), "f4")
    for nth in range(400):
        all.create_dataset(f"s/{nth}", data=np.arange(20_000, dtype="f4") + nth, chunks=(20_000,), compression=1)
        layout[:, nth] = h5py.VirtualSource("view.h5.source", f"s/{nth}", shape=(20_000,))
    f.create_virtual_dataset("V", layout)
"#;

#[test]
fn columns_that_do_not_fit_are_read_in_fewer_rows() {
    const NAME: &str = "virtual_sources::columns_that_do_not_fit_are_read_in_fewer_rows";
    if is_child(NAME) {
        let path: PathBuf = setting("PATH");
        let new = path.with_file_name("new.h5");
        let rechunk = Rechunk::new(&path, &new).memory(40 << 20);
        let (made, rise) = peak(|| rechunk.run(|_| {}));
        made.unwrap();
        let file = Reader::open(&new).unwrap();
        let step = file.tensor("V").unwrap().read_step::<f32>(19_999).unwrap();
        assert_eq!((step[0], step[399]), (19_999.0, 20_398.0));
        return tell(format_args!("{rise}"));
    }
    let rise = in_child(NAME, COLUMNS, &[]);
    assert!(rise[0] < 40 << 20, "{rise:?}");
}
