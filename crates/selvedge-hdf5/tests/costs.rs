//! What a read costs beside its bytes: system calls and memory, counted.
//!
//! Each read of a step once parsed the whole chunk index again and asked the system for the number of
//! its processors, which opens files of the kernel: a step of 32 KB took a millisecond in a file of
//! 16,000 chunks. No test saw it, because all tests looked at values.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::fs;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    CompareOptions, Compression, Reader, Rechunk, Recorder, Tensor, add_checksums, bf16, compare,
};
use selvedge_testing::{
    again, allocations, is_child, python, setting, system_calls, tell, told, traced,
};

/// Elements of a step: 32 KiB.
const ELEMENTS: usize = 16 << 10;
const STEPS: u64 = 200;

#[global_allocator]
static COUNTED: selvedge_testing::Counted = selvedge_testing::Counted;

/// The bytes that this thread reads in `work`, by whatever call.
fn bytes_read(work: impl FnOnce()) -> u64 {
    let so_far = || {
        let io = fs::read_to_string("/proc/thread-self/io").expect("procfs");
        let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        (
            line.expect("the line").parse::<u64>().expect("a number"),
            io.len() as u64,
        )
    };
    let (before, asked) = so_far();
    work();
    so_far().0 - before - asked
}

/// The elements of a step, half of whose bytes compress.
fn step(number: u64) -> Vec<bf16> {
    let mut state = number;
    let bits = (0..ELEMENTS).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        0x3F00 | u16::from(state.to_le_bytes()[7])
    });
    bits.map(bf16::from_bits).collect()
}

fn record(path: &Path, compression: Compression) {
    let mut run = Recorder::create(path)
        .steps(STEPS)
        .compression(compression)
        .tensor::<bf16>("W", [ELEMENTS])
        .start()
        .unwrap();
    for number in 0..STEPS {
        run.append(|row| row.put("W", &step(number)[..])).unwrap();
    }
    run.finish().unwrap();
}

/// Reads a step at each third place, so that all that is found once is found.
fn read_here_and_there(tensor: &Tensor) {
    for number in (0..STEPS).step_by(3) {
        assert_eq!(tensor.read_step::<bf16>(number).unwrap(), step(number));
    }
}

#[test]
fn a_second_step_is_one_system_call() {
    const NAME: &str = "a_second_step_is_one_system_call";
    if is_child(NAME) {
        let path: PathBuf = setting("PATH");
        let file = Reader::open(&path).unwrap();
        let tensor = file.tensor("W").unwrap();
        read_here_and_there(tensor);
        let (clone, selection) = (tensor.clone(), tensor.select().steps(124..125));
        let mut buffer = vec![bf16::ZERO; ELEMENTS];
        let mut into = |tensor: &Tensor| tensor.read_steps_into(123..124, &mut buffer).unwrap();
        traced(|| into(tensor));
        // What a tensor has found its clones and selections know, too.
        traced(|| into(&clone));
        traced(|| selection.read_into(&mut buffer).unwrap());
        assert!(buffer == step(124));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Fast] {
        let path = folder.path().join(format!("{compression}.h5"));
        record(&path, compression);
        let mut child = again(NAME, &[("PATH", path.display().to_string())]);
        let read = vec![libc::SYS_pread64];
        assert_eq!(system_calls(&mut child), [read.clone(), read.clone(), read]);
    }
}

#[test]
fn a_second_step_asks_for_no_memory_but_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // The decoder lists the blocks of a stream.
    for (compression, most) in [(Compression::None, 0), (Compression::Fast, 3)] {
        let path = folder.path().join(format!("{compression}.h5"));
        record(&path, compression);
        let file = Reader::open(&path).unwrap();
        let tensor = file.tensor("W").unwrap();
        read_here_and_there(tensor);
        let mut buffer = vec![bf16::ZERO; ELEMENTS];
        let (read, into) = allocations(|| tensor.read_steps_into(123..124, &mut buffer));
        read.unwrap();
        let (read, new) = allocations(|| tensor.read_step::<bf16>(123));
        assert!(buffer == step(123) && read.unwrap() == buffer);
        assert!(
            into <= most && new == into + 1,
            "{compression}: {into}, {new}"
        );
    }
}

