//! Datasets and groups that cannot be opened: no command goes on as if they were not there.

use crate::common::Place;
use selvedge_testing::python;

/// A file with `W`, and with `V`, or a group `g` with another one, whose header is damaged; and a copy of it.
const DAMAGED: &str = r#"
import shutil, sys, h5py, numpy as np
path, damaged = sys.argv[1:]
with h5py.File(path, "w") as f:
    for name in ["W", "V", "g/U"]:
        f[name] = np.ones((10, 4), "f4")
    at = h5py.h5o.get_info(f[damaged].id).addr
with open(path, "r+b") as f:
    f.seek(at)
    f.write(b"\x09")
shutil.copy(path, path.replace("a.h5", "b.h5"))
"#;

#[test]
fn what_cannot_be_opened_is_not_left_out_without_leave() {
    for damaged in ["V", "g"] {
        let place = Place::new();
        python::run(
            DAMAGED,
            [&place.path("a.h5").display().to_string(), damaged],
        );
        let told = format!("`{damaged}` cannot be read");
        for command in [
            &["convert", "a.h5", "new.safetensors"][..],
            &["convert", "a.h5", "new.h5"],
            &["rechunk", "a.h5", "new.h5"],
            &["verify", "a.h5", "b.h5"],
        ] {
            let run = place.run(command);
            assert_eq!(run.code, 2, "{command:?}: {}", run.stdout);
            let stderr = crate::common::unwrapped(&run.stderr);
            assert!(
                stderr.contains(&format!("`{damaged}`")),
                "{command:?}: {stderr}"
            );
            assert!(stderr.contains("--skip-"), "{command:?}: {stderr}");
            assert!(!place.path(command[2]).exists() || command[0] == "verify");
        }
        for command in [
            ["references", "a.h5", "-o", "new.json"],
            ["report", "a.h5", "-o", "new.html"],
        ] {
            let run = place.run(&command);
            let stderr = crate::common::unwrapped(&run.stderr);
            assert_eq!(run.code, 2, "{command:?}: {stderr}");
            assert!(
                stderr.contains(&format!("`{damaged}`")),
                "{command:?}: {stderr}"
            );
            let allowed =
                place.run(&[&command[..], &["--skip-unsupported", "--overwrite"]].concat());
            assert_eq!(allowed.code, 0, "{command:?}: {}", allowed.stderr);
        }
        let json = place.run(&["verify", "--json", "a.h5", "b.h5"]).stdout;
        assert!(json.contains("\"equal\": false"), "{json}");
        for flag in ["--skip-damaged", "--skip-unsupported"] {
            for output in ["new.safetensors", "new.h5"] {
                let made = place.print(&["convert", "a.h5", output, "--overwrite", flag]);
                assert!(
                    made.contains(&told) || made.contains("cannot be read"),
                    "{made}"
                );
            }
            place.print(&["rechunk", "a.h5", "new.h5", "--overwrite", flag]);
        }
        place.print(&["verify", "a.h5", "b.h5", "--skip-unsupported"]);
        // What is chosen by its name is there.
        place.print(&["convert", "a.h5", "W.npy", "-t", "W", "--overwrite"]);
        place.print(&["verify", "a.h5", "b.h5", "-t", "W"]);
    }
}
