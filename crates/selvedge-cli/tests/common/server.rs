//! `selvedge view` as a server, and what it answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use selvedge_hdf5::bf16;
use selvedge_testing::Guard;
use serde_json::Value;

use super::Place;

/// A server of the program, until it is dropped.
pub(crate) struct Server {
    pub(crate) child: Guard,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        let args = [&["view", "--no-open"], args].concat();
        let mut command = place.command(&args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = Guard(child.expect("the program starts"));
        let stdout = child.0.stdout.take().expect("a pipe");
        let mut address = String::new();
        BufReader::new(stdout)
            .read_line(&mut address)
            .expect("text");
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }

    /// What follows `http://`, up to the path; and the path.
    pub(crate) fn parts(&self) -> (&str, &str) {
        let rest = self.address.strip_prefix("http://").expect("an address");
        rest.split_at(rest.find('/').expect("a path"))
    }

    /// Sends bytes, and returns all that comes back.
    pub(crate) fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.parts().0).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a limit");
        // It may be refused before all of it is there.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    pub(crate) fn get(&self, name: &str, headers: &str) -> (String, Vec<u8>) {
        let (host, path) = self.parts();
        let answer = self
            .send(format!("GET {path}{name} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").as_bytes());
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let (head, body) = answer.split_at(end.expect("a head") + 4);
        let head = String::from_utf8(head.to_vec()).expect("text");
        (head, body.to_vec())
    }

    pub(crate) fn news(&self, since: u64) -> Value {
        let (_, body) = self.get(&format!("news?since={since}&open=0.0"), "");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// A slice: its head, and its cells.
    pub(crate) fn slice(&self, query: &str) -> (Value, Vec<f32>) {
        let (head, body) = self.get(query, "");
        assert!(head.starts_with("HTTP/1.1 200"), "{query}: {head}");
        let length = u32::from_le_bytes(body[..4].try_into().expect("four bytes"));
        let (head, cells) = body[4..].split_at(length.try_into().expect("a length"));
        let (cells, _) = cells.as_chunks();
        let cells = cells.iter().map(|&cell| bf16::from_le_bytes(cell).to_f32());
        (serde_json::from_slice(head).expect("JSON"), cells.collect())
    }

    /// What is new, when there are so many steps.
    pub(crate) fn wait(&self, steps: u64) -> Value {
        for _ in 0..200 {
            let news = self.news(0);
            let tensors = news["files"][0]["tensors"].as_array().expect("tensors");
            let is_there = |tensor: &&Value| {
                tensor["kind"] == "constant" || tensor["measured"].as_u64() >= Some(steps)
            };
            if tensors.iter().filter(is_there).count() == tensors.len() {
                return news;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("it never had {steps} steps: {}", self.news(0));
    }
}
