//! A server for one user, on the own machine.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::request::{Refused, Request};

/// Connections at once.
const MOST_CONNECTIONS: usize = 16;
/// Bytes of the head of a request at most.
const LONGEST_HEAD: usize = 16 << 10;
/// How long a request may take until it is there.
const REQUEST: Duration = Duration::from_secs(5);
/// How long an answer may take until it is read.
const ANSWER: Duration = Duration::from_secs(30);
/// How long is waited before connections are accepted again, where the system has no more of them to give.
const PAUSE: Duration = Duration::from_millis(50);

/// What all answers say: nobody keeps them, takes them for something else, or shows them in a page of their own.
const COMMON: &str = "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\nX-Frame-Options: DENY\r\n\
    Content-Security-Policy: frame-ancestors 'none'\r\n";

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The type of the content, such as `text/html; charset=utf-8`.
    pub kind: &'static str,
    /// The content.
    pub body: Vec<u8>,
    /// Whether it is why there is no answer.
    pub is_error: bool,
}

/// Listens on the loopback interface.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    port: u16,
    token: String,
}

impl Server {
    /// Listens at a port, or with 0 at any that is free.
    ///
    /// # Errors
    ///
    /// Another program listens there; or the system has no random numbers.
    pub fn bind(port: u16) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            port,
            token: random.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// Its address, which has the token: whoever has it may look.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.token)
    }

    /// Answers requests, for ever.
    pub fn serve(&self, answer: &(dyn Fn(&Request) -> Result<Response, Refused> + Sync)) {
        let open = AtomicUsize::new(0);
        thread::scope(|scope| {
            loop {
                let Ok((stream, _)) = self.listener.accept() else {
                    thread::sleep(PAUSE);
                    continue;
                };
                if open.fetch_add(1, Ordering::Relaxed) >= MOST_CONNECTIONS {
                    // It fits into what the system keeps for a connection, so nobody waits.
                    let _ = Connection::new(stream, PAUSE).say(Refused::Busy);
                    open.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                let place = Place(&open);
                let work = move || {
                    let _place = place;
                    // Whoever has hung up does not want to know.
                    let _ = self.answer(stream, answer);
                };
                // Without a thread the connection is closed.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
        });
    }

    fn answer(
        &self,
        stream: TcpStream,
        answer: &(dyn Fn(&Request) -> Result<Response, Refused> + Sync),
    ) -> io::Result<()> {
        let mut connection = Connection::new(stream, REQUEST);
        match connection.request(self.port, &self.token)? {
            Ok(request) => {
                let answered = answer(&request);
                connection.give(ANSWER);
                match answered {
                    Ok(response) => connection.respond(&response, request.is_head),
                    Err(refused) => connection.refuse(refused),
                }
            }
            Err(refused) => {
                connection.give(PAUSE);
                connection.refuse(refused)
            }
        }
    }
}

/// One of the connections that there may be.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection, whose time is limited, whatever the pieces in which bytes come and go.
struct Connection {
    stream: TcpStream,
    end: Instant,
}

impl Connection {
    fn new(stream: TcpStream, time: Duration) -> Self {
        let end = Instant::now() + time;
        Self { stream, end }
    }

    fn give(&mut self, time: Duration) {
        self.end = Instant::now() + time;
    }

    /// The time that is left.
    fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(left),
        }
    }

    fn request(&mut self, port: u16, token: &str) -> io::Result<Result<Request, Refused>> {
        let mut head = Vec::new();
        let mut piece = [0; 2048];
        loop {
            let Ok(left) = self.left() else {
                return Ok(Err(Refused::Late));
            };
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(Err(Refused::Malformed)),
                Ok(read) => head.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Ok(Err(Refused::Late));
                }
                Err(error) => return Err(error),
            }
            match Request::parse(&head, port, token) {
                Ok(None) if head.len() > LONGEST_HEAD => return Ok(Err(Refused::Large)),
                Ok(None) => {}
                Ok(Some(request)) => return Ok(Ok(request)),
                Err(refused) => return Ok(Err(refused)),
            }
        }
    }

    fn respond(&mut self, response: &Response, is_head: bool) -> io::Result<()> {
        let status = if response.is_error {
            "422 Unprocessable Content"
        } else {
            "200 OK"
        };
        let (kind, length) = (response.kind, response.body.len());
        let head = format!(
            "HTTP/1.1 {status}\r\n{COMMON}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        self.write(head.as_bytes())?;
        if !is_head {
            self.write(&response.body)?;
        }
        self.stream.shutdown(Shutdown::Write)
    }

    fn say(&mut self, refused: Refused) -> io::Result<()> {
        let status = refused.status();
        let head = format!("HTTP/1.1 {status}\r\n{COMMON}Content-Length: 0\r\n\r\n");
        self.write(head.as_bytes())?;
        self.stream.shutdown(Shutdown::Write)
    }

    fn refuse(&mut self, refused: Refused) -> io::Result<()> {
        self.say(refused)?;
        // Bytes that nobody reads would make the system cut the connection before the answer is there.
        let mut rest = [0; 2048];
        while let Ok(left) = self.left() {
            self.stream.set_read_timeout(Some(left))?;
            if self.stream.read(&mut rest)? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
