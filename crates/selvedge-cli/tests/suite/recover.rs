//! `selvedge recover`.

use std::fs;

use crate::common::{Place, die_if_child, died, finished, live};
use insta::assert_snapshot;
use selvedge_safetensors::Save;
use selvedge_testing::python;

#[test]
fn a_writer_that_died() {
    const NAME: &str = "recover::a_writer_that_died";
    die_if_child(NAME);
    let place = Place::new();
    let path = place.path("thimble_1.h5");
    died(&path, NAME);
    let before = fs::read(&path).unwrap();
    let dry = place.print(&["recover", "--dry-run", "thimble_1.h5"]);
    assert_eq!(fs::read(&path).unwrap(), before, "a dry run writes nothing");
    let done = place.print(&["recover", "thimble_1.h5"]);
    assert_ne!(fs::read(&path).unwrap(), before);
    let again = place.print(&["recover", "thimble_1.h5"]);
    assert_snapshot!(format!("{dry}\n{done}\n{again}"));
}

#[test]
fn what_there_is_nothing_to_do_for() {
    let place = Place::new();
    finished(&place.path("finished.h5"));
    let text = place.print(&["recover", "finished.h5"]);
    assert_eq!(
        text,
        "finished.h5\n  found    it was finished; 7 committed steps\n  changed  nothing: it is in order\n"
    );
    let run = live(&place.path("live.h5"));
    for args in [
        &["recover", "live.h5"][..],
        &["recover", "--dry-run", "live.h5"],
    ] {
        let refused = place.run(args);
        assert_eq!(refused.code, 2);
        assert!(
            refused
                .stderr
                .starts_with("error: another recorder is writing live.h5")
        );
    }
    run.finish().unwrap();
    let missing = place.run(&["recover", "none.h5"]);
    assert_eq!(missing.code, 2);
    assert_eq!(missing.stderr, "error: there is no none.h5\n");
    // A file of another program is in order, and the error said nothing of what to do with it.
    let make = "import sys, h5py; h5py.File(sys.argv[1], 'w')['W'] = [1.0]";
    python::on_file(make, &place.path("other.h5"));
    let other = place.run(&["recover", "other.h5"]);
    let told = "it was not changed, and HDF5 opens it as it is: `selvedge inspect other.h5` tells what is in it";
    assert!(
        other.code == 2 && other.stderr.contains(told),
        "{}",
        other.stderr
    );
}

#[test]
fn a_growing_safetensors_file() {
    let place = Place::new();
    let path = place.path("1.5e_rows.safetensors");
    let mut writer = Save::new(&path)
        .growing::<f32>("rows", [3])
        .start()
        .unwrap();
    writer.write("rows", &[1.0_f32; 6]).unwrap();
    drop(writer);
    let unfinished = "1.5e_rows.safetensors.unfinished";
    let inspected = place.run(&["inspect", unfinished]);
    assert_eq!(inspected.code, 2);
    assert!(
        inspected
            .stderr
            .contains("`selvedge recover 1.5e_rows.safetensors.unfinished`")
    );
    assert_eq!(place.run(&["recover", "--dry-run", unfinished]).code, 2);
    // A file that is there is not replaced. The advice was a flag that the command does not have.
    fs::write(&path, "another").unwrap();
    let refused = place.run(&["recover", unfinished]);
    assert_eq!(refused.code, 2);
    let told = refused.stderr.contains("rename one of the two");
    assert!(
        told && !refused.stderr.contains("overwrite"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read(&path).unwrap(), b"another");
    fs::remove_file(&path).unwrap();
    let text = place.print(&["recover", unfinished]);
    assert!(text.contains("it is finished now: 2 rows, "), "{text}");
    assert!(
        place
            .print(&["inspect", "1.5e_rows.safetensors"])
            .contains("(2, 3)")
    );
}
