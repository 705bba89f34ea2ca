//! A file that is written under another name until it is complete.
//!
//! `.NAME.partial`, in the same folder, belongs to a save of fixed size: what a killed one leaves
//! is worth nothing, and the next save of the same file removes it. `NAME.unfinished` belongs to a
//! growing one: what a killed one leaves is worth keeping, so it is in plain sight, and nothing
//! removes it but `recover` or somebody who says so. Each is locked while its writer lives.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, sys};

/// What is known of a file that a writer left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leftover {
    /// Remove it.
    Discard,
    /// Refuse to go on where it has a header, which a growing file has from the moment on from
    /// which it can be recovered.
    KeepWithHeader,
}

/// Bytes of the longest name that file systems have.
const LONGEST_NAME: usize = 255;

/// The name under which the file at `path` is written until it is complete.
pub(crate) fn partial_path(path: &Path) -> PathBuf {
    renamed(path, ".", ".partial")
}

/// The name under which the growing file at `path` is written until it is finished.
pub(crate) fn unfinished_path(path: &Path) -> PathBuf {
    renamed(path, "", ".unfinished")
}

fn renamed(path: &Path, before: &str, after: &str) -> PathBuf {
    let own = path.file_name().unwrap_or_default();
    let mut name = OsString::from(before);
    if own.len() + before.len() + after.len() <= LONGEST_NAME {
        name.push(own);
    } else {
        // What is left of it, and a number that tells it from others that begin so.
        let bytes = own.as_bytes();
        name.push(OsStr::from_bytes(&bytes[..LONGEST_NAME - 40]));
        name.push(format!("-{:016x}", fnv1a(bytes)));
    }
    name.push(after);
    path.with_file_name(name)
}

/// The hash function FNV-1a of 64 bits, by G. Fowler, L. Noll and K.-P. Vo.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// Where a save of `path` goes: behind a symbolic link, as an `open` for writing would.
///
/// # Errors
///
/// [`Error::Io`] where that is a folder, or where links lead in a circle.
pub(crate) fn target(path: &Path) -> Result<PathBuf, Error> {
    const MOST_LINKS: usize = 40;
    if path.as_os_str().is_empty() {
        let empty = io::Error::new(io::ErrorKind::InvalidInput, "the path is empty");
        return Err(Error::io(path, "save")(empty));
    }
    let is_folder = || Error::io(path, "save to")(io::ErrorKind::IsADirectory.into());
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(is_folder());
    }
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&target) {
            Ok(link) => {
                target = match target.parent() {
                    Some(folder) => folder.join(link),
                    None => link,
                };
            }
            Err(_) if target.is_dir() || target.file_name().is_none() => {
                return Err(is_folder());
            }
            Err(_) => return Ok(target),
        }
    }
    Err(Error::io(path, "follow the symbolic links of")(
        io::Error::other("too many levels of symbolic links"),
    ))
}

/// A file on its way.
#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    /// Its name until it is complete.
    path: PathBuf,
    /// Its name then.
    target: PathBuf,
    /// Whether it is removed when it is given up.
    remove: bool,
    /// The first folder above it that was there before: those below it are new, and to be put on
    /// the disk with the file.
    oldest: PathBuf,
}

