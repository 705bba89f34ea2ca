//! Every error tells its cause once, and where.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use selvedge_testing::{check_messages, each_variant};

use super::*;
use crate::layout::LayoutError;
use crate::{AmbiguousNames, Compression, Dtype};

fn path() -> PathBuf {
    PathBuf::from("a.h5")
}

fn word() -> String {
    "W".to_owned()
}

fn refused() -> io::Error {
    io::Error::other("the system refused")
}

fn storage() -> StorageError {
    StorageError::io(Path::new("a.h5"), "open", refused())
}

fn library() -> LibraryError {
    let (structure, address, source) = ("the superblock", 0, refused());
    LayoutError::Read {
        structure,
        address,
        source,
    }
    .into()
}

#[test]
fn what_all_have_in_common() {
    let (expected, found) = (2, 1);
    let all = each_variant!(StorageError {
        File(FileError::io(Path::new("a.h5"), "open")(refused()))
        Library { path: path(), action: word(), source: library() }
        NotHdf5 { path: path() }
        Truncated { path: path(), expected, found }
        MarkedByWriter { path: path() }
        ChangedSource { path: path(), file: word(), what: word() }
        NotATrajectory { path: path(), reason: word() }
        WrittenAnew { path: path(), steps: 1, source: library() }
        UnequalSteps { path: path(), tensor: word(), steps: 1, committed: 2 }
        WriteStep { path: path(), tensor: word(), step: 1, source: refused() }
        Overwritten { path: path() }
        Deleted { path: path() }
        WriterPanicked {}
    });
    check_messages(&all, 4);
    assert_eq!(
        format!("{:?}", all[1]),
        "cannot W a.h5: cannot read the superblock at byte 0: the system refused"
    );
}

#[test]
fn declaring() {
    let (shape, expected, found) = (vec![2], 2, 1);
    let all = each_variant!(DeclareError {
        InvalidName { name: word(), expected: "a name" }
        DuplicateName { name: word() }
        InvalidTensor { tensor: word(), shape: shape.clone(), expected: "a shape" }
        NoSuchPart { tensor: word(), shape: vec![2], global_shape: vec![1], offset: vec![0] }
        PartOfNoShard { tensor: word() }
        NoSuchRank { run: word(), rank: 2, world_size: 2 }
        NoPlannedSteps {}
        NoTensors {}
        UnknownTensor { name: word(), tensor: word(), declared: Vec::new() }
        AttributeTooLarge { name: word(), found, limit: 0 }
        ZeroByte { name: word() }
        ConstantLength { name: word(), shape, expected, found }
        MemoryBudget { needed: 2, budget: 1 }
        DiskTooSmall { path: path(), needed: 2, free: 1 }
        NotForRecording { compression: Compression::Temporal }
        ResumeMismatch { path: path(), what: word(), expected: word(), found: word() }
        ResumeArchive { path: path(), tensor: word(), steps: 16 }
        NoSuchStep { path: path(), step: 2, committed: 1 }
        ResumeBelowChecksums { path: path(), tensor: word(), step: 1, covered: 2 }
        Read(ReadError::NoRows { tensor: word() })
        Storage(storage())
    });
    check_messages(&all, 1);
}

#[test]
fn recording() {
    let (tensor, expected, found) = (word, 2, 1);
    let stopped = |kept, source| RecordError::Stopped {
        path: path(),
        committed: 1000,
        kept,
        source: Arc::new(source),
    };
    let all = each_variant!(RecordError {
        UnknownTensor { tensor: tensor(), declared: Vec::new() }
        MissingTensors { step: 1, missing: Vec::new() }
        DuplicateTensor { step: 1, tensor: tensor() }
        LengthMismatch { tensor: tensor(), shape: vec![2], expected, found }
        BytesMismatch { tensor: tensor(), expected, found }
        DtypeMismatch { tensor: tensor(), expected: Dtype::Bf16, found: Dtype::F32 }
        BeyondPlan { planned: 1 }
        StepOpen { step: 1 }
        StepTooLate { path: path(), step: 1 }
        Stopped { path: path(), committed: 0, kept: false, source: Arc::new(storage()) }
        Storage(storage())
    });
    check_messages(&all, 2);
    // What is said of the steps depends on the cause, which is said once.
    let (deleted, cut) = (
        StorageError::Deleted { path: path() },
        StorageError::Truncated {
            path: path(),
            expected: 2,
            found: 1,
        },
    );
    let cut_is = cut.to_string();
    for (error, told) in [
        (
            stopped(true, storage()),
            "the recorder of a.h5 has stopped with its first 1,000 steps in the file; when the cause is gone, \
             continue with `Recorder::resume`: cannot open a.h5: the system refused"
                .to_owned(),
        ),
        (
            stopped(false, storage()),
            "the recorder of a.h5 has stopped, and nothing of it is kept: cannot open a.h5: the system refused"
                .to_owned(),
        ),
        (
            stopped(true, deleted),
            "the recorder of a.h5 has stopped: a.h5 was deleted or replaced while it was being recorded".to_owned(),
        ),
        (
            stopped(true, cut),
            format!("the recorder of a.h5 has stopped, and what had been recorded is lost: {cut_is}"),
        ),
    ] {
        assert_eq!(format!("{error:?}"), told);
    }
}

