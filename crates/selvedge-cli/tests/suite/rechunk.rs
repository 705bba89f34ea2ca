//! `selvedge rechunk`.

use std::fs;
use std::path::Path;

use crate::common::{Place, finished, live, masked, unwrapped};
use insta::assert_snapshot;
use selvedge_hdf5::{Reader, Recorder, bf16};
use selvedge_testing::python;

/// Prints whether both files hold the same datasets, as h5py reads them, and the chunks of `W`.
const SAME: &str = "
import sys, h5py, numpy as np
one, two = (h5py.File(path) for path in sys.argv[1:])
assert set(one) == set(two), (set(one), set(two))
for name in one:
    a, b = one[name][...], two[name][...]
    assert a.dtype == b.dtype and a.shape == b.shape, name
    assert a.tobytes() == b.tobytes(), name
print(two['W'].chunks, two['W'].attrs.get('logical_dtype'), two.attrs['learning_rate'])
";

/// A trajectory as h5py writes it: compressed, without a marker.
const BY_H5PY: &str = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(16, 64, 64)
    f.create_dataset('W', data=bits, maxshape=(None, 64, 64), chunks=(1, 64, 64), compression='gzip')
    half = np.linspace(-2, 2, 16 * 8, dtype=np.float16).reshape(16, 8).astype(np.float32)
    bf16 = (half.view(np.uint32) & 0xFFFF0000).view(np.float32)
    bf16[0, 0] = 1e5
    f.create_dataset('half', data=bf16.astype(np.float16), maxshape=(None, 8), chunks=(4, 8))
    f.attrs['learning_rate'] = 1e-3
";

#[test]
fn chunks_for_another_purpose_and_the_same_values() {
    let place = Place::new();
    let [input, output] = ["thimble_1.h5", "thimble_1_tokens.h5"].map(|name| place.path(name));
    finished(&input);
    let args = ["rechunk", "thimble_1.h5", "thimble_1_tokens.h5"];
    let purpose = ["--for", "tokens", "--chunk-target", "100B"];
    let all: Vec<&str> = args.into_iter().chain(purpose).collect();

    let dry: Vec<&str> = all.iter().copied().chain(["--dry-run"]).collect();
    let plan = place.print(&dry);
    assert_snapshot!(masked(&plan));
    assert!(!output.exists(), "a dry run writes nothing");
    assert_eq!(fs::read_dir(place.path(".")).unwrap().count(), 1);

    let done = place.print(&all);
    let (shown, summary) = done.rsplit_once("thimble_1_tokens.h5: ").unwrap();
    assert_eq!(masked(shown), masked(&plan), "the plan is what is made");
    assert!(
        summary.starts_with("7 steps, 370 B written and verified in "),
        "{summary}"
    );
    let seen = python::run(SAME, [&input, &output]);
    assert_eq!(seen, "(2, 6, 4) bfloat16 0.001");
    let text = place.print(&[
        "verify",
        "thimble_1.h5",
        "thimble_1_tokens.h5",
        "--attributes",
    ]);
    assert!(text.contains("are equal, bit for bit: 3 tensors"), "{text}");
}

/// A run of 50 steps, in which most elements of `W` stay as they are, and the moments do not.
fn run_of_weights(path: &Path) {
    let mut run = Recorder::create(path)
        .steps(50)
        .tensor::<bf16>("W", [512, 64])
        .tensor::<bf16>("moment", [512, 64])
        .scalar::<f32>("loss")
        .notebook("1.5d_train.ipynb")
        .attribute("learning_rate", 1e-3)
        .start()
        .unwrap();
    let value = |bits: u32| bf16::from_bits((bits.wrapping_mul(0x9E37_79B1) >> 16) as u16 & 0x83FF);
    for step in 0..50 {
        let kept = |at: u32| if at.is_multiple_of(4) { at + step } else { at };
        let weights: Vec<bf16> = (0..512 * 64).map(|at| value(kept(at))).collect();
        let moment: Vec<bf16> = (0..512 * 64).map(|at| value(at * 50 + step)).collect();
        run.append(|row| {
            row.put("W", &weights)?
                .put("moment", &moment)?
                .put("loss", &1.5_f32)
        })
        .unwrap();
    }
    run.finish().unwrap();
}

