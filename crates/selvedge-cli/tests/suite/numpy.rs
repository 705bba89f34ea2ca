//! The arrays of `NumPy`, as files of their own and in archives, in every command that takes tensors.

use std::fs;

use crate::common::{Place, finish, unwrapped};
use selvedge_testing::{Limit, python, run_limited};
use serde_json::Value;

/// Arrays of every dtype in both kinds of archive, and as safetensors by its own library.
const ARCHIVES: &str = "
import sys, numpy as np
from safetensors.numpy import save_file
folder = sys.argv[1]
rng = np.random.default_rng(5)
arrays = {'W': np.arange(1 << 16, dtype=np.uint16).reshape(16, 64, 64)}
for dtype in 'f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8'.split():
    arrays[dtype] = np.frombuffer(rng.bytes(80 * np.dtype(dtype).itemsize), dtype).reshape(16, 5)
arrays['mask'] = np.arange(16) % 3 == 0
arrays['one'] = np.float64(1 / 3)
arrays['none'] = np.zeros((0, 3), np.float32)
arrays['params/Dense_0/kernel'] = np.arange(12, dtype=np.float32).reshape(3, 4)
save_file({name: np.asarray(array) for name, array in arrays.items()}, f'{folder}/a.safetensors')
big = {name: array.astype(array.dtype.newbyteorder('>')) for name, array in arrays.items()}
np.savez(f'{folder}/stored.npz', **arrays)
np.savez_compressed(f'{folder}/deflated.npz', **big)
";

/// `inspect`, `verify`, `--diff` and `convert` once took different formats, and a `.npz` none of them.
#[test]
fn archives_are_read_by_every_command() {
    let place = Place::new();
    python::run(ARCHIVES, [&place.path("")]);
    for name in ["stored.npz", "deflated.npz"] {
        let equal = place.print(&["verify", name, "a.safetensors"]);
        assert!(
            equal.contains("are equal, bit for bit: 16 tensors"),
            "{equal}"
        );
        let alike = place.print(&["inspect", "--diff", "a.safetensors", name]);
        assert!(alike.contains("alike"), "{alike}");
        place.print(&["convert", name, "back.safetensors", "--overwrite"]);
        place.print(&["verify", "a.safetensors", "back.safetensors"]);
        let run = ["convert", name, "back.h5", "--overwrite"];
        let notes = place.run(&run).stdout;
        assert!(notes.contains("`params/Dense_0/kernel` became"), "{notes}");
        // By the names that they have in a trajectory.
        place.print(&["verify", "back.h5", name]);
    }
    place.print(&[
        "verify",
        "stored.npz",
        "deflated.npz",
        "--attributes",
        "--count",
    ]);
    let json: Value = serde_json::from_str(&place.print(&[
        "inspect",
        "--stats",
        "--json",
        "deflated.npz",
        "a.safetensors",
    ]))
    .unwrap();
    let [archive, original] = [&json["files"][0], &json["files"][1]];
    assert_eq!(archive["format"], "npz");
    let found = |file: &Value, list: &str, name: &str| -> Value {
        let key = if list == "stats" { "tensor" } else { "name" };
        let list = file[list].as_array().unwrap();
        list.iter().find(|one| one[key] == name).unwrap().clone()
    };
    for name in ["W", "f2", "i8", "mask", "one", "none"] {
        let [one, two] = [archive, original].map(|file| found(file, "tensors", name));
        assert_eq!(one["dtype"], two["dtype"], "{name}");
        assert_eq!(one["shape"], two["shape"], "{name}");
        let [one, two] = [archive, original].map(|file| found(file, "stats", name));
        assert_eq!(one, two, "{name}");
    }
    // One bit of the last value is told, of a member that is unpacked from its beginning.
    let change = "
import sys, numpy as np
folder = sys.argv[1]
arrays = dict(np.load(f'{folder}/stored.npz'))
arrays['W'][15, 63, 63] ^= 1
np.savez_compressed(f'{folder}/changed.npz', **arrays)
";
    python::run(change, [&place.path("")]);
    let run = place.run(&["verify", "changed.npz", "a.safetensors", "--count"]);
    assert_eq!(run.code, 1);
    let told = "`W`: 1 element differs, at step 15, index (63, 63): 0xfffe and 0xffff";
    assert!(run.stdout.contains(told), "{}", run.stdout);
}

