//! A file that is written under another name until it is complete.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::interrupt::{enlisted, remove, strike};
use super::name::{folder_of, or_here, partial_path, target, unfinished_path};
use super::{inherit::inherit, old};
use crate::{FileError, LockedFile};

/// What is done with what an earlier writer left under the partial name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// It is removed.
    Discard,
    /// It is kept, and nothing is written, where its first 8 bytes are not all zero: a growing file
    /// has something there from the moment on from which it can be recovered.
    Keep,
}

/// A file on its way: locked, under its partial name, and removed if it is given up.
///
/// `.NAME.partial`, in the same folder, belongs to a file that is worth nothing before it is complete:
/// what a killed writer leaves there, the next one removes. `NAME.unfinished` belongs to a growing
/// file: what a killed writer leaves there is worth keeping, so it is in plain sight, and nothing
/// removes it but a recovery or somebody who says so. (A name that is too long with these is cut, and
/// a hash of it added.)
///
/// ```
/// use std::os::unix::fs::FileExt as _;
/// use selvedge_base::Partial;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("new/folder/W.npy");
/// let overwrite = false;
/// let mut partial = Partial::create(&path, overwrite)?;
/// partial.file().write_all_at(b"values", 0)?;
/// assert!(!path.exists());
/// partial.publish(true)?;
/// assert_eq!(std::fs::read(&path)?, b"values");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Partial {
    file: Arc<LockedFile>,
    /// Its name until it is complete.
    path: PathBuf,
    /// Its name then.
    target: PathBuf,
    /// Whether it may replace a file.
    overwrite: bool,
    /// The file that it is to replace, which nobody else may write meanwhile.
    old: Option<LockedFile>,
    /// Whether it is removed when it is given up.
    removed: bool,
    /// The first folder above it that was there before: those below it are new, and to be put on
    /// the disk with the file.
    oldest: PathBuf,
}

impl Partial {
    /// Makes a file that shall get the name `path`, or that of the file it leads to if it is a link, as
    /// `.NAME.partial`. Missing folders are made.
    ///
    /// # Errors
    ///
    /// The errors of [`target`](super::target) and [`check_target`](super::check_target);
    /// [`FileError::InUse`] and [`FileError::OpenForWriting`] where somebody writes the file;
    /// [`FileError::InTheWay`]; [`FileError::Io`].
    pub fn create(path: &Path, overwrite: bool) -> Result<Self, FileError> {
        Self::begin(path, overwrite, None)
    }

    /// Makes a growing file that shall get the name `path`, as `NAME.unfinished`.
    ///
    /// # Errors
    ///
    /// The errors of [`create`](Self::create), and [`FileError::Unfinished`] where an earlier writer left
    /// what `leftover` says to keep.
    pub fn create_growing(
        path: &Path,
        overwrite: bool,
        leftover: Leftover,
    ) -> Result<Self, FileError> {
        Self::begin(path, overwrite, Some(leftover))
    }

    fn begin(path: &Path, overwrite: bool, growing: Option<Leftover>) -> Result<Self, FileError> {
        let target = target(path)?;
        let old = old::claim(&target, overwrite)?;
        let (mut path, mut other) = (partial_path(&target), unfinished_path(&target));
        if growing.is_some() {
            std::mem::swap(&mut path, &mut other);
        }
        check_unused(&other, &target)?;
        if growing.is_some() {
            // What a killed save of fixed size left there is in nobody's way.
            let _ = clear(&other, &target, Leftover::Discard);
        }
        let (oldest, mode) = prepare(&target, old.as_ref())?;
        let leftover = growing.unwrap_or(Leftover::Discard);
        Ok(Self {
            file: enlisted(&path, || make(&path, &target, mode, leftover))?,
            path,
            target,
            overwrite,
            old,
            removed: true,
            oldest,
        })
    }

    /// Opens and locks the growing file that a writer left unfinished and that is to be `path`, which
    /// may be the name of the unfinished file, too. It will replace no file.
    ///
    /// # Errors
    ///
    /// [`FileError::NothingLeft`]; [`FileError::InUse`] while its writer lives;
    /// [`FileError::InTheWay`]; [`FileError::Io`].
    pub fn reopen(path: &Path) -> Result<Self, FileError> {
        let target = target(path)?;
        let (target, path) = if target.extension().is_some_and(|end| end == "unfinished") {
            (target.with_extension(""), target)
        } else {
            let unfinished = unfinished_path(&target);
            (target, unfinished)
        };
        loop {
            let Some(file) = open_leftover(&path)? else {
                return Err(FileError::NothingLeft {
                    path: target,
                    unfinished: path,
                });
            };
            let Some(file) = lock(file, &path)? else {
                return Err(in_use(&path, &target));
            };
            if file.is_named(&path) {
                return Ok(Self {
                    file: Arc::new(file),
                    oldest: folder_of(&target).to_owned(),
                    path,
                    target,
                    overwrite: false,
                    old: None,
                    removed: false,
                });
            }
        }
    }

