//! What can go wrong with an object, told without what is secret.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use object_store::client::{HttpError, HttpErrorKind};
use selvedge_base::units::Bytes;
use selvedge_base::{FileError, debug_as_chain};
use selvedge_hdf5::StorageError;

/// Why an object could not be read or written.
///
/// A message names the object by its URL, without a user, a password or a query, and quotes nothing of a request or
/// of what a server says but its status and the code of its error: there can be credentials in both.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// It is no URL of an object.
    #[error("{url} does not name an object: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store cannot be asked.
    #[error("cannot reach the store of {url}: {reason}")]
    Store {
        /// The URL.
        url: String,
        /// What is missing.
        reason: String,
    },
    /// There is no such object.
    #[error("{url} is not there: {reason}")]
    NotFound {
        /// The URL.
        url: String,
        /// What the server says.
        reason: String,
    },
    /// A part of the object could not be read.
    #[error("cannot read bytes {} to {} of {url}: {reason}", range.start, range.end)]
    Read {
        /// The URL.
        url: String,
        /// The first of the bytes, and the one after the last.
        range: Range<u64>,
        /// What happened.
        reason: String,
    },
    /// Nobody waits any longer for what was being read.
    #[error("reading {url} was interrupted")]
    Interrupted {
        /// The URL.
        url: String,
    },
    /// The object is another one than the one that was opened.
    #[error(
        "{url} was changed since it was opened: expected {expected}, found {found}; open it again, and do not \
         put together what was read before and after"
    )]
    Changed {
        /// The URL.
        url: String,
        /// What the first answer said of it.
        expected: String,
        /// What a later one says.
        found: String,
    },
    /// The object could not be written.
    #[error("cannot write {url}: {reason}{}", Kept(*kept))]
    Write {
        /// The URL.
        url: String,
        /// What happened.
        reason: String,
        /// Bytes that the store is known to keep of the upload, for the next [`push`](crate::push) to go on with;
        /// `None` where it keeps no upload.
        kept: Option<u64>,
    },
    /// There is an object of this name, and it was not to be replaced.
    #[error(
        "{url} exists already; write under another name, or allow that it is replaced (`overwrite`; `--overwrite`){}",
        Kept(*kept)
    )]
    AlreadyExists {
        /// The URL.
        url: String,
        /// Bytes that the store is known to keep of an upload, for the next [`push`](crate::push) to go on with;
        /// `None` where it keeps no upload.
        kept: Option<u64>,
    },
    /// The object is not what it was when its checksums were made.
    #[error(
        "{url} is damaged, and was not made a file: {reason}; push it again from where it is whole"
    )]
    Values {
        /// The URL.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// What was read of the object is no HDF5 file that can be opened.
    #[error(transparent)]
    Open(Box<StorageError>),
    /// A file of this machine.
    #[error(transparent)]
    File(#[from] FileError),
}

debug_as_chain!(ObjectError);

/// What the store keeps of an upload, and the two ways out.
struct Kept(Option<u64>);

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => return Ok(()),
            Some(0) => write!(
                f,
                "; the store keeps the upload, with parts perhaps that were on their way, which are paid for"
            )?,
            Some(bytes) => write!(
                f,
                "; the store keeps {} of the upload, which are paid for",
                Bytes(bytes)
            )?,
        }
        write!(
            f,
            ": the next `push` of this file to there goes on with that, or gives it up (`discard_push`; `--discard`)"
        )
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// Whether the next attempt may succeed.
    pub(crate) again: bool,
    /// Whether the store may have done what was asked of it.
    pub(crate) is_unsure: bool,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Other,
    /// The object is not the one that the request named by its ETag.
    Precondition,
    Exists,
    Missing,
    /// The store does not know the upload, or parts of it.
    Gone,
}

impl Failure {
    pub(crate) fn new(reason: impl Into<String>, again: bool) -> Self {
        Self {
            reason: reason.into(),
            again,
            is_unsure: again,
            kind: Kind::Other,
        }
    }
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as E;
        let (reason, again, code) = told(&error);
        let (kind, again) = match (&error, code.as_deref()) {
            (_, Some("NoSuchUpload" | "InvalidPart" | "InvalidPartOrder" | "InvalidBlockList")) => {
                (Kind::Gone, false)
            }
            (E::Precondition { .. }, _) => (Kind::Precondition, false),
            (E::AlreadyExists { .. }, _) => (Kind::Exists, false),
            (E::NotFound { .. }, _) => (Kind::Missing, false),
            _ => (Kind::Other, again),
        };
        Self {
            reason,
            again,
            is_unsure: again,
            kind,
        }
    }
}

