//! Threads of this process that get less of the system than others, on Linux: some calls fail, or they
//! have a working folder, a `umask` or a user of their own. Processes that they start inherit it.

use std::io;
use std::path::Path;
use std::thread;

/// Calls that fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Those that lock files, as on a network file system that is mounted without locks.
    Locks,
    /// Those that write to files; standard output and error stay.
    Writes,
    /// Those that put files and folders on the disk.
    Syncs,
    /// The renaming that never replaces a file, which some file systems do not have.
    NewRenames,
}

/// Runs `work` in a thread in which these calls fail with the error `errno`; `None`, with a word to
/// whoever reads the output, where this system does not let a process say so.
pub fn with_fault<T: Send>(fault: Fault, errno: i32, work: impl FnOnce() -> T + Send) -> Option<T> {
    in_thread(|| system::filter(fault, errno), work)
}

/// Runs `work` in a thread whose working folder is `folder`, and whose new files lack the permissions
/// in `umask`; `None` as for [`with_fault`].
pub fn in_folder<T: Send>(folder: &Path, umask: u32, work: impl FnOnce() -> T + Send) -> Option<T> {
    in_thread(|| system::enter(folder, umask), work)
}

/// Runs `work` in a thread that is not the superuser's: as `nobody`, where this process is. `folder` is
/// what it may write to. `None` as for [`with_fault`].
pub fn without_privileges<T: Send>(folder: &Path, work: impl FnOnce() -> T + Send) -> Option<T> {
    in_thread(|| system::drop_privileges(folder), work)
}

