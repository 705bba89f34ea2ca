//! What becomes of a file that has the name of a new one.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use selvedge_safetensors::{FileError, Save, SaveError};

use crate::common::{bytes_of, named, names, new_path};

#[test]
fn a_file_hands_its_permissions_down_to_the_one_that_replaces_it() {
    let (_folder, path) = new_path();
    for mode in [0o600, 0o664, 0o755] {
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Save::new(&path)
            .overwrite(true)
            .scalar("x", 1_u8)
            .write()
            .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_link_is_followed_and_stays() {
    let (folder, path) = new_path();
    let real = folder.path().join("data/real.safetensors");
    symlink("data/real.safetensors", &path).unwrap();
    for value in [1_u8, 2] {
        // At first there is nothing after it.
        Save::new(&path)
            .overwrite(true)
            .scalar("x", value)
            .write()
            .unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(bytes_of(&real, "x"), [value]);
        assert_eq!(names(&folder.path().join("data")), ["real.safetensors"]);
    }
    fs::remove_file(&real).unwrap();
    symlink("../1.5d_mask.safetensors", &real).unwrap();
    let error = Save::new(&path)
        .overwrite(true)
        .scalar("x", 1_u8)
        .write()
        .unwrap_err();
    assert!(named(&error, &path).contains("symbolic links"));
}

/// A save replaced whatever had the name, where all else here asks for leave.
#[test]
fn a_file_is_kept_unless_it_is_to_be_replaced() {
    let (folder, path) = new_path();
    Save::new(&path).scalar("x", 1_u8).write().unwrap();
    let error = Save::new(&path).scalar("x", 2_u8).write().unwrap_err();
    assert!(
        matches!(error, SaveError::File(FileError::AlreadyExists { .. })),
        "{error}"
    );
    named(&error, &path);
    assert_eq!(bytes_of(&path, "x"), [1]);

    // Also where it comes up while another is being written.
    fs::remove_file(&path).unwrap();
    let mut writer = Save::new(&path).scalar("x", 2_u8).start().unwrap();
    fs::write(&path, "mine").unwrap();
    let error = writer.finish().unwrap_err();
    assert!(
        matches!(error, SaveError::File(FileError::AlreadyExists { .. })),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    // When that is out of the way, the file can have its name.
    fs::remove_file(&path).unwrap();
    writer.finish().unwrap();
    assert_eq!(bytes_of(&path, "x"), [2]);
    drop(writer);
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
}
