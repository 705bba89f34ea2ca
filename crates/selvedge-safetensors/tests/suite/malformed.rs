//! Files that are not sound: the cases of the safetensors crate's own tests and more, made anew; and
//! random ones, on which both must agree.

use std::fs;

use crate::common::{by_hand, judge, named, new_path};
use proptest::prelude::*;
use safetensors::SafeTensors;
use selvedge_safetensors::{Header, HeaderError, Mapped, ReadError, Reader, Save};
use selvedge_testing::make_pipe;

fn parse(file: &[u8]) -> Result<Header, HeaderError> {
    Header::parse(file, file.len() as u64)
}

/// The message for a file, which the safetensors crate refuses, too.
fn refusal(file: &[u8]) -> String {
    assert!(
        SafeTensors::deserialize(file).is_err(),
        "the safetensors crate reads it"
    );
    let error = parse(file).expect_err("it is refused");
    let mut text = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        text = format!("{text}: {source}");
    }
    text
}

/// One tensor, described by `info`.
fn one(info: &str, data: usize) -> Vec<u8> {
    by_hand(&format!("{{\"test\":{info}}}"), &vec![0; data])
}

fn info(shape: &str, begin: u64, end: u64) -> String {
    format!("{{\"dtype\":\"I32\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}")
}

#[test]
fn a_header_that_is_not_there_is_refused() {
    assert_eq!(
        refusal(b""),
        "it has 0 bytes, and the length of the header alone takes 8"
    );
    assert_eq!(
        refusal(b"\x3C\0\0"),
        "it has 3 bytes, and the length of the header alone takes 8"
    );
    assert_eq!(
        refusal(b"\x3C\0\0\0\0\0\0\0"),
        "its header should have 60 bytes, found 0: it was not copied whole"
    );
    let mut cut = one(&info("[2,2]", 0, 16), 16);
    cut.truncate(40);
    assert_eq!(
        refusal(&cut),
        "its header should have 60 bytes, found 32: it was not copied whole"
    );
}

#[test]
fn a_header_that_is_too_long_is_refused_before_it_is_read() {
    let expected = "and 100000000 are allowed: is it another kind of file?";
    for first in [
        *b"\x3C\0\0\0\0\xFF\xFF\xFF",
        u64::MAX.to_le_bytes(),
        100_000_001_u64.to_le_bytes(),
    ] {
        let text = refusal(&[&first[..], b"{}"].concat());
        assert!(text.ends_with(expected), "{text}");
    }
    assert!(
        refusal(b"\x89HDF\r\n\x1A\n and more").ends_with(expected),
        "an HDF5 file"
    );
}

#[test]
fn a_header_that_is_not_json_is_refused() {
    assert_eq!(
        refusal(b"\x01\0\0\0\0\0\0\0\xFF"),
        "its header is not UTF-8: is it another kind of file?: invalid utf-8 sequence of 1 bytes \
         from index 0"
    );
    for (header, expected) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{} {}", "trailing characters at line 1 column 4"),
        ("{\"a\":}", "expected value at line 1 column 6"),
        (
            "[]",
            "invalid type: sequence, expected an object with a description for each tensor at \
                line 1 column 0",
        ),
        (
            "null",
            "invalid type: null, expected an object with a description for each tensor at \
                  line 1 column 4",
        ),
        (
            "{\"__metadata__\":{},}",
            "trailing comma at line 1 column 20",
        ),
    ] {
        let text = refusal(&by_hand(header, &[]));
        assert!(text.ends_with(expected), "{header}: {text}");
    }
    // So deep that a parser by recursion would run out of stack.
    let deep = "{\"a\":".repeat(100_000);
    assert!(refusal(&by_hand(&deep, &[])).contains("`a`"));
}

#[test]
fn a_tensor_that_is_not_described_is_named() {
    for (described, expected) in [
        ("{}", "missing field `dtype`"),
        (
            "{\"dtype\":\"I32\",\"shape\":[]}",
            "missing field `data_offsets`",
        ),
        (
            "{\"dtype\":\"I32\",\"data_offsets\":[0,4]}",
            "missing field `shape`",
        ),
        (
            "{\"dtype\":\"I33\",\"shape\":[],\"data_offsets\":[0,4]}",
            "unknown variant `I33`",
        ),
        (
            "{\"dtype\":\"I32\",\"shape\":[-1],\"data_offsets\":[0,4]}",
            "invalid value",
        ),
        (
            "{\"dtype\":\"I32\",\"shape\":[1.0],\"data_offsets\":[0,4]}",
            "invalid type",
        ),
        (
            "{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0]}",
            "invalid length 1",
        ),
        (
            "{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4,8]}",
            "trailing characters",
        ),
        (
            "{\"dtype\":\"I32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}",
            "invalid",
        ),
        (
            "{\"dtype\":\"I32\",\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]}",
            "duplicate field",
        ),
        ("4", "invalid type"),
        ("null", "invalid type"),
    ] {
        let text = refusal(&one(described, 4));
        assert!(
            text.starts_with("its header describes tensor `test`"),
            "{described}: {text}"
        );
        assert!(text.contains(expected), "{described}: {text}");
    }
}

