//! What a file of a stranger may cost: chunks that become larger than chunks are, groups in groups, and
//! links by ten thousands.

use std::error::Error as _;
use std::path::PathBuf;
use std::process::Command;

use selvedge_hdf5::{
    CompareOptions, Dtype, Join, Note, ReadError, Reader, Rechunk, Recorder, Shard, Tensor,
    TensorSpec, compare, new_run_id,
};
use selvedge_testing::{
    Limit, again, is_child, peak, python, resident, run_limited, setting, tell, told,
};

const LARGE: &str = r#"
import sys, zlib, h5py, numpy as np
from h5py import h5d, h5p, h5s, h5t, h5z
SIZE = 20 << 20
def lzf(n):
    # A run of one zero, and then repetitions of 264.
    return b"\x00\x00" + b"\xe0\xff\x00" * ((n - 1) // 264)
def fletcher(data):
    one = two = 0
    for at in range(0, len(data), 2):
        one = (one + (data[at] << 8 | (data[at + 1] if at + 1 < len(data) else 0))) % 65535
        two = (two + one) % 65535
    return (two << 16 | one).to_bytes(4, "little")
def dataset(f, name, dtype, filters, chunks):
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_chunk((4, 256))
    for each in filters:
        getattr(plan, "set_" + each)(*((1,) if each == "deflate" else ())) if each != "lzf" else plan.set_filter(32000, h5z.FLAG_OPTIONAL, ())
    d = h5d.create(f.id, name.encode(), dtype, h5s.create_simple((8, 256)), plan)
    for row, chunk in zip((0, 4), chunks):
        d.write_direct_chunk((row, 0), chunk, 0)
with h5py.File(sys.argv[1], "w") as f:
    values = np.arange(1024, dtype="<f4")
    swapped = values.astype(">f4")
    large = zlib.compress(bytes(SIZE))
    with_sum = lambda data: data + fletcher(data)
    shuffled = values.view("u1").reshape(-1, 4).T.tobytes()
    dataset(f, "deflate", h5t.IEEE_F32LE, ["deflate"], [zlib.compress(values.tobytes()), large])
    dataset(f, "sum", h5t.IEEE_F32LE, ["fletcher32"], [with_sum(values.tobytes()), values.tobytes() + b"none"])
    dataset(f, "all", h5t.IEEE_F32LE, ["shuffle", "deflate", "fletcher32"], [with_sum(zlib.compress(shuffled)), with_sum(large)])
    dataset(f, "big_endian", h5t.IEEE_F32BE, ["deflate", "fletcher32"], [with_sum(zlib.compress(swapped.tobytes())), with_sum(large)])
    dataset(f, "sum_first", h5t.IEEE_F32LE, ["fletcher32", "deflate"], [zlib.compress(with_sum(values.tobytes())), large])
    whole = b"".join(bytes([31]) + values.tobytes()[at:at + 32] for at in range(0, 4096, 32))
    dataset(f, "lzf", h5t.IEEE_F32LE, ["lzf"], [whole, lzf(SIZE)])
    dataset(f, "twice", h5t.IEEE_F32LE, ["deflate", "deflate"], [zlib.compress(zlib.compress(values.tobytes())), large])
"#;

/// A megabyte that was deflated behind a checksum took a gigabyte: libhdf5's filters take the memory that a
/// stream asks for, whatever the size of a chunk.
#[test]
fn a_chunk_does_not_become_larger_than_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large_1.h5");
    python::on_file(LARGE, &path);
    let file = Reader::open(&path).unwrap();
    let expected: Vec<f32> = (0..1024_u16).map(f32::from).collect();
    for name in [
        "deflate",
        "sum",
        "all",
        "big_endian",
        "sum_first",
        "lzf",
        "twice",
    ] {
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.read_steps::<f32>(0..4).unwrap(), expected, "{name}");
        let error = tensor.read_steps::<f32>(2..6).unwrap_err();
        let ReadError::DamagedChunk { chunk, source, .. } = &error else {
            panic!("{name}: {error}");
        };
        assert_eq!(*chunk, [4, 0], "{name}");
        let why = match name {
            "sum" => "checksum",
            "deflate" | "all" => "",
            _ => "holds more than the 4096 bytes",
        };
        assert!(source.to_string().contains(why), "{name}: {source}");
    }
}

const SHORT: &str = r#"
import sys, zlib, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    values = np.arange(8 * 64, dtype=">f4").reshape(8, 64)
    for name, options in [
        ("swapped", {}),
        ("shuffled", dict(shuffle=True)),
        ("lzf", dict(compression="lzf")),
        ("deflated", dict(compression="gzip")),
    ]:
        f.create_dataset(name, data=values, chunks=(4, 64), fletcher32=True, **options)
    f.create_dataset("little", data=values.astype("<f4"), chunks=(4, 64), fletcher32=True)
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((4, 64))
    plan.set_fletcher32()
    plan.set_deflate(1)
    space = h5py.h5s.create_simple((8, 64))
    h5py.h5d.create(f.id, b"sum_first", h5py.h5t.IEEE_F32BE, space, plan)
    f["sum_first"][...] = values
    f["sum_first"].id.write_direct_chunk((4, 0), zlib.compress(b"sum"), 0)
    # Sizes by which their keys are found in the index.
    sizes = [5000 + nth for nth in range(len(f) - 1)]
    for name, size in zip((name for name in f if name != "sum_first"), sizes):
        f[name].id.write_direct_chunk((4, 0), bytes(size), 0)
    f["whole"] = values
