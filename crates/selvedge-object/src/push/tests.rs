//! Uploads that break at each of their stages, and what the next call makes of what is left.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{ClientOptions, HeaderMap, HeaderValue, RetryConfig};
use selvedge_testing::objects::{Fault, ObjectServer, Taken};

use super::*;

mod broken;
mod copied;

/// Bytes of a part: small ones, so that what is tested is which of them are sent.
const PART: u64 = 64 << 10;
/// Parts of the file that is sent.
const PARTS: u64 = 12;
/// Requests before the first part: whether there is an object, and that of the upload.
const BEFORE: usize = 2;

/// A file, and a store of S3 that it is put into.
struct World {
    folder: tempfile::TempDir,
    server: ObjectServer,
    path: PathBuf,
    url: ObjectUrl,
    options: ObjectOptions,
}

/// What came of a call.
struct Call {
    result: Result<Pushed, ObjectError>,
    events: Vec<PushEvent>,
    taken: Vec<Taken>,
}

impl Call {
    fn error(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }

    /// The numbers of the parts that were sent, from 0 on.
    fn parts(&self) -> Vec<u64> {
        let parts = self.taken.iter().filter_map(|taken| match taken {
            Taken::Part(number) => Some(number - 1),
            _ => None,
        });
        let mut parts: Vec<u64> = parts.collect();
        parts.sort_unstable();
        parts
    }

    /// The bytes that the store keeps, as the error says.
    fn kept(&self) -> Option<u64> {
        match self.result.as_ref().unwrap_err() {
            ObjectError::Write { kept, .. } | ObjectError::AlreadyExists { kept, .. } => *kept,
            other => panic!("{other}"),
        }
    }

    fn anew(&self) -> Vec<&str> {
        let anew = self.events.iter().filter_map(|event| match event {
            PushEvent::Anew { reason } => Some(&**reason),
            _ => None,
        });
        anew.collect()
    }

    fn first_reached(&self) -> Option<u64> {
        self.events.iter().find_map(|event| match event {
            PushEvent::Reached { done, .. } => Some(*done),
            _ => None,
        })
    }
}

/// Bytes of which no two parts are alike.
fn content(size: u64) -> Vec<u8> {
    let words = (0..size.div_ceil(8)).flat_map(|n| (n.wrapping_mul(0x9E37_79B9) + 7).to_le_bytes());
    words.take(usize::try_from(size).unwrap()).collect()
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("W.bin");
        fs::write(&path, content(PARTS * PART - 1000)).unwrap();
        Self {
            path,
            folder,
            server: ObjectServer::start(),
            url: ObjectUrl::parse("s3://bucket/W.bin").unwrap(),
            options: ObjectOptions {
                part: PART,
                ..ObjectOptions::default().timeout(Duration::from_secs(20))
            },
        }
    }

    /// The bytes of the file.
    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }

    fn target(&self) -> Target<'_> {
        store::use_ring();
        let s3 = |headers: HeaderMap| {
            AmazonS3Builder::new()
                .with_client_options(
                    ClientOptions::new()
                        .with_allow_http(true)
                        .with_default_headers(headers),
                )
                .with_retry(RetryConfig {
                    max_retries: 0,
                    ..RetryConfig::default()
                })
                .with_endpoint(self.server.endpoint())
                .with_region("r")
                .with_bucket_name("bucket")
                .with_access_key_id("k")
                .with_secret_access_key("k")
                .build()
                .unwrap()
        };
        let mut only_new = HeaderMap::new();
        only_new.insert("if-none-match", HeaderValue::from_static("*"));
        let mut target = target(&self.url, &self.options, Store::of(s3(HeaderMap::new()))).unwrap();
        target.only_new = Some(Arc::new(s3(only_new)));
        target
    }

    fn push(&self, overwrite: bool) -> Call {
        let mut events = Vec::new();
        let contents = contents(&self.path, &self.url).unwrap();
        let result = push_to(&self.path, &contents, &self.target(), overwrite, |event| {
            events.push(event);
        });
        self.server.settle();
        let taken = self.server.taken_parts();
        Call {
            result,
            events,
            taken,
        }
    }

    /// A call that fails, after all parts were sent.
    fn sent(&self, overwrite: bool) -> Call {
        let head = usize::from(!overwrite);
        self.server.fault(
            head + 1 + usize::try_from(PARTS).unwrap(),
            Fault::Status(403),
        );
        let call = self.push(overwrite);
        assert_eq!(
            (call.kept(), call.parts().len() as u64),
            (Some(PARTS * PART - 1000), PARTS)
        );
        call
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn journal(&self) -> PathBuf {
        let names = self.names();
        let journal = names.iter().find(|name| name.starts_with("W.bin.push-"));
        self.folder.path().join(journal.expect("a journal"))
    }

    /// The object is the file, and nothing else is left of the upload.
    fn assert_whole(&self) {
        let object = self.server.get("bucket/W.bin").expect("an object");
        assert!(object == self.bytes());
        assert_eq!(
            (self.names(), self.server.waiting_parts()),
            (vec!["W.bin".to_owned()], 0)
        );
    }

    fn change(&self, offset: u64) {
        use std::os::unix::fs::FileExt as _;
        let file = fs::File::options().write(true).open(&self.path).unwrap();
        file.write_all_at(b"other", offset).unwrap();
    }
}

