//! Files in object stores: read as those of this machine, or refused by name.

#[cfg(feature = "object-store")]
use crate::common::declare_rank;
use crate::common::{Place, finished, unwrapped};

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

/// A joined view went into a store without a word, and the Python that `inspect` printed of it there crashed.
#[cfg(feature = "object-store")]
#[test]
fn a_view_is_of_no_use_in_a_store_and_that_is_said() {
    use selvedge_hdf5::bf16;
    use selvedge_testing::objects::ObjectServer;

    let place = Place::new();
    for rank in 0..2 {
        let path = place.path(&format!("rank{rank}.h5"));
        let mut run = declare_rank(&path, rank).start().expect("start");
        let weights = [bf16::ONE; 12];
        let step = run.append(|row| row.put("W", &weights)?.put("losses", &1.5_f32));
        step.expect("append");
        run.finish().expect("finish");
    }
    place.print(&["join", "rank0.h5", "rank1.h5", "-o", "view.h5"]);
    let run = place.run(&["push", "view.h5", "s3://bucket/view.h5"]);
    let said = unwrapped(&run.stderr);
    let is_told = said.contains("`W`") && said.contains("`rechunk` makes");
    assert!(run.code == 2 && is_told, "{said}");
    // Another program has put it there.
    let server = ObjectServer::start();
    let view = std::fs::read(place.path("view.h5")).expect("the view");
    let shown = unwrapped(&place.print(&["inspect", &server.put("view.h5", view)]));
    let names_pull =
        shown.contains("no other file is opened beside this one") && shown.contains("`pull`");
    assert!(names_pull && !shown.contains("--follow-links"), "{shown}");
    assert!(!shown.contains("f[\"W\"]"), "{shown}");
}

/// Whatever fails: the server answers with what it was asked, its address has a password, a setting is nonsense.
#[cfg(feature = "object-store")]
#[test]
fn no_message_has_credentials() {
    use selvedge_testing::objects::{Fault, ObjectServer};

    let place = Place::new();
    finished(&place.path("run.h5"));
    let server = ObjectServer::start();
    let url = server.put(
        "bucket/run.h5",
        std::fs::read(place.path("run.h5")).expect("the file"),
    );
    let endpoint = url.strip_suffix("/bucket/run.h5").expect("the address");
    let with_password = endpoint.replace("//", "//me:hunter2@");
    let no_port = "http://me:hunter2@127.0.0.1:hunter2".to_owned();
    let nobody = "http://me:hunter2@127.0.0.1:1".to_owned();
    let object = "s3://bucket/run.h5";
    let redirect = Fault::Redirect(format!("{nobody}/?token=hunter2"));
    let mut failed = 0;
    for (name, value, fault) in [
        ("AWS_ENDPOINT", &*with_password, None),
        ("AWS_ENDPOINT", &*no_port, None),
        ("AWS_ENDPOINT", "hunter2:9000", None),
        ("AWS_ENDPOINT", &*nobody, None),
        ("AWS_PROXY_URL", &*no_port, None),
        ("AWS_PROXY_URL", &*nobody, None),
        ("HTTP_PROXY", &*nobody, None),
        ("AWS_ALLOW_HTTP", "hunter2", None),
        ("AWS_CONDITIONAL_PUT", "hunter2", None),
        ("AWS_DEFAULT_REGION", "hunter2\n", None),
        ("AWS_SESSION_TOKEN", "hunter2\r", None),
        ("AWS_REGION", "r", Some(Fault::Status(403))),
        ("AWS_REGION", "r", Some(Fault::Status(400))),
        ("AWS_REGION", "r", Some(redirect)),
        ("AWS_REGION", "r", Some(Fault::Page)),
    ] {
        for arguments in [
            &["inspect", object][..],
            &["pull", object, "copy.h5", "--overwrite"],
            &["push", "run.h5", object],
        ] {
            server.take_fault();
            if let Some(fault) = &fault {
                server.fault(0, fault.clone());
            }
            let mut command = place.command(arguments);
            for secret in ["SECRET_ACCESS_KEY", "SESSION_TOKEN", "ACCESS_KEY_ID"] {
                command.env(format!("AWS_{secret}"), "hunter2");
            }
            command.env("AWS_ENDPOINT", endpoint);
            command.env("AWS_ALLOW_HTTP", "true").env(name, value);
            let run = crate::common::finish(command.output().expect("it starts"));
            let said = run.stdout + &run.stderr;
            assert!(
                !said.contains("hunter2"),
                "{name} {fault:?} {arguments:?}: {said}"
            );
            failed += usize::from(run.code == 2);
        }
    }
    assert!(failed > 30, "{failed}");
}

/// A URL for a new file made a folder `s3:` with the file in it, and told that it was done.
#[test]
fn no_new_file_is_a_url() {
    let place = Place::new();
    finished(&place.path("run.h5"));
    let url = |name: &str| format!("s3://me:hunter2@bucket/{name}");
    let (h5, npy, csv) = (url("x.h5"), url("x.npy"), url("x.csv"));
    let (json, html, pages) = (url("x.json"), url("x.html"), url("pages"));
    for arguments in [
        &["convert", "run.h5", &npy, "--tensor", "W"][..],
        &["rechunk", "run.h5", &h5],
        &["references", "run.h5", "-o", &json],
        &["report", "run.h5", "-o", &html],
        &["show", "run.h5", "losses", "-o", &csv],
        &["join", "run.h5", "-o", &h5],
        &["pull", "https://example.org/run.h5", &h5],
        &["man", "--out", &pages],
    ] {
        for parents in [None, Some("--parents")] {
            let arguments: Vec<&str> = arguments.iter().copied().chain(parents).collect();
            let run = place.run(&arguments);
            assert_eq!((run.code, &*run.stdout), (2, ""), "{arguments:?}");
            let said = unwrapped(&run.stderr);
            let is_told = said.contains("s3://…") && said.contains("`selvedge push FILE URL`");
            assert!(is_told && !said.contains("hunter2"), "{said}");
            assert!(!place.path("s3:").exists(), "{arguments:?}");
        }
    }
}

/// Objects were told not to be there by commands that read files of this machine alone.
#[test]
fn what_reads_files_of_this_machine_says_so_of_a_url() {
    let place = Place::new();
    let url = "s3://me:hunter2@bucket/run.h5";
    for arguments in [
        &["join", url, "run.h5"][..],
        &["recover", url],
        &["recover", "s3://me:hunter2@bucket/W.safetensors"],
        &["rechunk", url, "copy.h5"],
        &["checksum", url],
        &["push", url, "s3://bucket/copy.h5"],
    ] {
        let run = place.run(arguments);
        let said = unwrapped(&run.stderr);
        let is_told = said.contains("s3://…") && said.contains("`selvedge pull URL FILE`");
        assert!(run.code == 2 && is_told, "{arguments:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
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
        // The command that it named built none from the source, or one of other versions.
        let said = "s3://… is an object, and this program was built without what reaches those; in a copy of \
                    Selvedge's source `cargo install --locked --path crates/selvedge-cli --features object-store` \
                    makes one that does";
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    }
}