/// Steps, every third of them, some rows: out of a member that can only be unpacked from its beginning.
#[test]
fn parts_of_a_deflated_member_are_those_of_numpy() {
    let place = Place::new();
    python::run(ARCHIVES, [&place.path("")]);
    let part = ["--steps", "2..15", "--every", "3", "--rows", "10..20"];
    for (input, output) in [("deflated.npz", "part.npy"), ("deflated.npz", "part.h5")] {
        let args = ["convert", input, output, "-t", "W"];
        let args: Vec<&str> = args.into_iter().chain(part).collect();
        place.print(&args);
    }
    let judge = "
import sys, h5py, numpy as np
folder = sys.argv[1]
expected = np.load(f'{folder}/stored.npz')['W'][2:15:3, 10:20]
assert (np.load(f'{folder}/part.npy') == expected).all()
assert (h5py.File(f'{folder}/part.h5')['W'][:] == expected).all()
";
    python::run(judge, [&place.path("")]);
}

/// The float8 of `ml_dtypes` has no type of its own in a `.npy` file, and `np.load` refuses one of them.
#[test]
fn float8_and_bfloat16_are_what_they_are_said_to_be() {
    let place = Place::new();
    let make = "
import sys, numpy as np, ml_dtypes
from safetensors.numpy import save_file
folder = sys.argv[1]
bits = np.arange(256, dtype=np.uint8).reshape(4, 64)
e4m3, e5m2 = bits.view(ml_dtypes.float8_e4m3fn), bits.view(ml_dtypes.float8_e5m2)
b = np.arange(1 << 16, dtype=np.uint16).reshape(4, -1)
bf16 = b.view(ml_dtypes.bfloat16)
np.save(f'{folder}/e4m3.npy', e4m3)
np.save(f'{folder}/e5m2.npy', e5m2)
np.savez_compressed(f'{folder}/all.npz', e4m3=e4m3, e5m2=e5m2, bf16=bf16, bits=bits)
save_file({'e4m3': e4m3, 'e5m2': e5m2, 'bf16': bf16, 'bits': bits}, f'{folder}/all.safetensors')
";
    python::run(make, [&place.path("")]);
    for (name, dtype) in [("e4m3", "float8_e4m3fn"), ("e5m2", "float8_e5m2")] {
        let [input, output] = ["npy", "safetensors"].map(|end| format!("{name}.{end}"));
        let refused = place.run(&["convert", &input, &output]);
        assert_eq!(refused.code, 2);
        let hint = format!("--assume TENSOR={dtype} takes it so");
        assert!(refused.stderr.contains(&hint), "{}", refused.stderr);
        let assume = format!("{name}={dtype}");
        place.print(&["convert", &input, &output, "--assume", &assume]);
        let run = place.run(&["verify", &output, "all.safetensors"]);
        assert!(
            !run.stdout.contains(&format!("`{name}`: d")),
            "{}",
            run.stdout
        );
        assert!(!run.stdout.contains("differs first"), "{}", run.stdout);
    }
    let assume = "--assume";
    let all = [
        "convert",
        "all.npz",
        "back.safetensors",
        assume,
        "e4m3=float8_e4m3fn",
    ];
    let more = [assume, "e5m2=float8_e5m2", "--assume-bf16", "bf16"];
    let all: Vec<&str> = all.into_iter().chain(more).collect();
    place.print(&all);
    let equal = place.print(&["verify", "back.safetensors", "all.safetensors"]);
    assert!(equal.contains("equal, bit for bit: 4 tensors"), "{equal}");
    // As their bits, and back.
    place.print(&["convert", "all.safetensors", "e5m2_bits.npy", "-t", "e5m2"]);
    let args = [
        "convert",
        "e5m2_bits.npy",
        "again.safetensors",
        "-t",
        "e5m2",
    ];
    let args: Vec<&str> = args
        .into_iter()
        .chain([assume, "e5m2=float8_e5m2"])
        .collect();
    place.print(&args);
    let run = place.run(&["verify", "again.safetensors", "all.safetensors"]);
    assert!(!run.stdout.contains("`e5m2`"), "{}", run.stdout);
    for (assume, told) in [
        ("bits=float9", "expected TENSOR=DTYPE"),
        ("bits=float32", "expected TENSOR=DTYPE"),
        ("nobody=float8_e5m2", "`nobody` is not there"),
        ("bf16=float8_e5m2", "`bf16` is `<V2`"),
    ] {
        let run = place.run(&["convert", "all.npz", "x.safetensors", "--assume", assume]);
        assert_eq!(run.code, 2, "{assume}");
        assert!(run.stderr.contains(told), "{assume}: {}", run.stderr);
    }
}