    /// Bytes of the disk that a killed writer of `path` left behind, and that the next one frees.
    #[must_use]
    pub fn leftover_bytes(path: &Path) -> u64 {
        let left = target(path).map(|target| partial_path(&target).symlink_metadata());
        left.map_or(0, |left| {
            left.map_or(0, |left| left.blocks().saturating_mul(512))
        })
    }

    /// Checks that this process makes the file, and not one that it was forked from, for `handle`.
    ///
    /// # Errors
    ///
    /// [`FileError::OtherProcess`].
    pub fn check(&self, handle: &'static str) -> Result<(), FileError> {
        self.file.check(handle, &self.target)
    }

    /// The file, with its locks. They last until the last of its handles is dropped.
    #[must_use]
    pub fn file(&self) -> &Arc<LockedFile> {
        &self.file
    }

    /// Its name until it is complete.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name when it is complete: that of a file, not of a link.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// From now on HDF5 programs may read the file under its partial name, this one among them.
    ///
    /// # Errors
    ///
    /// [`FileError::OpenForWriting`] and [`FileError::Io`].
    pub fn share(&self) -> Result<(), FileError> {
        self.file.share(&self.path)
    }

    /// From now on the file is left where it is when it is given up.
    pub fn keep(&mut self) {
        self.removed = false;
        strike(&self.file);
    }

    /// Gives the file up, and removes it, also one that was to be [kept](Self::keep).
    pub fn discard(mut self) {
        self.removed = true;
    }

