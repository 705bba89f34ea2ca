//! What this machine knows of an upload that is not at its end: a file beside the one that is sent, which says what
//! the store has of it.
//!
//! `NAME.push-HASH.unfinished` begins with [`PUSH_MARK`], and then has a line for each thing that happened, in the
//! order of time: where the object is to be, that an upload was begun, that the store has a part, that the upload is
//! being completed, that bytes were read back. A line is added for each part and nothing is ever written anew, so what
//! it takes grows with the parts alone. Each line begins with a hash of its rest: after a power cut one can be torn, and
//! what is torn or damaged is left out, so that its part is sent again. Nothing in it is secret.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use selvedge_base::text::fnv1a;
use selvedge_base::units::Bytes;
use selvedge_base::{Chain, FileError, Leftover, PUSH_MARK, Partial, target};
use twox_hash::XxHash3_128;

/// A journal has fewer bytes.
const LONGEST: u64 = 64 << 20;
/// How often what was written is put on the disk. A power cut takes the parts of so long a time, which are sent again.
const SYNC: Duration = Duration::from_secs(1);

/// A part of a file, by what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) length: u64,
    sum: u128,
    /// What the store calls it.
    pub(crate) id: String,
}

impl Part {
    /// The part that has these bytes, and that the store calls `id`.
    pub(crate) fn new(bytes: &[u8], id: String) -> Self {
        Self {
            length: bytes.len() as u64,
            sum: XxHash3_128::oneshot(bytes),
            id,
        }
    }

    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        self.length == bytes.len() as u64 && self.sum == XxHash3_128::oneshot(bytes)
    }
}

/// An upload that a store knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// What the store calls it. (In Azure an upload has no name.)
    pub(crate) id: String,
    /// The object that becomes of it, by its name in the store.
    pub(crate) key: String,
    /// Bytes of each part but the last.
    pub(crate) part_bytes: u64,
}

/// What has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    begun: Option<Begun>,
    /// The parts that the store has, by their numbers.
    parts: BTreeMap<u64, Part>,
    /// Whether the store was asked to make an object of them.
    is_completing: bool,
    /// The version of the object that was read back, and the pieces of it that were right, by where they begin.
    read: (String, BTreeMap<u64, Part>),
}

/// What is known of an upload, in a file beside the one that is sent, or in memory only where no such file can be.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Where the object is to be.
    place: String,
    path: PathBuf,
    partial: Option<Partial>,
    /// Bytes of the file.
    end: u64,
    synced: Instant,
    /// Whether the file says that an upload was begun: without that nothing more is written.
    is_written: bool,
    known: Known,
}

/// What there is of a journal.
#[derive(Debug)]
pub(crate) enum Found {
    /// One with an upload in it.
    Upload(Journal),
    /// None, or an empty one.
    Nothing(Journal),
    /// One of which nothing can be made out.
    Damaged(Journal),
    /// Something that is no journal of an upload to this place, or cannot be read, for this reason.
    InTheWay(Journal, String),
}

impl Journal {
    /// Looks for what an earlier call left of an upload of the file at `path` to `place`.
    ///
    /// # Errors
    ///
    /// [`FileError::InUse`] while another process sends the file there, and those of [`target`].
    pub(crate) fn find(path: &Path, place: &str) -> Result<Found, FileError> {
        let file = target(path)?;
        let mut name = OsString::from(file.file_name().unwrap_or_default());
        name.push(format!(".push-{:016x}", fnv1a(place.as_bytes())));
        let mut journal = Self {
            place: place.to_owned(),
            path: file.with_file_name(name),
            partial: None,
            end: 0,
            synced: Instant::now(),
            is_written: true,
            known: Known::default(),
        };
        let partial = match Partial::reopen(&journal.path) {
            Ok(partial) => partial,
            Err(FileError::NothingLeft { .. }) => return Ok(Found::Nothing(journal)),
            Err(error @ FileError::InUse { .. }) => return Err(error),
            Err(error) => return Ok(Found::InTheWay(journal, Chain(&error).to_string())),
        };
        let is_other = || {
            let what = "is no journal of an upload to there; move it away";
            format!("{} {what}", partial.path().display())
        };
        let text = match read(&partial) {
            Ok(text) => text,
            Err(error) => {
                let why = format!("{} cannot be read: {error}", partial.path().display());
                return Ok(Found::InTheWay(journal, why));
            }
        };
        // What was torn at the end is written over.
        let end = text.iter().rposition(|&byte| byte == b'\n');
        journal.end = end.map_or(0, |end| end as u64 + 1);
        if text.iter().all(|&byte| byte == 0) {
            journal.partial = Some(partial);
            return Ok(Found::Nothing(journal));
        }
        let Some(lines) = text.strip_prefix(PUSH_MARK.as_bytes()) else {
            return Ok(Found::InTheWay(journal, is_other()));
        };
        let mut lines = lines.split_inclusive(|&byte| byte == b'\n').map(checked);
        let place = lines.next().flatten();
        let place = place.and_then(|line| line.strip_prefix("to\t"));
        if place.is_some_and(|place| place != journal.place) {
            return Ok(Found::InTheWay(journal, is_other()));
        }
        let is_whole = place.is_some();
        lines.flatten().for_each(|line| {
            journal.known.take(line);
        });
        journal.partial = Some(partial);
        Ok(match (&journal.known.begun, is_whole) {
            (Some(_), true) => Found::Upload(journal),
            _ => {
                journal.known = Known::default();
                Found::Damaged(journal)
            }
        })
    }

