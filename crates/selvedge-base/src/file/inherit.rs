//! What a file hands down to the one that replaces it.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};

/// The bits of a mode that anybody has: not those that lend rights to whoever runs the file.
const RIGHTS: u32 = 0o777;

/// Gives `new` the permissions of `old` and, as far as this user may give a file away, its owner and
/// its group.
pub(super) fn inherit(old: &File, new: &File) -> io::Result<()> {
    let old = old.metadata()?;
    let mut found = new.metadata()?;
    if found.gid() != old.gid() {
        // Members of the group may, and others did not expect it.
        let _ = fchown(new, None, Some(old.gid()));
    }
    if found.uid() != old.uid() {
        // Root may.
        let _ = fchown(new, Some(old.uid()), None);
    }
    found = new.metadata()?;
    let kept = (found.uid() == old.uid(), found.gid() == old.gid());
    let mode = handed_down(old.mode() & 0o7777, kept);
    if found.mode() & 0o7777 == mode {
        return Ok(());
    }
    new.set_permissions(Permissions::from_mode(mode))
}

/// The mode of a file that replaces one of `mode`, where its owner and its group could be kept or not.
///
/// Nobody may read more than before: another group has only what everybody had.
fn handed_down(mode: u32, kept: (bool, bool)) -> u32 {
    let (owner, group) = kept;
    let mode = if owner && group { mode } else { mode & RIGHTS };
    if group {
        mode
    } else {
        let others = (mode & 0o007) << 3;
        mode & !0o070 | mode & others
    }
}

#[cfg(test)]
mod tests {
    use super::handed_down;

    #[test]
    fn another_group_may_do_what_everybody_might() {
        assert_eq!(handed_down(0o2660, (true, true)), 0o2660);
        assert_eq!(handed_down(0o4664, (false, true)), 0o664);
        assert_eq!(handed_down(0o660, (true, false)), 0o600);
        assert_eq!(handed_down(0o664, (false, false)), 0o644);
        assert_eq!(handed_down(0o604, (true, false)), 0o604);
    }
}
