//! Saving in pieces: any order, any source, and the one tensor that grows.

use std::fs;
use std::io::{self, Read};

use crate::common::{bytes_of, named, names, new_path};
use proptest::prelude::*;
use safetensors::SafeTensors;
use selvedge_safetensors::{
    Dtype, FileError, Header, Reader, Save, SaveError, TensorSpec, Writer, bf16, recover,
};

#[test]
fn tensors_take_their_values_in_pieces_and_in_any_order() {
    let (folder, path) = new_path();
    let mut file = Save::new(&path)
        .declare::<f32>("a", [4, 2])
        .tensor("mask", [3], &[true, false, true])
        .declare::<bf16>("b", [3])
        .declare_spec(TensorSpec::new("packed", Dtype::F4, [6]))
        .start()
        .unwrap();
    file.write("b", &[bf16::ONE]).unwrap();
    file.write("a", &[1.0_f32, 2.0, 3.0]).unwrap();
    file.write_bytes("packed", &[0x21]).unwrap();
    file.write("b", &[bf16::MAX.to_bits(), 0x7F81]).unwrap();
    file.write::<f32>("a", &[]).unwrap();
    assert_eq!(
        file.missing()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["`a` (12 of 32 bytes)", "`packed` (1 of 3 bytes)"]
    );
    file.write("a", &[4.0_f32, 5.0, 6.0, 7.0, 8.0]).unwrap();
    let copied = file.write_from("packed", &[0x43, 0x65, 0x87][..]).unwrap();
    assert_eq!(copied, 2, "no more than it lacks");
    assert!(!path.exists(), "not before it is finished");
    file.finish().unwrap();

    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
    let file = Reader::open(&path).unwrap();
    let a: Vec<f32> = file.tensor("a").unwrap().read().unwrap();
    assert_eq!(a, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let b: Vec<u16> = file.tensor("b").unwrap().read().unwrap();
    assert_eq!(b, [0x3F80, 0x7F7F, 0x7F81]);
    assert_eq!(bytes_of(&path, "packed"), [0x21, 0x43, 0x65]);
    assert_eq!(bytes_of(&path, "mask"), [1, 0, 1]);
}

#[test]
fn mistakes_are_named_and_cost_nothing() {
    let (folder, path) = new_path();
    let start = || {
        Save::new(&path)
            .overwrite(true)
            .declare::<f32>("a", [3])
            .declare::<u8>("b", [2])
            .start()
    };
    let mut file = start().unwrap();
    file.write("a", &[1.0_f32]).unwrap();
    for (error, expected) in [
        (
            file.write("c", &[1_u8]).unwrap_err(),
            "no tensor `c` was declared; the tensors are `a`, `b`",
        ),
        (
            file.write("a", &[1_i32]).unwrap_err(),
            "tensor `a` holds F32, found I32",
        ),
        (
            file.write("a", &[1.0_f32; 3]).unwrap_err(),
            "tensor `a` has 12 bytes, 4 of them written: no room for 12 more",
        ),
        (
            file.write_from("b", &[1_u8][..]).unwrap_err(),
            "the source of tensor `b` ended after 1 bytes, 2 were to come",
        ),
    ] {
        assert_eq!(error.to_string(), expected);
    }
    // They cost nothing: the file can be completed.
    file.write("a", &[2.0_f32, 3.0]).unwrap();
    file.write("b", &[2_u8]).unwrap();
    file.finish().unwrap();
    assert_eq!(bytes_of(&path, "b"), [1, 2]);

    // A file that is not complete is none, and the old one stays.
    let mut file = start().unwrap();
    file.write("b", &[7_u8]).unwrap();
    let error = file.finish().unwrap_err();
    assert!(matches!(&error, SaveError::Incomplete { missing, .. } if missing.len() == 2));
    assert_eq!(
        error.to_string(),
        format!(
            "{} is not complete: missing are `a` (0 of 12 bytes), `b` (1 of 2 bytes); \
             write them and `finish` again",
            path.display()
        )
    );
    assert_eq!(bytes_of(&path, "b"), [1, 2]);
    drop(file);
    drop(start().unwrap());
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
}

/// A source that gives what it has in odd pieces, and then fails.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::other("the tape tore"));
        }
        let some = buffer.len().min(7);
        self.0.read(&mut buffer[..some])
    }
}

