//! A full disk: a clear error, the old file, and nothing left but what is worth it.

use std::fs;
use std::path::{Path, PathBuf};

use common::{bytes_of, named, names, new_path};
use selvedge_safetensors::{Save, SaveError, Writer, recover};
use selvedge_testing::{again, is_child, on_small_file_system, setting, tell, with_file_limit};

mod common;

static VALUES: [u32; 100_000] = [7; 100_000];

fn save(path: &Path) -> Save<'static> {
    Save::new(path)
        .overwrite(true)
        .tensor("a", [VALUES.len()], &VALUES)
        .tensor("b", [VALUES.len()], &VALUES)
}

fn growing(path: &Path) -> Writer {
    let save = Save::new(path)
        .scalar("n", 1_u8)
        .growing::<u32>("rows", [1000]);
    save.start().unwrap()
}

#[test]
fn child_that_fills_its_limit() {
    if !is_child("child_that_fills_its_limit") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let error = save(&path).write().expect_err("the file is too large");
    let text = named(&error, &path);
    assert!(text.contains("File too large"), "{text}");

    if setting("GROWS") {
        let mut file = growing(&path);
        let error = loop {
            if let Err(error) = file.write("rows", &VALUES[..3000]) {
                break error;
            }
        };
        assert!(matches!(error, SaveError::WriteTensor { .. }), "{error}");
        assert!(named(&error, &path).contains("`rows`"));
        tell(format_args!("rows {}", file.rows()));
    }
}

#[test]
fn a_disk_that_becomes_full_keeps_the_old_file() {
    let (folder, path) = new_path();
    // No byte at all, the middle of the header, of the first and of the second tensor.
    for limit in [0, 100, 200_000, 500_000] {
        for old in [false, true] {
            if old {
                fs::write(&path, "old").unwrap();
            }
            let settings = [
                ("PATH", path.display().to_string()),
                ("GROWS", "false".to_owned()),
            ];
            with_file_limit(&again("child_that_fills_its_limit", &settings), limit);
            if old {
                assert_eq!(fs::read_to_string(&path).unwrap(), "old");
                fs::remove_file(&path).unwrap();
            }
            assert_eq!(names(folder.path()), [""; 0], "limit {limit}");
        }
    }
}

#[test]
fn what_grew_before_the_disk_was_full_is_recovered() {
    let (folder, path) = new_path();
    let settings = [
        ("PATH", path.display().to_string()),
        ("GROWS", "true".to_owned()),
    ];
    with_file_limit(&again("child_that_fills_its_limit", &settings), 500_000);
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors.unfinished"]);
    // The header takes less than 1,000 bytes. Rows of the call that failed do not count.
    let rows = recover(&path).unwrap().rows.unwrap();
    assert_eq!(rows, 123);
    assert_eq!(bytes_of(&path, "rows").len() as u64, rows * 4000);
}

#[test]
fn child_that_goes_on_after_a_failure() {
    if !is_child("child_that_goes_on_after_a_failure") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let mut file = growing(&path);
    file.write("rows", &[1_u32; 1000]).unwrap();
    file.write("rows", &VALUES)
        .expect_err("the file is too large");
    file.write("rows", &[2_u32; 1000]).unwrap();
    assert_eq!(file.rows(), 2);
}

/// A call of `write` that failed left the rows in the file that had fitted. The writer did not count
/// them, and wrote on over their start; after a kill `recover` went by the length of the file, and
/// gave the rest of them as rows after those that were written later.
#[test]
fn rows_of_a_failed_call_are_not_recovered() {
    let (_folder, path) = new_path();
    let settings = [("PATH", path.display().to_string())];
    let child = again("child_that_goes_on_after_a_failure", &settings);
    with_file_limit(&child, 200_000);
    assert_eq!(recover(&path).unwrap().rows, Some(2));
    let expected = [
        1_u32.to_le_bytes().repeat(1000),
        2_u32.to_le_bytes().repeat(1000),
    ]
    .concat();
    assert!(bytes_of(&path, "rows") == expected);
}

#[test]
fn child_on_a_small_file_system() {
    if !is_child("child_on_a_small_file_system") {
        return;
    }
    let folder: PathBuf = setting("PATH");
    let path = folder.join("1.5d_mask.safetensors");
    let ballast = folder.join("ballast");
    Save::new(&path)
        .overwrite(true)
        .scalar("old", 1_u8)
        .write()
        .unwrap();

    // More than the disk has is refused before anything is written.
    let error = Save::new(&path)
        .overwrite(true)
        .declare::<u8>("W", [16 << 20])
        .start()
        .unwrap_err();
    assert!(matches!(error, SaveError::DiskTooSmall { .. }), "{error}");
    named(&error, &path);

    // What a killed save left took the room that the next save needs, which was then refused and
    // left it there: hidden, so that nobody knew what to remove.
    let partial = folder.join(".1.5d_mask.safetensors.partial");
    fs::write(&partial, vec![1; 6 << 20]).unwrap();
    let save = Save::new(&path)
        .overwrite(true)
        .declare::<u8>("W", [5 << 20]);
    drop(save.start().unwrap());
    assert_eq!(names(&folder), ["1.5d_mask.safetensors"]);

    // Another program takes the room meanwhile; when it is given back, the save goes on.
    let mut file = Save::new(&path)
        .overwrite(true)
        .declare::<u32>("W", [1 << 20])
        .start()
        .unwrap();
    fs::write(&ballast, vec![1; 7 << 20]).unwrap();
    let error = loop {
        if let Err(error) = file.write("W", &VALUES[..1 << 15]) {
            break error;
        }
    };
    let text = named(&error, &path);
    assert!(
        text.contains("`W`") && text.contains("No space left on device"),
        "{text}"
    );
    assert_eq!(bytes_of(&path, "old"), [1]);
    fs::remove_file(&ballast).unwrap();
    while !file.missing().is_empty() {
        file.write("W", &VALUES[..1 << 15]).unwrap();
    }
    file.finish().unwrap();
    assert!(
        bytes_of(&path, "W")
            .chunks(4)
            .all(|value| value == [7, 0, 0, 0])
    );
    fs::remove_file(&path).unwrap();

    // The same of a file that grows: no row is torn, none is lost.
    let mut file = growing(&path);
    fs::write(&ballast, vec![1; 7 << 20]).unwrap();
    while file.write("rows", &VALUES[..5000]).is_ok() {}
    let rows = file.rows();
    assert!(rows > 0 && rows.is_multiple_of(5));
    fs::remove_file(&ballast).unwrap();
    file.write("rows", &VALUES[..1000]).unwrap();
    assert_eq!(file.finish().unwrap().rows, Some(rows + 1));
    assert!(
        bytes_of(&path, "rows")
            .chunks(4)
            .all(|value| value == [7, 0, 0, 0])
    );
    tell(format_args!("done"));
}

#[test]
fn a_small_file_system_that_becomes_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [("PATH", folder.path().display().to_string())];
    let child = again("child_on_a_small_file_system", &settings);
    on_small_file_system(&child, 8);
}