    /// Makes a file for it, where there is none; the reason where there can be none.
    pub(crate) fn make(&mut self) -> Result<(), String> {
        if self.partial.is_none() {
            let made = Partial::create_growing(&self.path, false, Leftover::Keep);
            let mut partial = made.map_err(|error| Chain(&error).to_string())?;
            partial.keep();
            self.partial = Some(partial);
        }
        Ok(())
    }

    /// Whether the next call finds it.
    pub(crate) fn is_kept(&self) -> bool {
        self.partial.is_some() && self.is_written
    }

    pub(crate) fn begun(&self) -> Option<&Begun> {
        self.known.begun.as_ref()
    }

    pub(crate) fn parts(&self) -> &BTreeMap<u64, Part> {
        &self.known.parts
    }

    /// Bytes of the parts that the store has.
    pub(crate) fn bytes(&self) -> u64 {
        self.known.parts.values().map(|part| part.length).sum()
    }

    pub(crate) fn is_completing(&self) -> bool {
        self.known.is_completing
    }

    /// The pieces of this version of the object that were read back, and were right.
    pub(crate) fn read_back(&self, version: &str) -> BTreeMap<u64, Part> {
        let (known, pieces) = &self.known.read;
        match known == version {
            true => pieces.clone(),
            false => BTreeMap::new(),
        }
    }

    /// The store has begun an upload; what was before is over.
    pub(crate) fn begin(&mut self, begun: Begun) -> io::Result<()> {
        let (place, bytes) = (&self.place, begun.part_bytes);
        let upload = line(&format!("upload\t{bytes}\t{}\t{}", begun.id, begun.key));
        let text = match self.known.begun {
            Some(_) => upload,
            None => format!("{PUSH_MARK}{}{upload}", line(&format!("to\t{place}"))),
        };
        let is_new = self.known.begun.is_none();
        self.known = Known {
            begun: Some(begun),
            ..Known::default()
        };
        self.is_written = true;
        let written = self.write_begun(&text, is_new);
        self.is_written = written.is_ok();
        written
    }

    fn write_begun(&mut self, text: &str, is_new: bool) -> io::Result<()> {
        if let (Some(partial), true) = (&self.partial, is_new) {
            partial.file().set_len(0)?;
            self.end = 0;
        }
        self.append(text)?;
        self.sync()?;
        match &self.partial {
            Some(partial) if is_new => partial.sync_names().map_err(io::Error::other),
            _ => Ok(()),
        }
    }

    /// The store has a part.
    pub(crate) fn part(&mut self, number: u64, part: Part) -> io::Result<()> {
        let Part { length, sum, id } = &part;
        let text = line(&format!("part\t{number}\t{length}\t{sum:032x}\t{id}"));
        self.known.parts.insert(number, part);
        self.append_soon(&text)
    }

    /// The store is asked to make an object of the parts: from now on there can be one, whatever is heard of it.
    pub(crate) fn complete(&mut self) -> io::Result<()> {
        if self.known.is_completing {
            return Ok(());
        }
        self.known.is_completing = true;
        self.append(&line("completing"))?;
        self.sync()
    }

    /// A piece of the object was read back, and is right.
    pub(crate) fn read(&mut self, offset: u64, bytes: &[u8], version: &str) -> io::Result<()> {
        let piece = Part::new(bytes, String::new());
        let (length, sum) = (piece.length, piece.sum);
        let text = line(&format!("read\t{offset}\t{length}\t{sum:032x}\t{version}"));
        self.known.read(offset, piece, version);
        self.append_soon(&text)
    }