#[test]
fn reading() {
    let ambiguous = AmbiguousNames {
        name: word(),
        others: Vec::new(),
    };
    let tensor = word;
    let all = each_variant!(ReadError {
        NoSuchTensor { path: path(), tensor: tensor(), available: Vec::new() }
        Unread { path: path(), tensor: tensor(), reason: word() }
        UnsupportedDtype { tensor: tensor(), found: word(), hint: "store it as another" }
        DtypeMismatch { tensor: tensor(), expected: Dtype::Bf16, found: Dtype::F32 }
        NotBf16 { tensor: tensor(), found: word() }
        NotFloat { tensor: tensor(), found: Dtype::I8 }
        NoSteps { tensor: tensor() }
        StepOutOfRange { tensor: tensor(), asked: "1..2".to_owned(), committed: 1 }
        ZeroStride { tensor: tensor() }
        NoRows { tensor: tensor() }
        RowOutOfRange { tensor: tensor(), row: 1, rows: 1 }
        MaskLength { tensor: tensor(), expected: 2, found: 1 }
        BufferLength { tensor: tensor(), expected: 2, found: 1 }
        NotReferenced { path: path(), tensor: tensor(), reason: word() }
        MissingFilter { path: path(), tensor: tensor(), filter: word(), id: 5, advice: word() }
        MissingSource { path: path(), tensor: tensor(), missing: word() }
        ExternalStorage { path: path(), tensor: tensor(), values: word() }
        NotFollowed { path: path(), tensor: tensor(), values: word() }
        DamagedChunk { path: path(), tensor: tensor(), chunk: vec![0], source: Box::new(library()) }
        DamagedValues { path: path(), tensor: tensor(), source: library() }
        WorkingMemory { tensor: tensor(), needed: 2, limit: 1 }
        AmbiguousNames(ambiguous)
        Storage(storage())
    });
    check_messages(&all, 3);
}

#[test]
fn rewriting() {
    let all = each_variant!(RewriteError {
        NothingToRechunk { path: path(), left_out: vec![word()] }
        UnequalSteps { path: path(), tensors: vec![(word(), 2)], committed: 1 }
        OverSource { path: path(), view: "view.h5".into() }
        CannotKeep { path: path(), datasets: vec![word()] }
        WrongChecksums { path: path(), tensors: Vec::new() }
        NotAsWritten { path: path(), tensor: word(), step: 1 }
        NotFinished { path: path() }
        Declare(DeclareError::NoTensors)
        Read(ReadError::NoRows { tensor: word() })
        Storage(storage())
    });
    check_messages(&all, 1);
}

#[test]
fn joining() {
    let (tensor, range) = (word, word);
    let all = each_variant!(JoinError {
        NotAShard { path: path() }
        OtherRun { path: path(), found: word(), other: "b.h5".into(), expected: word() }
        TwoOfOneRank { rank: 1, paths: [path(), path()] }
        MissingRanks { missing: vec![1], world_size: 2 }
        TooManyRanks { found: 2, limit: 1 }
        Disagree { what: "a mask".to_owned(), path: path(), found: word(), other: "b.h5".into(), expected: word() }
        Overlap { tensor: tensor(), ranks: [0, 1], range: range() }
        Gap { tensor: tensor(), global_shape: vec![2], range: range(), holders: vec![0] }
        NoSteps { rank: 1, path: path() }
        Changed { path: path(), changed: word() }
        OverShard { path: path() }
        NotUtf8 { path: path() }
        Declare(DeclareError::NoTensors)
        Read(ReadError::NoRows { tensor: word() })
        Storage(storage())
    });
    check_messages(&all, 1);
}

#[test]
fn what_verbs_have_in_common_is_in_one_place() {
    let is_storage = |error: Error| matches!(error, Error::Storage(StorageError::File(_)));
    let read = || ReadError::from(storage());
    assert!(is_storage(read().into()));
    assert!(is_storage(DeclareError::from(read()).into()));
    assert!(is_storage(RecordError::from(storage()).into()));
    assert!(is_storage(
        RewriteError::from(DeclareError::from(read())).into()
    ));
    let read = || ReadError::NoRows { tensor: word() };
    for error in [
        Error::from(DeclareError::from(read())),
        RewriteError::from(DeclareError::from(read())).into(),
        JoinError::from(read()).into(),
    ] {
        assert!(
            matches!(error, Error::Read(ReadError::NoRows { .. })),
            "{error}"
        );
    }
    assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
}
