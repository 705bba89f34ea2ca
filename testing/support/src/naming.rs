//! How a file gets its name: what every writer of the project is held to.
//!
//! [`naming_contract!`](crate::naming_contract) makes a test of each function here, for one writer.
//! Each test says what any user of a file system takes for granted, or what a writer once got wrong.

#![allow(missing_docs, reason = "the name of each function is a sentence")]

use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use selvedge_base::{LockedFile, Partial};

use crate::faults::{Fault, in_folder, with_fault, without_privileges};

/// A way of writing a file.
pub trait Writer: Sync {
    /// What its files end with: `h5`.
    fn ending(&self) -> &'static str;

    /// Writes a small, whole file that holds `value`.
    ///
    /// # Errors
    ///
    /// The message that a user reads, with its causes.
    fn write(&self, path: &Path, value: u8, overwrite: bool) -> Result<(), String>;

    /// The value that a file holds.
    fn read(&self, path: &Path) -> u8;
}

/// Makes a test of each part of the contract, for the writer that an expression makes. After `@but_a_full_disk` without the
/// one in which every write of the process fails.
#[macro_export]
macro_rules! naming_contract {
    ($writer:expr) => {
        $crate::naming_contract! { @but_a_full_disk $writer }
        $crate::naming_contract! { @each $writer; a_full_disk_leaves_the_old_file }
    };
    (@but_a_full_disk $writer:expr) => {
        $crate::naming_contract! { @each $writer;
            a_new_file_is_like_any_other
            new_folders_are_made
            a_file_is_kept_without_leave
            a_file_hands_its_permissions_down
            a_file_hands_its_owner_down
            another_group_does_not_get_to_read
            a_link_is_followed_and_stays
            a_link_to_nothing_makes_what_it_leads_to
            links_in_a_circle_are_refused
            another_name_of_the_old_file_keeps_it
            a_write_protected_file_is_not_replaced
            what_is_no_file_is_not_replaced
            what_is_no_name_of_a_file_is_refused
            a_folder_that_cannot_be_written_is_named
            a_link_in_the_place_of_the_partial_file_is_refused
            a_second_name_in_the_place_of_the_partial_file_keeps_its_file
            a_pipe_in_the_place_of_the_partial_file_is_refused
            what_a_killed_writer_left_is_removed
            two_writers_of_one_file_do_not_mix
            many_writers_at_once_leave_one_whole_file
            a_file_that_somebody_writes_is_not_replaced
            names_may_be_as_long_as_any
            a_name_need_not_be_text
            a_relative_path_and_a_umask_are_heeded
            a_failing_disk_leaves_the_old_file
            file_systems_without_locks_are_written_to
            file_systems_without_exclusive_renaming_are_written_to
        }
    };
    (@each $writer:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::naming::$name(&$writer);
            }
        )*
    };
}

/// A folder, and the path of a file in it.
fn place(writer: &dyn Writer) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(format!("thimble_1.{}", writer.ending()));
    (folder, path)
}