/// An upload was aborted where it broke, and all of 300 GB was sent again.
#[test]
fn a_push_goes_on_where_it_was_broken() {
    let world = World::new();
    world.server.fault(BEFORE + 10, Fault::Status(403));
    let broken = world.push(false);
    let error = broken.error();
    assert!(error.contains("the server answers 403"), "{error}");
    assert!(
        error.contains("goes on with that, or gives it up (`discard_push`; `--discard`)"),
        "{error}"
    );
    let kept = broken.kept().unwrap();
    // Eight are on their way when the eleventh comes.
    let parts = kept.div_ceil(PART);
    assert!((3..PARTS).contains(&parts), "{kept}");
    let journal = fs::metadata(world.journal()).unwrap().len();
    assert!(journal < 200 * (parts + 2), "{journal}");
    let next = world.push(false);
    let pushed = next.result.as_ref().unwrap();
    assert_eq!((pushed.bytes, pushed.resumed), (PARTS * PART - 1000, kept));
    assert_eq!(next.first_reached(), Some(kept));
    assert_eq!(next.parts().len() as u64, PARTS - parts);
    assert!(!next.taken.contains(&Taken::Begun), "{:?}", next.taken);
    let last = PushEvent::Reached {
        done: 2 * (PARTS * PART - 1000),
        total: 2 * (PARTS * PART - 1000),
    };
    assert_eq!(next.events.last(), Some(&last));
    world.assert_whole();
}

#[test]
fn a_part_that_has_other_bytes_now_is_sent_again() {
    let world = World::new();
    world.sent(false);
    world.change(4 * PART + 17);
    let next = world.push(false);
    assert_eq!(
        next.result.as_ref().unwrap().resumed,
        (PARTS - 1) * PART - 1000
    );
    assert_eq!(next.parts(), [4]);
    world.assert_whole();
}

/// A file that has become longer keeps its first parts, and one that has become shorter, too.
#[test]
fn a_file_of_another_length_keeps_the_parts_that_it_has() {
    for (size, sent) in [(PARTS * PART + 5, vec![11, 12]), (3 * PART + 5, vec![3])] {
        let world = World::new();
        world.sent(false);
        fs::write(&world.path, content(size)).unwrap();
        let next = world.push(false);
        assert_eq!(next.parts(), sent);
        world.assert_whole();
    }
    // What is sent as a whole has no use for them.
    let world = World::new();
    world.sent(false);
    fs::write(&world.path, content(1000)).unwrap();
    let next = world.push(false);
    assert_eq!(next.result.as_ref().unwrap().resumed, 0);
    assert_eq!(next.taken, [Taken::Aborted, Taken::Object]);
    assert_eq!(next.anew().len(), 1);
    world.assert_whole();
}

#[test]
fn an_upload_that_the_store_forgot_is_begun_anew_and_that_is_said() {
    let world = World::new();
    world.server.fault(BEFORE + 10, Fault::Status(403));
    world.push(false);
    world.server.forget_uploads();
    let next = world.push(false);
    assert_eq!(next.result.as_ref().unwrap().resumed, 0);
    let anew = next.anew();
    assert!(
        anew.len() == 1 && anew[0].contains("there is no such upload"),
        "{anew:?}"
    );
    assert_eq!(next.parts(), (0..PARTS).collect::<Vec<_>>());
    world.assert_whole();
}

/// The store had made the object, the call knew nothing of it, and the next one said that there is one already.
#[test]
fn an_object_of_which_the_answer_was_lost_is_read_back() {
    for overwrite in [false, true] {
        let world = World::new();
        let complete = usize::from(!overwrite) + 1 + usize::try_from(PARTS).unwrap();
        // Within a call, which asks again.
        world.server.fault(complete, Fault::Lost);
        let call = world.push(overwrite);
        assert_eq!(call.result.as_ref().unwrap().bytes, PARTS * PART - 1000);
        world.assert_whole();
    }
    for overwrite in [false, true] {
        let world = World::new();
        let complete = usize::from(!overwrite) + 1 + usize::try_from(PARTS).unwrap();
        world.server.fault(complete, Fault::Lost);
        for attempt in 1..5 {
            world.server.fault(complete + attempt, Fault::Drop);
        }
        let broken = world.push(overwrite);
        assert!(
            broken.error().contains("connection broke"),
            "{}",
            broken.error()
        );
        let next = world.push(overwrite);
        assert_eq!(next.result.as_ref().unwrap().resumed, PARTS * PART - 1000);
        assert_eq!(next.parts(), [0_u64; 0]);
        world.assert_whole();
    }
}