content = bytearray(open(sys.argv[1], "rb").read())
for size in sizes:
    key = size.to_bytes(4, "little") + bytes(4) + (4).to_bytes(8, "little")
    at = content.index(key)
    content[at : at + 4] = SIZE.to_bytes(4, "little")
open(sys.argv[1], "wb").write(content)
layout = h5py.VirtualLayout(shape=(8, 64), dtype=">f4")
layout[...] = h5py.VirtualSource(sys.argv[1], "lzf", shape=(8, 64))
with h5py.File(sys.argv[1] + ".view", "w") as f:
    f.create_virtual_dataset("view", layout)
"#;

/// libhdf5 took the four bytes of a checksum from a chunk that has fewer, and summed up the memory after it
/// until there was no more.
#[test]
fn a_chunk_that_is_shorter_than_its_checksum_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("short_1.h5");
    for size in ["(0)", "(1)", "(3)"] {
        python::on_file(&SHORT.replace("SIZE", size), &path);
        let file = Reader::open(&path).unwrap();
        for name in [
            "swapped",
            "shuffled",
            "lzf",
            "deflated",
            "little",
            "sum_first",
        ] {
            let tensor = file.tensor(name).unwrap();
            assert_eq!(tensor.read_steps::<f32>(3..4).unwrap()[0], 192.0, "{name}");
            let error = tensor.read::<f32>().unwrap_err();
            assert!(
                matches!(&error, ReadError::DamagedChunk { chunk, .. } if *chunk == [4, 0]),
                "{name} {size}: {error}"
            );
        }
        drop(file);
        let view = Reader::open(folder.path().join("short_1.h5.view")).unwrap();
        let error = view.tensor("view").unwrap().read::<f32>().unwrap_err();
        let text = error.source().unwrap().to_string();
        assert!(error.is_damage(), "{error}");
        assert!(
            text.contains("`lzf` of") && text.contains("(4, 0)"),
            "{text}"
        );
        drop(view);
        let rescued = folder.path().join("rescued_1.h5");
        let rechunk = Rechunk::new(&path, &rescued).skip_damaged(true);
        rechunk.overwrite(true).run(|_| {}).unwrap();
        let rescued = Reader::open(&rescued).unwrap();
        let names: Vec<&str> = rescued.tensors().iter().map(Tensor::name).collect();
        assert_eq!(names, ["whole"]);
    }
}

/// Runs this test again on a file that `script` makes, with so many seconds of the processor.
fn limited(name: &str, script: &str, seconds: u64) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide_1.h5");
    python::on_file(script, &path);
    let child: Command = again(name, &[("PATH", path.display().to_string())]);
    let output = run_limited(&child, Limit::Processor(seconds));
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = said.lines().filter_map(told);
    lines.map(|line| line.parse().unwrap()).collect()
}

const DEEP: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as f:
    group = f
    for level in range(4000):
        group = group.create_group("g")
    group["W"] = np.arange(4, dtype="f4")
"#;

/// A group that is looked up by its path is looked up from the root, through all that it is in.
#[test]
fn groups_in_groups_take_a_time_in_proportion_to_their_number() {
    const NAME: &str = "resources::groups_in_groups_take_a_time_in_proportion_to_their_number";
    if is_child(NAME) {
        let file = Reader::open(setting::<PathBuf>("PATH")).unwrap();
        assert_eq!(
            file.tensors()[0].read::<f32>().unwrap(),
            [0.0, 1.0, 2.0, 3.0]
        );
        return tell(format_args!("{}", resident("self", "VmHWM")));
    }
    let most = limited(NAME, DEEP, 10);
    assert!(most[0] < 60_000_000, "{most:?}");
}

const TOO_DEEP: &str = r#"
import sys, h5py
with h5py.File(sys.argv[1], "w", libver="latest") as f:
    group = f
    for level in range(400):
        group = group.create_group("g" * 1000)
"#;

/// The paths of groups with long names grow with the square of their depth.
#[test]
fn a_path_has_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep_1.h5");
    python::on_file(TOO_DEEP, &path);
    let file = Reader::open(&path).unwrap();
    let [Note::Unread { name, reason }] = file.notes() else {
        panic!("{:?}", file.notes());
    };
    assert!(
        name.len() < 100 && reason.contains("64.00 kB"),
        "{name}: {reason}"
    );
}

