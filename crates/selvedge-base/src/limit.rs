//! The most that this process gets: of memory, and of open files.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and what it starts, have at most so many bytes of memory of their own, or fewer where
/// it is limited already. An allocation beyond fails.
///
/// On Linux it is memory that the process can write and that is no file's (`RLIMIT_DATA`). macOS enforces no
/// limit of the kind: there it is asked for (`RLIMIT_AS`), and mostly not kept.
///
/// # Errors
///
/// Those of the system.
pub fn limit_memory(bytes: u64) -> io::Result<()> {
    const RESOURCE: Resource = match cfg!(target_os = "linux") {
        true => Resource::Data,
        false => Resource::As,
    };
    let most = getrlimit(RESOURCE).maximum.unwrap_or(u64::MAX).min(bytes);
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(setrlimit(RESOURCE, limit)?)
}

/// Lets this process have as many files open as the system allows it, up to so many: most shells allow a program a
/// thousand, and let it have more if it asks.
pub fn raise_open_files(most: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.unwrap_or(u64::MAX).min(most);
    if current.is_some_and(|current| current < most) {
        let current = Some(most);
        // Where it may not be, it stays as it is.
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use selvedge_testing::{again, is_child};

    use super::limit_memory;

    #[test]
    fn memory_beyond_the_limit_is_not_there() {
        const NAME: &str = "limit::tests::memory_beyond_the_limit_is_not_there";
        if is_child(NAME) {
            let has = |bytes: usize| Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
            assert!(has(300 << 20));
            limit_memory(200 << 20).unwrap();
            assert!(has(20 << 20) && !has(300 << 20));
            // A higher limit gives nothing back.
            limit_memory(1 << 40).unwrap();
            assert!(!has(300 << 20));
            return;
        }
        assert!(again(NAME, &[]).status().unwrap().success());
    }
}
