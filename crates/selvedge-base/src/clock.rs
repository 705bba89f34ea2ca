//! The clock on the wall, which people and networks set: it may say anything, and go back.
//!
//! It is asked here, for a text, and nowhere else, and nothing is decided by it. Waits and times that
//! pass are measured by `std::time::Instant`, which nobody sets.

use std::fmt::Write as _;
use std::time::SystemTime;

/// What the clock says now, in UTC and to the second, as RFC 3339 has it: `2026-11-24T09:30:00Z`.
///
/// `None` where it says a year before 1970 or after 9999, which is no time that a file is made at.
#[must_use]
pub fn now() -> Option<String> {
    rfc3339(SystemTime::now())
}

/// The same of another moment.
#[must_use]
pub fn rfc3339(time: SystemTime) -> Option<String> {
    // For a moment before that the crate has a panic, and for one too late an error.
    time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_seconds(time)).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A machine whose clock was set to a year before 1970 could record nothing: `start` panicked.
    #[test]
    fn a_clock_may_say_anything() {
        let after = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let said = |time| rfc3339(time);
        assert_eq!(said(after(0)).unwrap(), "1970-01-01T00:00:00Z");
        // After 32 bits of seconds, with and without a sign.
        assert_eq!(said(after(1 << 31)).unwrap(), "2038-01-19T03:14:08Z");
        assert_eq!(said(after(1 << 32)).unwrap(), "2106-02-07T06:28:16Z");
        let last = after(253_402_300_799);
        assert_eq!(said(last).unwrap(), "9999-12-31T23:59:59Z");
        assert_eq!(said(last + Duration::from_secs(1)), None);
        let before = SystemTime::UNIX_EPOCH - Duration::from_nanos(1);
        assert_eq!(said(before), None);
        assert!(now().is_some());
    }
}