impl Partial {
    /// Makes the file `path`, which shall become `target`, and locks it. Missing folders are made.
    pub(crate) fn create(
        path: PathBuf,
        target: PathBuf,
        leftover: Leftover,
    ) -> Result<Self, Error> {
        let folder = folder_of(&target);
        let oldest = folder.ancestors().find(|folder| folder.is_dir());
        let oldest = oldest.unwrap_or(Path::new(".")).to_owned();
        fs::create_dir_all(folder).map_err(Error::io(folder, "create the folder"))?;
        // What the old file keeps to itself, the new one does not show while it is written.
        let mode = fs::metadata(&target).map_or(0o666, |old| old.mode() & 0o666 | 0o600);
        loop {
            let created = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(&path);
            match created {
                Ok(file) => {
                    // Between the two calls another save can have taken it for a leftover.
                    if lock(&file, &path)? && is_named(&file, &path) {
                        return Ok(Self {
                            file,
                            path,
                            target,
                            remove: true,
                            oldest,
                        });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    clear(&path, &target, leftover)?;
                }
                Err(error) => return Err(Error::io(&target, "create a file beside")(error)),
            }
        }
    }

    /// Opens and locks the file `path`, which a writer left.
    pub(crate) fn reopen(path: PathBuf, target: PathBuf) -> Result<Option<Self>, Error> {
        loop {
            let file = match open_leftover(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(Error::io(&path, "open")(error)),
            };
            if !lock(&file, &path)? {
                return Err(in_use(&path, &target));
            }
            if is_named(&file, &path) {
                let oldest = folder_of(&target).to_owned();
                let remove = false;
                return Ok(Some(Self {
                    file,
                    path,
                    target,
                    remove,
                    oldest,
                }));
            }
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// From now on the file is left where it is when it is given up.
    pub(crate) fn keep(&mut self) {
        self.remove = false;
    }

    /// Gives the file its name, and with `sync` makes sure that it keeps it through a power cut.
    ///
    /// A file that it replaces hands down its permissions.
    ///
    /// An error leaves it as it was, but for one of the disk after the renaming.
    pub(crate) fn publish(&mut self, sync: bool, overwrite: bool) -> Result<(), Error> {
        if overwrite {
            self.inherit()?;
        }
        // Opened before the renaming, behind which there is no way back.
        let folders = if sync { self.folders()? } else { Vec::new() };
        if sync {
            self.file
                .sync_all()
                .map_err(Error::io(&self.target, "put on the disk"))?;
        }
        // Under its name can be another save's file by now, which may have just begun.
        if !is_named(&self.file, &self.path) {
            return Err(Error::Io {
                path: self.path.clone(),
                action: "rename",
                source: io::Error::new(
                    io::ErrorKind::NotFound,
                    "another program removed or replaced it while it was written",
                ),
            });
        }
        let renamed = if overwrite {
            fs::rename(&self.path, &self.target)
        } else {
            sys::rename_new(&self.path, &self.target)
        };
        match renamed {
            Ok(()) => self.remove = false,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::AlreadyExists {
                    path: self.target.clone(),
                });
            }
            Err(error) => return Err(Error::io(&self.target, "rename a file to")(error)),
        }
        sync_all(&folders)
    }

    /// Makes sure that the file keeps the name that it has now through a power cut.
    pub(crate) fn sync_names(&self) -> Result<(), Error> {
        sync_all(&self.folders()?)
    }

    /// The folder of the file, and those above it up to the first that was there before.
    fn folders(&self) -> Result<Vec<(PathBuf, File)>, Error> {
        let mut folders = Vec::new();
        for folder in folder_of(&self.target).ancestors() {
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            let open = File::open(folder).map_err(Error::io(folder, "open the folder"))?;
            folders.push((folder.to_owned(), open));
            if folder == self.oldest {
                break;
            }
        }
        Ok(folders)
    }

    /// Takes over the permissions and, as far as this user may, the owner of the file to be replaced.
    fn inherit(&self) -> Result<(), Error> {
        let Ok(old) = fs::metadata(&self.target) else {
            return Ok(());
        };
        let new = self
            .file
            .metadata()
            .map_err(Error::io(&self.path, "look at"))?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            // Root may, and others did not expect it.
            let _ = std::os::unix::fs::fchown(&self.file, Some(old.uid()), Some(old.gid()));
        }
        if new.mode() == old.mode() {
            return Ok(());
        }
        self.file
            .set_permissions(old.permissions())
            .map_err(Error::io(&self.target, "keep the permissions of"))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.remove && is_named(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
        // The lock belongs to the open file, and so would live on in a process that was forked
        // meanwhile and still has its descriptor.
        let _ = self.file.unlock();
    }
}

fn sync_all(folders: &[(PathBuf, File)]) -> Result<(), Error> {
    folders.iter().try_for_each(|(path, folder)| {
        folder
            .sync_all()
            .map_err(Error::io(path, "put on the disk"))
    })
}

/// The folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Refuses to go on while a writer of `target` is at work under another name, `path`.
pub(crate) fn check_unused(path: &Path, target: &Path) -> Result<(), Error> {
    match open_leftover(path) {
        Ok(file) if !lock(&file, path)? => Err(in_use(path, target)),
        // The lock goes with the file.
        _ => Ok(()),
    }
}

/// Removes what an earlier writer left at `path`, unless that is to be kept.
pub(crate) fn clear(path: &Path, target: &Path, leftover: Leftover) -> Result<(), Error> {
    let file = match open_leftover(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(path, "remove")(error)),
    };
    if !lock(&file, path)? {
        return Err(in_use(path, target));
    }
    if !is_named(&file, path) {
        return Ok(());
    }
    let mut length = [0; 8];
    let has_header = file.read_exact_at(&mut length, 0).is_ok() && length != [0; 8];
    let result = if leftover == Leftover::KeepWithHeader && has_header {
        Err(Error::Unfinished {
            path: target.to_owned(),
            unfinished: path.to_owned(),
        })
    } else {
        fs::remove_file(path).map_err(Error::io(path, "remove"))
    };
    let _ = file.unlock();
    result
}

/// Opens what an earlier writer left at `path`.
///
/// No writer leaves a symbolic link. Behind one would be a file of another name, which
/// [`is_named`] takes for one that was just renamed, however often it is tried again.
fn open_leftover(path: &Path) -> io::Result<File> {
    if path.symlink_metadata()?.is_symlink() {
        return Err(io::Error::other(
            "it is a symbolic link, which no save makes; remove it or move the file here",
        ));
    }
    OpenOptions::new().read(true).write(true).open(path)
}

/// Takes the lock; `false` where another process has it.
///
/// A file system without locks cannot keep two saves of one file apart, and is no reason to save
/// nothing.
fn lock(file: &File, path: &Path) -> Result<bool, Error> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if sys::is_without_locks(&error) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::io(path, "lock")(error)),
    }
}

/// Whether `path` is still a name of the open file.
fn is_named(file: &File, path: &Path) -> bool {
    match (fs::symlink_metadata(path), file.metadata()) {
        (Ok(named), Ok(open)) => sys::is_same(&named, &open),
        _ => false,
    }
}

fn in_use(path: &Path, target: &Path) -> Error {
    Error::InUse {
        path: target.to_owned(),
        partial: path.to_owned(),
    }
}