/// The index of a file of h5py is read past libhdf5, too.
#[test]
fn a_second_step_of_another_program_reads_no_more_than_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    const WRITE: &str = r#"
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w") as f:
    f.create_dataset("W", data=np.ones((200, 16384), "f4"), chunks=(1, 16384))
"#;
    python::on_file(WRITE, &path);
    let file = Reader::open(&path).unwrap();
    let tensor = file.tensor("W").unwrap();
    let mut buffer = vec![0_f32; ELEMENTS];
    let mut read =
        |step: u64| bytes_read(|| tensor.read_steps_into(step..step + 1, &mut buffer).unwrap());
    const BYTES: u64 = 4 * ELEMENTS as u64;
    read(0);
    // What is read is the header of some leaf and its entries.
    assert!(read(199) < BYTES + (4 << 10));
    assert_eq!(read(199), BYTES);
}

/// The index of a long run has megabytes. The first step once took all of it.
#[test]
fn opening_and_the_first_step_do_not_read_the_index() {
    const MANY: u16 = 20_000;
    const SMALL: usize = 8 << 10;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    let mut run = Recorder::create(&path)
        .compression(Compression::Fast)
        .tensor::<bf16>("W", [SMALL])
        .start()
        .unwrap();
    let mut values = [bf16::ZERO; SMALL];
    for number in 0..MANY {
        values[0] = bf16::from_bits(number);
        run.append(|row| row.put("W", &values)).unwrap();
    }
    run.finish().unwrap();
    let mut file = None;
    let open = bytes_read(|| file = Some(Reader::open(&path).unwrap()));
    let file = file.unwrap();
    let tensor = file.tensor("W").unwrap();
    let mut buffer = vec![bf16::ZERO; SMALL];
    let mut read = |number: u16| {
        let steps = number.into()..u64::from(number) + 1;
        let bytes = bytes_read(|| tensor.read_steps_into(steps, &mut buffer).unwrap());
        assert_eq!(buffer[0].to_bits(), number);
        bytes
    };
    let first = read(12_345);
    let (distant, near) = (read(MANY - 1), read(12_346));
    assert!(
        open < 64 << 10 && first < 16 << 10,
        "{open} and {first} bytes"
    );
    let index = u64::from(MANY) * (8 + 8 * 2 + 8);
    assert!(open + first < index / 8, "{open} and {first} bytes");
    assert!(
        distant < 8 << 10 && near < 1 << 10,
        "{distant} and {near} bytes"
    );
}

/// Each chunk of an archive holds 16 steps, and a loop over its steps once decoded each chunk 16 times.
#[test]
fn a_loop_over_the_steps_of_an_archive_decodes_each_chunk_once() {
    let folder = tempfile::tempdir().unwrap();
    let [plain, archive] = ["plain.h5", "archive.h5"].map(|name| folder.path().join(name));
    record(&plain, Compression::None);
    let rechunk = Rechunk::new(&plain, &archive).compression(Compression::Temporal);
    rechunk.run(|_| ()).unwrap();
    let stored = fs::metadata(&archive).unwrap().len();
    let file = Reader::open(&archive).unwrap();
    let tensor = file.tensor("W").unwrap();
    let chunk = tensor.chunk_shape().expect("an archive has chunks");
    assert_eq!((chunk[0], chunk[1] < ELEMENTS as u64), (16, true));
    let read_all = || {
        for number in 0..STEPS {
            assert_eq!(tensor.read_step::<bf16>(number).unwrap(), step(number));
        }
    };
    let first = bytes_read(read_all);
    assert!(first <= stored, "{first} bytes of {stored}");
    // Steps that lie in two rows of chunks, and rows of a step, are taken from the same.
    let again = bytes_read(|| {
        let steps = tensor.read_steps::<bf16>(14..18).unwrap();
        assert!(steps[ELEMENTS..][..ELEMENTS] == step(15)[..]);
        let rows = tensor.select().steps(30..31).rows([5, ELEMENTS - 1]);
        let expected = [step(30)[5], step(30)[ELEMENTS - 1]];
        assert_eq!(rows.read::<bf16>().unwrap(), expected);
        let wide = tensor.select().steps(7..8).read_f32().unwrap();
        assert_eq!(wide[9], step(7)[9].to_f32());
    });
    assert_eq!(again, 0);
}

