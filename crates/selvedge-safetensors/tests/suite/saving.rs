//! Saving at once: what is in the file, what is under its name, and who may read it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::common::{DTYPES, bytes_of, named, names, new_path};
use safetensors::SafeTensors;
use selvedge_safetensors::{FileError, Header, Mapped, Reader, Save, SaveError, bf16, f16};

#[test]
fn a_file_has_its_tensors_and_its_provenance() {
    let (folder, path) = new_path();
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(1);
    let saved = Save::new(&path)
        .tensor("mask", [2, 2], &[true, false, false, true])
        .scalar("n_clusters", 17_i64)
        .notebook("1.5d_clusters.ipynb")
        .parameter("threshold", 0.5)
        .parameter("model", "Qwen3-4B-Instruct-2507")
        .metadata("format", "pt")
        .write()
        .unwrap();
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
    assert_eq!((saved.tensors, saved.rows), (2, None));
    assert_eq!(saved.bytes, fs::metadata(&path).unwrap().len());

    let file = Reader::open(&path).unwrap();
    let mask: Vec<bool> = file.tensor("mask").unwrap().read().unwrap();
    assert_eq!(mask, [true, false, false, true]);
    let n: Vec<i64> = file.tensor("n_clusters").unwrap().read().unwrap();
    assert_eq!(
        (n, file.tensor("n_clusters").unwrap().shape()),
        (vec![17], &[][..])
    );
    assert_eq!(
        file.header().names().collect::<Vec<_>>(),
        ["mask", "n_clusters"]
    );

    let provenance = file.header().provenance();
    assert_eq!(provenance.notebook.as_deref(), Some("1.5d_clusters.ipynb"));
    assert_eq!(
        provenance.version.as_deref(),
        Some(env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(provenance.parameters["threshold"], "0.5");
    assert_eq!(provenance.parameters.len(), 2);
    let created = provenance.created.unwrap();
    assert!(created >= before && created <= std::time::SystemTime::now());
    assert_eq!(file.header().metadata()["format"], "pt");
}

#[test]
fn every_dtype_is_saved_and_read_by_the_safetensors_crate() {
    let (_folder, path) = new_path();
    let bytes: Vec<u8> = (0..48).collect();
    for (dtype, name) in DTYPES {
        let shape = [2, 24 * 8 / dtype.bitsize()];
        let saved = Save::new(&path)
            .overwrite(true)
            .raw(name, dtype, shape, &bytes);
        saved
            .write()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(bytes_of(&path, name), bytes, "{name}");

        let file = fs::read(&path).unwrap();
        let found = SafeTensors::deserialize(&file).unwrap();
        let tensor = found.tensor(name).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (dtype, &shape[..]));
        assert_eq!(tensor.data(), bytes);
    }
}

#[test]
fn every_bf16_pattern_comes_back() {
    let (_folder, path) = new_path();
    let patterns: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
    Save::new(&path)
        .tensor("W", [256, 256], &patterns)
        .write()
        .unwrap();
    let bits = |values: &[bf16]| {
        values
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    let expected: Vec<u16> = (0..=u16::MAX).collect();

    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    assert_eq!(bits(&w.read().unwrap()), expected);
    assert_eq!(w.read::<u16>().unwrap(), expected, "as bits");
    assert_eq!(bits(&w.read_rows(0..256).unwrap()), expected);
    let rows: Vec<usize> = (0..256).collect();
    assert_eq!(bits(&w.gather(&rows).unwrap()), expected);
    // SAFETY: nobody else knows the file.
    let mapped = unsafe { Mapped::open(&path) }.unwrap();
    assert_eq!(
        bits(mapped.tensor("W").unwrap().as_slice().unwrap()),
        expected
    );
}

#[test]
fn tensors_are_aligned_for_their_elements() {
    let (_folder, path) = new_path();
    Save::new(&path)
        .tensor("a", [3], &[true; 3])
        .tensor("b", [3], &[f16::ONE; 3])
        .tensor("c", [1], &[1.0_f32])
        .tensor("d", [1], &[1.0_f64])
        .write()
        .unwrap();
    let header = Header::open(&path).unwrap();
    assert_eq!(header.data_start() % 256, 0);
    for tensor in header.tensors() {
        let alignment = tensor.dtype.bitsize() as u64 / 8;
        assert_eq!(tensor.range.start % alignment, 0, "{}", tensor.name);
    }
}

#[test]
fn equal_tensors_make_equal_files_without_provenance() {
    let (folder, path) = new_path();
    let other = folder.path().join("other.safetensors");
    let values = [1.5_f32, 2.5];
    // In another order.
    let one = Save::new(&path).reproducible(true).scalar("b", 1_u8);
    one.tensor("a", [2], &values).write().unwrap();
    let two = Save::new(&other)
        .reproducible(true)
        .tensor("a", [2], &values);
    two.scalar("b", 1_u8).write().unwrap();
    assert_eq!(fs::read(&path).unwrap(), fs::read(&other).unwrap());
    assert!(Header::open(&path).unwrap().metadata().is_empty());
}

#[test]
fn names_of_every_kind_come_back() {
    let (_folder, path) = new_path();
    let names = [
        "",
        " ",
        "h.0.attn \"q\"",
        "back\\slash",
        "Zeilen\nUmbruch",
        "\u{0}\u{1f}",
        "重み",
        "é",
    ];
    let mut save = Save::new(&path);
    for name in names {
        save = save.scalar(name, 1_i32).metadata(name, name);
    }
    save.write().unwrap();
    let header = Header::open(&path).unwrap();
    for name in names {
        assert!(header.tensor(name).is_some(), "{name:?}");
        assert_eq!(header.metadata()[name], name);
    }
    SafeTensors::deserialize(&fs::read(&path).unwrap()).unwrap();
}

#[test]
fn an_empty_file_and_empty_tensors_are_files() {
    let (_folder, path) = new_path();
    Save::new(&path)
        .overwrite(true)
        .reproducible(true)
        .write()
        .unwrap();
    assert_eq!(Header::open(&path).unwrap().tensors().len(), 0);
    Save::new(&path)
        .overwrite(true)
        .tensor::<f64>("none", [0, 64], &[])
        .tensor("some", [1], &[1_u8])
        .tensor::<bf16>("nor", [3, 0], &[])
        .write()
        .unwrap();
    let file = Reader::open(&path).unwrap();
    assert_eq!(
        file.tensor("none").unwrap().read::<f64>().unwrap(),
        [0.0; 0]
    );
    assert_eq!(
        file.tensor("none").unwrap().read_rows::<f64>(0..0).unwrap(),
        [0.0; 0]
    );
    assert_eq!(
        file.tensor("nor").unwrap().gather::<bf16>(&[2, 0]).unwrap(),
        [bf16::ZERO; 0]
    );
    SafeTensors::deserialize(&fs::read(&path).unwrap()).unwrap();
}

#[test]
fn new_files_have_the_permissions_of_any_new_file() {
    let (folder, path) = new_path();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    Save::new(&path).scalar("x", 1_u8).write().unwrap();
    let mode = |path| fs::metadata(path).unwrap().mode();
    assert_eq!(mode(&path), mode(&plain));
}

/// A rename would replace it, where writing into it is refused. (Root may write into anything.)
#[test]
fn a_write_protected_file_is_not_replaced() {
    let (_folder, path) = new_path();
    fs::write(&path, "precious").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let may = fs::OpenOptions::new().write(true).open(&path).is_ok();
    match Save::new(&path).overwrite(true).scalar("x", 1_u8).write() {
        Ok(_) => assert!(may, "it was replaced"),
        Err(error) => {
            assert!(
                !may && matches!(error, SaveError::File(FileError::WriteProtected { .. })),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        }
    }
}

#[test]
fn a_folder_is_no_file() {
    let (folder, _) = new_path();
    let error = Save::new(folder.path()).write().unwrap_err();
    assert!(named(&error, folder.path()).contains("folder"));
    let error = Save::new("/").write().unwrap_err();
    assert!(format!("{error:?}").contains("folder"), "{error:?}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Save::new(file.join("x.safetensors")).write().unwrap_err();
    named(&error, &file);
}

/// A save renamed its file over whatever was there: a pipe, or, for root, `/dev/null` was then a
/// plain file.
#[test]
fn what_is_no_regular_file_is_not_replaced() {
    let (folder, path) = new_path();
    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = Save::new(&path)
        .overwrite(true)
        .scalar("x", 1_u8)
        .write()
        .unwrap_err();
    assert!(named(&error, &path).contains("not a regular file"));
    assert!(!fs::symlink_metadata(&path).unwrap().is_file());
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
}

#[test]
fn a_name_without_a_folder_is_in_this_one() {
    // The working directory of tests is the crate's, where nothing may be left.
    let name = format!("selvedge_test_{}.safetensors", std::process::id());
    Save::new(&name).scalar("x", 1_u8).write().unwrap();
    let found = bytes_of(name.as_ref(), "x");
    fs::remove_file(&name).unwrap();
    assert_eq!(found, [1]);
}

#[test]
fn mistakes_are_named_before_anything_is_written() {
    let (folder, path) = new_path();
    let error = |save: Save<'_>| save.write().unwrap_err().to_string();
    for (found, expected) in [
        (
            error(Save::new(&path).tensor("W", [2, 3], &[0_u16; 5])),
            "tensor `W` of U16 [2, 3] has 12 bytes, found 10",
        ),
        (
            error(Save::new(&path).scalar("W", 1_u8).scalar("W", 2_u8)),
            "`W` is declared twice",
        ),
        (
            error(Save::new(&path).scalar("W", 1_u8).growing::<u8>("W", [])),
            "`W` is declared twice",
        ),
        (
            error(Save::new(&path).scalar("__metadata__", 1_u8)),
            "`__metadata__` cannot be the name of a tensor: expected another one: the format \
             keeps it for the metadata",
        ),
        (
            error(Save::new(&path).parameter("a", 1).parameter("a", 2)),
            "`parameter.a` is declared twice",
        ),
        (
            error(Save::new(&path).metadata("created", "today")),
            "`created` cannot be the name of a metadata key: expected another one: the save writes \
             this itself, unless it is `reproducible`",
        ),
        (
            error(Save::new(&path).declare::<f64>("W", [usize::MAX, 2])),
            "tensor `W` of F64 [18446744073709551615, 2] has more bytes than a file can hold",
        ),
        (
            error(
                Save::new(&path)
                    .declare::<u8>("W", [1 << 62])
                    .declare::<u8>("V", [1 << 62]),
            ),
            "tensor `W` of U8 [4611686018427387904] has more bytes than a file can hold",
        ),
        (
            error(Save::new(&path).raw("W", selvedge_safetensors::Dtype::F4, [3], &[0; 2])),
            "tensor `W` of F4 [3] has 12 bits, which are not whole bytes; pad its last axis",
        ),
        (
            error(
                Save::new(&path)
                    .growing::<u8>("a", [])
                    .growing::<u8>("b", []),
            ),
            "tensors `a` and `b` both grow; a file has room for one that does",
        ),
        (
            error(Save::new(&path).growing::<bf16>("a", [3, 0])),
            "growing tensor `a` has rows of BF16 [3, 0], which are 0 bytes; expected rows of at \
             least one",
        ),
        (
            error(Save::new(&path).metadata("x", "y".repeat(100_000_000))),
            "the header takes 100000248 bytes, and readers of safetensors refuse more than \
             100000000; save fewer tensors or less metadata",
        ),
    ] {
        assert_eq!(found, expected);
    }
    let error = Save::new(&path)
        .declare::<u8>("W", [1 << 60])
        .write()
        .unwrap_err();
    assert!(matches!(error, SaveError::DiskTooSmall { .. }), "{error}");
    named(&error, &path);
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn two_saves_of_one_file_do_not_mix() {
    let (folder, path) = new_path();
    let mut first = Save::new(&path)
        .overwrite(true)
        .scalar("x", 1_u8)
        .start()
        .unwrap();
    let error = Save::new(&path)
        .overwrite(true)
        .scalar("x", 2_u8)
        .write()
        .unwrap_err();
    assert!(
        matches!(error, SaveError::File(FileError::InUse { .. })),
        "{error}"
    );
    named(&error, &path);
    // There may be one of another file.
    Save::new(folder.path().join("other.safetensors"))
        .overwrite(true)
        .write()
        .unwrap();
    first.finish().unwrap();
    assert_eq!(bytes_of(&path, "x"), [1]);
    Save::new(&path)
        .overwrite(true)
        .scalar("x", 2_u8)
        .write()
        .unwrap();
    assert_eq!(bytes_of(&path, "x"), [2]);
}

/// A save renamed whatever had the name of its unfinished file. Where that had been removed (by
/// somebody who cleans up, or by a second save on a file system without locks) and a second save
/// had begun under the same name, the first one put the second one's incomplete file under the
/// final name; dropped, it removed that file.
#[test]
fn a_save_renames_and_removes_only_its_own_file() {
    let (folder, path) = new_path();
    let partial = folder.path().join(".1.5d_mask.safetensors.partial");
    let declare = || {
        Save::new(&path)
            .overwrite(true)
            .declare::<u8>("x", [4])
            .start()
            .unwrap()
    };
    let mut first = declare();
    first.write("x", &[1_u8; 4]).unwrap();
    fs::remove_file(&partial).unwrap();
    let mut second = declare();
    named(&first.finish().unwrap_err(), &partial);
    assert_eq!(names(folder.path()), [".1.5d_mask.safetensors.partial"]);
    second.write("x", &[2_u8; 4]).unwrap();
    second.finish().unwrap();
    assert_eq!(bytes_of(&path, "x"), [2; 4]);

    let first = declare();
    fs::remove_file(&partial).unwrap();
    let mut second = declare();
    drop(first);
    second.write("x", &[3_u8; 4]).unwrap();
    second.finish().unwrap();
    assert_eq!(bytes_of(&path, "x"), [3; 4]);
}

#[test]
fn what_a_killed_save_left_is_removed_by_the_next() {
    let (folder, path) = new_path();
    let partial = folder.path().join(".1.5d_mask.safetensors.partial");
    fs::write(&partial, vec![1; 10_000]).unwrap();
    Save::new(&path).scalar("x", 1_u8).write().unwrap();
    assert_eq!(names(folder.path()), ["1.5d_mask.safetensors"]);
    assert_eq!(bytes_of(&path, "x"), [1]);
}

/// A symbolic link where a leftover would be was followed, and what lay behind it had another name:
/// as if the leftover had been renamed that moment, which is tried again. So a save, or `recover`
/// after somebody had moved the unfinished file to another disk, ran for ever.
#[test]
fn a_link_in_the_place_of_a_leftover_is_refused() {
    let (folder, path) = new_path();
    fs::write(folder.path().join("other"), "other").unwrap();
    for link in ["nowhere", "other"] {
        let partial = folder.path().join(".1.5d_mask.safetensors.partial");
        let unfinished = folder.path().join("1.5d_mask.safetensors.unfinished");
        std::os::unix::fs::symlink(link, &partial).unwrap();
        std::os::unix::fs::symlink(link, &unfinished).unwrap();
        let plain = Save::new(&path).scalar("x", 1_u8).write();
        assert!(named(&plain.unwrap_err(), &partial).contains("symbolic link"));
        let growing = Save::new(&path).growing::<u8>("x", []).start();
        assert!(named(&growing.unwrap_err(), &unfinished).contains("symbolic link"));
        let recovered = selvedge_safetensors::recover(&path);
        assert!(named(&recovered.unwrap_err(), &unfinished).contains("symbolic link"));
        fs::remove_file(&partial).unwrap();
        fs::remove_file(&unfinished).unwrap();
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("other")).unwrap(),
        "other"
    );
}

/// Saving what is mapped from the file that is replaced once gave zeros elsewhere
/// (safetensors #762): the file was emptied before it was read.
#[test]
fn a_file_can_be_replaced_by_what_is_mapped_from_it() {
    let (_folder, path) = new_path();
    let values: Vec<f32> = (0..50_000_u16).map(f32::from).collect();
    Save::new(&path)
        .overwrite(true)
        .tensor("W", [values.len()], &values)
        .write()
        .unwrap();
    // SAFETY: a save replaces the file, and does not change it.
    let mapped = unsafe { Mapped::open(&path) }.unwrap();
    let view = mapped.tensor("W").unwrap();
    Save::new(&path)
        .overwrite(true)
        .view("W", &view)
        .tensor("again", [values.len()], view.as_slice::<f32>().unwrap())
        .write()
        .unwrap();
    let file = Reader::open(&path).unwrap();
    for name in ["W", "again"] {
        assert_eq!(
            file.tensor(name).unwrap().read::<f32>().unwrap(),
            values,
            "{name}"
        );
    }
    assert_eq!(
        view.as_slice::<f32>().unwrap(),
        values,
        "the old file is there still"
    );
}

#[test]
fn a_thousand_saves_leave_nothing_open() {
    let (folder, path) = new_path();
    let open = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let before = open();
    for step in 0..1000_u32 {
        Save::new(&path)
            .overwrite(true)
            .sync(false)
            .scalar("step", step)
            .write()
            .unwrap();
    }
    // Other tests of this process have files open meanwhile.
    assert!(open() < before + 100);
    assert_eq!(bytes_of(&path, "step"), 999_u32.to_le_bytes());
    assert_eq!(names(folder.path()).len(), 1);
}

/// The name of the partial file is longer than that of the file, and once was too long.
#[test]
fn a_name_may_be_as_long_as_any() {
    let (folder, _) = new_path();
    for length in [244, 247, 255] {
        for other in ["a", "b"] {
            let name = format!("{}{other}", "n".repeat(length - 1));
            let path = folder.path().join(&name);
            let mut grows = Save::new(&path)
                .overwrite(true)
                .growing::<u8>("rows", [])
                .start()
                .unwrap();
            grows.write("rows", &[1_u8]).unwrap();
            drop(grows);
            selvedge_safetensors::recover(&path).unwrap();
            Save::new(&path)
                .overwrite(true)
                .scalar("x", 1_u8)
                .write()
                .unwrap();
            assert_eq!(bytes_of(&path, "x"), [1]);
        }
    }
    assert_eq!(names(folder.path()).len(), 6, "no leftovers");
}

#[test]
fn a_path_that_is_no_file_is_refused_at_once() {
    let (folder, path) = new_path();
    let slash = format!("{}/", path.display());
    let error = Save::new(&slash).scalar("x", 1_u8).start().unwrap_err();
    assert!(
        named(&error, Path::new(&slash)).contains("folder"),
        "{error}"
    );
    let error = Save::new("").start().unwrap_err();
    assert!(
        format!("{error:?}").contains("the path is empty"),
        "{error:?}"
    );
    assert_eq!(names(folder.path()), [""; 0]);
}

/// While it was written, a file that was to be private could be read by anybody.
#[test]
fn a_private_file_is_private_while_it_is_written() {
    let (folder, path) = new_path();
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let mut file = Save::new(&path)
        .overwrite(true)
        .scalar("x", 1_u8)
        .start()
        .unwrap();
    let partial = folder.path().join(".1.5d_mask.safetensors.partial");
    assert_eq!(fs::metadata(&partial).unwrap().mode() & 0o777, 0o600);
    file.finish().unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}
