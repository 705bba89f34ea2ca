//! Golden files of each format with fields, lengths and links that somebody has changed: `recover` keeps
//! every committed step, or refuses the file and leaves it as it is. `cargo xtask fuzz recover` goes on
//! from here.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use crate::damage::{
    COMPRESSED, COMPRESSED_KILLED, FINISHED, KILLED, damaged, recover_damaged, structure,
    without_room,
};
use selvedge_hdf5::{Reader, Tensor, add_checksums, recover};
use selvedge_testing::{Limit, Random, again, is_child, peak, python, run_limited};

/// Bytes of address space of a process that reads files which may say that anything is as long as they like.
const ADDRESS_SPACE: u64 = 2 << 30;
/// The most memory that reading one of them may take, in bytes.
const MEMORY: u64 = 256 << 20;

/// Runs `work` in a process that cannot take the memory of the machine, which runs the test `name` again, and
/// checks how much it takes.
fn bounded(name: &str, work: impl FnOnce()) {
    let name = format!("damaged::{name}");
    if is_child(&name) {
        let ((), most) = peak(work);
        assert!(most < MEMORY, "{most} bytes");
        return;
    }
    let output = run_limited(&again(&name, &[]), Limit::AddressSpace(ADDRESS_SPACE));
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn recover_keeps_what_was_committed_of_any_file() {
    bounded("recover_keeps_what_was_committed_of_any_file", || {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.unwrap();
        let path = folder.path().join("a.h5");
        let mut random = Random(selvedge_testing::seed());
        let golden = [&FINISHED[..], &KILLED, &COMPRESSED, &COMPRESSED_KILLED].concat();
        for (name, bytes) in golden {
            let base = without_room(bytes);
            let recovered = |image: &[u8]| {
                fs::write(&path, image).unwrap();
                recover_damaged(&path)
            };
            let committed = recovered(&base).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(committed > 0, "{name}");
            let places = structure(&base);
            let (mut kept, mut refused) = (0, 0);
            for _ in 0..30 {
                let draw = |bound: usize| usize::try_from(random.below(bound as u64)).unwrap();
                match recovered(&damaged(&base, &places, draw)) {
                    Ok(_) => kept += 1,
                    Err(error) => {
                        assert!(error.to_string().contains("a.h5"), "{error}");
                        refused += 1;
                    }
                }
            }
            assert!(kept > 0 && refused > 0, "{name}: {kept}, {refused}");
        }
    });
}

/// The bytes of a row were multiplied without a look, and the memory for a step was asked for in a way that
/// ends the process where there is none.
#[test]
fn a_step_that_fits_no_memory_is_an_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let [.., (_, golden), _] = KILLED;
    // The description of the shape of `W`: its extents, and the largest that they may have.
    let shape = [11_u64, 4, 3, u64::MAX, 4, 3]
        .map(u64::to_le_bytes)
        .concat();
    let at = golden.windows(48).position(|found| found == shape).unwrap();
    let mut opened = 0;
    for axis in [1, 2] {
        for extent in [1 << 50, (1 << 62) + 1, u64::MAX / 2] {
            let mut image = golden.to_vec();
            image[at + 8 * axis..][..8].copy_from_slice(&u64::to_le_bytes(extent));
            fs::write(&path, image).unwrap();
            let Ok(file) = Reader::open(&path) else {
                continue;
            };
            opened += 1;
            let rows = file.tensor("W").unwrap().select().rows([0, 2]);
            assert!(rows.clone().steps(0..1).read::<u16>().is_err());
            let mut blocks = rows.steps(0..1).blocks::<u16>(1 << 20).unwrap();
            assert!(blocks.next().unwrap().is_err());
        }
    }
    assert!(opened > 0);
}