#[test]
fn compressed_files_and_what_they_save() {
    let place = Place::new();
    let folder = "tensors/Thimble";
    let [input, fast, temporal] = [1, 2, 3].map(|nth| format!("{folder}/thimble_{nth}.h5"));
    run_of_weights(&place.path(&input));
    let (mut shown, mut lengths) = (Vec::new(), Vec::new());
    for (output, compression) in [(&fast, "fast"), (&temporal, "temporal")] {
        let args = ["rechunk", &input, output, "--compression", compression];
        let done = place.print(&args);
        let (plan, summary) = done.rsplit_once(&format!("{output}: ")).unwrap();
        // The memory depends on the number of cores.
        let (plan, _) = plan.rsplit_once("memory: ").unwrap();
        shown.push(format!("--compression {compression}\n{}", masked(plan)));
        assert!(
            summary.starts_with("50 steps, 6.55 MB written"),
            "{summary}"
        );
        let saved = summary.lines().last().unwrap();
        assert!(saved.starts_with("  6.55 MB -> 4."), "{saved}");
        assert!(saved.ends_with(" times smaller"), "{saved}");
        lengths.push(place.path(output).metadata().unwrap().len());
        let seen = python::run(SAME, [&place.path(&input), &place.path(output)]);
        let chunks = match compression {
            "fast" => "(1, 512, 64)",
            _ => "(16, 32, 64)",
        };
        assert_eq!(seen, format!("{chunks} bfloat16 0.001"));
        let text = unwrapped(&place.print(&["verify", &input, output, "--attributes"]));
        assert!(text.contains("are equal, bit for bit: 3 tensors"), "{text}");
        let text = unwrapped(&place.print(&["inspect", output]));
        assert!(text.contains("gzip-1 by selvedge-deflate "), "{text}");
    }
    assert_snapshot!(shown.concat());
    assert!(lengths[1] < lengths[0], "{lengths:?}");
}

#[test]
fn compression_against_the_way_of_reading_is_refused() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    for (purpose, compression, expected) in [
        (
            "steps",
            "temporal",
            "--compression temporal has chunks of 16 steps, so reading one step would unpack 16; for \
             single steps take --compression fast, or leave out --for steps",
        ),
        (
            "tokens",
            "fast",
            "--compression fast has chunks of whole steps, so reading some tokens would unpack all; \
             for tokens take --compression temporal, or leave out --for tokens",
        ),
        ("whole", "gzip", "invalid value 'gzip'"),
    ] {
        let run = place.run(&[
            "rechunk",
            "thimble_1.h5",
            "out.h5",
            "--for",
            purpose,
            "--compression",
            compression,
        ]);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{compression}");
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        assert!(!place.path("out.h5").exists());
    }
    // A recorder does not write archives, so there is no plan of one.
    let plan = ["plan", "--tensor", "W:bf16:10000x64", "--compression"];
    let run = place.run(&[&plan[..], &["temporal"]].concat());
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("invalid value 'temporal'"),
        "{}",
        run.stderr
    );
    let help = place.print(&["rechunk", "--help"]);
    assert_snapshot!(help);
}

#[test]
fn a_file_that_is_there_is_kept() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    fs::write(place.path("old.h5"), "precious").unwrap();
    let refused = place.run(&["rechunk", "thimble_1.h5", "old.h5"]);
    assert_eq!((refused.code, &*refused.stdout), (2, ""));
    assert!(
        refused
            .stderr
            .starts_with("error: old.h5 exists already; another name keeps it, --overwrite"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read(place.path("old.h5")).unwrap(), b"precious");
    // Onto itself.
    let itself = ["rechunk", "thimble_1.h5", "thimble_1.h5", "--for", "steps"];
    assert_eq!(place.run(&itself).code, 2);
    let itself: Vec<&str> = itself.into_iter().chain(["--overwrite"]).collect();
    place.print(&itself);
    let file = Reader::open(place.path("thimble_1.h5")).unwrap();
    assert_eq!(file.committed_steps(), 7);
}