/// An object of the same length that somebody else has put there meanwhile is not taken for ours.
#[test]
fn what_somebody_else_put_there_exists_already() {
    let world = World::new();
    world.sent(false);
    let other = vec![7; usize::try_from(PARTS * PART - 1000).unwrap()];
    world.server.put("bucket/W.bin", other.clone());
    let next = world.push(false);
    assert!(matches!(
        next.result,
        Err(ObjectError::AlreadyExists { kept: None, .. })
    ));
    // The parts went with the journal: the next call would end in the same way.
    assert_eq!(next.taken, [Taken::Aborted]);
    assert_eq!(world.names(), ["W.bin"]);
    assert!(world.server.get("bucket/W.bin").unwrap() == other);
    // Before all parts are sent, and of another length, it is seen at once, and the parts can replace it.
    let world = World::new();
    world.server.fault(BEFORE + 10, Fault::Status(403));
    let kept = world.push(false).kept().unwrap();
    world.server.put("bucket/W.bin", vec![7; 9]);
    let next = world.push(false);
    assert!(matches!(
        next.result,
        Err(ObjectError::AlreadyExists { .. })
    ));
    assert_eq!((next.kept(), &*next.taken), (Some(kept), &[][..]));
    let replaced = world.push(true);
    assert_eq!(replaced.parts().len() as u64, PARTS - kept.div_ceil(PART));
    world.assert_whole();
}

/// Only one of two that are sent at the same time becomes the object.
#[test]
fn the_store_decides_at_the_end_and_the_parts_can_replace_what_was_first() {
    let world = World::new();
    world.server.fault(BEFORE + 10, Fault::Status(403));
    world.push(false);
    let contents = contents(&world.path, &world.url).unwrap();
    let (target, server) = (world.target(), &world.server);
    let result = push_to(&world.path, &contents, &target, false, |event| {
        if matches!(event, PushEvent::Reached { done, .. } if done == PARTS * PART - 1000) {
            server.put("bucket/W.bin", vec![7; 9]);
        }
    });
    let kept = PARTS * PART - 1000;
    assert!(
        matches!(result, Err(ObjectError::AlreadyExists { kept: found, .. }) if found == Some(kept)),
        "{result:?}"
    );
    assert_eq!(world.server.get("bucket/W.bin").unwrap(), [7; 9]);
    drop(target);
    world.server.settle();
    world.server.taken_parts();
    assert_eq!(world.push(true).taken, [Taken::Completed]);
    world.assert_whole();
}

/// What was read back is not fetched again, which is paid for, too.
#[test]
fn reading_back_goes_on_where_it_was_broken() {
    for overwrite in [false, true] {
        let world = World::new();
        // The requests of opening and of the first eight parts.
        let before = usize::from(!overwrite) + 1 + usize::try_from(PARTS).unwrap() + 1 + 2;
        world.server.fault(before, Fault::Status(403));
        let error = world.push(overwrite).error();
        assert!(
            error.contains("the object is there") && error.contains("403"),
            "{error}"
        );
        world.server.taken();
        let next = world.push(overwrite);
        assert_eq!(next.result.as_ref().unwrap().resumed, PARTS * PART - 1000);
        assert_eq!(next.parts(), [0_u64; 0]);
        let ranges = world.server.taken().into_iter();
        let gets = ranges.filter(|range| range.end < u64::MAX);
        let fetched: u64 = gets.map(|range| range.end - range.start).sum();
        assert_eq!(fetched, (PARTS - 8) * PART - 1000 + HEAD);
        world.assert_whole();
    }
}

#[test]
fn one_file_is_sent_to_a_place_by_one_call_at_a_time() {
    let world = World::new();
    world.sent(false);
    let held = Journal::find(&world.path, &store::place(&world.url)).unwrap();
    assert!(matches!(held, Found::Upload(_)));
    let error = world.push(false).error();
    assert!(error.contains("another `push` of this file"), "{error}");
    drop(held);
    // Another place has a journal of its own.
    let other = World {
        url: ObjectUrl::parse("s3://bucket/other.bin").unwrap(),
        ..world
    };
    other.push(false).result.unwrap();
    assert_eq!(other.server.waiting_parts() as u64, PARTS);
    let both = other.names();
    assert!(
        both.len() == 2 && both[1].starts_with("W.bin.push-"),
        "{both:?}"
    );
}

