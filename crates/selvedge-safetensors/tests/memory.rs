//! Peak memory, whatever the size of the file: each in a child of its own, under a limit that its
//! file exceeds several times.
#![cfg(target_os = "linux")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{names, new_path};
use selvedge_safetensors::{Mapped, Reader, Save, bf16, recover};
use selvedge_testing::{Limit, again, is_child, peak, run_limited, setting, tell, told};

mod common;

/// Bytes of a file: four times the limit.
const FILE: usize = 320 << 20;
/// Address space of the process, its program included.
const LIMIT: u64 = 80 << 20;
/// Bytes of the caller's own buffer.
const PIECE: usize = 1 << 20;
/// Peak of the memory beyond the caller's buffer.
const MOST: u64 = 8 << 20;

const ROW: usize = 1024;
const ROWS: usize = FILE / 2 / ROW;

fn save(path: &Path, how: &str) {
    let piece = vec![bf16::from_f32(0.5); PIECE / 2];
    let pieces = FILE / PIECE;
    match how {
        "declared" => {
            let mut file = Save::new(path)
                .declare::<bf16>("W", [ROWS, ROW])
                .start()
                .unwrap();
            for _ in 0..pieces {
                file.write("W", &piece).unwrap();
            }
            file.finish().unwrap();
        }
        "interleaved" => {
            let names: Vec<String> = (0..8).map(|n| format!("h.{n}")).collect();
            let mut save = Save::new(path);
            for name in &names {
                save = save.declare::<bf16>(name, [ROWS / 8, ROW]);
            }
            let mut file = save.start().unwrap();
            for _ in 0..pieces / 8 {
                for name in &names {
                    file.write(name, &piece).unwrap();
                }
            }
            file.finish().unwrap();
        }
        "growing" | "recovered" => {
            let mut file = Save::new(path).growing::<bf16>("W", [ROW]).start().unwrap();
            for _ in 0..pieces {
                file.write("W", &piece).unwrap();
            }
            if how == "growing" {
                file.finish().unwrap();
            } else {
                drop(file);
                recover(path).unwrap();
            }
        }
        "source" => {
            let mut file = Save::new(path).declare::<u8>("W", [FILE]).start().unwrap();
            file.write_from("W", io::repeat(7)).unwrap();
            file.finish().unwrap();
        }
        // One slice of 1 MiB, and that many tensors of it.
        "at once" => {
            let mut save = Save::new(path);
            for n in 0..pieces {
                save = save.tensor(format!("t.{n}"), [piece.len()], &piece);
            }
            save.write().unwrap();
        }
        other => panic!("{other}"),
    }
}

#[test]
fn child_that_saves() {
    if !is_child("child_that_saves") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let how: String = setting("HOW");
    let ((), rise) = peak(|| save(&path, &how));
    tell(format_args!("rise {rise}"));
}

#[test]
fn child_that_reads_rows() {
    if !is_child("child_that_reads_rows") {
        return;
    }
    let path: PathBuf = setting("PATH");
    let ((), rise) = peak(|| {
        let file = Reader::open(&path).unwrap();
        let w = file.tensor("W").unwrap();
        let mut rows = vec![bf16::ZERO; 100 * ROW];
        for first in (0..ROWS - 100).step_by(5000) {
            w.read_rows_into(first..first + 100, &mut rows).unwrap();
            let picks: Vec<usize> = (0..100).map(|n| first + n * 7 % 100).collect();
            w.gather_into(&picks, &mut rows).unwrap();
        }
    });
    tell(format_args!("rise {rise}"));
}

/// A map takes address space and no memory of its own, so its peak is not looked at.
#[test]
fn child_that_maps() {
    if !is_child("child_that_maps") {
        return;
    }
    let path: PathBuf = setting("PATH");
    // SAFETY: nobody else knows the file.
    match unsafe { Mapped::open(&path) } {
        Ok(file) => {
            let w = file.tensor("W").unwrap();
            assert_eq!(w.as_slice::<bf16>().unwrap().len(), ROWS * ROW);
            tell(format_args!("mapped"));
        }
        // No panic, which would look for memory to explain itself with.
        Err(error) => tell(format_args!("refused: {error:?}")),
    }
}