#[test]
fn a_source_that_fails_is_named_and_can_be_replaced() {
    let (_folder, path) = new_path();
    let mut file = Save::new(&path)
        .declare::<u8>("tape", [20])
        .start()
        .unwrap();
    let error = file.write_from("tape", Failing(&[1; 12])).unwrap_err();
    let text = named(&error, &path);
    assert!(
        text.contains("`tape`") && text.contains("after 12 bytes: the tape tore"),
        "{text}"
    );
    file.write_from("tape", io::repeat(2)).unwrap();
    file.finish().unwrap();
    assert_eq!(
        bytes_of(&path, "tape"),
        [[1; 12].as_slice(), &[2; 8]].concat()
    );
}

fn rows(first: u16, count: u16) -> Vec<bf16> {
    (first * 4..(first + count) * 4)
        .map(bf16::from_bits)
        .collect()
}

fn growing(path: &std::path::Path) -> Save<'static> {
    Save::new(path)
        .overwrite(true)
        .tensor("mask", [3], &[true, false, true])
        .growing::<bf16>("history", [2, 2])
        .notebook("1.5d_history.ipynb")
}

#[test]
fn a_tensor_grows_and_stock_readers_see_a_plain_file() {
    let (folder, path) = new_path();
    for count in [0_u16, 1, 9, 1234] {
        let mut file = growing(&path).start().unwrap();
        let mut done = 0;
        while done < count {
            let some = (1 + done % 5).min(count - done);
            file.write("history", &rows(done, some)).unwrap();
            done += some;
            assert_eq!(file.rows(), u64::from(done));
        }
        assert_eq!(
            names(folder.path()).last().unwrap(),
            "1.5d_mask.safetensors.unfinished",
            "in plain sight"
        );
        let saved = file.finish().unwrap();
        assert_eq!((saved.tensors, saved.rows), (2, Some(u64::from(count))));
        assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);

        let bytes = fs::read(&path).unwrap();
        let stock = SafeTensors::deserialize(&bytes).unwrap();
        let history = stock.tensor("history").unwrap();
        assert_eq!(history.shape(), [usize::from(count), 2, 2]);
        let values: Vec<bf16> = Reader::open(&path)
            .unwrap()
            .tensor("history")
            .unwrap()
            .read()
            .unwrap();
        assert_eq!(values, rows(0, count));
        assert_eq!(bytes_of(&path, "mask"), [1, 0, 1]);
        let header = Header::open(&path).unwrap();
        assert_eq!(
            header.provenance().notebook.as_deref(),
            Some("1.5d_history.ipynb")
        );
        assert_eq!(header.tensor("history").unwrap().range.start % 256, 0);
    }
}

/// The mask of 3 bytes once would have put the rows at an odd address.
#[test]
fn in_a_growing_file_all_tensors_are_aligned() {
    let (_folder, path) = new_path();
    Save::new(&path)
        .tensor("a", [3], &[true; 3])
        .tensor("b", [5], &[1_u16; 5])
        .tensor("c", [7], &[1.0_f64; 7])
        .tensor("d", [1], &[1.0_f32])
        .growing::<f64>("rows", [])
        .start()
        .unwrap()
        .finish()
        .unwrap();
    for tensor in Header::open(&path).unwrap().tensors() {
        let alignment = tensor.dtype.bitsize() as u64 / 8;
        assert_eq!(tensor.range.start % alignment, 0, "{}", tensor.name);
    }
}

#[test]
fn rows_may_come_from_a_source_and_in_parts_of_rows() {
    let (_folder, path) = new_path();
    let mut file = Save::new(&path)
        .growing::<u32>("rows", [3])
        .start()
        .unwrap();
    assert_eq!(file.write_from("rows", &[1; 24][..]).unwrap(), 24);
    file.write("rows", &[u32::from_le_bytes([1; 4])]).unwrap();
    file.write_bytes("rows", &[1; 6]).unwrap();
    assert_eq!(file.rows(), 2);
    let error = file.finish().unwrap_err();
    assert_eq!(
        error.to_string(),
        "growing tensor `rows` ends within a row: 10 bytes of a row of 12; write the rest of it, or \
         drop the writer and `recover` the whole rows"
    );
    file.write_bytes("rows", &[1; 2]).unwrap();
    assert_eq!(file.finish().unwrap().rows, Some(3));
    assert_eq!(bytes_of(&path, "rows"), [1; 36]);
}

