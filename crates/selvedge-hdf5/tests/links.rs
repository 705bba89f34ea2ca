//! A file of a stranger that names other files: external links, sources of virtual datasets, external
//! storage; and filters of which it wants code to be loaded.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use selvedge_hdf5::{Note, ReadError, Reader, ReaderOptions, Rechunk, StorageError, mark_bf16};
use selvedge_testing::python;

/// `inside/gift.h5` names files of its own folder, and with the same words files outside of it.
const GIFT: &str = r#"
import os, sys, h5py, numpy as np
folder = sys.argv[1]
inside, outside = folder + "/inside", folder + "/outside"
values = np.arange(1, 25, dtype="f4").reshape(6, 4)
for place in (inside, outside):
    os.mkdir(place)
    name = place + ("/other" if place == inside else "/far")
    with h5py.File(name + ".h5", "w") as f:
        f["W"] = values
        f["group/W"] = values
        f["bits"] = np.arange(24, dtype="u2").reshape(6, 4)
        f["to_secret"] = h5py.ExternalLink(outside + "/secret.h5", "/W")
        space = h5py.h5s.create_simple((6, 4))
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_external((name + ".txt").encode(), 0, 96)
        h5py.h5d.create(f.id, b"stored", h5py.h5t.IEEE_F32LE, space, plan)
    with open(name + ".txt", "wb") as f:
        f.write(values.tobytes())
with h5py.File(outside + "/secret.h5", "w") as f:
    f["W"] = values
os.symlink(outside + "/far.h5", inside + "/symbolic.h5")
os.mkfifo(inside + "/pipe.h5")
with h5py.File(inside + "/gift.h5", "w") as f:
    f["own"] = values
    f["self"] = h5py.ExternalLink("gift.h5", "/own")
    f["alias"] = h5py.SoftLink("/near/W")
    f["near"] = h5py.ExternalLink("other.h5", "/group")
    def link(name, file, path="/W"):
        f["link_" + name] = h5py.ExternalLink(file, path)
    def view(name, file, dataset="W"):
        layout = h5py.VirtualLayout((6, 4), "f4")
        layout[:] = h5py.VirtualSource(file, dataset, (6, 4))
        f.create_virtual_dataset("view_" + name, layout, fillvalue=-1)
    def storage(name, file):
        space = h5py.h5s.create_simple((6, 4))
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_external(file.encode(), 32, 64)
        plan.set_external(file.encode(), 0, 32)
        h5py.h5d.create(f.id, ("raw_" + name).encode(), h5py.h5t.IEEE_F32LE, space, plan)
    for make in (link, view):
        make("near", "other.h5")
        make("absolute", outside + "/far.h5")
        make("above", "../outside/far.h5")
        make("symbolic", "symbolic.h5")
        make("pipe", "pipe.h5")
        make("device", "/dev/zero")
        make("folder", outside)
        make("onward", "other.h5", "/to_secret")
    link("socket", "socket.h5")
    view("here", ".", "own")
    view("through", ".", "near/W")
    view("stored", "other.h5", "stored")
    storage("near", "other.txt")
    storage("absolute", outside + "/far.txt")
    storage("above", "../outside/far.txt")
    storage("device", "/dev/zero")
"#;

/// A folder with the gift in it.
struct Gift {
    folder: tempfile::TempDir,
    _socket: UnixListener,
}

