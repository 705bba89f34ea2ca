//! What is in a file: groups, links of every kind, odd names, and ten thousand datasets.

use std::path::Path;

use selvedge_hdf5::{Note, ReadError, Reader, Rechunk, RewriteError, Tensor, mark_bf16};
use selvedge_testing::{python, resident};

fn names(file: &Reader) -> Vec<&str> {
    file.tensors().iter().map(Tensor::name).collect()
}

const LINKS: &str = r#"
import sys, h5py, numpy as np
folder = sys.argv[1]
with h5py.File(folder + "/rank0.h5", "w") as f:
    f["run/W"] = np.arange(6, dtype="f4").reshape(3, 2)
    f["single"] = np.arange(3, dtype="u2")
open(folder + "/text.txt", "w").write("0123456789abcdef")
with h5py.File(folder + "/all.h5", "w") as f:
    f["W"] = np.arange(6, dtype="f4").reshape(3, 2)
    f["same"] = f["W"]
    f["up"] = f["/"]
    f["moved"] = h5py.SoftLink("/was/here")
    f["unmounted"] = h5py.ExternalLink("other/disk.h5", "/x")
    f["first"] = h5py.ExternalLink("rank0.h5", "/run")
    f["single"] = h5py.ExternalLink("rank0.h5", "/single")
"#;

const LINKS_REST: &str = r#"
import sys, h5py, numpy as np
folder = sys.argv[1]
with h5py.File(folder + "/all.h5", "r+") as f:
    g = f.create_group("group")
    g.attrs["layer_names"] = ["a", "b"]
    g.attrs["order"] = 1
    g["inner"] = np.arange(3, dtype="i4")
    space = h5py.h5s.create_simple((4,))
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_external(b"text.txt", 0, 16)
    h5py.h5d.create(f.id, b"raw", h5py.h5t.NATIVE_INT32, space, plan)
"#;

const WITHOUT_RAW: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1] + "/all.h5", "r+") as f:
    del f["raw"]
"#;

/// Links that lead nowhere, a group of another file, attributes of groups and bytes in other files were
/// left out without a word; a group that is a name of the root showed each tensor twice.
#[test]
fn what_is_not_listed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    python::run(LINKS, [folder.path()]);
    python::run(LINKS_REST, [folder.path()]);
    let path = folder.path().join("all.h5");
    let file = Reader::options().follow_links().open(&path).unwrap();
    // Two names of one dataset are two tensors.
    assert_eq!(names(&file), ["W", "raw", "same", "single", "group/inner"]);
    assert_eq!(
        file.tensor("single").unwrap().read::<u16>().unwrap(),
        [0, 1, 2]
    );
    let text = |text: &str| text.to_owned();
    let expected = [
        Note::NotFollowed {
            name: text("first"),
            leads_to: text("`/run` in the file `rank0.h5`"),
            reason: text("it is a group, and only links to datasets are followed"),
        },
        Note::BrokenLink {
            name: text("moved"),
            leads_to: text("`/was/here`"),
        },
        Note::BrokenLink {
            name: text("unmounted"),
            leads_to: text("`/x` in the file `other/disk.h5`"),
        },
        Note::SecondName {
            group: text("up"),
            first: String::new(),
        },
        Note::GroupAttributes {
            group: text("group"),
            attributes: vec![text("layer_names"), text("order")],
        },
        Note::OffByOne {
            tensor: text("raw"),
            length: 4,
            steps: 3,
        },
    ];
    assert_eq!(file.notes(), expected);
    assert_eq!(file.tensor("raw").unwrap().external_files(), ["text.txt"]);
    let error = file.tensor("unmounted").unwrap_err();
    assert!(
        matches!(&error, ReadError::Unread { reason, .. } if reason.contains("other/disk.h5")),
        "{error}"
    );
    drop(file);

    python::run(WITHOUT_RAW, [folder.path()]);
    let again = folder.path().join("again.h5");
    let summary = Rechunk::new(&path, &again).run(|_| {}).unwrap();
    let told: Vec<String> = summary
        .plan
        .left_out
        .iter()
        .map(|(what, why)| format!("{what}: {why}"))
        .collect();
    for word in ["`first`", "`moved`", "`unmounted`", "`up`", "`layer_names`"] {
        assert!(
            told.iter().any(|told| told.contains(word)),
            "{word}: {told:?}"
        );
    }
}