/// Members of every kind that cannot be read, beside one that can. Unpickling would run a program.
const ODD: &str = "
import sys, os, zipfile, io, numpy as np
folder = sys.argv[1]
class Program:
    def __reduce__(self):
        return os.mkdir, (f'{folder}/unpickled',)
np.savez(f'{folder}/odd.npz', good=np.arange(6, dtype=np.float32).reshape(2, 3),
         objects=np.array([Program(), 1], dtype=object), text=np.array(['a', 'b']),
         columns=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
         record=np.zeros(2, dtype=[('a', '<f4')]), dates=np.zeros(2, dtype='M8[s]'))
with zipfile.ZipFile(f'{folder}/odd.npz', 'a') as archive:
    archive.writestr('readme.txt', 'no array')
    archive.writestr('broken.npy', b'no array either')
    whole = io.BytesIO()
    np.save(whole, np.arange(100.0))
    archive.writestr('short.npy', whole.getvalue()[:400])
    archive.writestr('squeezed.npy', whole.getvalue(), compress_type=zipfile.ZIP_BZIP2)
    brackets = b'[' * 4000
    archive.writestr('deep.npy', b'\\x93NUMPY\\1\\0' + len(brackets).to_bytes(2, 'little') + brackets)
with zipfile.ZipFile(f'{folder}/twice.npz', 'w') as archive:
    archive.writestr('a.npy', whole.getvalue())
    archive.writestr('a.npy', whole.getvalue())
np.savez_compressed(f'{folder}/damaged.npz', W=np.zeros(1000, np.float32))
damaged = bytearray(open(f'{folder}/damaged.npz', 'rb').read())
at = damaged.index(b'PK\\1\\2') + 16
damaged[at] ^= 1
open(f'{folder}/damaged.npz', 'wb').write(damaged)
open(f'{folder}/cut.npz', 'wb').write(open(f'{folder}/odd.npz', 'rb').read()[:500])
";

/// NumPy reads the first array, and says nothing of the others.
#[test]
fn what_comes_after_the_array_of_a_file_is_told() {
    let script = "
import sys, numpy as np
with open(sys.argv[1], 'wb') as f:
    np.save(f, np.arange(4.0))
    np.save(f, np.arange(5.0))
";
    let place = Place::new();
    python::run(script, [&place.path("two.npy")]);
    for command in [
        &["inspect", "two.npy"][..],
        &["convert", "two.npy", "two.safetensors"],
    ] {
        let told = unwrapped(&place.print(command));
        assert!(
            told.contains("168 B after the array are not read"),
            "{told}"
        );
    }
}

