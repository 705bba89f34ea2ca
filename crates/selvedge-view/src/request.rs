//! What is asked, and whether it may be.

use std::str;

/// Headers of a request at most.
const MOST_HEADERS: usize = 64;

/// A request that may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What follows the token in the path, without a slash before it.
    pub name: String,
    query: String,
    /// Whether the head of the answer is enough.
    pub(crate) is_head: bool,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is none, or has what no browser sends: 400.
    Malformed,
    /// It names another host, or comes from a page of another: 403.
    Foreign,
    /// It has not the token; or there is no such thing: 404.
    NotFound,
    /// It wants to change something: 405.
    Method,
    /// It took too long: 408.
    Late,
    /// It is too large: 431.
    Large,
    /// There are too many at once: 503.
    Busy,
}

impl Refused {
    /// The status line of HTTP.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Malformed => "400 Bad Request",
            Self::Foreign => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::Method => "405 Method Not Allowed",
            Self::Late => "408 Request Timeout",
            Self::Large => "431 Request Header Fields Too Large",
            Self::Busy => "503 Service Unavailable",
        }
    }
}

impl Request {
    /// The value of a part of the query: `7` of `step` in `?step=7`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut parts = self.query.split('&');
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    }

    /// The same as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }

    /// What a head asks of the server at `port` whose token this is; `None` where it is not complete.
    pub(crate) fn parse(head: &[u8], port: u16, token: &str) -> Result<Option<Self>, Refused> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Refused::Large),
            Err(_) => return Err(Refused::Malformed),
        }
        let is_head = match parsed.method {
            Some("GET") => false,
            Some("HEAD") => true,
            _ => return Err(Refused::Method),
        };
        let headers = Headers(parsed.headers);
        // There is no body to read.
        if headers.one("transfer-encoding")?.is_some()
            || headers
                .one("content-length")?
                .is_some_and(|length| length != "0")
        {
            return Err(Refused::Malformed);
        }
        check_site(&headers, port)?;
        // The address of a proxy's request has no place here.
        let target = parsed.path.and_then(|target| target.strip_prefix('/'));
        let target = target.ok_or(Refused::Malformed)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (found, name) = path.split_once('/').unwrap_or((path, "/"));
        if !is_token(found, token) {
            return Err(Refused::NotFound);
        }
        Ok(Some(Self {
            name: name.to_owned(),
            query: query.to_owned(),
            is_head,
        }))
    }
}

/// That a request is meant for this server, and no page of another has made it.
///
/// Another site can have a name that leads to this machine, and a page in the same browser; neither can make the
/// browser send this host with its requests, nor leave out where they come from.
fn check_site(headers: &Headers<'_>, port: u16) -> Result<(), Refused> {
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let host = headers.one("host")?.ok_or(Refused::Malformed)?;
    if !own.iter().any(|own| own == host) {
        return Err(Refused::Foreign);
    }
    if let Some(origin) = headers.one("origin")?
        && origin.strip_prefix("http://") != Some(host)
    {
        return Err(Refused::Foreign);
    }
    // A link that somebody follows is no request of that page's script.
    let site = headers.one("sec-fetch-site")?.unwrap_or("none");
    let is_own = matches!(site, "same-origin" | "none");
    match is_own || headers.one("sec-fetch-mode")? == Some("navigate") {
        true => Ok(()),
        false => Err(Refused::Foreign),
    }
}

/// Compares in a time that does not tell how much of it is right.
fn is_token(found: &str, token: &str) -> bool {
    let pairs = found.bytes().zip(token.bytes());
    let differences = pairs.fold(0, |all, (a, b)| all | (a ^ b));
    found.len() == token.len() && differences == 0
}

