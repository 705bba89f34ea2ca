//! What lies under the name of a file that is read may be something else: a pipe that nobody writes to,
//! a device without an end, a text that is larger than the memory. Every command comes to an end, in
//! little memory, and `check` checks the rest.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::tree::{NOTEBOOK, safetensors, sound};
use common::{Place, Run, finish, finished};
use selvedge_testing::{Limit, limited, make_pipe, python, run_limited, within};

/// Milliseconds are taken; git has ten seconds to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of address space: a fraction of what is lying there, and enough for all threads.
const MEMORY: u64 = 3 << 30;

fn run(place: &Place, args: &[&str]) -> Run {
    let mut command = place.command(args);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", place.path("home"));
    let mut command = limited(&command, Limit::AddressSpace(MEMORY));
    finish(within(PATIENCE, &mut command))
}

/// What is put in the place of a file.
const KINDS: [&str; 6] = ["pipe", "device", "socket", "folder", "loop", "huge"];

/// Puts something else under the name, in place of what is there.
fn put(kind: &str, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(path);
    match kind {
        "pipe" => make_pipe(path),
        "device" => symlink("/dev/zero", path).unwrap(),
        "socket" => drop(UnixListener::bind(path).unwrap()),
        "folder" => fs::create_dir(path).unwrap(),
        "loop" => symlink(path.file_name().unwrap(), path).unwrap(),
        // A hole, which takes no room on the disk.
        _ => File::create(path).unwrap().set_len(1 << 40).unwrap(),
    }
}

fn take_away(path: &Path) {
    let _ = fs::remove_dir(path).or_else(|_| fs::remove_file(path));
}

/// A sound repository in which git is asked.
fn repository() -> Place {
    let place = sound();
    let mut git = Command::new("git");
    git.current_dir(place.path(".")).args(["init", "--quiet"]);
    assert!(git.status().unwrap().success());
    place
}

/// A walk waited for the writer of a pipe, or read a device until the memory was full, wherever it reads.
#[test]
fn what_a_check_reads_beside_its_files_may_be_anything() {
    let place = repository();
    place.write("notebooks/1.6a_broken.ipynb", "{");
    for name in [
        ".ignore",
        ".gitignore",
        "notebooks/.ignore",
        "notebooks/.gitignore",
        ".gitattributes",
        ".pre-commit-config.yaml",
        ".git/info/exclude",
        ".git/info/attributes",
        ".git/hooks/pre-commit",
        "home/.config/git/ignore",
        "home/.config/git/attributes",
        "notebooks/1.7a_other.ipynb",
        "tensors/Flannel/1.5d_other.safetensors",
        "tensors/Flannel/flannel_1.h5",
    ] {
        for kind in KINDS {
            let path = place.path(name);
            put(kind, &path);
            let run = run(&place, &["check", "--output-format", "concise"]);
            let what = format!("{kind} {name}: {}{}", run.stdout, run.stderr);
            assert!(
                run.stdout.contains("1.6a_broken.ipynb:1: error[NBK001]"),
                "{what}"
            );
            // What was not read is told, by its name; what is no file is of no interest to the walk.
            let named = Path::new(name).file_name().unwrap().to_str().unwrap();
            match run.code {
                2 => assert!(run.stderr.contains(named), "{what}"),
                code => assert_eq!((code, run.stderr.contains("error:")), (1, false), "{what}"),
            }
            take_away(&path);
        }
    }
}

