//! Files of ranks: what they say of themselves, and going on where all ranks can.

use std::fs;
use std::path::Path;

use selvedge_hdf5::{
    Compression, DeclareError, Dtype, Reader, Rechunk, Recorder, Shard, TensorSpec, add_checksums,
    bf16,
};

use crate::common::ranks::{append, bits_of, block, declare, record, rows, shard, w};

#[test]
fn ranks_that_cannot_be_are_not_declared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rank.h5");
    let start = |shard: Option<Shard>, spec: TensorSpec| {
        let builder = Recorder::create(&path).tensor_spec(spec);
        let builder = match shard {
            Some(shard) => builder.shard(shard),
            None => builder,
        };
        builder.start().unwrap_err()
    };
    let whole = || TensorSpec::new("W", Dtype::F32, [2, 2]);
    let part = |offset: &[usize]| whole().part_of([4, 2], offset);
    for rank in [4, 9] {
        let error = start(Some(shard("run", rank)), whole());
        assert!(matches!(error, DeclareError::NoSuchRank { .. }), "{error}");
    }
    assert!(matches!(
        start(Some(shard("", 0)), whole()),
        DeclareError::NoSuchRank { .. }
    ));
    assert!(matches!(
        start(None, part(&[0, 0])),
        DeclareError::PartOfNoShard { .. }
    ));
    for offset in [&[3, 0][..], &[0, 1], &[0], &[0, 0, 0], &[usize::MAX, 0]] {
        let error = start(Some(shard("run", 0)), part(offset));
        assert!(matches!(error, DeclareError::NoSuchPart { .. }), "{error}");
    }
    // It became 2^63 - 1 in the file.
    let too_long = whole().part_of([1 << 63, 2], [0, 0]);
    let error = start(Some(shard("run", 0)), too_long);
    assert_eq!(
        error.to_string(),
        "tensor `W` of shape [2, 2] from [0, 0] on is no part of one of shape [9223372036854775808, 2]: expected an offset \
         and a length for each axis of a step (one at least), that end within it, and a whole of less than 2^63 elements \
         along each"
    );
    let scalar = TensorSpec::new("loss", Dtype::F32, []).part_of([], []);
    assert!(matches!(
        start(Some(shard("run", 0)), scalar),
        DeclareError::NoSuchPart { .. }
    ));
    assert!(!path.exists());
}

/// A rank that is resumed is the same rank, with the same part.
#[test]
fn a_rank_is_resumed_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), "run", 1, 20);
    let file = Reader::open(&path).unwrap();
    assert_eq!(file.shard(), Some(shard("run", 1)));
    let part = file.tensor("W").unwrap().part_of().unwrap().unwrap();
    assert_eq!(
        (&part.global_shape[..], &part.offset[..]),
        (&[10, 6][..], &[3, 0][..])
    );
    assert_eq!(file.tensor("loss").unwrap().part_of().unwrap(), None);
    drop(file);
    let resume = || Recorder::resume(&path);
    for wrong in [
        resume().shard(shard("run", 2)),
        resume().shard(shard("other", 1)),
        declare(resume(), Some(2)),
        declare(resume(), None),
    ] {
        let error = wrong.start().unwrap_err();
        assert!(
            matches!(error, DeclareError::ResumeMismatch { .. }),
            "{error}"
        );
    }
    let mut run = declare(resume(), Some(1))
        .shard(shard("run", 1))
        .start()
        .unwrap();
    append(&mut run, Some(1), 22);
    run.finish().unwrap();
    // What is written anew of a rank is that of the rank.
    let anew = folder.path().join("anew.h5");
    Rechunk::new(&path, &anew).run(|_| ()).unwrap();
    let file = Reader::open(&anew).unwrap();
    assert_eq!(
        (file.shard(), file.committed_steps()),
        (Some(shard("run", 1)), 22)
    );
    assert_eq!(file.tensor("W").unwrap().part_of().unwrap(), Some(part));
}

#[test]
fn a_run_goes_back_only_where_that_leaves_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = record(folder.path(), "run", 0, 20);
    let before = fs::read(&path).unwrap();
    let at = |step: u64| Recorder::resume(&path).at_step(step);
    let error = at(21).start().unwrap_err();
    assert!(
        error
            .to_string()
            .contains("has 20 committed steps, and the run was to go on at step 21"),
        "{error}"
    );
    let fresh = folder.path().join("fresh.h5");
    let error = declare(Recorder::create(&fresh), None)
        .at_step(1)
        .start()
        .unwrap_err();
    assert!(matches!(error, DeclareError::NoSuchStep { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);

    let mut run = at(7).start().unwrap();
    assert_eq!((run.committed(), run.appended()), (7, 7));
    assert_eq!(Reader::open(&path).unwrap().committed_steps(), 7);
    append(&mut run, Some(0), 9);
    run.finish().unwrap();
    let file = Reader::open(&path).unwrap();
    assert_eq!((file.committed_steps(), file.notes()), (9, &[][..]));
    assert_eq!(
        bits_of(&file.tensor("W").unwrap().read_step::<bf16>(8).unwrap()),
        bits_of(&block(w, 8, rows(0), [0, 6]))
    );
    drop(file);

    add_checksums(&path, |_| ()).unwrap();
    let error = at(8).start().unwrap_err();
    assert!(
        matches!(error, DeclareError::ResumeBelowChecksums { covered: 9, .. }),
        "{error}"
    );
    drop(at(9).start().unwrap());
    // Files of versions 1 and 2 do not say what their last commit was.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format2_killed.h5");
    fs::copy(golden, &path).unwrap();
    let error = at(1).start().unwrap_err();
    assert!(error.to_string().contains("version 1 or 2"), "{error}");
}

/// A reader that sees a run go back forgets where the steps that were given up lay.
#[test]
fn a_reader_sees_a_run_go_back() {
    const ELEMENTS: usize = 16 << 10;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    let mut run = Recorder::create(&path)
        .compression(Compression::Fast)
        .tensor::<bf16>("W", [ELEMENTS])
        .start()
        .unwrap();
    let append = |run: &mut Recorder, values: std::ops::Range<u16>| {
        for value in values {
            let values = [bf16::from_bits(value); ELEMENTS];
            run.append(|row| row.put("W", &values)).unwrap();
        }
    };
    append(&mut run, 0..12);
    run.finish().unwrap();
    let mut reader = Reader::open(&path).unwrap();
    let read = |reader: &Reader| {
        let values = reader.tensor("W").unwrap().read::<bf16>().unwrap();
        let firsts = values.chunks(ELEMENTS).map(|step| step[0].to_bits());
        firsts.collect::<Vec<_>>()
    };
    assert_eq!(read(&reader), (0..12).collect::<Vec<_>>());
    let mut run = Recorder::resume(&path).at_step(5).start().unwrap();
    assert_eq!(reader.refresh().unwrap(), 5);
    assert_eq!(read(&reader), (0..5).collect::<Vec<_>>());
    append(&mut run, 100..109);
    run.finish().unwrap();
    assert_eq!(reader.refresh().unwrap(), 14);
    assert_eq!(read(&reader), (0..5).chain(100..109).collect::<Vec<_>>());
}