    /// Forgets the upload, which the store does not have any more.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        self.known = Known::default();
        self.end = 0;
        match &self.partial {
            Some(partial) => partial.file().set_len(0),
            None => Ok(()),
        }
    }

    /// Removes it.
    pub(crate) fn remove(self) {
        if let Some(partial) = self.partial {
            partial.discard();
        }
    }

    fn append_soon(&mut self, text: &str) -> io::Result<()> {
        self.append(text)?;
        match self.synced.elapsed() < SYNC {
            true => Ok(()),
            false => self.sync(),
        }
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        let Some(partial) = self.partial.as_ref().filter(|_| self.is_written) else {
            return Ok(());
        };
        let end = self.end + text.len() as u64;
        if end > LONGEST {
            let what = format!("the journal would have more than {}", Bytes(LONGEST));
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        partial.file().write_all_at(text.as_bytes(), self.end)?;
        self.end = end;
        Ok(())
    }

    /// Puts what was written on the disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.synced = Instant::now();
        match &self.partial {
            Some(partial) => partial.file().sync_data(),
            None => Ok(()),
        }
    }
}

impl Known {
    /// Takes over what a line says; `None` of one that is none of a journal.
    fn take(&mut self, line: &str) -> Option<()> {
        let mut fields = line.split('\t');
        let mut next = || fields.next();
        match next()? {
            "upload" => {
                let part_bytes = next()?.parse().ok().filter(|&bytes| bytes > 0)?;
                let (id, key) = (next()?.to_owned(), next()?.to_owned());
                let begun = Some(Begun {
                    id,
                    key,
                    part_bytes,
                });
                *self = Self {
                    begun,
                    ..Self::default()
                };
            }
            "part" => {
                let (number, length) = (next()?.parse().ok()?, next()?.parse().ok()?);
                let sum = u128::from_str_radix(next()?, 16).ok()?;
                let id = next()?.to_owned();
                self.parts.insert(number, Part { length, sum, id });
            }
            "completing" => self.is_completing = true,
            "read" => {
                let (offset, length) = (next()?.parse().ok()?, next()?.parse().ok()?);
                let sum = u128::from_str_radix(next()?, 16).ok()?;
                let id = String::new();
                self.read(offset, Part { length, sum, id }, next()?);
            }
            _ => return None,
        }
        Some(())
    }

    fn read(&mut self, offset: u64, piece: Part, version: &str) {
        if self.read.0 != version {
            self.read = (version.to_owned(), BTreeMap::new());
        }
        self.read.1.insert(offset, piece);
    }
}

/// A line of a journal, with the hash that it begins with. What would end it stands for nothing that a store gives.
fn line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c == '\n' { ' ' } else { c })
        .collect();
    format!("{:016x} {text}\n", fnv1a(text.as_bytes()))
}

/// What a line of a journal says, if it is whole.
fn checked(line: &[u8]) -> Option<&str> {
    let line = str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (hash, text) = line.split_once(' ')?;
    (u64::from_str_radix(hash, 16) == Ok(fnv1a(text.as_bytes()))).then_some(text)
}

