//! What a process that `fork` made does with its copies of locks and files on their way: nothing.

use std::fs;

use selvedge_base::{FileError, LockedFile, Partial, remove_partials};
use selvedge_testing::{End, in_fork};

/// A child that was forked and gave up its copy of a lock gave it up for the parent as well: the lock is
/// the open file's, which both have.
#[test]
fn a_lock_is_not_given_back_by_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    fs::write(&path, "x").unwrap();
    for end in [End::AtOnce, End::Normally] {
        let mut lock = Some(LockedFile::open(&path).unwrap());
        lock.as_ref().unwrap().share(&path).unwrap();
        let said = in_fork(end, || {
            let lock = lock.take().unwrap();
            let shared = lock.share(&path).unwrap_err();
            let secluded = lock.seclude(&path).unwrap_err();
            drop(lock);
            format!("{shared}\n{secluded}")
        });
        let owner = format!("belongs to process {}", std::process::id());
        assert_eq!(said.matches(&owner).count(), 2, "{said}");
        let second = LockedFile::open(&path);
        assert!(matches!(second, Err(FileError::InUse { .. })), "{second:?}");
        let other = fs::File::open(&path).unwrap();
        assert!(other.try_lock().is_err(), "HDF5's lock is gone");
        drop(lock);
        LockedFile::open(&path).unwrap();
        other.try_lock().unwrap();
    }
}

/// The clean-up of a child that was interrupted, or ended, removed what its parent was writing.
#[test]
fn a_file_on_its_way_is_not_removed_by_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let mut partial = Some(Partial::create(&path, false).unwrap());
    let said = in_fork(End::Normally, || {
        let removed = remove_partials();
        let mut partial = partial.take().unwrap();
        let published = partial.publish(true).unwrap_err();
        drop(partial);
        format!("{removed:?} {published}")
    });
    assert!(said.starts_with("[] "), "{said}");
    assert!(said.contains("belongs to process"), "{said}");
    let mut partial = partial.unwrap();
    assert!(partial.path().exists());
    partial.publish(true).unwrap();
    assert!(path.exists());
}

/// A process that is forked while another thread begins a file had that thread's lock for ever.
#[test]
fn a_copy_writes_files_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.h5");
    let mut partial = Some(Partial::create(&path, false).unwrap());
    let said = in_fork(End::AtOnce, || {
        drop(partial.take());
        let own = folder.path().join("own.h5");
        let mut partial = Partial::create(&own, false).unwrap();
        partial.publish(true).unwrap();
        drop(partial);
        let given_up = Partial::create(&folder.path().join("given up.h5"), false).unwrap();
        let removed = remove_partials();
        std::mem::forget(given_up);
        let again = in_fork(End::AtOnce, || format!("{}", remove_partials().len()));
        format!("{} {again}", removed.len())
    });
    assert_eq!(said, "1 0");
    assert!(folder.path().join("own.h5").exists());
    assert!(partial.unwrap().path().exists());
}