/// A source that ended within a row left half of it, and every row after it was shifted.
#[test]
fn a_source_that_ends_within_a_row_leaves_whole_rows() {
    let (_folder, path) = new_path();
    let mut file = Save::new(&path).growing::<u8>("rows", [4]).start().unwrap();
    let error = file.write_from("rows", &[1; 4 + 3][..]).unwrap_err();
    assert!(
        matches!(error, SaveError::PartialRow { extra: 3, .. }),
        "{error}"
    );
    assert_eq!(file.rows(), 1);
    let error = file.write_from("rows", Failing(&[2; 8 + 1])).unwrap_err();
    assert!(matches!(error, SaveError::Source { .. }), "{error}");
    assert_eq!(file.rows(), 3);
    file.write("rows", &[3_u8; 4]).unwrap();
    file.finish().unwrap();
    let expected = [[1_u8; 4], [2; 4], [2; 4], [3; 4]].concat();
    assert_eq!(bytes_of(&path, "rows"), expected);
}

/// `finish` once took the writer with it: a forgotten scalar cost everything that was written.
#[test]
fn a_file_that_is_not_complete_can_be_completed() {
    let (folder, path) = new_path();
    let save = Save::new(&path)
        .declare::<u8>("n", [])
        .growing::<u8>("rows", []);
    let mut file = save.start().unwrap();
    file.write("rows", &[7_u8; 1000]).unwrap();
    let error = file.finish().unwrap_err();
    assert!(matches!(error, SaveError::Incomplete { .. }), "{error}");
    file.write("n", &[1_u8]).unwrap();
    assert_eq!(file.finish().unwrap().rows, Some(1000));
    assert_eq!(bytes_of(&path, "rows"), [7; 1000]);

    // And then it is over.
    for error in [
        file.write("rows", &[7_u8]).unwrap_err(),
        file.write_from("rows", &[7_u8][..]).unwrap_err(),
        file.finish().unwrap_err(),
    ] {
        assert!(matches!(error, SaveError::Finished { .. }), "{error}");
        named(&error, &path);
    }
    drop(file);
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
    assert_eq!(bytes_of(&path, "rows"), [7; 1000]);
}

#[test]
fn a_growing_save_and_one_of_fixed_size_do_not_mix() {
    let (folder, path) = new_path();
    let mut grows = growing(&path).start().unwrap();
    let error = Save::new(&path).overwrite(true).write().unwrap_err();
    assert!(
        matches!(error, SaveError::File(FileError::InUse { .. })),
        "{error}"
    );
    grows.finish().unwrap();
    let mut fixed = Save::new(&path)
        .overwrite(true)
        .scalar("n", 1_u8)
        .start()
        .unwrap();
    let error = growing(&path).start().unwrap_err();
    assert!(
        matches!(error, SaveError::File(FileError::InUse { .. })),
        "{error}"
    );
    fixed.finish().unwrap();
    fs::write(folder.path().join(".1.5d_mask.safetensors.partial"), "left").unwrap();
    growing(&path).start().unwrap().finish().unwrap();
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
}

/// Text that looks like the numbers of a growing tensor, in a field that is none of the format's.
#[test]
fn what_only_looks_like_a_growing_file_is_not_made_one() {
    let (folder, path) = new_path();
    let unfinished = folder.path().join("1.5d_mask.safetensors.unfinished");
    let numbers = format!("{:<20}],\"shape\":[{:<20}", 0, 0);
    let head = "{\"rows\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":[0],\"x\":[[0,";
    let pad = " ".repeat(128 - 8 - head.len());
    let header = format!(
        "{head}{pad}{}]]}}}}",
        numbers.replace("],\"shape\":[", "],\"shape\",[")
    );
    for header in [header, format!("{head}{pad}{numbers}]]}}}}")] {
        fs::write(&unfinished, crate::common::by_hand(&header, &[1; 20])).unwrap();
        let error = recover(&path).unwrap_err();
        assert!(matches!(error, SaveError::NotRecoverable { .. }), "{error}");
        assert!(!path.exists());
    }
}

/// A writer that was dropped, as an error in the loop or a notebook's restart does.
fn leave(path: &std::path::Path, count: u16) {
    let mut file = growing(path).start().unwrap();
    file.write("history", &rows(0, count)).unwrap();
}