/// What follows the array of a member was not told, and the checksum of such a member was not looked at.
#[test]
fn what_comes_after_the_array_of_a_member_is_told() {
    let script = "
import sys, io, zipfile, numpy as np
folder = sys.argv[1]
two = io.BytesIO()
np.save(two, np.arange(4.0))
np.save(two, np.arange(5.0))
for name, method in (('stored', 0), ('deflated', 8)):
    with zipfile.ZipFile(f'{folder}/{name}.npz', 'w', method) as z:
        z.writestr('W.npy', two.getvalue())
    crc = zipfile.ZipFile(f'{folder}/{name}.npz').infolist()[0].CRC
    sums = [(crc ^ flip).to_bytes(4, 'little') for flip in (0, 1)]
    damaged = open(f'{folder}/{name}.npz', 'rb').read().replace(*sums)
    open(f'{folder}/{name}_damaged.npz', 'wb').write(damaged)
";
    let place = Place::new();
    python::run(script, [&place.path("")]);
    let note = "168 B after the array of the member `W` are not read";
    for name in ["stored", "deflated"] {
        let [sound, damaged] = ["", "_damaged"].map(|end| format!("{name}{end}.npz"));
        for command in [
            &["inspect", &sound][..],
            &["convert", &sound, "W.safetensors", "--overwrite"],
            &["verify", &sound, "W.safetensors"],
            &["show", &sound, "W"],
        ] {
            let run = place.run(command);
            assert_eq!(run.code, 0, "{command:?}: {}", run.stderr);
            let told = unwrapped(&format!("{} {}", run.stdout, run.stderr));
            assert!(told.contains(note), "{command:?}: {told}");
        }
        let run = place.run(&["convert", &damaged, "x.npy"]);
        assert_eq!(run.code, 2, "{}", run.stdout);
        assert!(run.stderr.contains("CRC-32"), "{}", run.stderr);
    }
}

