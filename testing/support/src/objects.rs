//! A store of objects on this machine, as far as those can tell who read them: HTTP, ranges, ETags; and as far as S3's
//! way of putting them there goes. It counts, waits and fails as it is told.

mod uploads;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use uploads::Taken;
use uploads::Uploads;

/// How long a connection may stay open that nobody has an end of.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server does wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers with this status, and repeats what it was asked.
    Status(u16),
    /// It sends a part, and then nothing more.
    Stall,
    /// It sends one byte after the other, with a pause of 20 ms.
    Drip,
    /// It sends a part, and closes the connection.
    Truncate,
    /// It closes the connection without an answer.
    Drop,
    /// It does what changes an object, and then the same.
    Lost,
    /// It sends as many bytes as were asked for, and says that they are others.
    OtherRange,
    /// It sends the whole object.
    IgnoreRange,
    /// It sends fewer bytes than were asked for, and says so.
    Shorter,
    /// It says that the object is longer than it is.
    OtherSize,
    /// It sends other bytes, as many, and calls them compressed by gzip.
    Encoded,
    /// It sends the bytes in pieces, and does not say how many there are.
    Chunked,
    /// It says nothing that tells the object from another one.
    Untagged,
    /// It calls its ETag a weak one.
    Weak,
    /// It sends to this URL.
    Redirect(String),
    /// A proxy sends a page of its own.
    Page,
    /// The object gets these bytes and another ETag, before the request is looked at.
    Replace(Vec<u8>),
    /// The same, and it does not look at `If-Match`.
    ReplaceUnseen(Vec<u8>),
}

