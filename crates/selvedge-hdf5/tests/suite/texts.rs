//! Text of a file that is no text: names and values of attributes that are not UTF-8.

use selvedge_hdf5::{Attribute, CompareOptions, Reader, Rechunk, Tensor, compare};
use selvedge_testing::python;

/// Latin-1 where the file says ASCII or UTF-8, UTF-8 that is cut in the middle of a character, and what is
/// longer than any buffer: of fixed and of variable length, single and in lists, and in a name.
const TEXTS: &str = r#"
import sys, h5py, numpy as np
from h5py import h5a, h5s, h5t
with h5py.File(sys.argv[1], "w") as f:
    d = f.create_dataset("W", data=np.arange(12, dtype="f4").reshape(3, 4))
    for place in (f, d):
        for encoding in ("ascii", "utf-8"):
            place.attrs.create(f"variable_{encoding}", b"caf\xe9", dtype=h5py.string_dtype(encoding))
            place.attrs.create(f"fixed_{encoding}", b"M\xfcller", dtype=h5py.string_dtype(encoding, 6))
            place.attrs.create(f"list_{encoding}", np.array([b"a", b"caf\xe9"], dtype=h5py.string_dtype(encoding)))
            place.attrs.create(f"fixed_list_{encoding}", np.array([b"abc", b"\xff"], dtype=h5py.string_dtype(encoding, 3)))
        place.attrs.create("cut", "café".encode()[:-1], dtype=h5py.string_dtype("utf-8", 4))
        place.attrs.create("long", "ü" * 10000)
        place.attrs.create("long_fixed", ("ü" * 10000).encode(), dtype=h5py.string_dtype("utf-8", 20000))
        place.attrs.create("fixed_texts", np.array([b"abc", b"d"], "S3"))
        place.attrs.create("zero", np.array([b"a\0b"], "S3"))
        place.attrs.create("spaces", b"ab  ", dtype=h5py.string_dtype("ascii", 4))
        place.attrs.create("empty", "")
        place.attrs["rate"] = 0.5
        h5a.create(place.id, b"\xe9t\xe9", h5t.NATIVE_INT32, h5s.create(h5s.SCALAR)).write(np.array(7, dtype="i4"))
        place.attrs["table"] = np.zeros((2, 3), "i8")
        place.attrs["nothing"] = h5py.Empty("f4")
        place.attrs["adc"] = np.array([-3], "i2")
"#;

#[test]
fn what_is_not_utf_8_is_told_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs_1.h5");
    python::on_file(TEXTS, &path);
    let file = Reader::open(&path).unwrap();
    let w = file.tensor("W").unwrap();
    let of_w = (w.attributes().unwrap(), w.skipped_attributes().unwrap());
    let of_file = (
        file.attributes().to_vec(),
        file.skipped_attributes().to_vec(),
    );
    for (read, skipped) in [of_file, of_w] {
        let value = |name: &str| {
            let found = read.iter().find(|(found, _)| found == name);
            found.map(|(_, value)| value.clone())
        };
        let long = "ü".repeat(10_000);
        assert_eq!(value("long"), Some(Attribute::Text(long.clone())));
        assert_eq!(value("long_fixed"), Some(Attribute::Text(long)));
        let texts = vec!["abc".to_owned(), "d".to_owned()];
        assert_eq!(value("fixed_texts"), Some(Attribute::Texts(texts)));
        assert_eq!(value("empty"), Some(Attribute::Text(String::new())));
        assert_eq!(value("rate"), Some(Attribute::Float(0.5)));
        assert_eq!(value("adc"), Some(Attribute::Ints(vec![-3])));
        assert_eq!(read.len(), 7, "{read:?}");
        let why = |name: &str| {
            let found = skipped.iter().find(|(found, _)| found == name);
            found.map_or_else(|| panic!("{name} is not told: {skipped:?}"), |(_, why)| why)
        };
        for encoding in ["ascii", "utf-8"] {
            for (name, shown) in [
                ("variable", "caf\\xe9"),
                ("fixed", "M\\xfcller"),
                ("list", "caf\\xe9"),
                ("fixed_list", "\\xff"),
            ] {
                let why = why(&format!("{name}_{encoding}"));
                assert!(why.contains("not UTF-8") && why.contains(shown), "{why}");
            }
        }
        assert!(why("cut").contains("caf\\xc3"), "{}", why("cut"));
        assert!(why("zero").contains("zero byte"), "{}", why("zero"));
        assert!(why("\\xe9t\\xe9").contains('7'), "{}", why("\\xe9t\\xe9"));
        assert_eq!(why("table"), "int64 of shape (2, 3)");
        assert_eq!(why("nothing"), "float32 without a value");
        assert_eq!(skipped.len(), 13, "{skipped:?}");
    }
    // Nothing of it hinders a copy, which tells what it does not keep.
    let output = folder.path().join("new_1.h5");
    let summary = Rechunk::new(&path, &output).run(|_| {}).unwrap();
    let told = |part: &str| {
        summary
            .plan
            .left_out
            .iter()
            .any(|(name, _)| name.contains(part))
    };
    assert!(told("list_utf-8") && told("W: cut") && told("\\xe9t\\xe9"));
    let new = Reader::open(&output).unwrap();
    assert_eq!(new.attribute("rate"), Some(&Attribute::Float(0.5)));
    let options = CompareOptions::default().attributes(true);
    let found = compare(&file, &new, &options, |_| {}).unwrap();
    assert!(found.is_equal(), "{found}");
}

/// A dataset whose name is shown with its odd bytes escaped, and one that is called so: a conversion had one of them,
/// and nobody was told.
#[test]
fn a_name_that_is_shown_as_another_is_told() {
    let make = r#"
import sys, h5py, numpy as np
from h5py import h5d, h5s, h5t
with h5py.File(sys.argv[1], "w") as f:
    for value, name in enumerate((b"gr\xf6\xdfe", rb"gr\xf6\xdfe", b"\xf6")):
        d = h5d.create(f.id, name, h5t.IEEE_F32LE, h5s.create_simple((4,)))
        d.write(h5s.ALL, h5s.ALL, np.full(4, value, "f4"))
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.h5");
    python::on_file(make, &path);
    let file = Reader::open(&path).unwrap();
    let names: Vec<&str> = file.tensors().iter().map(Tensor::name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [r"\xf6", r"gr\xf6\xdfe"]);
    assert_eq!(
        file.tensor(r"gr\xf6\xdfe").unwrap().read::<f32>().unwrap(),
        [1.0; 4]
    );
    let told = file.notes().iter().map(ToString::to_string);
    let told = told.filter(|note| note.contains("another has it"));
    assert_eq!(told.count(), 1);
}