impl Gift {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        python::run(GIFT, [folder.path()]);
        let socket = UnixListener::bind(folder.path().join("inside/socket.h5")).unwrap();
        Self {
            folder,
            _socket: socket,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn gift(&self) -> PathBuf {
        self.path("inside/gift.h5")
    }
}

fn values() -> Vec<f32> {
    (1..25_u8).map(f32::from).collect()
}

/// Why nothing can be read under this name.
fn refusal(file: &Reader, name: &str) -> String {
    let error = match file.tensor(name) {
        Ok(tensor) => {
            let checked = tensor.check_readable().expect_err(name);
            let error = tensor.read::<f32>().unwrap_err();
            assert_eq!(checked.to_string(), error.to_string());
            error
        }
        Err(error) => error,
    };
    assert!(
        matches!(
            error,
            ReadError::NotFollowed { .. } | ReadError::Unread { .. }
        ),
        "{error:?}"
    );
    error.to_string()
}

const NAMES: [&str; 16] = [
    "link_near",
    "link_absolute",
    "link_above",
    "link_symbolic",
    "link_pipe",
    "link_device",
    "link_folder",
    "link_onward",
    "link_socket",
    "view_absolute",
    "view_above",
    "view_pipe",
    "view_device",
    "raw_near",
    "raw_absolute",
    "raw_device",
];

/// `convert` copied a text file that a stranger's file named into its output, and an open at the other
/// end of a link could wait for ever. A file is read, and no other but sources of its views that lie beside
/// it: what it names is told.
#[test]
fn no_file_is_read_but_the_one_that_was_named_and_sources_beside_it() {
    let gift = Gift::new();
    let file = Reader::open(gift.gift()).unwrap();
    for name in ["own", "view_here", "view_near"] {
        assert_eq!(file.tensor(name).unwrap().read::<f32>().unwrap(), values());
    }
    for name in NAMES {
        let text = refusal(&file, name);
        let why = match name {
            "view_pipe" => "a pipe",
            _ => "--follow-links",
        };
        assert!(text.contains(why), "{name}: {text}");
        assert!(text.contains(name), "{text}");
    }
    // A link to a file is not followed where a view has the same file as its source.
    for name in [
        "self",
        "near",
        "alias",
        "view_through",
        "view_onward",
        "link_near",
    ] {
        refusal(&file, name);
    }
    let stored = file.tensor("view_stored").unwrap();
    let error = stored.read::<f32>().unwrap_err();
    assert!(error.to_string().contains("external storage"), "{error}");
    let told = |name: &str, file: &str| {
        let mut notes = Reader::open(gift.gift()).unwrap().notes().to_vec();
        notes.retain(|note| {
            matches!(note, Note::NotFollowed { name: found, leads_to, reason }
            if found == name && (leads_to.contains(file) || reason.contains(file)))
        });
        assert_eq!(notes.len(), 1, "{name}");
    };
    told("near", "other.h5");
    told("alias", "other.h5");
    told("link_absolute", "outside/far.h5");
    let raw = file.tensor("raw_above").unwrap();
    assert_eq!(raw.external_files(), ["../outside/far.txt"; 2]);
    drop(file);
    // Nor is one written.
    let before = fs::read(gift.path("inside/other.h5")).unwrap();
    mark_bf16(gift.gift(), "link_near").unwrap_err();
    assert_eq!(fs::read(gift.path("inside/other.h5")).unwrap(), before);
    let output = gift.path("new.h5");
    Rechunk::new(gift.gift(), &output).plan().unwrap_err();
    let rechunk = Rechunk::new(gift.gift(), &output).skip_unsupported(true);
    rechunk.run(|_| {}).unwrap();
    let mut names: Vec<String> = Vec::new();
    for tensor in Reader::open(&output).unwrap().tensors() {
        names.push(tensor.name().to_owned());
    }
    assert_eq!(names, ["own", "view_here", "view_near"]);
}

/// Inside of a folder that is named links are followed; outside of it, and to what is no regular file, they
/// are not, by whatever way.
#[test]
fn links_are_followed_inside_of_a_folder() {
    let gift = Gift::new();
    let beside = Reader::options().follow_links();
    let inside = Reader::options().follow_links_inside(gift.path("inside"));
    for options in [beside, inside] {
        let file = options.open(gift.gift()).unwrap();
        for name in [
            "own",
            "self",
            "alias",
            "link_near",
            "view_near",
            "view_here",
            "view_through",
        ] {
            let found = file.tensor(name).unwrap().read::<f32>().unwrap();
            assert_eq!(found, values(), "{name}");
        }
        let turned = [&values()[8..], &values()[..8]].concat();
        let raw = file.tensor("raw_near").unwrap();
        assert_eq!(raw.read::<f32>().unwrap(), turned);
        assert_eq!(raw.read_step::<f32>(5).unwrap(), turned[20..]);
        let outside = "it lies outside of ";
        let none = "it is a folder, a pipe, a socket or a device";
        for (name, why) in [
            ("link_absolute", outside),
            ("link_above", outside),
            ("link_symbolic", outside),
            ("link_device", outside),
            ("link_folder", outside),
            ("link_onward", outside),
            ("link_pipe", none),
            ("link_socket", none),
            ("view_absolute", outside),
            ("view_above", outside),
            ("view_symbolic", outside),
            ("view_onward", outside),
            ("view_device", outside),
            ("view_pipe", none),
            ("raw_absolute", outside),
            ("raw_above", outside),
            ("raw_device", outside),
        ] {
            let text = refusal(&file, name);
            assert!(text.contains(why), "{name}: {text}");
        }
        // A source with external storage would be opened by libhdf5, past any driver.
        let stored = file.tensor("view_stored").unwrap();
        let error = stored.read::<f32>().unwrap_err();
        assert!(error.to_string().contains("external storage"), "{error}");
    }
    let all = Reader::options().follow_links_inside(gift.folder.path());
    let file = all.open(gift.gift()).unwrap();
    for name in [
        "link_absolute",
        "link_onward",
        "view_above",
        "view_symbolic",
    ] {
        let found = file.tensor(name).unwrap().read::<f32>().unwrap();
        assert_eq!(found, values(), "{name}");
    }
    drop(file);
    let none = Reader::options().follow_links_inside(gift.path("none"));
    assert!(matches!(none.open(gift.gift()), Err(StorageError::File(_))));
}

/// What is read of a link that is followed is copied, and nothing else.
#[test]
fn what_is_followed_can_be_rechunked() {
    let gift = Gift::new();
    let output = gift.path("new.h5");
    let rechunk = Rechunk::new(gift.gift(), &output)
        .input_options(ReaderOptions::default().follow_links())
        .skip_unsupported(true);
    let summary = rechunk.run(|_| {}).unwrap();
    let file = Reader::open(&output).unwrap();
    for name in ["link_near", "view_near"] {
        assert_eq!(file.tensor(name).unwrap().read::<f32>().unwrap(), values());
    }
    assert!(file.tensor("raw_near").is_ok() && file.tensor("raw_above").is_err());
    let told = summary.plan.left_out.iter();
    let mut told = told.map(|(what, why)| format!("{what}: {why}"));
    assert!(told.any(|told| told.contains("`raw_above`") && told.contains("outside of")));
}

/// A file can be followed that is open already, and one that is open for other readers, too.
#[test]
fn readers_of_one_file_follow_each_what_they_were_told() {
    let gift = Gift::new();
    let strict = Reader::open(gift.gift()).unwrap();
    let open = Reader::options().follow_links().open(gift.gift()).unwrap();
    let again = Reader::open(gift.gift()).unwrap();
    for file in [&strict, &again] {
        refusal(file, "link_near");
        refusal(file, "raw_near");
    }
    let view = open.tensor("view_near").unwrap();
    assert_eq!(view.read::<f32>().unwrap(), values());
    refusal(&again, "view_through");
}

/// A source of a source of a source: only so many are looked at, and the rest was read without a look.
#[test]
fn a_view_of_views_is_looked_at_to_its_end() {
    const NESTED: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    def view(name, file, dataset):
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource(file, dataset, (3,))
        f.create_virtual_dataset(name, layout, fillvalue=-1)
    view("v0", "gone.h5", "W")
    for level in range(1, 8):
        view(f"v{level}", ".", f"v{level - 1}")
"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("view.h5");
    python::on_file(NESTED, &path);
    for options in [Reader::options(), Reader::options().follow_links()] {
        let file = options.open(&path).unwrap();
        for level in 0..8 {
            let tensor = file.tensor(&format!("v{level}")).unwrap();
            let error = tensor.read::<f32>().unwrap_err();
            assert!(
                matches!(
                    error,
                    ReadError::NotFollowed { .. } | ReadError::MissingSource { .. }
                ),
                "{level}: {error}"
            );
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod opened {
    use selvedge_testing::{again, is_child, opened_files, setting, traced};

    use super::{Gift, NAMES, PathBuf, Reader};

    /// Reads whatever can be read of the gift.
    fn read_all(options: &selvedge_hdf5::ReaderOptions, gift: &PathBuf) {
        let file = options.open(gift).unwrap();
        for tensor in file.tensors() {
            let _ = tensor.read_bytes();
            let _ = tensor.attributes();
            let _ = tensor.data_layout();
            let _ = tensor.missing_sources();
        }
        for name in NAMES {
            let _ = file.tensor(name);
        }
    }

    /// Nothing but the file itself and the sources beside it is opened; nothing outside of the folder, and
    /// nothing that is no file.
    #[test]
    fn no_other_file_is_opened() {
        const NAME: &str = "opened::no_other_file_is_opened";
        if is_child(NAME) {
            let gift: PathBuf = setting("PATH");
            // What a first call opens for itself.
            read_all(&Reader::options(), &gift);
            traced(|| read_all(&Reader::options(), &gift));
            traced(|| read_all(&Reader::options().follow_links(), &gift));
            return;
        }
        let gift = Gift::new();
        let path = gift.gift();
        let mut child = again(NAME, &[("PATH", path.display().to_string())]);
        let pieces = opened_files(&mut child);
        let [strict, followed] = &pieces[..] else {
            panic!("{} pieces", pieces.len());
        };
        let inside = gift.path("inside").canonicalize().unwrap();
        let source = inside.join("other.h5");
        assert!(strict.contains(&path) && strict.contains(&source));
        let known = |opened: &PathBuf| *opened == path || *opened == source;
        assert!(strict.iter().all(known), "{strict:?}");
        for name in ["other.h5", "other.txt"] {
            assert!(followed.contains(&inside.join(name)), "{followed:?}");
        }
        for opened in followed {
            let name = opened.file_name().unwrap();
            let is_one = ["gift.h5", "other.h5", "other.txt"]
                .iter()
                .any(|one| name == *one);
            assert!(opened.starts_with(&inside) && is_one, "{opened:?}");
        }
    }
}

/// A filter that leaves a mark where it is loaded, and undoes nothing.
const PLUGIN: &str = r#"
#include <stdio.h>
#include <stddef.h>
typedef struct { int version; int id; unsigned encoder, decoder; const char *name; void *can, *set; void *filter; } Class;
static size_t filter(unsigned f, size_t n, const unsigned *v, size_t bytes, size_t *size, void **buffer) { return bytes; }
static const Class class = {1, 4711, 1, 1, "mark", NULL, NULL, (void *)filter};
__attribute__((constructor)) static void loaded(void) { FILE *f = fopen(MARK, "w"); if (f) fclose(f); }
int H5PLget_plugin_type(void) { return 0; }
const void *H5PLget_plugin_info(void) { return &class; }
"#;

const FILTERED: &str = r#"
import sys, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z
with h5py.File(sys.argv[1], "w") as f:
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((4, 4))
    plan.set_filter(4711, h5z.FLAG_OPTIONAL, ())
    d = h5d.create(f.id, b"W", h5t.IEEE_F32LE, h5s.create_simple((4, 4)), plan)
    d.write_direct_chunk((0, 0), np.ones((4, 4), "f4").tobytes(), 0)
"#;

/// A folder that was compiled into libhdf5, one of the machine that built it, is one that code was loaded
/// from. It is loaded where that is asked for, from the folders that the environment names.
#[test]
fn plugins_are_loaded_where_that_is_asked_for() {
    const NAME: &str = "plugins_are_loaded_where_that_is_asked_for";
    let read = |options: &ReaderOptions, path: &Path| {
        let file = options.open(path).unwrap();
        file.tensor("W").unwrap().read::<f32>()
    };
    if selvedge_testing::is_child(NAME) {
        let folder: PathBuf = selvedge_testing::setting("PATH");
        let (path, mark) = (folder.join("filtered.h5"), folder.join("mark"));
        let error = read(&Reader::options(), &path).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, ReadError::MissingFilter { id: 4711, .. }),
            "{text}"
        );
        assert!(text.contains("--load-plugins"), "{text}");
        assert!(!mark.exists());
        let loaded = read(&Reader::options().load_plugins(), &path);
        if std::env::var_os("HDF5_PLUGIN_PATH").is_none() {
            // What was done already is not advised.
            let text = loaded.unwrap_err().to_string();
            assert!(
                text.contains("HDF5_PLUGIN_PATH names no folder")
                    && !text.contains("--load-plugins"),
                "{text}"
            );
            assert!(!mark.exists());
            return;
        }
        assert_eq!(loaded.unwrap(), [1.0; 16]);
        assert!(mark.exists());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    python::on_file(FILTERED, &path("filtered.h5"));
    fs::create_dir(path("plugins")).unwrap();
    fs::write(path("plugin.c"), PLUGIN).unwrap();
    let library = format!("plugins/libmark{}", std::env::consts::DLL_SUFFIX);
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(path(&library))
        .arg(format!("-DMARK=\"{}\"", path("mark").display()))
        .arg(path("plugin.c"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    for plugins in [None, Some(path("plugins"))] {
        let settings = [("PATH", folder.path().display().to_string())];
        let mut child = selvedge_testing::again(NAME, &settings);
        child.env_remove("HDF5_PLUGIN_PATH");
        if let Some(plugins) = plugins {
            child.env("HDF5_PLUGIN_PATH", plugins);
        }
        assert!(child.status().unwrap().success());
    }
}