#[test]
fn metadata_other_than_strings_are_refused() {
    for (metadata, expected) in [
        ("1", "expected `__metadata__` as an object of strings"),
        ("{\"a\":1}", "expected a string"),
        ("{\"a\":{}}", "expected a string"),
        ("[\"a\"]", "expected `__metadata__` as an object of strings"),
        ("{\"a\":null}", "expected a string"),
    ] {
        let text = refusal(&by_hand(&format!("{{\"__metadata__\":{metadata}}}"), &[]));
        assert!(text.contains(expected), "{metadata}: {text}");
    }
    assert!(refusal(&by_hand("{\"__metadata__\":{},\"__metadata__\":{}}", &[])).contains("twice"));
    // Nothing is as good as none.
    assert!(
        parse(&by_hand("{\"__metadata__\":null}", &[]))
            .unwrap()
            .metadata()
            .is_empty()
    );
}

/// The safetensors crate takes the last of them; the format forbids them.
#[test]
fn names_that_are_there_twice_are_refused() {
    let twice = format!(
        "{{\"a\":{},\"b\":{0},\"a\":{}}}",
        info("[1]", 0, 4),
        info("[1]", 4, 8)
    );
    let error = parse(&by_hand(&twice, &[0; 8])).unwrap_err();
    assert_eq!(error.to_string(), "tensor `a` is described twice");
    let escaped = format!(
        "{{\"a\":{},\"\\u0061\":{}}}",
        info("[1]", 0, 4),
        info("[1]", 4, 8)
    );
    let error = parse(&by_hand(&escaped, &[0; 8])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor `a` is described twice",
        "spelt otherwise"
    );
    let error = parse(&by_hand(
        "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}",
        &[],
    ))
    .unwrap_err();
    assert!(
        format!("{error:?}").contains("key `k` is in `__metadata__` twice"),
        "{error:?}"
    );
}

#[test]
fn tensors_that_do_not_cover_the_data_are_named() {
    let two = |a: (u64, u64), b: (u64, u64), data: usize| {
        let length = |(begin, end): (u64, u64)| end.saturating_sub(begin) / 4;
        let [x, y] = [a, b].map(|range| info(&format!("[{}]", length(range)), range.0, range.1));
        by_hand(&format!("{{\"a\":{x},\"b\":{y}}}"), &vec![0; data])
    };
    for (file, expected) in [
        (
            two((0, 8), (4, 12), 12),
            "tensor `b` begins at byte 4 of the data, within tensor `a`, which ends at 8",
        ),
        (
            two((0, 16), (0, 16), 16),
            "tensor `b` begins at byte 0 of the data, within tensor `a`, which ends at 16",
        ),
        (
            two((0, 8), (12, 16), 16),
            "bytes 8 to 12 of the data, before tensor `b`, belong to no tensor",
        ),
        (
            two((4, 8), (8, 16), 16),
            "bytes 0 to 4 of the data, before tensor `a`, belong to no tensor",
        ),
        (
            two((0, 8), (8, 16), 15),
            "tensor `b` needs 16 bytes of data, found 15: it was not copied whole",
        ),
        (
            two((0, 8), (8, 16), 3),
            "tensor `a` needs 8 bytes of data, found 3: it was not copied whole",
        ),
        (
            two((0, 8), (8, 16), 17),
            "its tensors take 16 bytes of data, and 17 are there",
        ),
        (
            by_hand("{}", b"polyglot"),
            "its tensors take 0 bytes of data, and 8 are there",
        ),
        (
            one(&info("[0]", 4, 0), 4),
            "tensor `test` ends at byte 0 of the data, before it begins, at 4",
        ),
        (
            one(&info("[2,2]", 0, 4), 4),
            "tensor `test` of I32 [2, 2] has 16 bytes, found 4",
        ),
        (
            one(&info("[]", 0, 0), 0),
            "tensor `test` of I32 [] has 4 bytes, found 0",
        ),
        (
            one(&info("[2,18446744073709551614]", 0, 16), 16),
            "tensor `test` of I32 [2, 18446744073709551614] has more bytes than a file can hold",
        ),
        (
            one(&info("[2,9223372036854775807]", 0, 16), 16),
            "tensor `test` of I32 [2, 9223372036854775807] has more bytes than a file can hold",
        ),
        (
            one(
                "{\"dtype\":\"F4\",\"shape\":[1,3],\"data_offsets\":[0,2]}",
                2,
            ),
            "tensor `test` of F4 [1, 3] has 12 bits, which are not whole bytes",
        ),
    ] {
        assert_eq!(refusal(&file), expected);
    }
    // As many tensors on the same bytes as will fit: an attack by a small file.
    let same: Vec<String> = (0..10)
        .map(|n| format!("\"weight_{n}\":{}", info("[2,2]", 0, 16)))
        .collect();
    let attack = by_hand(&format!("{{{}}}", same.join(",")), &[0; 16]);
    assert!(refusal(&attack).contains("within tensor `weight_0`"));
}

