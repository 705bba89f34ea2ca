//! Files in object stores: read as those of this machine, or refused by name.

mod common;

use common::{Place, finished};

#[cfg(feature = "object-store")]
#[test]
fn objects_are_read_as_files() {
    use selvedge_testing::objects::{Fault, ObjectServer};

    let place = Place::new();
    finished(&place.path("run.h5"));
    let server = ObjectServer::start();
    let url = server.put(
        "runs/run.h5",
        std::fs::read(place.path("run.h5")).expect("the file"),
    );
    let name = |text: String| text.replace(&url, "run.h5");
    let shown = name(place.print(&["inspect", &url]));
    assert!(
        shown.contains("recorded by Selvedge") && shown.contains("W"),
        "{shown}"
    );
    assert_eq!(
        server.taken().len(),
        1,
        "one request opens it, and is all that is needed"
    );
    let equal = place.print(&["verify", &url, "run.h5"]);
    assert!(equal.contains("are equal, bit for bit"), "{equal}");
    for arguments in [["--tensor", "W"], ["--tensor", "losses"]] {
        let convert = |input: &str, output: &str| {
            let arguments = [&["convert", input, output][..], &arguments].concat();
            place.print(&arguments);
            std::fs::read(place.path(output)).expect("the output")
        };
        let (of_url, of_file) = (
            format!("url{}.npy", arguments[1]),
            format!("file{}.npy", arguments[1]),
        );
        assert_eq!(convert(&url, &of_url), convert("run.h5", &of_file));
    }
    // References to an object are those to its file, with another name.
    let (prefix, _) = url.rsplit_once('/').expect("a name");
    place.print(&["references", &url, "-o", "url.json"]);
    place.print(&["references", "run.h5", "-o", "file.json", "--url", prefix]);
    let written =
        ["url.json", "file.json"].map(|name| std::fs::read(place.path(name)).expect("the output"));
    assert_eq!(written[0], written[1]);
    let without = place.run(&["verify", &url]);
    assert!(
        without.code == 2 && without.stderr.contains("selvedge pull"),
        "{}",
        without.stderr
    );
    place.print(&["pull", &url, "pulled.h5"]);
    assert_eq!(
        std::fs::read(place.path("pulled.h5")).expect("the copy"),
        std::fs::read(place.path("run.h5")).expect("the file")
    );
    let twice = place.run(&["pull", &url, "pulled.h5"]);
    assert!(
        twice.code == 2 && twice.stderr.contains("exists already"),
        "{}",
        twice.stderr
    );
    server.fault(0, Fault::Status(403));
    let refused = place.run(&["inspect", &url]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("the server answers 403"),
        "{}",
        refused.stderr
    );
    let unfit = place.run(&["push", "run.h5", &url]);
    assert!(
        unfit.code == 2 && unfit.stderr.contains("in parts"),
        "{}",
        unfit.stderr
    );
}

#[cfg(not(feature = "object-store"))]
#[test]
fn a_program_without_object_stores_says_so() {
    let place = Place::new();
    finished(&place.path("run.h5"));
    let url = "s3://me:hunter2@bucket/run.h5";
    for arguments in [
        &["inspect", url][..],
        &["verify", url, "run.h5"],
        &["convert", url, "W.npy"],
        &["references", url],
        &["push", "run.h5", url],
        &["pull", url, "copy.h5"],
    ] {
        let run = place.run(arguments);
        assert_eq!(run.code, 2, "{arguments:?}");
        let said = run.stderr.contains("--features object-store") && run.stderr.contains("s3://");
        assert!(said && !run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}
