//! Objects are read as the files that they are, by few requests of what is wanted.

mod common;

use std::fs;
use std::iter;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use common::{ELEMENTS, TENSORS, contents, gathered, record, step};
use selvedge_hdf5::{Compression, Piece, Reader, Rechunk, Tensor, bf16};
use selvedge_object::{ObjectFile, ObjectOptions, open};
use selvedge_testing::objects::ObjectServer;

/// Bytes of the first request.
const HEAD: u64 = 128 << 10;
const STEP_BYTES: u64 = 2 * ELEMENTS as u64;

fn open_url(url: &str) -> Reader {
    open(url, &ObjectOptions::default()).unwrap()
}

#[test]
fn files_of_each_format_are_what_they_are_on_the_disk() {
    let server = ObjectServer::start();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../selvedge-hdf5/tests/golden");
    let mut read = 0;
    for entry in fs::read_dir(golden).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "h5") {
            continue;
        }
        let expected = contents(&Reader::open(&path).unwrap()).unwrap();
        for bytes in [fs::read(&path).unwrap(), gathered(&path)] {
            let url = server.put("golden.h5", bytes);
            assert!(contents(&open_url(&url)).unwrap() == expected, "{path:?}");
        }
        read += 1;
    }
    assert!(read > 15);
}

#[test]
fn opening_takes_one_request_and_with_an_index_two_whatever_the_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    let server = ObjectServer::start();
    for (compression, planned, requests) in [
        (Compression::None, true, 1),
        (Compression::None, false, 1),
        (Compression::Fast, true, 2),
        (Compression::Fast, false, 2),
    ] {
        for steps in [60, 6001] {
            record(&path, compression, steps, planned);
            let url = server.put("run_1.h5", gathered(&path));
            let file = open_url(&url);
            assert_eq!(file.committed_steps(), steps);
            let opening = server.taken();
            assert!(
                matches!(
                    opening[..],
                    [Range {
                        start: 0,
                        end: HEAD
                    }]
                ),
                "{opening:?}"
            );
            // What is needed to find any step of any tensor.
            let mut found = 0;
            for name in TENSORS {
                let tensor = file.tensor(name).unwrap();
                tensor.read_step::<bf16>(steps / 2).unwrap();
                let ranges = server.taken();
                found += ranges.len() - 1;
                let length = ranges.last().map_or(0, |range| range.end - range.start);
                assert!(
                    length <= STEP_BYTES + 8,
                    "{compression} {steps}: {ranges:?}"
                );
                if compression == Compression::None {
                    assert_eq!(length, STEP_BYTES);
                }
                tensor.read_step::<bf16>(steps - 1).unwrap();
                assert_eq!(server.taken().len(), 1);
            }
            assert!(found < requests, "{compression} {steps}: {found}");
        }
    }
}

#[test]
fn what_is_selected_is_fetched_together() {
    let folder = tempfile::tempdir().unwrap();
    let (path, archive) = (
        folder.path().join("run_1.h5"),
        folder.path().join("archive.h5"),
    );
    record(&path, Compression::None, 60, true);
    Rechunk::new(&path, &archive)
        .compression(Compression::Temporal)
        .checksums(true)
        .run(|_| ())
        .unwrap();
    let local = Reader::open(&path).unwrap();
    let server = ObjectServer::start();
    let rows: Vec<usize> = (0..ELEMENTS / 64).filter(|row| row * 7 % 19 < 7).collect();
    let all = |tensor: &Tensor| {
        let select = || tensor.select();
        (
            tensor.read::<bf16>().unwrap(),
            select().rows(rows.clone()).read::<bf16>().unwrap(),
            select().every(7).read_f32().unwrap(),
            select()
                .steps(3..50)
                .every(5)
                .rows([255, 0, 3, 0])
                .read_f32()
                .unwrap(),
            select().steps(vec![40, 3, 4, 17]).read::<bf16>().unwrap(),
        )
    };
    // An archive has the chunks of one tensor between those of others.
    for (file, requests) in [(&path, 8), (&archive, 26)] {
        let object = open_url(&server.put("run_1.h5", gathered(file)));
        server.taken();
        let tensor = object.tensor("moment").unwrap();
        assert!(all(tensor) == all(local.tensor("moment").unwrap()));
        // Sixty steps of 32 KiB are two megabytes: each of these reads is one request or two.
        let taken = server.taken();
        assert!(taken.len() <= requests, "{file:?} {taken:?}");
        assert!(contents(&object).unwrap().len() > 100);
        for (number, read) in (0..)
            .zip(tensor.select().blocks::<bf16>(1 << 20).unwrap())
            .take(3)
        {
            let block = read.unwrap();
            let first = block.steps().start;
            assert!(block[..ELEMENTS] == step(first), "{number}");
        }
    }
}