/// libhdf5 took memory for a text, and filled it with zeros, before it looked whether the file has so many bytes: up to
/// 4 GiB, and some seconds for each attribute.
#[test]
fn a_text_longer_than_the_file_takes_no_memory() {
    bounded("a_text_longer_than_the_file_takes_no_memory", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let [(_, golden), ..] = FINISHED;
        let heap = golden.windows(5).position(|found| found == b"GCOL\x01");
        let heap = heap.unwrap().to_le_bytes();
        // A length, the collection, and a number in it.
        let is_text = |found: &[u8]| found[1..4] == [0; 3] && found[4..12] == heap && found[12] > 0;
        let text = golden.windows(13).position(is_text).unwrap();
        // The type of a text: a length that varies, 16 bytes in the file, and the type of an element, here a text of so many
        // bytes.
        let of_text = *b"\x19\x01\x01\0\x10\0\0\0";
        let element = golden
            .windows(8)
            .position(|found| found == of_text)
            .unwrap()
            + 8;
        let long = 0x1FFF_FFFF_u64;
        for (at, wrong) in [
            (text, long.to_le_bytes()[..4].to_vec()),
            (element, (long << 32 | 0x13).to_le_bytes().to_vec()),
        ] {
            let mut image = golden.to_vec();
            image[at..at + wrong.len()].copy_from_slice(&wrong);
            fs::write(&path, image).unwrap();
            let file = Reader::open(&path).unwrap();
            let [(_, why)] = file.skipped_attributes() else {
                panic!("{:?}", file.skipped_attributes());
            };
            let told = why
                .split_once("texts of ")
                .and_then(|(_, why)| why.split_once(" bytes"));
            let bytes: u64 = told.unwrap_or_else(|| panic!("{why}")).0.parse().unwrap();
            assert!(bytes >= long, "{why}");
            assert!(!file.attributes().to_vec().is_empty());
        }
    });
}

/// The heap is looked at before libhdf5 is given it, and what comes after an object as long as all addresses was looked for
/// past the last of them: a panic within libhdf5, which ends the process.
#[test]
fn a_heap_longer_than_all_addresses_is_an_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let [(_, golden), ..] = FINISHED;
    let heap = golden.windows(5).position(|found| found == b"GCOL\x01");
    let size = heap.unwrap() + 24;
    let mut image = golden.to_vec();
    image[size..size + 8].copy_from_slice(&(u64::MAX - 7).to_le_bytes());
    fs::write(&path, image).unwrap();
    let file = Reader::open(&path).unwrap();
    assert!(!file.skipped_attributes().is_empty());
}

/// libhdf5 goes from object to object of a global heap, where the texts of attributes lie, and stayed for
/// ever at free room that said that it had no bytes.
#[test]
fn a_heap_without_an_end_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let [(_, golden), ..] = FINISHED;
    let heap = golden.windows(5).position(|found| found == b"GCOL\x01");
    let mut at = heap.unwrap() + 16;
    let number = |at: usize| u16::from_le_bytes([golden[at], golden[at + 1]]);
    let size = |at: usize| usize::from_le_bytes(golden[at + 8..at + 16].try_into().unwrap());
    while number(at) != 0 {
        at += 16 + size(at).next_multiple_of(8);
    }
    let mut image = golden.to_vec();
    image[at + 8..at + 16].fill(0);
    fs::write(&path, image).unwrap();
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let file = Reader::open(&path).unwrap();
        let read = file.attributes().to_vec();
        let _ = sender.send((read, file.skipped_attributes().to_vec()));
    });
    let (read, skipped) = answer.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(
        !read.is_empty() && !skipped.is_empty(),
        "{read:?} {skipped:?}"
    );
}

/// Makes a file that has groups in the old format, addresses and lengths of so many bytes, and a user block of so
/// many; and has the last free room in each heap of names come after itself.
const CIRCLES: &str = r#"
import sys, h5py, numpy as np
path, size, block, libver = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
creation.set_sizes(size, size)
creation.set_userblock(block)
access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
access.set_libver_bounds(getattr(h5py.h5f, "LIBVER_" + libver), h5py.h5f.LIBVER_LATEST)
h5py.h5f.create(path.encode(), h5py.h5f.ACC_TRUNC, creation, access).close()
with h5py.File(path, "r+", libver=("earliest", "latest")) as f:
    for group in ["a", "b"]:
        for name in range(6):
            f[f"{group}/{name}"] = np.arange(4, dtype="f4")
image = bytearray(open(path, "rb").read())
number = lambda at: int.from_bytes(image[at:at + size], "little")
at = found = 0
while (at := image.find(b"HEAP\0", at) + 1) > 0:
    room, data = number(at + 7 + size), block + number(at + 7 + 2 * size)
    if room != 1:
        assert number(data + room) == 1
        image[data + room:data + room + size] = room.to_bytes(size, "little")
        found += 1
assert found
open(path, "wb").write(image)
"#;