/// NumPy goes by what a member begins with: of other names they were called no arrays.
#[test]
fn members_are_arrays_by_what_they_begin_with() {
    let script = "
import sys, io, zipfile, numpy as np
folder = sys.argv[1]
for archive, method in (('stored', 0), ('deflated', 8)):
    with zipfile.ZipFile(f'{folder}/{archive}.npz', 'w', method) as z:
        for number, name in enumerate(('W', 'W.npy', 'V.NPY', 'U.npy')):
            array = io.BytesIO()
            np.save(array, np.arange(3) + 10 * number)
            z.writestr(name, array.getvalue())
        z.writestr('short', 'no')
        z.writestr('readme.txt', 'no array')
    read = np.load(f'{folder}/{archive}.npz')
    for name in ('W', 'W.npy', 'V.NPY', 'U'):
        np.save(open(f'{folder}/{archive}_{name}_', 'wb'), read[name])
";
    let place = Place::new();
    python::run(script, [&place.path("")]);
    for archive in ["stored", "deflated"] {
        let file = format!("{archive}.npz");
        for name in ["W", "W.npy", "V.NPY", "U"] {
            place.print(&["convert", &file, "x.npy", "-t", name, "--overwrite"]);
            let expected = fs::read(place.path(&format!("{archive}_{name}_"))).unwrap();
            assert_eq!(fs::read(place.path("x.npy")).unwrap(), expected, "{name}");
        }
        let shown = unwrapped(&place.print(&["inspect", &file]));
        for (name, is_other) in [("short", true), ("readme.txt", true), ("V.NPY", false)] {
            let told = format!("`{name}` is no array");
            assert_eq!(shown.contains(&told), is_other, "{shown}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_told_by_its_name_and_stops_nothing_else() {
    let place = Place::new();
    python::run(ODD, [&place.path("")]);
    let shown = place.run(&["inspect", "odd.npz"]);
    let text = shown
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let reasons = [
        (
            "objects",
            "pickled objects of Python, which are never unpickled",
        ),
        ("text", "`<U1`, which is not read"),
        ("columns", "column by column (fortran_order)"),
        ("record", "a record, which is not read"),
        ("dates", "`<M8[s]`, which is not read"),
        ("broken", "a header that cannot be read"),
        ("deep", "a header that cannot be read"),
        ("short", "is cut off: expected 800 B of values, found 272 B"),
        ("squeezed", "a method that NumPy does not use"),
    ];
    for (name, reason) in reasons {
        assert!(text.contains(&format!("{name}: ")), "{name}: {text}");
        assert!(text.contains(reason), "{name}: {text}");
        let run = place.run(&["convert", "odd.npz", "x.safetensors", "-t", name]);
        assert_eq!(run.code, 2, "{name}");
        let error = &run.stderr;
        assert!(
            error.contains(&format!("tensor `{name}` of odd.npz ")),
            "{error}"
        );
        assert!(error.contains(reason), "{error}");
        assert!(error.contains("--skip-unsupported"), "{error}");
    }
    assert!(text.contains("`readme.txt` is no array"), "{text}");
    let kept = place.print(&["convert", "odd.npz", "x.safetensors", "--skip-unsupported"]);
    assert!(kept.starts_with("x.safetensors: 1 tensor, 24 B"), "{kept}");
    for (name, _) in reasons {
        assert!(
            kept.contains(&format!("note: `{name}` is not kept: it ")),
            "{kept}"
        );
    }
    // Those that there are no numbers of are told, and the others counted.
    let stats = place.run(&["inspect", "--stats", "odd.npz"]);
    assert_eq!(stats.code, 2, "not all that was asked for is there");
    assert!(
        stats.stdout.contains("`columns` has no statistics"),
        "{}",
        stats.stdout
    );
    assert!(!place.path("unpickled").exists());
    for (name, told) in [
        ("twice.npz", "two members of one name"),
        ("cut.npz", "is no sound archive"),
        (
            "damaged.npz",
            "the checksum of the archive is not that of the values",
        ),
    ] {
        let run = place.run(&["convert", name, "y.safetensors"]);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{name}");
        assert!(
            run.stderr.contains(told) && run.stderr.contains(name),
            "{}",
            run.stderr
        );
        assert!(!place.path("y.safetensors").exists());
    }
}

/// A stored member, as `np.savez` writes it, was not held against the checksum of the archive: a damaged
/// byte became another value, with exit code 0, where `np.load` says "Bad CRC-32".
/// NumPy shows 2 as True, and the next program calculates with it.
#[test]
fn bools_that_are_neither_are_told_and_become_nothing_else() {
    let place = Place::new();
    let make = "
import sys, numpy as np
folder = sys.argv[1]
odd = np.array([[1, 0], [2, 255]], np.uint8).view(bool)
np.save(f'{folder}/odd.npy', odd)
np.savez(f'{folder}/odd.npz', odd=odd, even=odd.view(np.uint8) != 0)
np.savez_compressed(f'{folder}/deflated.npz', odd=odd, even=odd.view(np.uint8) != 0)
";
    python::run(make, [&place.path("")]);
    for file in ["odd.npy", "odd.npz", "deflated.npz"] {
        for command in [
            &["convert", file, "new.safetensors"][..],
            &["convert", file, "new.h5"],
            &["show", file, "odd"],
        ] {
            let run = place.run(command);
            assert_eq!(run.code, 2, "{command:?}: {}", run.stdout);
            let stderr = unwrapped(&run.stderr);
            assert!(
                stderr.contains("`odd` that are neither 0 nor 1"),
                "{stderr}"
            );
        }
    }
    for file in ["odd.npz", "deflated.npz"] {
        place.print(&["show", file, "even"]);
        place.print(&["convert", file, "new.h5", "--skip-damaged", "--overwrite"]);
    }
}

#[test]
fn a_damaged_byte_of_a_stored_member_is_no_value() {
    let place = Place::new();
    let make = "
import sys, zipfile, numpy as np
folder = sys.argv[1]
path = f'{folder}/stored.npz'
# More than is summed at a time, and the damage is in none of the first values that are read.
W = np.arange(600_000, dtype=np.float32).reshape(600, 1000)
np.savez(path, W=W, b=np.arange(5.0))
whole = bytearray(open(path, 'rb').read())
whole[whole.index(W[555].tobytes()) + 2] ^= 4
open(path, 'wb').write(whole)
try:
    np.load(path)['W']
    sys.exit('NumPy reads it')
except zipfile.BadZipFile as error:
    assert 'Bad CRC-32' in str(error), error
np.savez(f'{folder}/sound.npz', W=W, b=np.arange(5.0))
with zipfile.ZipFile(path) as archive, zipfile.ZipFile(f'{folder}/sound.npz') as sound:
    expected = archive.getinfo('W.npy').CRC
    name = sound.open('W.npy').read()
    at = whole.index(name[:128])
    found = zipfile.crc32(whole[at:at + len(name)])
open(f'{folder}/sums', 'w').write(f'expected {expected:08x}, found {found:08x}')
";
    python::run(make, [&place.path("")]);
    let sums = fs::read_to_string(place.path("sums")).unwrap();
    for args in [
        &["convert", "stored.npz", "out.safetensors"][..],
        &["convert", "stored.npz", "out.h5", "--constant", "b"],
        &["convert", "stored.npz", "out.npy", "-t", "W"],
        // Of these steps none is damaged, and nobody knows that without their checksum.
        &[
            "convert",
            "stored.npz",
            "out.npy",
            "-t",
            "W",
            "--steps",
            "0..2",
        ],
        &["verify", "stored.npz", "sound.npz"],
        &["verify", "sound.npz", "stored.npz"],
        &["inspect", "--stats", "stored.npz"],
    ] {
        let run = place.run(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stdout);
        // `inspect` tells it where the numbers would be.
        let told = format!("{}{}", run.stdout, run.stderr);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["stored.npz", "`W`", "member `W.npy`", &sums, "copy it anew"] {
            assert!(told.contains(part), "{args:?}: {part}: {told}");
        }
    }
    for name in ["out.safetensors", "out.h5", "out.npy"] {
        assert!(!place.path(name).exists(), "{name}");
    }
    // What is sound beside it is read, and headers are no values.
    place.print(&["convert", "stored.npz", "b.npy", "-t", "b"]);
    place.print(&["inspect", "stored.npz"]);
    place.print(&[
        "convert",
        "sound.npz",
        "W.npy",
        "-t",
        "W",
        "--steps",
        "0..2",
    ]);
}

/// A deflated member can be any number of times as large as its archive.
#[test]
fn memory_does_not_grow_with_what_is_unpacked() {
    // Three quarters of the values; a thread takes 64 MB of addresses, and there are one or two.
    const LIMIT: u64 = 200 << 20;
    let place = Place::new();
    let make = "
import sys, numpy as np
np.savez_compressed(sys.argv[1], W=np.zeros((8, 1 << 17)), constant=np.zeros((250, 1 << 17)))
";
    let path = place.path("large.npz");
    python::on_file(make, &path);
    assert!(fs::metadata(&path).unwrap().len() < 2 << 20);
    // Into HDF5 a part of the arrays are constants, as all but a few of a checkpoint are.
    for args in [
        &["convert", "large.npz", "large.h5", "--constant", "constant"][..],
        &["inspect", "--stats", "large.npz"],
        &["verify", "large.npz", "large.npz"],
        &["convert", "large.npz", "large.safetensors"],
    ] {
        let run = run_limited(&place.command(args), Limit::AddressSpace(LIMIT));
        let run = finish(run);
        assert_eq!(run.code, 0, "{args:?}: {}", run.stderr);
    }
}