struct Headers<'a>(&'a [httparse::Header<'a>]);

impl Headers<'_> {
    /// The value of a header that may be there once.
    fn one(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut found = self
            .0
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(header), None) => {
                let value = str::from_utf8(header.value).map_err(|_| Refused::Malformed)?;
                Ok(Some(value))
            }
            (Some(_), Some(_)) => Err(Refused::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(head: &str) -> Result<Option<Request>, Refused> {
        Request::parse(head.as_bytes(), 7, "secret")
    }

    #[test]
    fn what_a_browser_asks_is_understood() {
        let head = "GET /secret/step?tensor=3&step=17 HTTP/1.1\r\nHost: localhost:7\r\nOrigin: http://localhost:7\r\n\
                    Sec-Fetch-Site: same-origin\r\n\r\n";
        let request = parse(head).unwrap().unwrap();
        assert_eq!((&*request.name, request.number("step")), ("step", Some(17)));
        assert_eq!((request.number("ste"), request.value("row")), (None, None));
        for end in 0..head.len() {
            assert_eq!(parse(&head[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn what_others_ask_is_refused() {
        let head = |target: &str, more: &str| {
            parse(&format!("GET {target} HTTP/1.1\r\n{more}\r\n"))
                .map(|found| found.expect("it is complete").name)
        };
        let host = "Host: 127.0.0.1:7\r\n";
        assert_eq!(head("/secret/", host), Ok(String::new()));
        for (target, status) in [
            ("/", Refused::NotFound),
            ("/secre/", Refused::NotFound),
            ("/secretsecret/", Refused::NotFound),
            ("/favicon.ico", Refused::NotFound),
            ("/../../etc/passwd", Refused::NotFound),
            ("//secret/", Refused::NotFound),
            ("*", Refused::Malformed),
            ("http://127.0.0.1:7/secret/", Refused::Malformed),
        ] {
            assert_eq!(head(target, host), Err(status), "{target}");
        }
        for (more, status) in [
            ("", Refused::Malformed),
            ("Host: evil.example:7\r\n", Refused::Foreign),
            ("Host: 127.0.0.1\r\n", Refused::Foreign),
            (
                "Host: 127.0.0.1:7\r\nHost: 127.0.0.1:7\r\n",
                Refused::Malformed,
            ),
            ("Host: 127.0.0.1:7\r\nOrigin: null\r\n", Refused::Foreign),
            (
                "Host: 127.0.0.1:7\r\nOrigin: https://127.0.0.1:7\r\n",
                Refused::Foreign,
            ),
            (
                "Host: 127.0.0.1:7\r\nOrigin: http://evil.example\r\n",
                Refused::Foreign,
            ),
            (
                "Host: 127.0.0.1:7\r\nSec-Fetch-Site: cross-site\r\n",
                Refused::Foreign,
            ),
            (
                "Host: 127.0.0.1:7\r\nContent-Length: 5\r\n",
                Refused::Malformed,
            ),
            (
                "Host: 127.0.0.1:7\r\nTransfer-Encoding: chunked\r\n",
                Refused::Malformed,
            ),
        ] {
            assert_eq!(head("/secret/", more), Err(status), "{more}");
        }
        let link =
            "Host: 127.0.0.1:7\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
        assert_eq!(head("/secret/", link), Ok(String::new()));
        assert_eq!(
            parse("POST /secret/ HTTP/1.1\r\nHost: localhost:7\r\n\r\n"),
            Err(Refused::Method)
        );
        let many = "X: y\r\n".repeat(65);
        assert_eq!(head("/secret/", &many), Err(Refused::Large));
    }

    proptest! {
        /// Nothing without the token is answered, whatever it is.
        #[test]
        fn odd_requests_are_refused(
            method in "[A-Za-z]{0,8}",
            target in "[ -~]{0,60}",
            rest in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:7\r\n").into_bytes();
            head.extend(rest);
            head.extend(b"\r\n\r\n");
            let parsed = Request::parse(&head, 7, "0123456789abcdef0123456789abcdef");
            prop_assert!(!matches!(parsed, Ok(Some(_))));
        }
    }
}