/// The name under which the file at `path` is written.
fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().expect("a name").display().to_string();
    path.with_file_name(format!(".{name}.partial"))
}

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn name(path: &Path) -> String {
    let name = path.file_name().expect("a name");
    name.to_string_lossy().into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("metadata").mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

fn write(writer: &dyn Writer, path: &Path, value: u8, overwrite: bool) {
    let written = writer.write(path, value, overwrite);
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// What a writer says that refuses a file, which has to name it.
fn refused(writer: &dyn Writer, path: &Path, overwrite: bool) -> String {
    let written = writer.write(path, 9, overwrite);
    let Err(said) = written else {
        panic!("{} was written", path.display());
    };
    println!("{said}");
    said
}

/// As [`refused`], with a message that names `named`.
fn refused_naming(writer: &dyn Writer, path: &Path, overwrite: bool, named: &Path) -> String {
    let said = refused(writer, path, overwrite);
    let named = named.display().to_string();
    assert!(said.contains(&named), "`{said}` does not name {named}");
    said
}

pub fn a_new_file_is_like_any_other(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let plain = folder.path().join("plain");
    File::create(&plain).expect("a file");
    write(writer, &path, 1, false);
    assert_eq!(writer.read(&path), 1);
    assert_eq!(mode(&path), mode(&plain));
    assert_eq!(names(folder.path()), ["plain".to_owned(), name(&path)]);
}

pub fn new_folders_are_made(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let path = folder.path().join("tensors/Thimble").join(name(&path));
    write(writer, &path, 1, false);
    assert_eq!(writer.read(&path), 1);
    assert_eq!(names(path.parent().expect("a folder")), [name(&path)]);
}

pub fn a_file_is_kept_without_leave(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    write(writer, &path, 1, false);
    let said = refused_naming(writer, &path, false, &path);
    assert!(said.contains("exists"), "{said}");
    assert_eq!(writer.read(&path), 1);
    write(writer, &path, 2, true);
    assert_eq!(writer.read(&path), 2);
    assert_eq!(names(folder.path()), [name(&path)]);
}

/// A private file was open to everybody after it was replaced.
pub fn a_file_hands_its_permissions_down(writer: &dyn Writer) {
    let (_folder, path) = place(writer);
    for mode_before in [0o600, 0o660, 0o644, 0o755] {
        fs::write(&path, "old").expect("write");
        set_mode(&path, mode_before);
        write(writer, &path, 1, true);
        assert_eq!(mode(&path), mode_before, "{mode_before:o}");
        assert_eq!(writer.read(&path), 1);
    }
}

pub fn a_file_hands_its_owner_down(writer: &dyn Writer) {
    let (_folder, path) = place(writer);
    fs::write(&path, "old").expect("write");
    if std::os::unix::fs::chown(&path, Some(1234), Some(5678)).is_err() {
        return println!("not tested: this user may not give a file away");
    }
    set_mode(&path, 0o640);
    write(writer, &path, 1, true);
    let new = fs::metadata(&path).expect("metadata");
    assert_eq!((new.uid(), new.gid(), mode(&path)), (1234, 5678, 0o640));
}

/// A file of another group, which this user cannot give to that group, lets nobody read more.
pub fn another_group_does_not_get_to_read(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    fs::write(&path, "old").expect("write");
    if std::os::unix::fs::chown(&path, Some(65_534), Some(5678)).is_err() {
        return println!("not tested: this user may not give a file away");
    }
    set_mode(&path, 0o640);
    without_privileges(folder.path(), || {
        write(writer, &path, 1, true);
        assert_eq!(mode(&path), 0o600);
    });
}

/// `convert` and `rechunk` put a file in the place of the link, and what it led to stayed old.
pub fn a_link_is_followed_and_stays(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let store = folder.path().join("store");
    fs::create_dir(&store).expect("a folder");
    let real = store.join(name(&path));
    write(writer, &real, 1, false);
    set_mode(&real, 0o600);
    symlink(Path::new("store").join(name(&path)), &path).expect("a link");
    let said = refused(writer, &path, false);
    assert!(said.contains("exists"), "{said}");
    write(writer, &path, 2, true);
    assert!(path.is_symlink(), "the link was replaced");
    assert!(!real.is_symlink(), "a link came where the file was");
    assert_eq!((writer.read(&real), mode(&real)), (2, 0o600));
    assert_eq!(names(folder.path()), ["store".to_owned(), name(&path)]);
    assert_eq!(names(&store), [name(&path)]);
}

pub fn a_link_to_nothing_makes_what_it_leads_to(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let real = folder.path().join("later").join(name(&path));
    symlink(Path::new("later").join(name(&path)), &path).expect("a link");
    write(writer, &path, 1, false);
    assert!(path.is_symlink(), "the link was replaced");
    assert_eq!(writer.read(&real), 1);
}

pub fn links_in_a_circle_are_refused(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    symlink(name(&path), &path).expect("a link");
    for overwrite in [false, true] {
        refused_naming(writer, &path, overwrite, &path);
    }
    assert_eq!(names(folder.path()), [name(&path)]);
}

pub fn another_name_of_the_old_file_keeps_it(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let other = folder.path().join(format!("kept.{}", writer.ending()));
    write(writer, &path, 1, false);
    fs::hard_link(&path, &other).expect("a second name");
    write(writer, &path, 2, true);
    assert_eq!((writer.read(&path), writer.read(&other)), (2, 1));
}

/// A rename asks the folder only, and replaced what somebody meant to keep.
pub fn a_write_protected_file_is_not_replaced(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    without_privileges(folder.path(), || {
        write(writer, &path, 1, false);
        set_mode(&path, 0o444);
        let said = refused_naming(writer, &path, true, &path);
        assert!(said.contains("write-protected"), "{said}");
        assert_eq!((writer.read(&path), mode(&path)), (1, 0o444));
        assert_eq!(names(folder.path()), [name(&path)]);
    });
}

/// A rename would put a file in the place of a pipe, or, for root, of `/dev/null`.
pub fn what_is_no_file_is_not_replaced(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let _socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    for overwrite in [false, true] {
        refused_naming(writer, &path, overwrite, &path);
    }
    let found = fs::symlink_metadata(&path).expect("metadata");
    assert!(found.file_type().is_socket(), "it was replaced");
    let link = folder.path().join(format!("null.{}", writer.ending()));
    symlink("/dev/null", &link).expect("a link");
    refused(writer, &link, true);
    let found = fs::metadata("/dev/null").expect("metadata");
    assert!(found.file_type().is_char_device(), "/dev/null was replaced");
    assert_eq!(names(folder.path()), [name(&link), name(&path)]);
}

pub fn what_is_no_name_of_a_file_is_refused(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let below = folder.path().join(format!("folder.{}", writer.ending()));
    fs::create_dir(&below).expect("a folder");
    for overwrite in [false, true] {
        let said = refused_naming(writer, &below, overwrite, &below);
        assert!(said.contains("folder"), "{said}");
    }
    let slash = PathBuf::from(format!("{}/", path.display()));
    refused_naming(writer, &slash, true, &slash);
    let file = folder.path().join("file");
    fs::write(&file, "text").expect("write");
    refused_naming(writer, &file.join(name(&path)), true, &file);
    assert_eq!(names(folder.path()), ["file".to_owned(), name(&below)]);
    assert_eq!(fs::read(&file).expect("read"), b"text");
}

pub fn a_folder_that_cannot_be_written_is_named(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    without_privileges(folder.path(), || {
        let below = folder.path().join("below");
        fs::create_dir(&below).expect("a folder");
        set_mode(&below, 0o555);
        let said = refused_naming(writer, &below.join(name(&path)), true, &below);
        assert!(said.contains("ermission"), "{said}");
        assert_eq!(names(&below), [""; 0]);
    });
}

/// In a folder where others may write, a link under the partial name led a writer into a text of its
/// user, or made it try for ever.
pub fn a_link_in_the_place_of_the_partial_file_is_refused(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let text = folder.path().join("thesis.txt");
    fs::write(&text, "my thesis").expect("write");
    for led_to in ["thesis.txt", "nowhere"] {
        symlink(led_to, partial(&path)).expect("a link");
        let said = refused_naming(writer, &path, true, &partial(&path));
        assert!(said.contains("symbolic link"), "{said}");
        assert_eq!(fs::read(&text).expect("read"), b"my thesis");
        assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));
        fs::remove_file(partial(&path)).expect("remove");
    }
    fs::create_dir(partial(&path)).expect("a folder");
    refused_naming(writer, &path, true, &partial(&path));
}