/// All of a journal.
fn read(partial: &Partial) -> io::Result<Vec<u8>> {
    let length = partial.file().metadata()?.len();
    if length > LONGEST {
        let what = format!("it has more than {}", Bytes(LONGEST));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    let mut text = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    partial.file().read_exact_at(&mut text, 0)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn upload(found: Found) -> Journal {
        match found {
            Found::Upload(journal) => journal,
            other => panic!("{other:?}"),
        }
    }

    /// A journal with three parts, in a folder of its own.
    fn written() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("W.bin");
        let Found::Nothing(mut journal) = Journal::find(&path, "s3://b/W.bin").unwrap() else {
            panic!("there is none yet");
        };
        journal.make().unwrap();
        let begun = Begun {
            id: "an upload".to_owned(),
            key: "W.bin".to_owned(),
            part_bytes: 8 << 20,
        };
        journal.begin(begun).unwrap();
        for number in 0..3 {
            let part = Part::new(&[7; 100], format!("\"tag{number}\""));
            journal.part(number, part).unwrap();
        }
        let file = journal.partial.as_ref().unwrap().path().to_owned();
        (folder, path, file)
    }

    #[test]
    fn a_journal_says_what_was_written_into_it() {
        let (folder, path, file) = written();
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "selvedge push");
        assert!(lines[1].ends_with(" to\ts3://b/W.bin"), "{}", lines[1]);
        assert!(lines[2].ends_with(" upload\t8388608\tan upload\tW.bin"));
        assert!(lines[4].contains(" part\t1\t100\t") && lines[4].ends_with("\t\"tag1\""));
        // XXH3 of 128 bits over nothing, as its author gives it.
        let empty = Part::new(&[], String::new());
        assert_eq!(empty.sum, 0x99aa_06d3_0147_98d8_6001_c324_468d_497f);
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("W.bin.push-") && name.ends_with(".unfinished"));

        let mut journal = upload(Journal::find(&path, "s3://b/W.bin").unwrap());
        assert_eq!(journal.bytes(), 300);
        assert!(journal.parts()[&2].is(&[7; 100]) && !journal.parts()[&2].is(&[8; 100]));
        // The last word counts of a part, and a new upload has none.
        journal
            .part(2, Part::new(&[8; 50], "\"other\"".to_owned()))
            .unwrap();
        journal.complete().unwrap();
        journal.read(0, &[1; 10], "ETag \"v1\", 10 bytes").unwrap();
        drop(journal);
        let mut journal = upload(Journal::find(&path, "s3://b/W.bin").unwrap());
        assert_eq!((journal.bytes(), journal.is_completing()), (250, true));
        let read = journal.read_back("ETag \"v1\", 10 bytes");
        assert!(read[&0].is(&[1; 10]));
        assert!(journal.read_back("ETag \"v2\", 10 bytes").is_empty());
        let begun = Begun {
            id: String::new(),
            ..journal.begun().unwrap().clone()
        };
        journal.begin(begun.clone()).unwrap();
        drop(journal);
        let journal = upload(Journal::find(&path, "s3://b/W.bin").unwrap());
        assert_eq!((journal.begun(), journal.bytes()), (Some(&begun), 0));
        assert!(!journal.is_completing() && journal.read_back("ETag \"v1\", 10 bytes").is_empty());
        journal.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A byte that is another one, or an end that is torn, takes the lines that it is in, and makes no other ones.
    #[test]
    fn damage_takes_lines_and_makes_none() {
        let (_folder, path, file) = written();
        let whole = fs::read(&file).unwrap();
        let known = upload(Journal::find(&path, "s3://b/W.bin").unwrap()).known;
        let mut uploads = 0;
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for damaged in [&flipped, &whole[..at]] {
                fs::write(&file, damaged).unwrap();
                if let Found::Upload(journal) = Journal::find(&path, "s3://b/W.bin").unwrap() {
                    uploads += 1;
                    assert_eq!(journal.begun(), known.begun.as_ref(), "{at}");
                    let mut parts = journal.parts().iter();
                    assert!(parts.all(|(nth, part)| known.parts[nth] == *part), "{at}");
                    assert!(!journal.parts().is_empty() || damaged.len() < whole.len());
                    assert!(!journal.is_completing());
                }
            }
        }
        assert!(uploads > whole.len() / 2, "{uploads}");
        // What is written after a torn line is read.
        fs::write(&file, &whole[..whole.len() - 3]).unwrap();
        let mut journal = upload(Journal::find(&path, "s3://b/W.bin").unwrap());
        journal
            .part(2, Part::new(&[7; 100], "\"tag2\"".to_owned()))
            .unwrap();
        drop(journal);
        assert_eq!(fs::read(&file).unwrap(), whole);
    }

    #[test]
    fn what_is_no_journal_of_this_upload_is_left_alone() {
        let (_folder, path, file) = written();
        let whole = fs::read_to_string(&file).unwrap();
        let other = whole.replace(
            line("to\ts3://b/W.bin").trim_end(),
            line("to\ts3://b/other.bin").trim_end(),
        );
        assert_ne!(other, whole);
        for text in [&*other, "rows of a recorder"] {
            fs::write(&file, text).unwrap();
            let found = Journal::find(&path, "s3://b/W.bin").unwrap();
            assert!(matches!(found, Found::InTheWay(..)), "{found:?}");
            drop(found);
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        // One that its call did not come to write is as good as none.
        for nothing in ["", "\0\0\0\0\0\0\0\0"] {
            fs::write(&file, nothing).unwrap();
            let found = Journal::find(&path, "s3://b/W.bin").unwrap();
            assert!(matches!(found, Found::Nothing(_)), "{found:?}");
        }
    }

    /// Appending to it costs what the parts take, and none of them is written twice.
    #[test]
    fn a_journal_grows_with_the_parts_alone() {
        let (_folder, path, file) = written();
        let mut journal = upload(Journal::find(&path, "s3://b/W.bin").unwrap());
        let before = fs::metadata(&file).unwrap().len();
        for number in 0..9000 {
            let part = Part::new(&[7; 100], format!("\"{number:032x}\""));
            journal.part(number, part).unwrap();
        }
        let grown = fs::metadata(&file).unwrap().len() - before;
        assert!(grown < 9000 * 120, "{grown}");
        drop(journal);
        let journal = upload(Journal::find(&path, "s3://b/W.bin").unwrap());
        assert_eq!(journal.bytes(), 900_000);
    }
}
