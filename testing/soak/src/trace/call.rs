//! What a system call does to a file, read from the registers and the memory of its process.

use std::fs;
use std::io::IoSliceMut;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::libc::user_regs_struct;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// The kinds of calls that change files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Opens a file that it may create.
    Create,
    /// Bytes at an offset.
    Write,
    /// A new length.
    SetLength,
    /// Room on the disk.
    Allocate,
    /// Room that is given back: the bytes are zeros then.
    Release,
    /// `fsync` and `fdatasync`, of files and folders.
    Sync,
    Rename,
    Link,
    Remove,
    MakeFolder,
}

impl Kind {
    /// Whether a full disk can make such a call fail.
    pub(crate) fn takes_room(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Write
                | Self::SetLength
                | Self::Allocate
                | Self::Link
                | Self::MakeFolder
        )
    }
}

/// A call on a file of the folder that is watched.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    /// Relative to the folder that is watched.
    pub(crate) path: PathBuf,
    /// The second path of a renaming or a link.
    pub(crate) to: Option<PathBuf>,
    /// In bytes; the new length, where that is set.
    pub(crate) offset: u64,
    /// Bytes to be written.
    pub(crate) len: usize,
    /// The bytes, where they are wanted.
    pub(crate) data: Vec<u8>,
    /// Whether the system, or a fault, refused it.
    pub(crate) failed: bool,
    /// Lines that the process had printed before.
    pub(crate) told: usize,
    /// Where the bytes lie one after the other in a call that can be cut short by its registers.
    pub(super) plain: bool,
    /// The descriptor, where the call has one.
    pub(super) fd: Option<u64>,
}

/// Looks at a call that `pid` is about to make. `None` where it changes no file below `folder`.
///
/// # Errors
///
/// A call that changes files in a way that is not understood here: nothing may go past unseen.
pub(super) fn decode(
    pid: Pid,
    regs: &user_regs_struct,
    folder: &Path,
) -> Result<Option<Call>, String> {
    let args = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8];
    let by_fd = |fd: u64| below(folder, &descriptor(pid, fd)?);
    let by_name = |at: u64, name: u64| below(folder, &named(pid, at, name)?);
    let cwd = i64::from(libc::AT_FDCWD).cast_unsigned();
    let creates = |flags: u64| flags & (libc::O_CREAT as u64) != 0;
    let on_fd = |kind, offset, len, plain| {
        by_fd(args[0]).map(|path| Call {
            offset,
            len,
            plain,
            fd: Some(args[0]),
            ..Call::new(kind, path)
        })
    };
    let on_name = |kind, at, name| by_name(at, name).map(|path| Call::new(kind, path));
    let two_names = |kind, (at, from), (to_at, to)| {
        by_name(at, from).map(|path| Call {
            to: by_name(to_at, to),
            ..Call::new(kind, path)
        })
    };
    let len = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let number = regs.orig_rax.cast_signed();
    Ok(match number {
        libc::SYS_write => match by_fd(args[0]) {
            Some(_) => on_fd(Kind::Write, position(pid, args[0])?, len(args[2]), true),
            None => None,
        },
        libc::SYS_pwrite64 => on_fd(Kind::Write, args[3], len(args[2]), true),
        libc::SYS_pwritev | libc::SYS_pwritev2 => match by_fd(args[0]) {
            Some(_) => {
                let bytes = gathered(pid, args[1], args[2]).len();
                on_fd(Kind::Write, args[3], bytes, false)
            }
            None => None,
        },
        libc::SYS_ftruncate => on_fd(Kind::SetLength, args[1], 0, false),
        libc::SYS_truncate => on_name(Kind::SetLength, cwd, args[0]).map(|call| Call {
            offset: args[1],
            ..call
        }),
        libc::SYS_fallocate => {
            let punches = args[1] & (libc::FALLOC_FL_PUNCH_HOLE as u64) != 0;
            let kind = if punches {
                Kind::Release
            } else {
                Kind::Allocate
            };
            on_fd(kind, args[2], len(args[3]), false)
        }
        libc::SYS_fsync | libc::SYS_fdatasync => on_fd(Kind::Sync, 0, 0, false),
        libc::SYS_open if creates(args[1]) => on_name(Kind::Create, cwd, args[0]),
        libc::SYS_creat => on_name(Kind::Create, cwd, args[0]),
        libc::SYS_openat if creates(args[2]) => on_name(Kind::Create, args[0], args[1]),
        libc::SYS_rename => two_names(Kind::Rename, (cwd, args[0]), (cwd, args[1])),
        libc::SYS_renameat | libc::SYS_renameat2 => {
            two_names(Kind::Rename, (args[0], args[1]), (args[2], args[3]))
        }
        libc::SYS_link => two_names(Kind::Link, (cwd, args[0]), (cwd, args[1])),
        libc::SYS_linkat => two_names(Kind::Link, (args[0], args[1]), (args[2], args[3])),
        libc::SYS_unlink => on_name(Kind::Remove, cwd, args[0]),
        libc::SYS_unlinkat => on_name(Kind::Remove, args[0], args[1]),
        libc::SYS_mkdir => on_name(Kind::MakeFolder, cwd, args[0]),
        libc::SYS_mkdirat => on_name(Kind::MakeFolder, args[0], args[1]),
        libc::SYS_writev | libc::SYS_sendfile if by_fd(args[0]).is_some() => {
            return Err(format!("system call {number} on a file that is watched"));
        }
        libc::SYS_copy_file_range if by_fd(args[2]).is_some() => {
            return Err(format!("system call {number} on a file that is watched"));
        }
        libc::SYS_mmap => {
            let shared = args[3] & (libc::MAP_SHARED as u64) != 0;
            let writable = args[2] & (libc::PROT_WRITE as u64) != 0;
            if shared && writable && by_fd(args[4]).is_some() {
                return Err("a file that is watched is mapped for writing".to_owned());
            }
            None
        }
        libc::SYS_io_uring_setup => return Err("the process asks for io_uring".to_owned()),
        _ => None,
    })
}

