//! What a file hands down to the one that replaces it.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

/// The bits of a mode that anybody has: not those that lend rights to whoever runs the file.
const RIGHTS: u32 = 0o777;

/// What could be handed down beside the mode.
#[derive(Clone, Copy, Debug)]
struct Kept {
    owner: bool,
    group: bool,
    /// The access control list, if there was one.
    list: bool,
}

/// Gives `new` the permissions of `old` and, as far as this user may give a file away, its owner and
/// its group.
pub(super) fn inherit(old: &File, new: &File) -> io::Result<()> {
    let (list, old) = (access_list(old), old.metadata()?);
    let found = new.metadata()?;
    if found.gid() != old.gid() {
        // Members of the group may, and others did not expect it.
        let _ = fchown(new, None, Some(old.gid()));
    }
    if found.uid() != old.uid() {
        // Root may.
        let _ = fchown(new, Some(old.uid()), None);
    }
    let found = new.metadata()?;
    let mut kept = Kept {
        owner: found.uid() == old.uid(),
        group: found.gid() == old.gid(),
        list: true,
    };
    match list {
        Some(list) => kept.list = kept.group && set_access_list(new, &list),
        // The folder may have given it one, which the old file had not.
        None => remove_access_list(new),
    }
    let mode = handed_down(old.mode() & 0o7777, kept);
    if new.metadata()?.mode() & 0o7777 == mode {
        return Ok(());
    }
    new.set_permissions(Permissions::from_mode(mode))
}

/// The mode of a file that replaces one of `mode`.
///
/// Nobody may read more than before. Another group has only what everybody had; so has the same one
/// where an access list is lost, of which the mode shows the most that anybody on it may do.
fn handed_down(mode: u32, kept: Kept) -> u32 {
    let mode = if kept.owner && kept.group {
        mode
    } else {
        mode & RIGHTS
    };
    if kept.group && kept.list {
        mode
    } else {
        let others = (mode & 0o007) << 3;
        mode & !0o070 | mode & others
    }
}

/// Where Linux keeps the access control list of a file.
#[cfg(target_os = "linux")]
const ACCESS_LIST: &str = "system.posix_acl_access";

/// The access control list of a file that has one.
#[cfg(target_os = "linux")]
fn access_list(file: &File) -> Option<Vec<u8>> {
    /// Bytes of the longest value that an attribute has.
    const LONGEST: usize = 64 << 10;
    let read = |room| {
        let mut list = vec![0; room];
        let length = rustix::fs::fgetxattr(file, ACCESS_LIST, &mut list)?;
        list.truncate(length);
        Ok(list)
    };
    // Most files have none, and most lists are short.
    match read(256) {
        Err(rustix::io::Errno::RANGE) => read(LONGEST).ok(),
        short => short.ok(),
    }
}

/// Gives a file an access control list; `false` where it cannot have it.
#[cfg(target_os = "linux")]
fn set_access_list(file: &File, list: &[u8]) -> bool {
    rustix::fs::fsetxattr(file, ACCESS_LIST, list, rustix::fs::XattrFlags::empty()).is_ok()
}

/// Takes its access control list from a file.
#[cfg(target_os = "linux")]
fn remove_access_list(file: &File) {
    // Most files have none, and some file systems have none at all.
    let _ = rustix::fs::fremovexattr(file, ACCESS_LIST);
}

/// macOS keeps them elsewhere, and they are not handed down. They only forbid or allow beside the mode.
#[cfg(not(target_os = "linux"))]
fn access_list(_: &File) -> Option<Vec<u8>> {
    None
}

/// There is none.
#[cfg(not(target_os = "linux"))]
fn remove_access_list(_: &File) {}

/// There is none.
#[cfg(not(target_os = "linux"))]
fn set_access_list(_: &File, _: &[u8]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_do_more_than_before() {
        let kept = |owner, group, list| Kept { owner, group, list };
        assert_eq!(handed_down(0o2660, kept(true, true, true)), 0o2660);
        assert_eq!(handed_down(0o4664, kept(false, true, true)), 0o664);
        assert_eq!(handed_down(0o660, kept(true, false, true)), 0o600);
        assert_eq!(handed_down(0o664, kept(false, false, true)), 0o644);
        assert_eq!(handed_down(0o604, kept(true, false, true)), 0o604);
        assert_eq!(handed_down(0o660, kept(true, true, false)), 0o600);
    }

    /// The mode of a file with an access list shows what its mask allows. Without the list, the group got
    /// what only one user was to have.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_access_list_is_handed_down() {
        // The owner and user 1234 may read and write, and nobody else.
        let entries: [(u16, u16, u32); 5] = [
            (0x01, 6, u32::MAX),
            (0x02, 6, 1234),
            (0x04, 0, u32::MAX),
            (0x10, 6, u32::MAX),
            (0x20, 0, u32::MAX),
        ];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, rights, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        let (old, new) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        if !set_access_list(&old, &list) {
            return println!("not tested: this file system has no access lists");
        }
        assert_eq!(old.metadata().unwrap().mode() & RIGHTS, 0o660);
        inherit(&old, &new).unwrap();
        assert_eq!(access_list(&new), Some(list));
        assert_eq!(new.metadata().unwrap().mode() & RIGHTS, 0o660);
        let private = tempfile::tempfile().unwrap();
        private
            .set_permissions(Permissions::from_mode(0o600))
            .unwrap();
        inherit(&private, &new).unwrap();
        assert_eq!(access_list(&new), None);
        assert_eq!(new.metadata().unwrap().mode() & RIGHTS, 0o600);
    }
}