#[test]
fn odd_files_that_are_sound_are_read() {
    for header in ["{}\r \t\n", "\t\n{}\r ", "{ }"] {
        assert_eq!(
            parse(&by_hand(header, &[])).unwrap().tensors().len(),
            0,
            "{header:?}"
        );
    }
    let scalar = parse(&one(&info("[]", 0, 4), 4)).unwrap();
    assert_eq!(scalar.tensor("test").unwrap().elements(), 1);
    let empty = parse(&one(&info("[2,0]", 0, 0), 0)).unwrap();
    assert_eq!(empty.tensor("test").unwrap().shape, [2, 0]);
    // In another order, with fields of another program, and with space within.
    let header = "{\"b\":{\"data_offsets\":[1 , 2 ],\"shape\":[1],\"dtype\":\"U8\",\"unit\":{\"m\":[1]}},\
                  \"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    let file = by_hand(header, &[1, 2]);
    SafeTensors::deserialize(&file).unwrap();
    let parsed = parse(&file).unwrap();
    let order: Vec<_> = parsed
        .tensors()
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect();
    assert_eq!(order, ["a", "b"]);
}

/// Fields of other programs were skipped without being parsed, where the safetensors crate refuses
/// what is no JSON in them.
#[test]
fn what_is_no_json_in_a_field_of_another_program_is_refused() {
    let deep = format!("{}1{}", "[".repeat(130), "]".repeat(130));
    for value in ["1e999", "\"\\ud800\"", &deep, "nul", "01"] {
        let described = "\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[0,4]";
        refusal(&one(&format!("{{{described},\"other\":{value}}}"), 4));
    }
}

/// Opening a pipe waits for somebody to write to it, for ever.
#[test]
fn a_pipe_is_not_opened() {
    let (_folder, path) = new_path();
    make_pipe(&path);
    for error in [
        Reader::open(&path).unwrap_err(),
        Header::open(&path).unwrap_err(),
        // SAFETY: it is not even opened.
        unsafe { Mapped::open(&path) }.unwrap_err(),
    ] {
        assert!(named(&error, &path).contains("it is a pipe"), "{error}");
    }
}

#[test]
fn errors_of_files_name_the_file() {
    let (folder, path) = new_path();
    for bytes in [&b""[..], b"\x89HDF\r\n\x1A\n", b"\x02\0\0\0\0\0\0\0{}more"] {
        fs::write(&path, bytes).unwrap();
        let error = Reader::open(&path).unwrap_err();
        assert!(matches!(error, ReadError::Header { .. }), "{error}");
        let text = named(&error, &path);
        // SAFETY: nobody else knows the file.
        let mapped = unsafe { Mapped::open(&path) }.unwrap_err();
        assert_eq!(format!("{mapped:?}"), text);
        assert_eq!(format!("{:?}", Header::open(&path).unwrap_err()), text);
    }
    let missing = folder.path().join("missing.safetensors");
    assert!(named(&Reader::open(&missing).unwrap_err(), &missing).contains("No such file"));
    assert!(named(&Reader::open(folder.path()).unwrap_err(), folder.path()).contains("directory"));
}

fn agree(file: &[u8]) -> Result<(), TestCaseError> {
    judge::agree(file).map_err(TestCaseError::fail)
}

/// Headers that are nearly right.
fn headers() -> impl Strategy<Value = String> {
    let number = prop_oneof![4 => (0_u64..9).boxed(), 1 => any::<u64>().boxed()];
    let dtype = prop::sample::select(vec![
        "U8", "BOOL", "BF16", "F32", "F4", "F6_E2M3", "C64", "X1",
    ]);
    let shape = prop::collection::vec(number.clone(), 0..3);
    let name = prop::sample::select(vec!["a", "b", "c", "__metadata__", "\\u0061"]);
    let tensor = (name, dtype, shape, number.clone(), number)
        .prop_map(|(name, dtype, shape, begin, end)| {
            format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{begin},{end}]}}")
        });
    prop::collection::vec(tensor, 0..4).prop_map(|tensors| format!("{{{}}}", tensors.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nearly_right_headers_are_judged_as_the_safetensors_crate_does(
        header in headers(),
        data in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        agree(&by_hand(&header, &data))?;
    }

    #[test]
    fn damaged_files_are_judged_as_the_safetensors_crate_does(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        keep in any::<bool>(),
    ) {
        let mut file = sound_file();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if !keep {
            file.truncate(cut.index(file.len()));
        }
        agree(&file)?;
    }

    #[test]
    fn any_bytes_are_judged_as_the_safetensors_crate_does(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        agree(&bytes)?;
        agree(&by_hand(&String::from_utf8_lossy(&bytes), &bytes))?;
    }
}

fn sound_file() -> Vec<u8> {
    static FILE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    FILE.get_or_init(|| {
        let (_folder, path) = new_path();
        Save::new(&path)
            .tensor("W", [2, 3], &[1.5_f32; 6])
            .tensor("mask", [3], &[true; 3])
            .scalar("n", 3_i64)
            .notebook("1.5d_x.ipynb")
            .write()
            .unwrap();
        fs::read(&path).unwrap()
    })
    .clone()
}