/// What happened, in words that have no secrets, whether it is worth another attempt, and the code of the server.
fn told(error: &object_store::Error) -> (String, bool, Option<String>) {
    let mut last: &(dyn Error + 'static) = error;
    let (mut transport, mut status, mut code) = (None, None, None);
    loop {
        if let Some(http) = last.downcast_ref::<HttpError>() {
            transport = Some(http.kind());
        }
        let message = last.to_string();
        status = status.or_else(|| status_of(&message));
        code = code.or_else(|| code_of(&message));
        let Some(source) = last.source() else { break };
        last = source;
    }
    if let Some(status) = status {
        let again = matches!(status, 408 | 429 | 500..=599);
        let meaning = match status {
            _ if code.as_deref() == Some("RequestTimeTooSkewed") => {
                " (the clock of this machine is not that of the server)"
            }
            403 => " (no permission)",
            401 => " (no valid credentials)",
            404 if code.as_deref() == Some("NoSuchUpload") => " (there is no such upload)",
            404 => " (there is no such object)",
            412 => " (it is another object by now)",
            416 => " (it has no such bytes)",
            _ => "",
        };
        let word = code
            .as_ref()
            .map_or_else(String::new, |code| format!(", {code}"));
        let reason = format!("the server answers {status}{meaning}{word}");
        return (reason, again, code);
    }
    // Completing an upload can take longer than its status can wait, which is then that of success.
    if let Some(code) = code {
        let again = matches!(&*code, "InternalError" | "SlowDown" | "ServiceUnavailable");
        return (format!("the server answers {code}"), again, Some(code));
    }
    let detail = quotable(&last.to_string());
    match transport {
        Some(HttpErrorKind::Connect) => {
            (format!("the server cannot be reached{detail}"), true, None)
        }
        Some(HttpErrorKind::Timeout) => {
            let reason = "the server does not answer in time".to_owned();
            (reason, true, None)
        }
        Some(_) => (format!("the connection broke{detail}"), true, None),
        None => {
            let detail = detail
                .strip_prefix(" (")
                .and_then(|text| text.strip_suffix(')'));
            let reason = detail.unwrap_or("the store cannot be used").to_owned();
            (reason, false, None)
        }
    }
}

/// The status in the message of an error of a request.
fn status_of(message: &str) -> Option<u16> {
    let (_, after) = message.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

/// The code in what a store of S3's kind says of an error.
fn code_of(message: &str) -> Option<String> {
    let (_, after) = message.split_once("<Code>")?;
    let (code, _) = after.split_once("</Code>")?;
    let is_word = code.len() < 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

/// A message as a remark, if it can have nothing secret: no URL, nothing that a server said, no value of a setting.
fn quotable(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    if line.contains("://") || line.contains('?') || line.contains('<') || line.len() > 200 {
        return String::new();
    }
    let parts = line.split('"').enumerate();
    let parts = parts.map(|(nth, part)| if nth % 2 == 1 { "…" } else { part });
    format!(" ({})", parts.collect::<Vec<_>>().join("\""))
}

#[cfg(test)]
mod tests {
    use super::{ObjectError, code_of, quotable, status_of};

    #[test]
    fn what_the_store_keeps_is_told_with_the_two_ways_out() {
        let message = |kept| {
            let error = ObjectError::Write {
                url: "s3://b/k".to_owned(),
                reason: "the connection broke".to_owned(),
                kept,
            };
            error.to_string()
        };
        let ways = ": the next `push` of this file to there goes on with that, or gives it up (`discard_push`; `--discard`)";
        assert_eq!(message(None), "cannot write s3://b/k: the connection broke");
        let broke = "cannot write s3://b/k: the connection broke; the store keeps";
        assert_eq!(
            message(Some(1_240_000_000)),
            format!("{broke} 1.24 GB of the upload, which are paid for{ways}")
        );
        assert_eq!(
            message(Some(0)),
            format!(
                "{broke} the upload, with parts perhaps that were on their way, which are paid for{ways}"
            )
        );
    }

    #[test]
    fn of_what_a_server_says_the_status_and_the_code_are_told() {
        let body =
            "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>secret</StringToSign></Error>";
        let message = format!("Server returned non-2xx status code: 403 Forbidden: {body}");
        let code = Some("SignatureDoesNotMatch".to_owned());
        assert_eq!((status_of(&message), code_of(&message)), (Some(403), code));
        let odd = "status code: 500 <Code>key=abc</Code>";
        assert_eq!((status_of(odd), code_of(odd)), (Some(500), None));
        assert_eq!(status_of("Error performing GET https://h/?sig=x"), None);
        assert_eq!(quotable("GET https://h/p?sig=secret failed"), "");
        assert_eq!(
            quotable(r#"failed to parse "secret" as boolean"#),
            r#" (failed to parse "…" as boolean)"#
        );
        assert_eq!(
            quotable("Connection refused (os error 111)"),
            " (Connection refused (os error 111))"
        );
    }
}
