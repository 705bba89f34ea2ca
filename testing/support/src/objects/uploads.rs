//! Objects that come to the server: as a whole, or in parts, as S3 takes them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;

use super::{Fault, Request, Shared, State};

/// What the server did for somebody who puts an object there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Taken {
    /// It took all of an object.
    Object,
    /// It began an upload.
    Begun,
    /// It took the part of this number, which counts from 1.
    Part(u64),
    /// It made an object of parts.
    Completed,
    /// It removed an upload with its parts.
    Aborted,
}

/// What came to a server.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    begun: HashMap<String, Upload>,
    last: u64,
    pub(super) taken: Vec<Taken>,
}

#[derive(Debug, Default)]
struct Upload {
    path: String,
    parts: BTreeMap<u64, (String, Vec<u8>)>,
}

impl Uploads {
    pub(super) fn forget(&mut self) {
        self.begun.clear();
    }

    /// Parts that wait to become an object, of all uploads.
    pub(super) fn waiting(&self) -> usize {
        self.begun.values().map(|upload| upload.parts.len()).sum()
    }
}

/// A status, with the headers and the body of an answer.
type Answer = (u16, String, String);

/// Does what changes an object, and answers; returns whether the connection goes on.
pub(super) fn answer(
    shared: &Shared,
    stream: &mut TcpStream,
    request: &Request,
    fault: Option<&Fault>,
) -> io::Result<bool> {
    let (status, headers, body) = match fault {
        Some(Fault::Drop) => return Ok(false),
        Some(Fault::Status(status)) => (*status, String::new(), request.text.clone()),
        _ => act(&mut shared.state(), request),
    };
    if fault == Some(&Fault::Lost) {
        return Ok(false);
    }
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )?;
    Ok(true)
}

fn refused(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    (status, String::new(), body)
}

fn act(state: &mut State, request: &Request) -> Answer {
    let field = |name: &str| {
        let mut fields = request.query.split('&').filter_map(|field| {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            (key == name).then(|| value.to_owned())
        });
        fields.next()
    };
    let exists = request.is_only_new && state.objects.contains_key(&request.path);
    let id = field("uploadId");
    match (&*request.method, id) {
        ("POST", None) if field("uploads").is_some() => {
            let uploads = &mut state.uploads;
            uploads.last += 1;
            let id = format!("upload-{}", uploads.last);
            let path = request.path.clone();
            let parts = BTreeMap::new();
            uploads.begun.insert(id.clone(), Upload { path, parts });
            uploads.taken.push(Taken::Begun);
            let body = format!(
                "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId>\
                 </InitiateMultipartUploadResult>"
            );
            (200, String::new(), body)
        }
        ("PUT", None) if exists => refused(412, "PreconditionFailed"),
        ("PUT", None) => {
            let tag = put(state, &request.path, request.body.clone());
            state.uploads.taken.push(Taken::Object);
            (200, format!("etag: \"v{tag}\"\r\n"), String::new())
        }
        ("PUT", Some(id)) => {
            let Some(number) = field("partNumber").and_then(|number| number.parse().ok()) else {
                return refused(400, "InvalidArgument");
            };
            let known = state.uploads.begun.get_mut(&id);
            let Some(upload) = known.filter(|upload| upload.path == request.path) else {
                return refused(404, "NoSuchUpload");
            };
            let mut hasher = DefaultHasher::new();
            (&id, &request.body).hash(&mut hasher);
            let tag = format!("\"{:016x}\"", hasher.finish());
            let part = (tag.clone(), request.body.clone());
            upload.parts.insert(number, part);
            state.uploads.taken.push(Taken::Part(number));
            (200, format!("etag: {tag}\r\n"), String::new())
        }
        ("POST", Some(id)) => complete(state, request, &id, exists),
        ("DELETE", Some(id)) => match state.uploads.begun.remove(&id) {
            Some(_) => {
                state.uploads.taken.push(Taken::Aborted);
                (204, String::new(), String::new())
            }
            None => refused(404, "NoSuchUpload"),
        },
        _ => refused(405, "MethodNotAllowed"),
    }
}

fn complete(state: &mut State, request: &Request, id: &str, exists: bool) -> Answer {
    let Some(upload) = state.uploads.begun.get(id) else {
        return refused(404, "NoSuchUpload");
    };
    let text = String::from_utf8_lossy(&request.body).replace("&quot;", "\"");
    let between = |text: &str, name: &str| {
        let (_, after) = text.split_once(&format!("<{name}>"))?;
        let (value, _) = after.split_once(&format!("</{name}>"))?;
        Some(value.to_owned())
    };
    let (mut bytes, mut before) = (Vec::new(), 0);
    for part in text.split("<Part>").skip(1) {
        let number = between(part, "PartNumber").and_then(|number| number.parse().ok());
        let found = number.and_then(|number| upload.parts.get(&number));
        let (Some(number), Some((tag, content))) = (number, found) else {
            return refused(400, "InvalidPart");
        };
        if between(part, "ETag").as_ref() != Some(tag) {
            return refused(400, "InvalidPart");
        }
        if number <= before {
            return refused(400, "InvalidPartOrder");
        }
        before = number;
        bytes.extend_from_slice(content);
    }
    if exists {
        return refused(412, "PreconditionFailed");
    }
    state.uploads.begun.remove(id);
    let tag = put(state, &request.path, bytes);
    state.uploads.taken.push(Taken::Completed);
    let body = format!(
        "<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>k</Key>\
         <ETag>\"v{tag}\"</ETag></CompleteMultipartUploadResult>"
    );
    (200, String::new(), body)
}

/// Puts an object there, and returns the number that is its ETag.
fn put(state: &mut State, path: &str, bytes: Vec<u8>) -> u64 {
    let old = state.objects.get(path).map_or(0, |(_, tag)| *tag);
    let object = (Arc::new(bytes), old + 1);
    state.objects.insert(path.to_owned(), object);
    old + 1
}
