//! Damage to golden files, and what `recover` may do to a damaged file: for the tests, the soak and the
//! fuzz target.

use std::fs;
use std::ops::Range;
use std::path::Path;

use selvedge_hdf5::{Recovery, RunState, StorageError, plan_recovery, recover};

/// The numbers `selvedge_state` of a file whose recorder died, and of one that was recovered.
const RECORDING: u64 = 0;
const RECOVERED: u64 = 2;
/// The first format that says where its last commit began.
const TELLS_ITS_COMMIT: u64 = 3;
/// The end-of-file address of a superblock of version 0.
const END_OF_FILE: usize = 40;

macro_rules! golden {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!("../golden/", $name, ".h5")) as &[u8])),*]
    };
}

/// Golden files of all formats: runs that are finished, …
pub(crate) const FINISHED: [(&str, &[u8]); 4] =
    golden!("format1_finished" "format1_open_ended" "format1_resumed" "format3_finished");
/// … and those whose recorders died, some of them within a commit; …
pub(crate) const KILLED: [(&str, &[u8]); 4] =
    golden!("format1_killed" "format1_ahead" "format3_killed" "format3_ahead");
/// … and the same with a compressed tensor.
pub(crate) const COMPRESSED: [(&str, &[u8]); 4] =
    golden!("format2_fast" "format2_temporal" "format3_fast" "format3_temporal");
pub(crate) const COMPRESSED_KILLED: [(&str, &[u8]); 2] = golden!("format2_killed" "format2_ahead");

/// A golden file without the room that its recorder had asked for and never used, which is megabytes.
pub(crate) fn without_room(golden: &[u8]) -> Vec<u8> {
    let used = golden.iter().rposition(|&byte| byte != 0).unwrap_or(0) + 1;
    let mut image = golden[..used.next_multiple_of(8).min(golden.len())].to_vec();
    let end = number(&image, END_OF_FILE).min(image.len() as u64);
    image[END_OF_FILE..END_OF_FILE + 8].copy_from_slice(&end.to_le_bytes());
    image
}

/// Where a change matters most: at the start, and around the signatures of HDF5's structures.
pub(crate) fn structure(base: &[u8]) -> Vec<usize> {
    const SIGNATURES: &[&[u8]] = &[
        b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OHDR", b"FRHP", b"FHDB", b"BTHD", b"BTLF", b"FAHD",
        b"FADB", b"EAHD", b"EAIB", b"EASB", b"EADB", b"OCHK",
    ];
    let mut places: Vec<usize> = (0..base.len().min(4096)).collect();
    for at in 0..base.len().saturating_sub(4) {
        if SIGNATURES.contains(&&base[at..at + 4]) {
            places.extend(at..(at + 300).min(base.len()));
        }
    }
    places
}

/// A file with some changes: of its fields, lengths and links, most of them at `places`. `draw` chooses
/// them: it returns a number below the one it is given.
pub(crate) fn damaged(
    base: &[u8],
    places: &[usize],
    mut draw: impl FnMut(usize) -> usize,
) -> Vec<u8> {
    let mut image = base.to_vec();
    let len = base.len() as u64;
    for _ in 0..=draw(3) {
        let at = if draw(8) == 7 {
            draw(image.len())
        } else {
            places[draw(places.len())]
        };
        let numbers = [
            0,
            1,
            0xFF,
            0xFFFF,
            0x7FFF_FFFF,
            0xFFFF_FFFF,
            1 << 40,
            (1 << 62) + 1,
            u64::MAX / 2,
            u64::MAX - 7,
            u64::MAX,
            len,
            len - 8,
            at as u64,
        ];
        let bytes = match draw(8) {
            0 => vec![draw(256).to_le_bytes()[0]],
            // A number, in 2, 4 or 8 bytes.
            width @ 1..=3 => numbers[draw(numbers.len())].to_le_bytes()[..1 << width].to_vec(),
            // A link to somewhere else, or to itself.
            4 => part(base, places[draw(places.len())], 8),
            5 => part(base, places[draw(places.len())], 64),
            6 => {
                let byte = image.get(at).copied().unwrap_or(0);
                vec![byte ^ (1 << draw(8))]
            }
            // Any number.
            _ => (0..8).map(|_| draw(256).to_le_bytes()[0]).collect(),
        };
        let end = (at + bytes.len()).min(image.len());
        if at < end {
            image[at..end].copy_from_slice(&bytes[..end - at]);
        }
    }
    match draw(12) {
        10 => image.truncate(draw(base.len())),
        11 => image.truncate(places[draw(places.len())]),
        _ => {}
    }
    image
}

fn part(base: &[u8], from: usize, most: usize) -> Vec<u8> {
    base[from..(from + most).min(base.len())].to_vec()
}