#[test]
fn a_compressed_file_of_h5py_gets_its_markers() {
    let place = Place::new();
    let path = place.path("seed.h5");
    python::on_file(BY_H5PY, &path);
    let text = place.print(&[
        "rechunk",
        "seed.h5",
        "thimble_1.h5",
        "--assume-bf16",
        "W",
        "--as-bf16",
        "half",
        "--checksums",
    ]);
    assert!(
        text.contains("`half` was float16 and is bfloat16 now: all 128 values can have been"),
        "{text}"
    );
    assert!(text.contains("1 infinite"), "{text}");
    let inspected = place.print(&["inspect", "thimble_1.h5"]);
    assert!(inspected.contains("half    bfloat16"), "{inspected}");
    assert!(inspected.contains("W       bfloat16"), "{inspected}");
    let found = place.print(&["verify", "thimble_1.h5"]);
    assert_eq!(found, "thimble_1.h5: 131.33 kB match their checksums\n");
    // The bits are those that h5py wrote, all 65,536 of them.
    let bits = "
import sys, h5py, numpy as np
w = h5py.File(sys.argv[1])['W'][:]
assert (w.ravel() == np.arange(1 << 16, dtype=np.uint16)).all()
";
    python::on_file(bits, &place.path("thimble_1.h5"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let place = Place::new();
    finished(&place.path("thimble_1.h5"));
    fs::write(place.path("text.h5"), "no tensors").unwrap();
    place.print(&["convert", "thimble_1.h5", "w.npy", "-t", "losses"]);
    for (args, expected) in [
        (&["none.h5", "out.h5"][..], "none.h5"),
        (&["text.h5", "out.h5"], "text.h5"),
        (
            &["w.npy", "out.h5"],
            "w.npy is .npy of NumPy, and this command takes HDF5; `selvedge convert w.npy w.h5`",
        ),
        (
            &["thimble_1.h5", "out.h5", "--as-bf16", "W"],
            "--as-bf16 takes a float16 tensor, and `W` is bfloat16",
        ),
        (
            &["thimble_1.h5", "out.h5", "--assume-bf16", "X"],
            "has no tensor `X`",
        ),
        (
            &["thimble_1.h5", "out.h5", "--assume-bf16", "losses"],
            "--assume-bf16 takes a uint16 tensor, and `losses` is float32",
        ),
        (
            &["thimble_1.h5", "out.h5", "--for", "tokn"],
            "invalid value 'tokn'",
        ),
        (&["thimble_1.h5", "out.h5", "--memory", "1kB"], "memory"),
    ] {
        let args: Vec<&str> = ["rechunk"].iter().chain(args).copied().collect();
        let run = place.run(&args);
        assert_eq!((run.code, &*run.stdout), (2, ""), "{args:?}");
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
        assert!(!place.path("out.h5").exists());
    }
}

#[test]
fn a_run_that_is_being_recorded() {
    let place = Place::new();
    let run = live(&place.path("live.h5"));
    let text = place.print(&["rechunk", "live.h5", "so_far.h5"]);
    assert!(text.contains("5 steps"), "{text}");
    run.finish().unwrap();
}

/// A dataset that h5py added became a constant of the run without a word.
#[test]
fn what_others_added_is_told() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    let add = "import sys, h5py\nwith h5py.File(sys.argv[1], 'r+') as f: f['mine'] = [1, 2]";
    python::on_file(add, &place.path("a.h5"));
    let told = "`mine` was added by another program, and becomes a constant";
    let made = place.print(&["rechunk", "a.h5", "b.h5"]);
    assert!(made.contains(told), "{made}");
    let again = place.print(&["rechunk", "b.h5", "c.h5"]);
    assert!(!again.contains(told), "{again}");
}

/// A loss of one step less than the other tensors, as of the updates of a run, became a constant without a word.
#[test]
fn what_may_be_a_step_tensor_but_for_one_step_is_told() {
    let make = "import sys, h5py, numpy as np\n\
        with h5py.File(sys.argv[1], 'w') as f:\n\
        \x20   f['W'], f['losses'] = np.zeros((20, 4), 'f4'), np.zeros(19, 'f4')\n\
        \x20   f['mask'], f['other'] = np.zeros(4, '?'), np.zeros(18, 'f4')\n\
        np.savez(sys.argv[1] + '.npz', W=np.zeros((20, 4), 'f4'), losses=np.zeros(21, 'f4'))";
    let place = Place::new();
    python::on_file(make, &place.path("a.h5"));
    for (args, told) in [
        (
            &["rechunk", "a.h5", "b.h5", "--dry-run"][..],
            "not kept: `losses` as a step tensor: it has 19 of 20 steps",
        ),
        (
            &["convert", "a.h5", "c.h5"],
            "not kept: `losses` as a step tensor: it has 19 of 20 steps",
        ),
        (
            &["convert", "a.h5.npz", "d.h5"],
            "`losses` is taken for a constant, and may be a step tensor",
        ),
        (
            &["inspect", "a.h5"],
            "`losses` is taken for a constant, and may be a step tensor",
        ),
    ] {
        let said = unwrapped(&place.print(args));
        assert!(said.contains(told), "{args:?}: {said}");
        assert!(
            !said.contains("`mask`") && !said.contains("`other`"),
            "{said}"
        );
    }
    // Into safetensors all of it is kept, and nothing there is a constant; of a part they stay whole.
    for input in ["a.h5", "a.h5.npz"] {
        let said = place.print(&["convert", input, "a.safetensors", "--overwrite"]);
        assert!(!said.contains("losses"), "{said}");
        let part = ["--steps", "0..2", "--overwrite"];
        let args = [&["convert", input, "a.safetensors"], &part[..]].concat();
        let said = unwrapped(&place.print(&args));
        assert!(said.contains("`losses` is taken for a constant"), "{said}");
    }
    let said = place.print(&["convert", "a.h5.npz", "e.h5", "--constant", "losses"]);
    assert!(!said.contains("may be"), "{said}");
}

#[test]
fn compression_that_saves_nothing_is_told() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    let said = place.print(&["rechunk", "a.h5", "b.h5", "--compression", "fast"]);
    assert!(
        said.contains("nothing is compressed: `fast` is for"),
        "{said}"
    );
    let make = "import sys, h5py, numpy as np\n\
        with h5py.File(sys.argv[1], 'w') as f:\n\
        \x20   f['W'] = np.frombuffer(np.random.default_rng(1).bytes(1 << 18), 'u2').reshape(4, -1)";
    python::on_file(make, &place.path("c.h5"));
    let said = place.print(&["rechunk", "c.h5", "d.h5", "--compression", "fast"]);
    assert!(
        said.contains("no smaller: these values do not compress"),
        "{said}"
    );
}
