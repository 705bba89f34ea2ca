//! Every error tells its cause once, and where.

use std::io;
use std::path::{Path, PathBuf};

use selvedge_testing::{check_messages, each_variant};

use super::*;
use crate::{Dtype, HeaderError};

fn path() -> PathBuf {
    PathBuf::from("a.safetensors")
}

fn word() -> String {
    "W".to_owned()
}

fn refused() -> io::Error {
    io::Error::other("the system refused")
}

fn file() -> FileError {
    FileError::io(Path::new("a.safetensors"), "open")(refused())
}

fn size() -> SizeError {
    SizeError::TooLarge {
        tensor: word(),
        dtype: Dtype::BF16,
        shape: vec![2],
    }
}

#[test]
fn sizes() {
    let (dtype, shape) = (Dtype::F4, vec![3]);
    let all = each_variant!(SizeError {
        TooLarge { tensor: word(), dtype, shape: shape.clone() }
        PartialByte { tensor: word(), dtype, shape, bits: 12 }
    });
    check_messages(&all, 0);
}

#[test]
fn saving() {
    let (dtype, shape, expected, found) = (Dtype::BF16, vec![2], 2, 1);
    let tensor = word;
    let damaged = HeaderError::TooShort { found };
    let missing = MissingBytes {
        tensor: word(),
        expected,
        found,
    };
    let all = each_variant!(SaveError {
        WriteTensor { path: path(), tensor: tensor(), offset: 1, source: refused() }
        Source { path: path(), tensor: tensor(), offset: 1, source: refused() }
        File(file())
        DiskTooSmall { path: path(), needed: 2, free: 1 }
        InvalidName { name: word(), what: "tensor", expected: "another" }
        DuplicateName { name: word() }
        Size(size())
        TwoGrowing { first: word(), second: word() }
        EmptyRow { tensor: tensor(), dtype, row_shape: shape.clone() }
        HeaderTooLarge { found, limit: 0 }
        SizeMismatch { tensor: tensor(), dtype, shape, expected, found }
        UnknownTensor { tensor: tensor(), declared: vec![word()] }
        DtypeMismatch { tensor: tensor(), expected: Dtype::BF16, found: Dtype::F32 }
        TooManyBytes { tensor: tensor(), expected, written: 1, found }
        Incomplete { path: path(), missing: vec![missing] }
        SourceEnded { tensor: tensor(), expected, found }
        PartialRow { tensor: tensor(), row_bytes: 2, extra: 1 }
        Finished { path: path() }
        InTheWay { path: path(), unfinished: path() }
        NotRecoverable { unfinished: path(), reason: "it is damaged", source: Some(damaged) }
    });
    check_messages(&all, 4);
}

#[test]
fn reading() {
    let (dtype, tensor) = (Dtype::BF16, word);
    let damaged = HeaderError::TooShort { found: 3 };
    let all = each_variant!(ReadError {
        File(file())
        Header { path: path(), source: damaged }
        NoSuchTensor { path: path(), tensor: tensor(), available: vec![word()] }
        ReadTensor { path: path(), tensor: tensor(), source: refused() }
        Truncated { path: path(), tensor: tensor(), expected: 2 }
        DtypeMismatch { tensor: tensor(), expected: Dtype::BF16, found: Dtype::F32 }
        Misaligned { tensor: tensor(), dtype, offset: 1, alignment: 2 }
        InvalidBool { tensor: tensor(), index: 2, found: 7 }
        ByteOutOfRange { tensor: tensor(), first: 1, count: 2, bytes: 2 }
        NoRows { tensor: tensor() }
        RowOutOfRange { tensor: tensor(), rows: 1, range: 1..2 }
        Size(size())
        BufferLength { tensor: tensor(), expected: 2, found: 1 }
        #[cfg(feature = "candle")]
        Candle { tensor: tensor(), dtype, source: candle_core::Error::Msg("refused".to_owned()) }
    });
    check_messages(&all, 3 + usize::from(cfg!(feature = "candle")));
    assert_eq!(
        format!("{:?}", all[1]),
        "a.safetensors is not a sound safetensors file: it has 3 bytes, and the length of the header alone \
         takes 8"
    );
}

#[test]
fn what_verbs_have_in_common_is_in_one_place() {
    for error in [
        Error::from(SaveError::from(file())),
        ReadError::from(file()).into(),
    ] {
        assert!(
            matches!(error, Error::File(FileError::Io { .. })),
            "{error}"
        );
    }
    for error in [
        Error::from(SaveError::from(size())),
        ReadError::from(size()).into(),
    ] {
        assert!(
            matches!(error, Error::Size(SizeError::TooLarge { .. })),
            "{error}"
        );
    }
    assert!(size_of::<Error>() <= 128, "{}", size_of::<Error>());
}