/// Calls `recover` on the file at `path`, which may say anything. Returns the committed steps, or why the
/// file was refused.
///
/// # Panics
///
/// Where `recover` does what it never may: something else than it had planned; a change of a file that it
/// refuses, of one that was finished, or a second time; a write elsewhere than into the numbers that say
/// which steps count; a step taken back that is not of the commit that was cut short.
pub(crate) fn recover_damaged(path: &Path) -> Result<u64, StorageError> {
    let read = || fs::read(path).expect("the file is there");
    let before = read();
    let planned = plan_recovery(path);
    assert!(read() == before, "the plan changed the file");
    let recovered = recover(path);
    let after = read();
    match (&planned, &recovered) {
        (Ok(planned), Ok(recovered)) => {
            // What steps a file has that HDF5 does not open is known when it is opened.
            let committed = match recovered.marked {
                true => planned.committed,
                false => recovered.committed,
            };
            let mut recovered = recovered.clone();
            recovered.committed = committed;
            assert_eq!(*planned, recovered);
        }
        (Err(planned), Err(recovered)) => assert_eq!(planned.to_string(), recovered.to_string()),
        // A mark is taken out before it is known whether the file can be read, and put back.
        (Ok(planned), Err(_)) if planned.marked => {}
        _ => panic!("{planned:?} was planned, and it came to {recovered:?}"),
    }
    let Ok(recovery) = recovered else {
        assert!(after == before, "a refused file was changed");
        return recovered.map(|recovery| recovery.committed);
    };
    if recovery.marked {
        return Ok(recovery.committed);
    }
    assert_eq!(recovery.changed, recovery.state == RunState::Recording);
    if recovery.changed {
        check_changes(&before, &after, &recovery);
    } else {
        assert!(after == before, "{recovery}");
    }
    let again = recover(path).expect("what was recovered is found in order");
    assert!(!again.changed && again.ahead.is_empty(), "{again}");
    assert_eq!(again.committed, recovery.committed);
    assert!(read() == after, "{again}");
    Ok(recovery.committed)
}

/// Whether `recover` has written nothing but the numbers that say which steps count, and taken back no
/// step but those of one commit.
fn check_changes(before: &[u8], after: &[u8], recovery: &Recovery) {
    let committed = recovery.committed;
    let [commits, formats] =
        ["selvedge_commit", "selvedge_format"].map(|name| attributes(before, name));
    let tells = |&at: &usize| number(before, at) >= TELLS_ITS_COMMIT;
    let tells = formats.iter().any(tells);
    let commit = |&at: &usize| number(before, at)..number(before, at + 8);
    let is_one = |commit: &Range<u64>| {
        tells && commit.start <= commit.end && i64::try_from(commit.end).is_ok()
    };
    let known: Vec<_> = commits.iter().map(commit).filter(is_one).collect();
    // One step more is surely of a commit where the file does not say where that began.
    let most = known.iter().map(|commit| commit.end - commit.start).max();
    let most = most.unwrap_or(0).max(1);
    let began = known.iter().map(|commit| commit.start).min().unwrap_or(0);
    for (_, had) in &recovery.ahead {
        let taken_back = had.checked_sub(committed).expect("it was ahead");
        assert!(
            (1..=most).contains(&taken_back) && began <= committed,
            "{recovery}"
        );
    }

    assert_eq!(before.len(), after.len());
    let is_state = |at: usize| (number(before, at), number(after, at)) == (RECORDING, RECOVERED);
    let is_extent = |at: usize| {
        let had = |(_, extent): &(String, u64)| *extent == number(before, at);
        number(after, at) == committed && recovery.ahead.iter().any(had)
    };
    let is_commit = |at: usize| [at, at + 8].map(|at| number(after, at)) == [committed; 2];
    // Most of the file is the same, and is compared at once.
    let parts = before.chunks(512).zip(after.chunks(512)).enumerate();
    let changed = parts.filter(|(_, (before, after))| before != after);
    let changed = changed.flat_map(|(nth, _)| nth * 512..(nth * 512 + 512).min(before.len()));
    for at in changed.filter(|&at| before[at] != after[at]) {
        let eight = at.saturating_sub(7)..=at;
        let is_known = eight.clone().any(is_state)
            || eight.clone().any(is_extent)
            || (eight.start().saturating_sub(8)..=at).any(is_commit);
        assert!(is_known, "byte {at} was changed: {recovery}");
    }
}

fn number(image: &[u8], at: usize) -> u64 {
    let bytes = image
        .get(at..at + 8)
        .and_then(|bytes| bytes.try_into().ok());
    u64::from_le_bytes(bytes.unwrap_or_default())
}

/// Where the values of attributes of this name are: after the name and two descriptions, whose lengths
/// stand before the name. In version 1 of the message each of the three is filled up to eighths.
fn attributes(image: &[u8], name: &str) -> Vec<usize> {
    let name = format!("{name}\0");
    let value = |at: usize| {
        let lengths_at = match (image.get(at.wrapping_sub(9)), image.get(at.wrapping_sub(8))) {
            (_, Some(1 | 2)) => at - 6,
            (Some(3), _) => at - 7,
            _ => return None,
        };
        let filled = image[at - 8] == 1;
        let lengths = image[lengths_at..lengths_at + 6].chunks_exact(2);
        let lengths = lengths.map(|len| usize::from(u16::from_le_bytes([len[0], len[1]])));
        let lengths = lengths.map(|len| if filled { len.next_multiple_of(8) } else { len });
        Some(at + lengths.sum::<usize>())
    };
    // The header of the root is at the beginning of a golden file.
    let image = &image[..image.len().min(8192)];
    let places = image.windows(name.len()).enumerate();
    let places = places.filter(|(_, found)| *found == name.as_bytes());
    places.filter_map(|(at, _)| value(at)).collect()
}