/// What a killed writer left is removed, which takes a name away and not what else has it.
pub fn a_second_name_in_the_place_of_the_partial_file_keeps_its_file(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let text = folder.path().join("thesis.txt");
    fs::write(&text, "my thesis").expect("write");
    fs::hard_link(&text, partial(&path)).expect("a second name");
    write(writer, &path, 1, true);
    assert_eq!(writer.read(&path), 1);
    assert_eq!(fs::read(&text).expect("read"), b"my thesis");
    assert_eq!(names(folder.path()), ["thesis.txt".to_owned(), name(&path)]);
}

/// To open a pipe is to wait for somebody at its other end.
pub fn a_pipe_in_the_place_of_the_partial_file_is_refused(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let made = std::process::Command::new("mkfifo")
        .arg(partial(&path))
        .status();
    assert!(made.expect("mkfifo").success());
    let said = refused_naming(writer, &path, true, &partial(&path));
    assert!(said.contains("pipe"), "{said}");
    assert_eq!(names(folder.path()), [name(&partial(&path))]);
}

pub fn what_a_killed_writer_left_is_removed(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    for (value, left) in [
        (1, &b""[..]),
        (2, &[0xFF; 300_000]),
        (3, b"\0\0\0\0\0\0\0\0"),
    ] {
        fs::write(partial(&path), left).expect("write");
        write(writer, &path, value, true);
        assert_eq!(writer.read(&path), value);
        assert_eq!(names(folder.path()), [name(&path)]);
    }
}

