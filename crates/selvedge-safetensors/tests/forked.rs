//! What a process that `fork` made can do with its copy of a writer: nothing, and with a reader's: all.

use selvedge_safetensors::{FileError, Reader, Save, SaveError, Writer};
use selvedge_testing::{End, in_fork};

mod common;
use common::new_path;

fn refused<T: std::fmt::Debug>(result: Result<T, SaveError>) -> String {
    match result {
        Err(SaveError::File(error @ FileError::OtherProcess { .. })) => error.to_string(),
        other => format!("not refused: {other:?}"),
    }
}

fn call_all(file: &mut Writer) -> Vec<String> {
    vec![
        refused(file.write("rows", &[9_u8; 4])),
        refused(file.write_from("rows", &[9_u8; 4][..])),
        refused(file.sync()),
        refused(file.finish()),
    ]
}

/// A child that dropped its copy of a writer removed the parent's file, or gave its lock back.
#[test]
fn a_copy_of_a_writer_changes_nothing() {
    for (end, grows) in [
        (End::AtOnce, true),
        (End::Normally, true),
        (End::Normally, false),
    ] {
        let (_folder, path) = new_path();
        let save = Save::new(&path);
        let save = match grows {
            true => save.growing::<u8>("rows", [4]),
            false => save.declare::<u8>("rows", [2, 4]),
        };
        let mut file = Some(save.start().unwrap());
        file.as_mut().unwrap().write("rows", &[1_u8; 4]).unwrap();
        let said = in_fork(end, || {
            let mut file = file.take().unwrap();
            let said = call_all(&mut file);
            if end == End::Normally {
                drop(file);
            }
            said.join("\n")
        });
        for line in said.lines() {
            let owner = format!("belongs to process {}", std::process::id());
            assert!(line.contains(&owner), "{line}");
        }
        let second = Save::new(&path).scalar("x", 1_u8).write();
        let in_use = matches!(second, Err(SaveError::File(FileError::InUse { .. })));
        assert!(in_use, "{second:?}");
        let mut file = file.unwrap();
        file.write("rows", &[2_u8; 4]).unwrap();
        file.finish().unwrap();
        let rows: Vec<u8> = Reader::open(&path)
            .unwrap()
            .tensor("rows")
            .unwrap()
            .read()
            .unwrap();
        assert_eq!(rows, [1, 1, 1, 1, 2, 2, 2, 2]);
    }
}

/// The panic of a copy unwinds through its writer.
#[test]
fn a_copy_that_panics_changes_nothing() {
    let (_folder, path) = new_path();
    let mut file = Some(
        Save::new(&path)
            .declare::<u8>("rows", [1, 4])
            .start()
            .unwrap(),
    );
    let said = in_fork(End::Normally, || {
        let _file = file.take();
        panic!("in the copy");
    });
    assert_eq!(said, "panic: in the copy");
    let mut file = file.unwrap();
    file.write("rows", &[2_u8; 4]).unwrap();
    file.finish().unwrap();
    // A large tensor is read by several threads, which the copy starts anew.
    let large = vec![7_u8; 40 << 20];
    Save::new(&path)
        .overwrite(true)
        .tensor("rows", [large.len()], &large)
        .write()
        .unwrap();
    let file = Reader::open(&path).unwrap();
    let said = in_fork(End::Normally, || {
        let read: Vec<u8> = file.tensor("rows").unwrap().read().unwrap();
        (read == large).to_string()
    });
    assert_eq!(said, "true");
}