/// libhdf5 goes from one free room to the next, and took memory for each until there was none.
#[test]
fn a_heap_of_names_that_goes_in_a_circle_is_not_read() {
    bounded("a_heap_of_names_that_goes_in_a_circle_is_not_read", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        // A group that cannot be read is told, and the root group is an error.
        let told = || format!("{:?}", Reader::open(&path));
        let [(_, golden), ..] = FINISHED;
        let heap = golden
            .windows(5)
            .position(|found| found == b"HEAP\0")
            .unwrap();
        let number = |at: usize| u64::from_le_bytes(golden[at..at + 8].try_into().unwrap());
        let room = usize::try_from(number(heap + 16) + number(heap + 24)).unwrap();
        // After it comes itself, or what comes after itself, or what it comes after.
        let [here, next] = [number(heap + 16), number(heap + 16) + 16];
        for circle in [[here, 1], [next, next], [next, here]] {
            let mut image = golden.to_vec();
            image[room..room + 8].copy_from_slice(&circle[0].to_le_bytes());
            for (at, word) in [(8, 16), (16, circle[1]), (24, 16)] {
                image[room + at..room + at + 8].copy_from_slice(&u64::to_le_bytes(word));
            }
            fs::write(&path, image).unwrap();
            assert!(told().contains("goes in a circle"), "{}", told());
        }
        for (size, block, libver) in [(8, 0, "EARLIEST"), (4, 1024, "EARLIEST"), (4, 0, "V18")] {
            let args = [
                &path.display().to_string(),
                &format!("{size}"),
                &format!("{block}"),
                libver,
            ];
            python::run(CIRCLES, args);
            assert!(
                told().contains("goes in a circle"),
                "{size} {block}: {}",
                told()
            );
        }
    });
}

/// Makes a group with members, and datasets with many chunks, in the old format; and has an inner node of each tree be its
/// own child: of a leaf it makes an inner node.
const TREES: &str = r#"
import sys, h5py, numpy as np
path, kind, block = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with h5py.File(path, "w", libver="earliest", userblock_size=block) as f:
    for name in range(4):
        f[f"g/{name}"] = np.arange(4, dtype="f4")
    for name, filters in [("a", {}), ("b", {"compression": "gzip"}), ("c", {"chunks": (1, 1, 9)})]:
        values = np.arange(900, dtype="f4").reshape(10, 10, 9) if name == "c" else np.arange(900, dtype="f4")
        f.create_dataset(name, data=values, **{"chunks": (9,), **filters})
image = bytearray(open(path, "rb").read())
at = found = 0
while (at := image.find(b"TREE" + bytes([kind]), at) + 1) > 0:
    node, rank = at - 1, 3 if found == 2 else 1
    level, used = image[node + 5], int.from_bytes(image[node + 6:node + 8], "little")
    if kind == 1 and level == 0 or kind == 0 and used != 1:
        continue
    image[node + 5] = 1
    child = node + 24 + (8 if kind == 0 else 8 + 8 * (rank + 1))
    image[child:child + 8] = (node - block).to_bytes(8, "little")
    found += 1
assert found == (2 if kind == 0 else 3), found
open(path, "wb").write(image)
"#;

/// libhdf5 goes from a node of a tree to its children by recursion, and overflowed its stack.
#[test]
fn a_tree_that_leads_back_to_itself_is_not_walked() {
    bounded("a_tree_that_leads_back_to_itself_is_not_walked", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        for block in ["0", "512"] {
            for kind in ["0", "1"] {
                python::run(TREES, [&path.display().to_string(), kind, block]);
                let opened = Reader::open(&path);
                let told = match (&opened, kind) {
                    (Ok(file), "1") => {
                        let read = |tensor: &Tensor| tensor.read::<f32>().unwrap_err();
                        let tensors = file.tensors().iter().filter(|tensor| tensor.name() < "g");
                        let told: Vec<String> = tensors
                            .map(|tensor| format!("{:?}", read(tensor)))
                            .collect();
                        assert_eq!(told.len(), 3, "{told:?}");
                        told
                    }
                    _ => vec![format!("{opened:?}")],
                };
                for told in told {
                    assert!(
                        told.contains("BTree") || told.contains("B-tree"),
                        "{kind} {block}: {told}"
                    );
                }
            }
        }
    });
}

/// A step tensor that could not be opened counted as deleted, and the steps of the others as committed.
#[test]
fn a_run_with_a_step_tensor_that_cannot_be_opened_is_not_changed() {
    const HEADER: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1]) as f:
    print(h5py.h5o.get_info(f["losses"].id).addr)
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    for (name, golden) in KILLED {
        fs::write(&path, golden).unwrap();
        let header: usize = python::on_file(HEADER, &path).trim().parse().unwrap();
        let mut image = golden.to_vec();
        image[header] = 9;
        fs::write(&path, &image).unwrap();
        let error = recover(&path).unwrap_err().to_string();
        assert!(
            error.contains("`losses`, which may be a step tensor"),
            "{name}: {error}"
        );
        assert!(add_checksums(&path, |_| {}).is_err() && fs::read(&path).unwrap() == image);
    }
}