const WIDE: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as f:
    f["W"] = np.arange(24, dtype="f4").reshape(6, 4)
    f["group/V"] = np.arange(24, dtype="f4").reshape(6, 4)
    for nth in range(40000):
        kind = nth % 4
        if kind == 0: f[f"hard{nth}"] = f["W"]
        elif kind == 1: f[f"soft{nth}"] = h5py.SoftLink("/W")
        elif kind == 2: f[f"same{nth}"] = h5py.ExternalLink(sys.argv[1], "/W")
        else: f.create_group(f"group{nth}")
"#;

const TEN_THOUSAND: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    for nth in range(10000):
        f.create_dataset(f"expert.{nth}.weight", data=np.full((4, 8), nth, "f4"))
"#;

/// What is known of a tensor takes a kilobyte or two; those who go through all of them need no more than that beside.
#[test]
fn ten_thousand_tensors_take_some_kilobytes_each() {
    const NAME: &str = "resources::ten_thousand_tensors_take_some_kilobytes_each";
    if is_child(NAME) {
        let path: PathBuf = setting("PATH");
        let (file, rise) = peak(|| Reader::open(&path).unwrap());
        tell(format_args!("{rise}"));
        let options = CompareOptions::default().memory(64 << 20);
        let (result, rise) = peak(|| compare(&file, &file, &options, |_| {}));
        assert!(result.unwrap().is_equal());
        tell(format_args!("{rise}"));
        let rechunk = Rechunk::new(&path, path.with_file_name("new.h5")).memory(64 << 20);
        let (made, rise) = peak(|| rechunk.run(|_| {}));
        made.unwrap();
        return tell(format_args!("{rise}"));
    }
    let rises = limited(NAME, TEN_THOUSAND, 120);
    println!("{rises:?}");
    let most = [32 << 20, 24 << 20, 64 << 20];
    assert!(
        rises.iter().zip(most).all(|(rise, most)| *rise < most),
        "{rises:?}"
    );
}

/// A rank whose file is open takes less than a megabyte.
#[test]
fn the_files_of_ranks_take_less_than_a_megabyte_each() {
    const NAME: &str = "resources::the_files_of_ranks_take_less_than_a_megabyte_each";
    const RANKS: u16 = 32;
    if is_child(NAME) {
        let view: PathBuf = setting("PATH");
        let (file, opened) = peak(|| Reader::open(&view).unwrap());
        assert_eq!(file.sources().len(), RANKS.into());
        let (made, rise) = peak(|| {
            let rechunk = Rechunk::new(&view, view.with_file_name("new.h5")).memory(64 << 20);
            drop(file);
            rechunk.run(|_| {})
        });
        made.unwrap();
        return tell(format_args!("{}", opened.max(rise)));
    }
    let folder = tempfile::tempdir().unwrap();
    let run = new_run_id().unwrap();
    let record = |rank: u16| {
        let path = folder.path().join(format!("rank_{rank}.h5"));
        let part = TensorSpec::new("W", Dtype::F32, [4, 256]);
        let recorder = Recorder::create(&path).shard(Shard {
            run: run.clone(),
            rank: rank.into(),
            world_size: RANKS.into(),
        });
        let whole = [4 * usize::from(RANKS), 256];
        let part = part.part_of(whole, [4 * usize::from(rank), 0]);
        let mut recorder = recorder.tensor_spec(part).start().unwrap();
        let values = [f32::from(rank); 4 * 256];
        for _ in 0..4 {
            recorder.append(|row| row.put("W", &values)).unwrap();
        }
        recorder.finish().unwrap();
        path
    };
    let paths: Vec<PathBuf> = (0..RANKS).map(record).collect();
    let view = folder.path().join("view.h5");
    Join::new(&paths).write(&view).unwrap();
    let child = again(NAME, &[("PATH", view.display().to_string())]);
    let output = run_limited(&child, Limit::Processor(60));
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let rise: u64 = said.lines().find_map(told).unwrap().parse().unwrap();
    println!("{rise}");
    assert!(rise < u64::from(RANKS) << 20, "{rise}");
}

/// A dataset that is open takes 87 kB, and each at the other end of a link in another file was open, as was
/// each group of a file.
#[test]
fn links_by_ten_thousands_take_little_memory() {
    const NAME: &str = "resources::links_by_ten_thousands_take_little_memory";
    if is_child(NAME) {
        let path: PathBuf = setting("PATH");
        let file = Reader::options().follow_links().open(&path).unwrap();
        assert_eq!(file.tensors().len(), 30_002);
        for name in ["hard39996", "soft39997", "same39998"] {
            assert_eq!(file.tensor(name).unwrap().read::<f32>().unwrap()[23], 23.0);
        }
        drop(file);
        tell(format_args!("{}", resident("self", "VmHWM")));
        let output = path.with_file_name("new.h5");
        let rechunk = Rechunk::new(&path, &output).memory(64 << 20);
        let plan = rechunk.plan().unwrap();
        assert_eq!(plan.tensors.len() + plan.constants.len(), 20_002);
        rechunk.run(|_| {}).unwrap();
        return tell(format_args!("{}", resident("self", "VmHWM")));
    }
    let most = limited(NAME, WIDE, 120);
    assert!(most[0] < 150_000_000 && most[1] < 350_000_000, "{most:?}");
}