    /// Gives the file its name, and with `sync` makes sure that it keeps it through a power cut.
    ///
    /// A file that it replaces hands down its permissions, and its owner where this user may give a
    /// file away.
    ///
    /// # Errors
    ///
    /// [`FileError::AlreadyExists`], and the others of [`create`](Self::create), where something
    /// came up meanwhile that is not to be replaced; [`FileError::Replaced`];
    /// [`FileError::OtherProcess`]; [`FileError::Io`]. All
    /// of them leave the file as it was, so this can be called again, but for one of the disk after
    /// the renaming.
    pub fn publish(&mut self, sync: bool) -> Result<(), FileError> {
        self.check("the file on its way")?;
        if self.overwrite {
            // Another file may be there by now.
            if !self
                .old
                .as_ref()
                .is_some_and(|old| old.is_named(&self.target))
            {
                self.old = None;
                self.old = old::claim(&self.target, true)?;
            }
            if let Some(old) = &self.old {
                inherit(old, &self.file)
                    .map_err(FileError::io(&self.target, "keep the permissions of"))?;
            }
        }
        // Opened before the renaming, after which there is no way back.
        let folders = if sync { self.folders()? } else { Vec::new() };
        if sync {
            self.file
                .sync_all()
                .map_err(FileError::io(&self.target, "put on the disk"))?;
        }
        // Under its name can be another writer's file by now, which may have just begun.
        if !self.file.is_named(&self.path) {
            return Err(FileError::Replaced {
                path: self.path.clone(),
            });
        }
        let renamed = if self.overwrite {
            fs::rename(&self.path, &self.target)
        } else {
            super::rename_new(&self.path, &self.target)
        };
        match renamed {
            Ok(()) if self.file.is_named(&self.target) => self.keep(),
            // It was replaced between the look and the renaming.
            Ok(()) => {
                return Err(FileError::Replaced {
                    path: self.path.clone(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FileError::AlreadyExists {
                    path: self.target.clone(),
                });
            }
            Err(error) => return Err(FileError::io(&self.target, "rename a file to")(error)),
        }
        self.old = None;
        sync_all(&folders)
    }

    /// Makes sure that the file keeps the name that it has now through a power cut.
    ///
    /// # Errors
    ///
    /// [`FileError::Io`].
    pub fn sync_names(&self) -> Result<(), FileError> {
        sync_all(&self.folders()?)
    }

    /// The folder of the file, and those above it up to the first that was there before.
    fn folders(&self) -> Result<Vec<(PathBuf, File)>, FileError> {
        let mut folders = Vec::new();
        for folder in folder_of(&self.target).ancestors().map(or_here) {
            let open = File::open(folder).map_err(FileError::io(folder, "open the folder"))?;
            folders.push((folder.to_owned(), open));
            if folder == self.oldest {
                break;
            }
        }
        Ok(folders)
    }
}

/// Makes sure that the file at `path`, which may be a link to it, keeps its name through a power cut.
///
/// # Errors
///
/// [`FileError::Io`], and those of [`target`].
pub fn sync_folder(path: &Path) -> Result<(), FileError> {
    let target = target(path)?;
    let folder = folder_of(&target);
    let open = File::open(folder).map_err(FileError::io(folder, "open the folder"))?;
    sync_all(&[(folder.to_owned(), open)])
}

impl Drop for Partial {
    fn drop(&mut self) {
        // In a process that was forked meanwhile this is a copy.
        if !self.file.is_ours() {
            return;
        }
        strike(&self.file);
        if self.removed {
            remove(&self.path, &self.file);
        }
    }
}

fn sync_all(folders: &[(PathBuf, File)]) -> Result<(), FileError> {
    folders.iter().try_for_each(|(path, folder)| {
        folder
            .sync_all()
            .map_err(FileError::io(path, "put on the disk"))
    })
}

/// Makes the folders of a new file, and returns the first one above it that was there before, and the
/// mode that it is made with.
fn prepare(target: &Path, old: Option<&LockedFile>) -> Result<(PathBuf, u32), FileError> {
    let folder = folder_of(target);
    let oldest = folder.ancestors().map(or_here).find(|found| found.is_dir());
    let oldest = oldest.unwrap_or(Path::new(".")).to_owned();
    fs::create_dir_all(folder).map_err(FileError::io(folder, "create the folder"))?;
    let Some(old) = old else {
        return Ok((oldest, 0o666));
    };
    let old = old.metadata().map_err(FileError::io(target, "look at"))?;
    // What the old file keeps to itself, the new one does not show while it is written.
    Ok((oldest, old.mode() & 0o666 | 0o600))
}

/// Makes and locks the file `path`, which shall become `target`.
fn make(
    path: &Path,
    target: &Path,
    mode: u32,
    leftover: Leftover,
) -> Result<LockedFile, FileError> {
    loop {
        let created = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path);
        match created {
            Ok(file) => match lock(file, path) {
                Ok(Some(file)) if file.is_named(path) => return Ok(file),
                // Between the two calls another writer has taken it for a leftover.
                Ok(_) => {}
                Err(error) => {
                    let _ = fs::remove_file(path);
                    return Err(error);
                }
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                clear(path, target, leftover)?;
            }
            Err(error) => return Err(FileError::io(target, "create a file beside")(error)),
        }
    }
}

/// Takes both locks of a file under its partial name; `None` where another process has one of them.
fn lock(file: File, path: &Path) -> Result<Option<LockedFile>, FileError> {
    let Some(file) = LockedFile::lock(file, path)? else {
        return Ok(None);
    };
    Ok(file.is_secluded(path)?.then_some(file))
}

fn in_use(path: &Path, target: &Path) -> FileError {
    FileError::InUse {
        path: target.to_owned(),
        partial: Some(path.to_owned()),
    }
}

/// Refuses to go on while a writer of `target` is at work under another name, `path`.
fn check_unused(path: &Path, target: &Path) -> Result<(), FileError> {
    if let Ok(Some(file)) = open_leftover(path)
        && lock(file, path)?.is_none()
    {
        return Err(in_use(path, target));
    }
    // The lock went with the file.
    Ok(())
}

/// Removes what an earlier writer left at `path`, unless that is to be kept.
pub(super) fn clear(path: &Path, target: &Path, leftover: Leftover) -> Result<(), FileError> {
    let Some(file) = open_leftover(path)? else {
        return Ok(());
    };
    let Some(file) = lock(file, path)? else {
        return Err(in_use(path, target));
    };
    if !file.is_named(path) {
        return Ok(());
    }
    if leftover == Leftover::Keep && has_begun(&file) {
        return Err(FileError::Unfinished {
            path: target.to_owned(),
            unfinished: path.to_owned(),
        });
    }
    fs::remove_file(path).map_err(FileError::io(path, "remove"))
}

/// Whether a growing file has something in it that can be recovered.
pub(super) fn has_begun(file: &File) -> bool {
    let mut start = [0; 8];
    file.read_exact_at(&mut start, 0).is_ok() && start != [0; 8]
}

/// Opens what an earlier writer left at `path`, where there is something.
///
/// No writer leaves a symbolic link. It would lead to a file of another name, which would look like
/// one that was just renamed, however often it is tried again.
fn open_leftover(path: &Path) -> Result<Option<File>, FileError> {
    let in_the_way = |found| {
        Err(FileError::InTheWay {
            path: path.to_owned(),
            found,
        })
    };
    let opened = path.symlink_metadata().and_then(|found| {
        if !found.is_file() {
            return Ok(Err(found));
        }
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true);
        let options = options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        options.open(path).map(Ok)
    });
    match opened {
        Ok(Ok(file)) => Ok(Some(file)),
        Ok(Err(found)) if found.is_symlink() => in_the_way("a symbolic link"),
        Ok(Err(found)) if found.is_dir() => in_the_way("a folder"),
        Ok(Err(_)) => in_the_way("a pipe, a socket or a device"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::io(path, "open")(error)),
    }
}