/// `check --fix` marked a tensor of a file outside of the repository, which a link led to.
#[test]
fn nothing_is_marked_at_the_other_end_of_a_link() {
    let folder = tempfile::tempdir().unwrap();
    python::run(LINKS, [folder.path()]);
    let [path, other] = ["all.h5", "rank0.h5"].map(|name| folder.path().join(name));
    let before = [&path, &other].map(|path| std::fs::read(path).unwrap());
    let refused = mark_bf16(&path, "single").unwrap_err();
    assert!(
        matches!(refused, RewriteError::Read(ReadError::Unread { .. })),
        "{refused}"
    );
    let after = [&path, &other].map(|path| std::fs::read(path).unwrap());
    assert_eq!(before, after);
}

const LATIN_1: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    f["W"] = np.arange(4, dtype="f4")
    f[b"gr\xfcn"] = np.arange(3, dtype="f4")
    f[b"f\xe4rbung/blau"] = np.arange(2, dtype="f4")
"#;

/// One name that is not UTF-8 hid the whole file, and was an invalid `String` in safe code.
#[test]
fn a_name_that_is_not_utf_8_is_escaped_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old_1.h5");
    python::on_file(LATIN_1, &path);
    let file = Reader::open(&path).unwrap();
    assert_eq!(names(&file), ["W", "gr\\xfcn", "f\\xe4rbung/blau"]);
    let odd = file.tensor("gr\\xfcn").unwrap();
    assert_eq!(odd.read::<f32>().unwrap(), [0.0, 1.0, 2.0]);
    let inner = file.tensor("f\\xe4rbung/blau").unwrap();
    assert_eq!(inner.read::<f32>().unwrap(), [0.0, 1.0]);
    let note = Note::NameNotUtf8 {
        dataset: "gr\\xfcn".to_owned(),
    };
    assert!(file.notes().contains(&note), "{:?}", file.notes());
}

const DEEP: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    group = f
    for level in range(1200):
        group = group.create_group("g")
    group["W"] = np.arange(4, dtype="f4")
"#;

#[test]
fn groups_can_be_deep() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep_1.h5");
    python::on_file(DEEP, &path);
    let file = Reader::open(&path).unwrap();
    let [tensor] = file.tensors() else {
        panic!("{} tensors", file.tensors().len());
    };
    assert_eq!(tensor.name().len(), 2 * 1200 + 1);
    assert_eq!(tensor.read::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0]);
}

const MANY: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as f:
    for expert in range(100):
        for layer in range(100):
            f[f"layer{layer}/expert{expert}"] = np.full((2, 3), expert * 100 + layer, "f4")
"#;

fn many(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("experts_1.h5");
    python::on_file(MANY, &path);
    path
}

/// A dataset that libhdf5 has open takes 87 kB, and all of a file were open at once: a mixture of experts
/// with 10,000 took 871 MB to look at.
#[test]
fn ten_thousand_datasets_take_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = many(folder.path());
    let before = resident("self", "VmRSS");
    let file = Reader::open(&path).unwrap();
    let opened = resident("self", "VmRSS").saturating_sub(before);
    assert_eq!(file.tensors().len(), 10_000);
    assert!(opened <= 40_000_000, "{opened} bytes for the list");
    for layer in [0_u16, 50, 99] {
        let name = format!("layer{layer}/expert7");
        let value = f32::from(700 + layer);
        assert_eq!(
            file.tensor(&name).unwrap().read::<f32>().unwrap(),
            [value; 6]
        );
    }
    for tensor in file.tensors() {
        tensor.read::<f32>().unwrap();
        tensor.attributes().unwrap();
    }
    let read = resident("self", "VmRSS").saturating_sub(before);
    assert!(read <= 60_000_000, "{read} bytes when all were read");
    drop(file);

    let again = folder.path().join("again_1.h5");
    let rechunk = Rechunk::new(&path, &again).memory(64 << 20);
    rechunk.run(|_| {}).unwrap();
    let most = resident("self", "VmHWM").saturating_sub(before);
    assert!(most <= 120_000_000, "{most} bytes to rechunk");
    assert_eq!(Reader::open(&again).unwrap().tensors().len(), 10_000);
}