/// Where no journal can be, the file is sent, and nothing is left in the store of what fails.
#[test]
fn without_a_journal_a_push_works_and_is_aborted_where_it_breaks() {
    let world = World::new();
    world.sent(false);
    let journal = world.journal();
    for in_the_way in [None, Some("a list of things to do")] {
        world.server.forget_uploads();
        let _ = fs::remove_file(&journal);
        match in_the_way {
            None => fs::create_dir(&journal).unwrap(),
            Some(text) => {
                fs::remove_dir(&journal).unwrap();
                fs::write(&journal, text).unwrap();
            }
        }
        world.server.fault(BEFORE + 10, Fault::Status(403));
        let broken = world.push(false);
        assert_eq!((broken.kept(), world.server.waiting_parts()), (None, 0));
        assert_eq!(broken.taken.last(), Some(&Taken::Aborted));
        let why = broken.events.iter().find_map(|event| match event {
            PushEvent::NotResumable { reason } => Some(reason),
            _ => None,
        });
        let name = journal.display().to_string();
        assert!(why.is_some_and(|why| why.contains(&name)), "{why:?}");
    }
    let pushed = world.push(false).result.unwrap();
    assert_eq!(pushed.resumed, 0);
    assert_eq!(
        fs::read_to_string(&journal).unwrap(),
        "a list of things to do"
    );
    fs::remove_file(&journal).unwrap();
    world.assert_whole();
}

/// The journal is input like any other: damaged, or made by somebody, it costs time at most.
#[test]
fn a_journal_that_is_damaged_costs_the_parts_that_it_no_longer_tells() {
    let world = World::new();
    world.sent(false);
    let journal = world.journal();
    let whole = fs::read(&journal).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    // The mark, the place, the upload, and a line for each part.
    assert_eq!(lines.len() as u64, 3 + PARTS + 1);
    let mut damaged = lines[..3].concat();
    damaged.extend_from_slice(&lines[4..8].concat());
    damaged.extend_from_slice(&[0; 300]);
    damaged.extend_from_slice(&lines[8..].concat());
    damaged.extend_from_slice(b"0123456789abcdef part\t3");
    fs::write(&journal, &damaged).unwrap();
    let next = world.push(false);
    // One line is missing, and one is not to be told from the zeros before it.
    assert_eq!((next.parts().len(), next.anew().len()), (2, 0));
    world.assert_whole();
    // Of an upload that is not known nothing can be used.
    let world = World::new();
    world.sent(false);
    fs::write(world.journal(), lines[..2].concat()).unwrap();
    let next = world.push(false);
    assert_eq!(next.parts().len() as u64, PARTS);
    assert!(next.anew()[0].contains("is damaged"), "{:?}", next.anew());
    assert_eq!(world.names(), ["W.bin"]);
}

#[test]
fn what_is_given_up_is_not_in_the_store_any_more() {
    let world = World::new();
    let discard = || discard(&world.path, &world.url, || Ok(world.target()));
    assert_eq!(discard().unwrap(), Discarded::Nothing);
    world.sent(false);
    fs::remove_file(&world.path).unwrap();
    // Whoever may not do so keeps what leads there.
    world.server.fault(0, Fault::Status(403));
    let error = discard().unwrap_err().to_string();
    assert!(
        error.contains("is not given up: the server answers 403"),
        "{error}"
    );
    let bytes = PARTS * PART - 1000;
    assert_eq!(discard().unwrap(), Discarded::Upload { bytes });
    assert_eq!(world.server.waiting_parts(), 0);
    assert!(world.names().is_empty());
    // An object that was made of them, of which the answer was lost, is told and stays.
    let world = World::new();
    let complete = 2 + usize::try_from(PARTS).unwrap();
    world.server.fault(complete, Fault::Lost);
    for attempt in 1..5 {
        world.server.fault(complete + attempt, Fault::Drop);
    }
    world.push(false).error();
    let discard = super::discard(&world.path, &world.url, || Ok(world.target()));
    assert_eq!(discard.unwrap(), Discarded::Object { bytes });
    world.assert_whole();
    // One that is not there any more is given up, too.
    let world = World::new();
    world.sent(false);
    world.server.forget_uploads();
    let discard = super::discard(&world.path, &world.url, || Ok(world.target()));
    assert_eq!(discard.unwrap(), Discarded::Upload { bytes });
    assert_eq!(world.names(), ["W.bin"]);
}