/// Large ones are cut, and fetched in parts at once.
#[test]
fn a_whole_tensor_goes_by_several_requests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, Compression::None, 1000, true);
    let server = ObjectServer::start();
    let object = open_url(&server.put("run_1.h5", fs::read(&path).unwrap()));
    server.taken();
    assert!(
        object.tensor("W").unwrap().read::<bf16>().unwrap() == vec![bf16::ZERO; 1000 * ELEMENTS]
    );
    let taken = server.taken();
    assert!((4..8).contains(&taken.len()), "{taken:?}");
    assert!(taken.iter().all(|range| range.end - range.start <= 8 << 20));
    assert_eq!(
        taken
            .iter()
            .map(|range| range.end - range.start)
            .sum::<u64>(),
        1000 * STEP_BYTES
    );
}

/// However many threads put together what comes, no more requests are on their way.
#[test]
fn twelve_requests_are_on_their_way_at_once() {
    const APART: usize = 300 << 10;
    let bytes = (0..100).flat_map(|number| iter::repeat_n(number, APART));
    let server = ObjectServer::start();
    let object = ObjectFile::open(
        &server.put("any", bytes.collect()),
        &ObjectOptions::default(),
    )
    .unwrap();
    server.wait(Duration::from_millis(60));
    let mut found = [0; 100];
    let mut pieces: Vec<Piece<'_>> = (0..).step_by(APART).zip(found.chunks_mut(1)).collect();
    object.fetch(&mut pieces).unwrap();
    assert!(found.iter().copied().eq(0..100));
    assert_eq!(server.taken().len(), 1 + 100);
    let most = server.most_at_once();
    assert!((7..=12).contains(&most), "{most}");
}

/// The indexes that were gathered are ones of HDF5: this program and libhdf5 read the file as before, and a run goes
/// on in it.
#[test]
fn a_gathered_file_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (
        folder.path().join("run_1.h5"),
        folder.path().join("copy.h5"),
    );
    for (compression, steps) in [(Compression::Fast, 90), (Compression::None, 70)] {
        record(&path, compression, steps, false);
        fs::write(&copy, gathered(&path)).unwrap();
        assert!(
            fs::metadata(&copy).unwrap().len() > fs::metadata(&path).unwrap().len() || steps == 70
        );
        let expected = contents(&Reader::open(&path).unwrap()).unwrap();
        assert!(contents(&Reader::open(&copy).unwrap()).unwrap() == expected);
        let by_library = hdf5_values(&copy);
        assert!(by_library == hdf5_values(&path));
        let mut run = selvedge_hdf5::Recorder::resume(&copy).start().unwrap();
        run.append(|row| {
            for name in TENSORS {
                row.put(name, &step(7)[..])?;
            }
            row.put("loss", &1.5_f32)
        })
        .unwrap();
        run.finish().unwrap();
        let file = Reader::open(&copy).unwrap();
        assert_eq!(file.committed_steps(), steps + 1);
        assert!(file.tensor("W").unwrap().read_step::<bf16>(steps).unwrap() == step(7));
        assert!(file.tensor("W").unwrap().read_step::<bf16>(3).unwrap() == step(3));
    }
}

/// The digests that h5py makes of all tensors.
fn hdf5_values(path: &Path) -> String {
    const DIGESTS: &str = "import sys, h5py, hashlib\nf = h5py.File(sys.argv[1])\n\
        print([(n, hashlib.sha256(f[n][()].tobytes()).hexdigest()) for n in sorted(f)])";
    selvedge_testing::python::run(DIGESTS, [path])
}