fn in_thread<T: Send>(
    prepare: impl FnOnce() -> io::Result<()> + Send,
    work: impl FnOnce() -> T + Send,
) -> Option<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| match prepare() {
            Ok(()) => Some(work()),
            Err(error) => {
                println!("not tested, for want of the right to: {error}");
                None
            }
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::Fault;

    pub(super) fn enter(folder: &Path, umask: u32) -> io::Result<()> {
        // SAFETY: the call takes no memory, and concerns the calling thread alone.
        if unsafe { libc::unshare(libc::CLONE_FS) } != 0 {
            return Err(io::Error::last_os_error());
        }
        std::env::set_current_dir(folder)?;
        // SAFETY: as above.
        unsafe { libc::umask(umask) };
        Ok(())
    }

    pub(super) fn drop_privileges(folder: &Path) -> io::Result<()> {
        const NOBODY: libc::c_long = 65_534;
        // SAFETY: the call takes nothing and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Ok(());
        }
        fs::set_permissions(folder, Permissions::from_mode(0o777))?;
        // The bare calls change the calling thread alone; those of libc change all threads.
        for call in [libc::SYS_setresgid, libc::SYS_setresuid] {
            // SAFETY: the call takes three numbers, and no memory.
            if unsafe { libc::syscall(call, NOBODY, NOBODY, NOBODY) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    /// Lets calls of this thread fail from now on, by a program for the system's filter of calls.
    pub(super) fn filter(fault: Fault, errno: libc::c_int) -> io::Result<()> {
        /// Where the number of a call is, and the lower halves of its first two arguments.
        const CALL: u32 = 0;
        const FIRST: u32 = 16;
        const SECOND: u32 = 24;
        let load = |at| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0);
        let allow = || give(libc::SECCOMP_RET_ALLOW);
        let fail = || give(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs());
        let mut program = vec![load(CALL)];
        let unconditional: &[libc::c_long] = match fault {
            Fault::Locks => &[libc::SYS_flock],
            Fault::Writes => &[],
            Fault::Syncs => &[libc::SYS_fsync, libc::SYS_fdatasync],
            Fault::NewRenames => &[libc::SYS_renameat2],
        };
        for &call in unconditional {
            program.extend([if_equal(number(call), 0, 1), fail()]);
        }
        if fault == Fault::Locks {
            let commands = [
                libc::F_GETLK,
                libc::F_SETLK,
                libc::F_SETLKW,
                libc::F_OFD_GETLK,
                libc::F_OFD_SETLK,
                libc::F_OFD_SETLKW,
            ];
            program.extend([
                if_equal(number(libc::SYS_fcntl), 1, 0),
                allow(),
                load(SECOND),
            ]);
            for command in commands {
                program.extend([if_equal(command.unsigned_abs(), 0, 1), fail()]);
            }
        }
        if fault == Fault::Writes {
            let calls = [
                libc::SYS_write,
                libc::SYS_writev,
                libc::SYS_pwrite64,
                libc::SYS_pwritev,
                libc::SYS_pwritev2,
            ];
            // To the test of the descriptor, over what is left of the calls and the permission for others.
            for (left, call) in (0..calls.len()).rev().zip(calls) {
                let over = u8::try_from(left + 1).expect("a few calls");
                program.push(if_equal(number(call), over, 0));
            }
            let above_standard_error = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
            program.extend([
                allow(),
                load(FIRST),
                step(above_standard_error, 2, 0, 1),
                fail(),
            ]);
        }
        program.push(allow());
        let program = libc::sock_fprog {
            len: u16::try_from(program.len()).expect("a short program"),
            filter: program.as_mut_ptr(),
        };
        // SAFETY: the call takes numbers.
        let private = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        if private != 0 {
            return Err(io::Error::last_os_error());
        }
        let mode = libc::SECCOMP_MODE_FILTER;
        // SAFETY: the program and its steps live until the call returns, which copies them.
        let filtered = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
        if filtered != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn number(call: libc::c_long) -> u32 {
        u32::try_from(call).expect("calls have small numbers")
    }

    fn step(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
        let code = u16::try_from(code).expect("codes are short");
        libc::sock_filter { code, jt, jf, k }
    }

    /// Goes over so many steps where the loaded value is `value`, and where it is not.
    fn if_equal(value: u32, jt: u8, jf: u8) -> libc::sock_filter {
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, jt, jf)
    }

    fn give(verdict: u32) -> libc::sock_filter {
        step(libc::BPF_RET | libc::BPF_K, verdict, 0, 0)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::path::Path;

    use super::Fault;

    fn unsupported() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn enter(_: &Path, _: u32) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn drop_privileges(_: &Path) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn filter(_: Fault, _: i32) -> io::Result<()> {
        unsupported()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, TryLockError};
    use std::io::Write as _;

    use super::*;

    #[test]
    fn calls_fail_in_the_thread_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let file = File::create(&path).unwrap();
        let errno = |error: &std::io::Error| error.raw_os_error();
        with_fault(Fault::Locks, libc::ENOLCK, || {
            let Err(TryLockError::Error(error)) = file.try_lock() else {
                panic!("it was locked");
            };
            assert_eq!(errno(&error), Some(libc::ENOLCK));
            (&file).write_all(b"x").unwrap();
        });
        with_fault(Fault::Writes, libc::ENOSPC, || {
            let error = (&file).write_all(b"y").unwrap_err();
            assert_eq!(errno(&error), Some(libc::ENOSPC));
            println!("to standard output");
            file.try_lock().unwrap();
        });
        with_fault(Fault::Syncs, libc::EIO, || {
            assert_eq!(errno(&file.sync_all().unwrap_err()), Some(libc::EIO));
            assert_eq!(errno(&file.sync_data().unwrap_err()), Some(libc::EIO));
        });
        (&file).write_all(b"z").unwrap();
        file.sync_all().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"xz");
    }

    #[test]
    fn a_folder_is_that_of_the_thread() {
        let folder = tempfile::tempdir().unwrap();
        let before = std::env::current_dir().unwrap();
        in_folder(folder.path(), 0o027, || {
            std::fs::write("x", "").unwrap();
        });
        assert_eq!(std::env::current_dir().unwrap(), before);
    }
}