#[test]
fn what_a_writer_left_is_recovered() {
    let (folder, path) = new_path();
    let unfinished = folder.path().join("1.5d_mask.safetensors.unfinished");
    leave(&path, 5);
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors.unfinished"]);
    // A row that was being written when the kill came.
    let length = fs::metadata(&unfinished).unwrap().len();
    fs::File::options()
        .write(true)
        .open(&unfinished)
        .unwrap()
        .set_len(length - 3)
        .unwrap();
    let saved = recover(&path).unwrap();
    assert_eq!(
        (saved.rows, saved.tensors, &saved.path),
        (Some(4), 2, &path)
    );
    assert_eq!(saved.bytes, fs::metadata(&path).unwrap().len());
    let values: Vec<bf16> = Reader::open(&path)
        .unwrap()
        .tensor("history")
        .unwrap()
        .read()
        .unwrap();
    assert_eq!(values, rows(0, 4));
    assert_eq!(bytes_of(&path, "mask"), [1, 0, 1]);
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);

    let error = recover(&path).unwrap_err();
    assert!(
        matches!(error, SaveError::File(FileError::NothingLeft { .. })),
        "{error}"
    );
    named(&error, &path);

    // By the name that somebody sees; and never over another file.
    leave(&path, 2);
    let error = recover(&unfinished).unwrap_err();
    assert!(matches!(error, SaveError::InTheWay { .. }), "{error}");
    assert!(named(&error, &path).contains("rename one of the two"));
    fs::remove_file(&path).unwrap();
    assert_eq!(recover(&unfinished).unwrap().rows, Some(2));
}

#[test]
fn what_a_writer_left_is_not_thrown_away() {
    let (folder, path) = new_path();
    leave(&path, 5);
    let error = growing(&path).start().unwrap_err();
    assert!(
        matches!(error, SaveError::File(FileError::Unfinished { .. })),
        "{error}"
    );
    assert!(named(&error, &path).contains("recover"));
    let mut file = growing(&path).discard_unfinished(true).start().unwrap();
    let error = recover(&path).unwrap_err();
    assert!(
        matches!(error, SaveError::File(FileError::InUse { .. })),
        "while its writer lives: {error}"
    );
    file.finish().unwrap();
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
}

#[test]
fn without_its_fixed_tensors_a_growing_file_is_nothing() {
    let (folder, path) = new_path();
    let start = || {
        Save::new(&path)
            .declare::<u8>("ids", [2])
            .growing::<u8>("rows", [])
            .start()
    };
    let unfinished = folder.path().join("1.5d_mask.safetensors.unfinished");
    // Dropped: nothing is left.
    let mut file = start().unwrap();
    file.write("rows", &[1_u8; 9]).unwrap();
    drop(file);
    assert_eq!(names(folder.path()), [""; 0]);
    // Killed: what is left cannot be recovered, and is in nobody's way.
    let mut file = start().unwrap();
    file.write("rows", &[1_u8; 9]).unwrap();
    let left = fs::read(&unfinished).unwrap();
    drop(file);
    fs::write(&unfinished, left).unwrap();
    let error = recover(&path).unwrap_err();
    assert!(matches!(error, SaveError::NotRecoverable { .. }), "{error}");
    assert!(named(&error, &path).contains("before the tensors of fixed size were complete"));
    // Complete: it is worth something.
    let mut file = start().unwrap();
    file.write("rows", &[1_u8; 9]).unwrap();
    file.write("ids", &[7_u8; 2]).unwrap();
    drop(file);
    assert_eq!(recover(&path).unwrap().rows, Some(9));
    assert_eq!(bytes_of(&path, "ids"), [7, 7]);
    assert_eq!(bytes_of(&path, "rows"), [1; 9]);
}