/// A text without an end under a name that git reads itself.
#[test]
fn git_may_wait_and_the_check_does_not() {
    let place = repository();
    take_away(&place.path(".git/config"));
    make_pipe(&place.path(".git/config"));
    let run = run(&place, &["check"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("git gives no answer"), "{}", run.stderr);
}

#[test]
fn files_that_are_named_may_be_anything() {
    let place = sound();
    finished(&place.path("whole.h5"));
    for kind in KINDS {
        let path = place.path("it");
        put(kind, &path);
        for args in [
            &["check", "--config", "it"][..],
            &["check", "--baseline", "it"],
            &["rules", "--config", "it"],
            &["inspect", "it"],
            &["inspect", "--diff", "whole.h5", "it"],
            &["verify", "it"],
            &["verify", "whole.h5", "it"],
            &["convert", "it", "new.safetensors"],
            &["rechunk", "it", "new.h5"],
            &["recover", "it"],
            &["checksum", "it"],
        ] {
            let run = run(&place, args);
            assert_eq!(run.code, 2, "{kind} {args:?}: {}", run.stdout);
            assert!(run.stderr.contains("it"), "{kind} {args:?}: {}", run.stderr);
        }
        take_away(&path);
        let config = place.path("selvedge.toml");
        put(kind, &config);
        let run = run(&place, &["check"]);
        // A link that leads nowhere is no file, and the others are checked.
        let expected = if kind == "loop" { 1 } else { 2 };
        assert_eq!(run.code, expected, "{kind}: {}{}", run.stdout, run.stderr);
        take_away(&config);
    }
}

/// A notebook of 3 GB was read into memory, once for each thread.
#[test]
fn notebooks_have_a_longest_length() {
    let place = sound();
    let huge = place.write("notebooks/1.6a_huge.ipynb", NOTEBOOK);
    File::options()
        .write(true)
        .open(&huge)
        .unwrap()
        .set_len(3 << 30)
        .unwrap();
    let run = run(&place, &["check"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(
        run.stderr
            .contains("notebooks/1.6a_huge.ipynb: it has more than 268.44 MB"),
        "{}",
        run.stderr
    );
}

/// Folders within each other up to the longest path that the system takes.
#[test]
fn a_walk_goes_as_deep_as_there_are_folders() {
    let place = sound();
    let mut path = place.path("tensors");
    while path.as_os_str().len() < 3900 {
        path.push("deep");
    }
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("a.safetensors"), safetensors("BF16")).unwrap();
    symlink(place.path("."), path.join("again")).unwrap();
    let run = run(&place, &["check", "--output-format", "concise"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(
        run.stdout.contains("deep/a.safetensors: "),
        "{}",
        run.stdout
    );
}

/// What is known of many small tensors took 34 times as much memory as the header that names them, and
/// once for each thread.
#[cfg(target_os = "linux")]
#[test]
fn long_headers_take_memory_in_proportion_and_one_at_a_time() {
    let place = sound();
    let described: Vec<String> = (0..100_000)
        .map(|number| {
            format!(r#""a{number:06}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#)
        })
        .collect();
    let header = format!("{{{}}}", described.join(","));
    let length = (header.len() as u64).to_le_bytes();
    let file = [&length[..], header.as_bytes()].concat();
    for number in 0..4 {
        place.write(&format!("tensors/Flannel/1.5d_{number}.safetensors"), &file);
    }
    let header = header.len() as u64;
    assert!(header > 4 << 20, "{header}");
    let one = "tensors/Flannel/1.5d_0.safetensors";
    // Threads leave each other pieces of memory that are free and not given back.
    for (args, times) in [(&["check"][..], 40), (&["inspect", "--json", one], 26)] {
        let script = "import resource, subprocess, sys\n\
             subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n\
             print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
        let command = place.command(args);
        let program = std::iter::once(command.get_program()).chain(command.get_args());
        let mut measured = python::script(script, program);
        measured.current_dir(place.path("."));
        let run = finish(within(PATIENCE, &mut measured));
        assert_eq!(run.code, 0, "{}", run.stderr);
        let peak = 1024 * run.stdout.trim().parse::<u64>().expect("kilobytes");
        // A program that has read next to nothing takes 26 MB, with all features and without optimization.
        let most = times * header + 26_000_000;
        assert!(
            peak < most,
            "{args:?}: {peak} of {most} bytes, a header of {header}"
        );
    }
}

/// Each line of a `.gitattributes` file was held against all that come after it.
#[test]
fn long_files_of_git_take_a_time_in_proportion() {
    let place = repository();
    place.write(".gitattributes", "*.ipynb filter=none\n".repeat(200_000));
    let hooks = "      - id: ruff\n".repeat(200_000);
    place.write(
        ".pre-commit-config.yaml",
        format!("repos:\n  - hooks:\n{hooks}"),
    );
    let mut command = place.command(&["check"]);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let run = finish(run_limited(&command, Limit::Processor(60)));
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}