/// An HTTP server with some objects, on a port of this machine. It ends when it is dropped.
#[derive(Debug)]
pub struct ObjectServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ended: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// By their paths, with the number that is their ETag.
    objects: HashMap<String, (Arc<Vec<u8>>, u64)>,
    requests: Vec<Range<u64>>,
    /// What happens to the request that comes after so many others.
    faults: HashMap<usize, Fault>,
    seen: usize,
    /// Requests that wait for their answer, and the most that ever did at once.
    waiting: (usize, usize),
    delay: Duration,
    /// Connections that are not closed.
    open: usize,
    uploads: Uploads,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectServer {
    /// A server without objects.
    ///
    /// # Panics
    ///
    /// There is no port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let serving = Arc::clone(&serving);
                serving.state().open += 1;
                thread::spawn(move || {
                    let served = stream.and_then(|stream| serve(&serving, stream));
                    serving.state().open -= 1;
                    served
                });
            }
        });
        Self { address, shared }
    }

    /// Puts an object there, and returns its URL.
    pub fn put(&self, name: &str, bytes: Vec<u8>) -> String {
        self.shared
            .state()
            .objects
            .insert(format!("/{name}"), (Arc::new(bytes), 1));
        format!("http://{}/{name}", self.address)
    }

    /// The bytes of an object, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let object = self
            .shared
            .state()
            .objects
            .get(&format!("/{name}"))
            .cloned();
        object.map(|(bytes, _)| Vec::clone(&bytes))
    }

    /// Its address, as that of a store of S3: the first folder of an object's name is its bucket.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was done since this was called the last time for those who put objects there.
    pub fn taken_parts(&self) -> Vec<Taken> {
        std::mem::take(&mut self.shared.state().uploads.taken)
    }

    /// Parts that wait to become an object.
    #[must_use]
    pub fn waiting_parts(&self) -> usize {
        self.shared.state().uploads.waiting()
    }

    /// Forgets all uploads, as stores do after some days.
    pub fn forget_uploads(&self) {
        self.shared.state().uploads.forget();
    }

    /// The ranges that were asked for since this was called the last time.
    pub fn taken(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut self.shared.state().requests)
    }

    /// The most requests that waited at once for an answer.
    pub fn most_at_once(&self) -> usize {
        self.shared.state().waiting.1
    }

    /// Waits until all connections are closed: what had come by them is done then.
    ///
    /// # Panics
    ///
    /// One stays open.
    pub fn settle(&self) {
        let began = Instant::now();
        while self.shared.state().open > 0 {
            assert!(began.elapsed() < PATIENCE, "a connection stays open");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets each answer wait so long.
    pub fn wait(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Does this wrong with the request that comes after `before` others from now on.
    pub fn fault(&self, before: usize, fault: Fault) {
        let mut state = self.shared.state();
        let nth = state.seen + before;
        state.faults.insert(nth, fault);
    }

    /// Whether a fault is left that no request came for; it is taken back.
    pub fn take_fault(&self) -> bool {
        let mut state = self.shared.state();
        let seen = state.seen;
        let left = state.faults.keys().any(|&nth| nth >= seen);
        state.faults.clear();
        left
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // It looks up when somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

/// What is wanted of an object.
#[derive(Debug, Default)]
struct Request {
    method: String,
    path: String,
    query: String,
    /// Whether only the head of the answer is wanted.
    is_head: bool,
    /// Whether there must be no such object yet.
    is_only_new: bool,
    range: Option<Range<u64>>,
    if_match: Option<String>,
    /// All of its lines.
    text: String,
    body: Vec<u8>,
}

/// Answers the requests of a connection, until it is closed.
fn serve(shared: &Shared, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader)? {
        let (fault, delay) = {
            let mut state = shared.state();
            let nth = state.seen;
            state.seen += 1;
            state
                .requests
                .push(request.range.clone().unwrap_or(0..u64::MAX));
            state.waiting.0 += 1;
            state.waiting.1 = state.waiting.1.max(state.waiting.0);
            (state.faults.remove(&nth), state.delay)
        };
        thread::sleep(delay);
        shared.state().waiting.0 -= 1;
        let answer = match &*request.method {
            "GET" | "HEAD" => answer,
            _ => uploads::answer,
        };
        if !answer(shared, &mut stream, &request, fault.as_ref())? {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: line.split(' ').next().unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        is_head: line.starts_with("HEAD "),
        ..Request::default()
    };
    let mut length = 0;
    loop {
        request.text += &line;
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            request.body.resize(length, 0);
            reader.read_exact(&mut request.body)?;
            return Ok(Some(request));
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let ends = value.trim_start_matches("bytes=").split_once('-');
                let ends = ends.and_then(|(start, last)| {
                    Some(start.parse().ok()?..last.parse::<u64>().ok()? + 1)
                });
                request.range = ends;
            }
            "content-length" => length = value.parse().unwrap_or(0),
            "if-none-match" => request.is_only_new = value == "*",
            "if-match" => request.if_match = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// Answers a request; returns whether the connection goes on.
fn answer(
    shared: &Shared,
    stream: &mut TcpStream,
    request: &Request,
    fault: Option<&Fault>,
) -> io::Result<bool> {
    let is_unseen = matches!(fault, Some(Fault::ReplaceUnseen(_)));
    if let Some(Fault::Replace(bytes) | Fault::ReplaceUnseen(bytes)) = fault
        && let Some(object) = shared.state().objects.get_mut(&request.path)
    {
        *object = (Arc::new(bytes.clone()), object.1 + 1);
    }
    let object = shared.state().objects.get(&request.path).cloned();
    let failed = |stream: &mut TcpStream, status: u16| {
        let asked = if request.is_head { "" } else { &*request.text };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}", asked.len());
        write!(stream, "{head}\r\n\r\n{asked}").map(|()| true)
    };
    let Some((bytes, tag)) = object else {
        return failed(stream, 404);
    };
    match fault {
        Some(Fault::Status(status)) => return failed(stream, *status),
        Some(Fault::Drop | Fault::Lost) => return Ok(false),
        Some(Fault::Redirect(to)) => {
            write!(
                stream,
                "HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"
            )?;
            return Ok(true);
        }
        Some(Fault::Page) => {
            let page = "<html>Sign in</html>";
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\netag: \"page\"\r\ncontent-length";
            write!(stream, "{head}: {}\r\n\r\n{page}", page.len())?;
            return Ok(true);
        }
        _ => {}
    }
    let tag = format!("\"v{tag}\"");
    let wants_other = request
        .if_match
        .as_ref()
        .is_some_and(|wanted| *wanted != tag);
    if wants_other && !is_unseen {
        return failed(stream, 412);
    }
    let size = bytes.len() as u64;
    let range = request
        .range
        .clone()
        .filter(|_| fault != Some(&Fault::IgnoreRange));
    let mut sent = range
        .clone()
        .map_or(0..size, |range| range.start..range.end.min(size));
    if sent.is_empty() {
        return failed(stream, 416);
    }
    if fault == Some(&Fault::Shorter) {
        sent.end -= (sent.end - sent.start) / 2;
    }
    let place = |end: u64| usize::try_from(end).expect("an object fits into memory");
    let mut body = Cow::Borrowed(&bytes[place(sent.start)..place(sent.end)]);
    let status = if range.is_some() { 206 } else { 200 };
    write!(stream, "HTTP/1.1 {status} X\r\naccept-ranges: bytes\r\n")?;
    if range.is_some() {
        let said = u64::from(fault == Some(&Fault::OtherRange));
        let (start, last) = (sent.start + said, sent.end - 1 + said);
        let size = size + u64::from(fault == Some(&Fault::OtherSize));
        write!(stream, "content-range: bytes {start}-{last}/{size}\r\n")?;
    }
    match fault {
        Some(Fault::Untagged) => {}
        Some(Fault::Weak) => write!(stream, "etag: W/{tag}\r\n")?,
        _ => write!(stream, "etag: {tag}\r\n")?,
    }
    if fault != Some(&Fault::Untagged) {
        write!(stream, "last-modified: Sat, 28 Nov 2026 00:00:00 GMT\r\n")?;
    }
    let is_chunked = fault == Some(&Fault::Chunked);
    match is_chunked {
        true => write!(stream, "transfer-encoding: chunked\r\n")?,
        false => write!(stream, "content-length: {}\r\n", body.len())?,
    }
    if fault == Some(&Fault::Encoded) {
        write!(stream, "content-encoding: gzip\r\n")?;
        body.to_mut().iter_mut().for_each(|byte| *byte ^= 0x55);
    }
    write!(stream, "\r\n")?;
    if request.is_head {
        return Ok(true);
    }
    if is_chunked {
        write!(stream, "{:x}\r\n", body.len())?;
        stream.write_all(&body)?;
        return write!(stream, "\r\n0\r\n\r\n").map(|()| true);
    }
    match fault {
        Some(Fault::Truncate) => {
            stream.write_all(&body[..body.len() / 2])?;
            Ok(false)
        }
        Some(Fault::Stall) => {
            stream.write_all(&body[..body.len() / 2])?;
            stream.flush()?;
            while !shared.ended.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(false)
        }
        Some(Fault::Drip) => {
            for byte in body.iter() {
                stream.write_all(&[*byte])?;
                thread::sleep(Duration::from_millis(20));
            }
            Ok(true)
        }
        _ => stream.write_all(&body).map(|()| true),
    }
}