/// What a child tells under a limit of its address space.
fn told_by(child: &mut Command, limit: u64) -> String {
    // One thread of the test harness, so that its stacks take none of it.
    child.args(["--test-threads", "1"]);
    child.env("RUST_BACKTRACE", "0");
    let output = run_limited(child, Limit::AddressSpace(limit));
    let said = String::from_utf8_lossy(&output.stdout);
    let found = said.lines().find_map(told).map(str::to_owned);
    found.unwrap_or_else(|| panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn measure(child: &mut Command, limit: u64) -> u64 {
    let told = told_by(child, limit);
    let rise = told
        .strip_prefix("rise ")
        .unwrap_or_else(|| panic!("{told}"));
    rise.parse().expect("a number")
}

#[test]
fn a_file_larger_than_memory_is_saved() {
    let (folder, path) = new_path();
    for how in [
        "declared",
        "interleaved",
        "growing",
        "recovered",
        "source",
        "at once",
    ] {
        let settings = [
            ("PATH", path.display().to_string()),
            ("HOW", how.to_owned()),
        ];
        let rise = measure(&mut again("child_that_saves", &settings), LIMIT);
        println!("{how}: memory rose by {rise} bytes for a file of {FILE}");
        assert!(
            rise <= MOST + PIECE as u64,
            "{how}: memory rose by {rise} bytes"
        );
        assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
        let file = Reader::open(&path).unwrap();
        assert!(file.header().file_bytes() >= FILE as u64);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn rows_of_a_file_larger_than_memory_are_read() {
    let (_folder, path) = new_path();
    save(&path, "growing");
    let settings = [("PATH", path.display().to_string())];
    let rise = measure(&mut again("child_that_reads_rows", &settings), LIMIT);
    println!("memory rose by {rise} bytes");
    assert!(rise <= MOST, "memory rose by {rise} bytes");
    // The limit is one: the whole file does not fit into it.
    let mapping = || again("child_that_maps", &settings);
    let refused = told_by(&mut mapping(), LIMIT);
    assert!(refused.starts_with("refused"), "{refused}");
    assert_eq!(told_by(&mut mapping(), LIMIT + 2 * FILE as u64), "mapped");
}

#[test]
fn child_that_reads_all() {
    if !is_child("child_that_reads_all") {
        return;
    }
    let file = Reader::open(setting::<PathBuf>("PATH")).unwrap();
    let w = file.tensor("W").unwrap();
    let all: Vec<usize> = (0..ROWS).collect();
    let refused = [
        w.read::<bf16>().map(drop),
        w.read_bytes().map(drop),
        w.read_rows::<bf16>(0..ROWS).map(drop),
        w.gather::<bf16>(&all).map(drop),
    ];
    // No panic, which would look for memory to explain itself with.
    match refused.into_iter().find_map(Result::ok) {
        Some(()) => tell(format_args!("read")),
        None => tell(format_args!("refused: {:?}", w.read_bytes().unwrap_err())),
    }
}

/// A tensor for which there is no memory ended the process, where a trajectory gave an error.
#[test]
fn a_tensor_larger_than_memory_is_an_error() {
    let (_folder, path) = new_path();
    save(&path, "growing");
    let settings = [("PATH", path.display().to_string())];
    let said = told_by(&mut again("child_that_reads_all", &settings), LIMIT);
    let file = path.display().to_string();
    assert!(
        said.starts_with("refused") && said.contains(&file),
        "{said}"
    );
    assert!(
        said.contains("`W`") && said.contains("out of memory"),
        "{said}"
    );
}