#[test]
fn other_files_are_not_recovered() {
    let (folder, path) = new_path();
    let unfinished = folder.path().join("1.5d_mask.safetensors.unfinished");
    Save::new(&path)
        .tensor("rows", [4], &[1_u8; 4])
        .write()
        .unwrap();
    fs::rename(&path, &unfinished).unwrap();
    let plain = fs::read(&unfinished).unwrap();
    leave(&folder.path().join("b"), 5);
    let growing = fs::read(folder.path().join("b.unfinished")).unwrap();
    for (bytes, expected) in [
        (
            plain,
            "it is complete, and no file with a tensor that grows: rename it",
        ),
        (b"hello".to_vec(), "is damaged"),
        (vec![0xFF; 300], "is damaged"),
        (growing[..100].to_vec(), "is damaged"),
        (growing[..510].to_vec(), "is damaged"),
    ] {
        fs::write(&unfinished, &bytes).unwrap();
        let error = recover(&path).unwrap_err();
        assert!(named(&error, &unfinished).contains(expected), "{error}");
        assert_eq!(
            fs::read(&unfinished).unwrap(),
            bytes,
            "it is left as it was"
        );
        fs::remove_file(&unfinished).unwrap();
    }
}

/// The state of a file at any moment of `finish` and `recover`: between any two of their calls.
#[test]
fn a_kill_within_finish_or_recover_is_recovered_from() {
    let (folder, path) = new_path();
    let unfinished = folder.path().join("1.5d_mask.safetensors.unfinished");
    leave(&path, 5);
    let before = fs::read(&unfinished).unwrap();
    recover(&path).unwrap();
    let after = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // All that differs lies within one block of 64 bytes, and is one write.
    let differing: Vec<usize> = (0..before.len())
        .filter(|&at| before[at] != after[at])
        .collect();
    assert!(!differing.is_empty());
    assert_eq!(differing[0] / 64, differing[differing.len() - 1] / 64);
    // With the number of rows written or not, and a torn row after them or not.
    for start in [&before, &after] {
        for torn in [0, 3, 7] {
            fs::write(&unfinished, [&start[..], &vec![9; torn]].concat()).unwrap();
            assert_eq!(recover(&path).unwrap().rows, Some(5));
            assert_eq!(fs::read(&path).unwrap(), after);
            fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn synced_rows_can_be_counted_on() {
    let (_folder, path) = new_path();
    let mut file = growing(&path).start().unwrap();
    file.write("history", &rows(0, 3)).unwrap();
    file.sync().unwrap();
    assert_eq!(file.rows(), 3);
    file.finish().unwrap();
}

/// Any names, any shapes: the header of a growing file is what `recover` finds again.
#[derive(Clone, Debug)]
struct Plan {
    fixed: Vec<(String, Vec<usize>)>,
    name: String,
    row: Vec<usize>,
    rows: usize,
}

fn plans() -> impl Strategy<Value = Plan> {
    let name = "\\PC{0,90}";
    let fixed = prop::collection::vec((name, prop::collection::vec(0_usize..4, 0..3)), 0..5);
    (
        fixed,
        name,
        prop::collection::vec(1_usize..4, 0..4),
        0_usize..20,
    )
        .prop_map(|(fixed, name, row, rows)| Plan {
            fixed,
            name,
            row,
            rows,
        })
}

impl Plan {
    fn start(&self, path: &std::path::Path) -> Result<Writer, SaveError> {
        let mut save = Save::new(path).growing::<u16>(&*self.name, &self.row);
        for (name, shape) in &self.fixed {
            save = save.declare::<f32>(&**name, shape);
        }
        save.start()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finished_and_recovered_files_are_the_same(plan in plans()) {
        let (_folder, path) = new_path();
        let Ok(mut file) = plan.start(&path) else {
            // Two of one name.
            return Ok(());
        };
        for (name, shape) in &plan.fixed {
            file.write(name, &vec![1.5_f32; shape.iter().product()]).unwrap();
        }
        let row: usize = plan.row.iter().product();
        file.write(&plan.name, &vec![7_u16; row * plan.rows]).unwrap();
        drop(file);
        let saved = recover(&path).unwrap();
        prop_assert_eq!(saved.rows, Some(plan.rows as u64));
        let file = Reader::open(&path).unwrap();
        let grown = file.tensor(&plan.name).unwrap();
        prop_assert_eq!(grown.shape(), [&[plan.rows], &plan.row[..]].concat());
        prop_assert_eq!(grown.read::<u16>().unwrap(), vec![7; row * plan.rows]);
        for (name, shape) in &plan.fixed {
            let values: Vec<f32> = file.tensor(name).unwrap().read().unwrap();
            prop_assert_eq!(values, vec![1.5; shape.iter().product()]);
        }
        let bytes = fs::read(&path).unwrap();
        prop_assert!(SafeTensors::deserialize(&bytes).is_ok());
    }
}