/// Runs the test `name` in a process of its own, on the file at `path`, and returns the numbers that it tells.
fn told_by(name: &str, path: &Path) -> Vec<u64> {
    let mut child = again(name, &[("PATH", path.display().to_string())]);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = said.lines().filter_map(told);
    lines.map(|line| line.parse().unwrap()).collect()
}

/// Bytes do not compress, chunks have parts of many steps, and of each a part: of 8 MB in all, and read by several threads.
const CHUNKS: &str = r#"
import sys, h5py, numpy as np
values = np.random.default_rng(1).integers(0, 256, (64, 256, 512), dtype="u1")
with h5py.File(sys.argv[1], "w") as f:
    f.create_dataset("gzip", data=values, chunks=(24, 100, 512), compression=1, shuffle=True)
    f.create_dataset("lzf", data=values, chunks=(24, 256, 512), compression="lzf")
    f.create_dataset("plain", data=values)
"#;

/// Whatever is read by one call, and by those who go through all.
#[test]
fn a_chunk_is_read_once_and_of_plain_rows_those_that_are_wanted() {
    const NAME: &str = "a_chunk_is_read_once_and_of_plain_rows_those_that_are_wanted";
    const BYTES: u64 = 64 * 256 * 512;
    if is_child(NAME) {
        let open = || Reader::open(setting::<PathBuf>("PATH")).unwrap();
        let (file, again) = (open(), open());
        for name in ["gzip", "lzf", "plain"] {
            let tensor = file.tensor(name).unwrap();
            let read = |work: &dyn Fn()| {
                let ((), bytes) = selvedge_testing::bytes_read(work);
                tell(format_args!("{bytes}"));
            };
            read(&|| drop(tensor.read::<u8>().unwrap()));
            let selection = tensor.select().every(3).rows([0, 99, 255]);
            read(&|| drop(selection.read::<u8>().unwrap()));
        }
        let options = CompareOptions::default();
        let (same, bytes) =
            selvedge_testing::bytes_read(|| compare(&file, &again, &options, |_| {}).unwrap());
        assert!(same.is_equal());
        return tell(format_args!("{bytes}"));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chunks.h5");
    python::on_file(CHUNKS, &path);
    let read = told_by(NAME, &path);
    println!("{read:?}");
    let rows = BYTES / 3 / 256 * 3;
    // What libhdf5 unpacks is looked into before, once.
    let most = [BYTES, BYTES, 2 * BYTES, BYTES, BYTES, rows, 7 * BYTES];
    assert_eq!(read.len(), most.len());
    for (bytes, most) in read.iter().zip(most) {
        // Chunks reach over the edges, and have an index.
        assert!(*bytes < most * 5 / 4 + (64 << 10), "{read:?}");
    }
}

/// `verify --trust-checksums` and others say that they do not read what checksums say to be equal.
#[test]
fn steps_of_equal_checksums_are_not_read_where_those_are_trusted() {
    const NAME: &str = "steps_of_equal_checksums_are_not_read_where_those_are_trusted";
    if is_child(NAME) {
        let open = || Reader::open(setting::<PathBuf>("PATH")).unwrap();
        let (file, again) = (open(), open());
        for trust in [true, false] {
            let options = CompareOptions::default().trust_checksums(trust);
            let work = || compare(&file, &again, &options, |_| {}).unwrap();
            let (result, bytes) = selvedge_testing::bytes_read(work);
            assert!(result.is_equal());
            tell(format_args!("{bytes}"));
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    record(&path, Compression::None);
    add_checksums(&path, |_| {}).unwrap();
    let read = told_by(NAME, &path);
    let all = 2 * STEPS * 2 * ELEMENTS as u64;
    assert!(read[0] < 64 << 10 && read[1] >= all, "{read:?}");
}