pub fn two_writers_of_one_file_do_not_mix(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let mut first = Partial::create(&path, true).expect("the first");
    let said = refused_naming(writer, &path, true, &path);
    assert!(said.contains("writing"), "{said}");
    assert_eq!(names(folder.path()), [name(&partial(&path))]);
    // Another file may be written.
    let other = folder.path().join(format!("other.{}", writer.ending()));
    write(writer, &other, 2, false);
    first.publish(false).expect("publish");
    drop(first);
    assert_eq!(fs::read(&path).expect("read"), b"");
    write(writer, &path, 3, true);
    assert_eq!(writer.read(&path), 3);
}

pub fn many_writers_at_once_leave_one_whole_file(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    for overwrite in [false, true] {
        let written: Vec<u8> = std::thread::scope(|scope| {
            let path = &path;
            let writers: Vec<_> = (1..=6)
                .map(|value| {
                    scope.spawn(move || match writer.write(path, value, overwrite) {
                        Ok(()) => Some(value),
                        Err(said) => {
                            let why = said.contains("writing") || said.contains("exists");
                            assert!(why, "{said}");
                            None
                        }
                    })
                })
                .collect();
            let results = writers.into_iter().map(std::thread::ScopedJoinHandle::join);
            results
                .filter_map(|result| {
                    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        });
        assert!(written.contains(&writer.read(&path)), "{written:?}");
        assert!(overwrite || written.len() == 1, "{written:?}");
        assert_eq!(names(folder.path()), [name(&path)]);
    }
}

/// Its steps would be lost that come after.
pub fn a_file_that_somebody_writes_is_not_replaced(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    write(writer, &path, 1, false);
    let recorder = LockedFile::open(&path).expect("open");
    let said = refused_naming(writer, &path, true, &path);
    assert!(said.contains("writing"), "{said}");
    drop(recorder);
    let h5py = File::options().write(true).open(&path).expect("open");
    h5py.try_lock().expect("the lock of HDF5");
    let said = refused_naming(writer, &path, true, &path);
    assert!(said.contains("open for writing"), "{said}");
    h5py.unlock().expect("unlock");
    // In SWMR mode it has no lock.
    let reader = File::open(&path).expect("open");
    if selvedge_base::disk::is_open_for_writing(&reader) == Some(true) {
        let said = refused_naming(writer, &path, true, &path);
        assert!(said.contains("open for writing"), "{said}");
    } else {
        println!("not tested: this system does not tell who writes a file");
    }
    drop(h5py);
    // A reader is in nobody's way.
    reader.try_lock_shared().expect("the lock of HDF5");
    assert_eq!(writer.read(&path), 1);
    write(writer, &path, 2, true);
    assert_eq!(writer.read(&path), 2);
    assert_eq!(names(folder.path()), [name(&path)]);
}

/// The partial name is longer than that of the file, and once was too long.
pub fn names_may_be_as_long_as_any(writer: &dyn Writer) {
    let (folder, _) = place(writer);
    for (value, other) in [(1, "a"), (2, "b")] {
        let start = "n".repeat(255 - 2 - writer.ending().len());
        let path = folder
            .path()
            .join(format!("{start}{other}.{}", writer.ending()));
        write(writer, &path, value, false);
        write(writer, &path, value, true);
        assert_eq!(writer.read(&path), value);
    }
    assert_eq!(names(folder.path()).len(), 2, "no leftovers");
}

/// Such a file is written, or refused with a word about its name; nothing else comes of it.
pub fn a_name_need_not_be_text(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let mut bytes = b"caf\xE9.".to_vec();
    bytes.extend(writer.ending().bytes());
    let odd = folder.path().join(std::ffi::OsString::from_vec(bytes));
    match writer.write(&odd, 1, false) {
        Ok(()) => {
            fs::rename(&odd, &path).expect("rename");
            assert_eq!(writer.read(&path), 1);
        }
        Err(said) => {
            assert!(said.contains("UTF-8") && said.contains("caf"), "{said}");
            assert_eq!(names(folder.path()), [""; 0]);
        }
    }
}

pub fn a_relative_path_and_a_umask_are_heeded(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    let bare = PathBuf::from(name(&path));
    let below = Path::new("new").join(&bare);
    in_folder(folder.path(), 0o027, || {
        for path in [&bare, &below] {
            write(writer, path, 1, false);
            write(writer, path, 2, true);
        }
    });
    if path.exists() {
        assert_eq!((writer.read(&path), mode(&path)), (2, 0o640));
        assert_eq!(names(folder.path()), ["new".to_owned(), name(&path)]);
        assert_eq!(mode(&folder.path().join("new")), 0o750);
        assert_eq!(names(&folder.path().join("new")), [name(&path)]);
    }
}

pub fn a_full_disk_leaves_the_old_file(writer: &dyn Writer) {
    leaves_the_old_file(writer, Fault::Writes, libc::ENOSPC);
}

pub fn a_failing_disk_leaves_the_old_file(writer: &dyn Writer) {
    leaves_the_old_file(writer, Fault::Syncs, libc::EIO);
}

fn leaves_the_old_file(writer: &dyn Writer, fault: Fault, errno: i32) {
    let (folder, path) = place(writer);
    with_fault(fault, errno, || {
        refused_naming(writer, &path, false, &path);
    });
    assert_eq!(names(folder.path()), [""; 0]);
    write(writer, &path, 1, false);
    with_fault(fault, errno, || {
        refused_naming(writer, &path, true, &path);
    });
    assert_eq!(writer.read(&path), 1);
    assert_eq!(names(folder.path()), [name(&path)]);
}

/// NFS and Lustre are mounted so. Two writers are not told apart there, which is no reason to write
/// nothing; HDF5 files once could not be made at all.
pub fn file_systems_without_locks_are_written_to(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    for errno in [libc::ENOLCK, libc::ENOSYS, libc::EOPNOTSUPP] {
        with_fault(Fault::Locks, errno, || {
            write(writer, &path, 1, false);
            write(writer, &path, 2, true);
            assert_eq!(writer.read(&path), 2);
            assert_eq!(names(folder.path()), [name(&path)]);
            fs::remove_file(&path).expect("remove");
        });
    }
}

pub fn file_systems_without_exclusive_renaming_are_written_to(writer: &dyn Writer) {
    let (folder, path) = place(writer);
    for errno in [libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP] {
        with_fault(Fault::NewRenames, errno, || {
            write(writer, &path, 1, false);
            refused_naming(writer, &path, false, &path);
            assert_eq!(writer.read(&path), 1);
            assert_eq!(names(folder.path()), [name(&path)]);
            fs::remove_file(&path).expect("remove");
        });
    }
}