/// The bytes that a writing call is about to write.
pub(super) fn data(pid: Pid, regs: &user_regs_struct) -> Vec<u8> {
    match regs.orig_rax.cast_signed() {
        libc::SYS_write | libc::SYS_pwrite64 => memory(pid, regs.rsi, regs.rdx),
        _ => gathered(pid, regs.rsi, regs.rdx),
    }
}

impl Call {
    fn new(kind: Kind, path: PathBuf) -> Self {
        Self {
            kind,
            path,
            to: None,
            offset: 0,
            len: 0,
            data: Vec::new(),
            failed: false,
            told: 0,
            plain: false,
            fd: None,
        }
    }
}

fn below(folder: &Path, path: &Path) -> Option<PathBuf> {
    path.strip_prefix(folder).ok().map(Path::to_owned)
}

/// What an open descriptor of the process is.
fn descriptor(pid: Pid, fd: u64) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/fd/{}", fd.cast_signed())).ok()
}

/// Where a descriptor of the process stands in its file, in bytes.
fn position(pid: Pid, fd: u64) -> Result<u64, String> {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
    let position = info.lines().find_map(|line| line.strip_prefix("pos:"));
    position
        .and_then(|position| position.trim().parse().ok())
        .ok_or_else(|| format!("descriptor {fd} has no position: {info:?}"))
}

/// The path that a string of the process is, seen from a folder's descriptor.
fn named(pid: Pid, at: u64, name: u64) -> Option<PathBuf> {
    let mut bytes = Vec::new();
    // Page by page: the next one need not be there.
    let mut address = name;
    while !bytes.contains(&0) && bytes.len() < 8192 {
        let page = memory(pid, address, 4096 - address % 4096);
        if page.is_empty() {
            return None;
        }
        address += page.len() as u64;
        bytes.extend(page);
    }
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let path = Path::new(std::str::from_utf8(&bytes[..end]).ok()?);
    if path.is_absolute() {
        return Some(path.to_owned());
    }
    // The register holds an `int`, with or without its sign.
    let [a, b, c, d, ..] = at.to_le_bytes();
    let at = i32::from_le_bytes([a, b, c, d]);
    let folder = if at == libc::AT_FDCWD {
        fs::read_link(format!("/proc/{pid}/cwd")).ok()?
    } else {
        descriptor(pid, u64::from(at.cast_unsigned()))?
    };
    Some(folder.join(path))
}

/// The bytes of `count` vectors at `address`, one after the other.
fn gathered(pid: Pid, address: u64, count: u64) -> Vec<u8> {
    let vectors = memory(pid, address, count * 16);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    vectors
        .chunks_exact(16)
        .flat_map(|vector| memory(pid, number(&vector[..8]), number(&vector[8..])))
        .collect()
}

fn memory(pid: Pid, address: u64, len: u64) -> Vec<u8> {
    let len = usize::try_from(len).unwrap_or(0);
    let mut bytes = vec![0; len];
    let remote = RemoteIoVec {
        base: usize::try_from(address).unwrap_or(0),
        len,
    };
    let read = process_vm_readv(pid, &mut [IoSliceMut::new(&mut bytes)], &[remote]);
    bytes.truncate(read.unwrap_or(0));
    bytes
}
