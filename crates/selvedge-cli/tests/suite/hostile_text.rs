//! Names and texts that steer a terminal, or that a build server takes for commands: none leaves the
//! program as it is, whatever the command, the format, and the place that the text is in.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::Command;

use crate::common::tree::NOTEBOOK;
use crate::common::{Place, Run, finish, finished};
use selvedge_base::text::steers;
use selvedge_testing::python;

/// A colour, a title of the window, a line that looks like ours, C1 and DEL, the direction of the text,
/// a line separator, and commands of GitHub and Azure.
const HOSTILE: [&str; 9] = [
    "\u{1b}[31mred",
    "\u{1b}]0;title\u{7}",
    "\r\nerror: all is lost",
    "\u{9b}2J\u{7f}",
    "\u{202e}5h.x\u{2066}",
    "line\u{2028}break",
    "::error::pwned",
    "##[error]pwned",
    "##vso[task.x]%0A::warning::pwned",
];

/// Latin-1, which is no UTF-8, and a colour.
const LATIN1: &[u8] = b"M\xfcller\x1b[31m";

/// What of the output reaches the screen and must not. Styles are the program's own with `--color
/// always`, and commands with the format that has them.
fn check(what: &str, text: &str, styles: bool, commands: bool) {
    let mut plain = text.to_owned();
    if styles {
        for style in ["0", "1", "2", "4", "31", "32", "33", "36"] {
            plain = plain.replace(&format!("\u{1b}[{style}m"), "");
        }
    }
    let found: Vec<char> = plain.chars().filter(|&c| c != '\n' && steers(c)).collect();
    assert!(found.is_empty(), "{what}: {found:?} in\n{plain:?}");
    for sign in ["##[", "##vso["] {
        assert!(!plain.contains(sign), "{what}: {sign} in\n{plain}");
    }
    for line in plain.lines().map(str::trim_start) {
        let ours = ["::error file=", "::warning file=", "::notice "];
        let is_ours = commands && ours.iter().any(|start| line.starts_with(start));
        assert!(is_ours || !line.starts_with("::"), "{what}: {line}");
        assert!(!line.starts_with("error: all is lost"), "{what}: {plain}");
    }
}

/// Runs the program, and checks all that it prints.
fn run(place: &Place, args: &[OsString]) -> Run {
    let mut command = place.command(&[]);
    command
        .args(args)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let run = finish(command.output().expect("the program starts"));
    let has = |wanted: &str| args.iter().any(|arg| arg == wanted);
    let what = format!("{args:?}");
    let styles = has("always");
    check(&what, &run.stdout, styles, has("github"));
    check(&what, &run.stderr, styles, false);
    if has("--json") || has("json") || has("sarif") {
        let json: Result<serde_json::Value, _> = serde_json::from_str(&run.stdout);
        // A command line that is wrong prints nothing there.
        assert!(
            json.is_ok() || run.stdout.is_empty(),
            "{what}: {}",
            run.stdout
        );
    }
    run
}

/// Arguments, of which `{}` is the file.
fn args(line: &str, file: &OsStr) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    for word in line.split(' ') {
        args.push(if word == "{}" {
            file.to_owned()
        } else {
            word.into()
        });
    }
    args
}

/// What there is to ask of a file.
const OF_A_FILE: [&str; 29] = [
    "report --overwrite -o page.html {}",
    "inspect {}",
    "inspect --color always --stats {}",
    "inspect --json --stats {}",
    "inspect --diff {} other.h5",
    "inspect --diff --json other.h5 {}",
    "verify {} other.h5",
    "verify --attributes --count {} other.h5",
    "verify --attributes --json {} {}",
    "verify {}",
    "verify --json {}",
    "convert {} out.safetensors",
    "convert --skip-unsupported --overwrite {} out.safetensors",
    "convert --skip-unsupported --overwrite {} out.h5",
    "convert --overwrite {} out.npy",
    "convert --overwrite {} no-format",
    "rechunk --dry-run {} new.h5",
    "rechunk --overwrite {} new.h5",
    "rechunk --skip-unsupported --overwrite {} new.h5",
    "references {}",
    "references --skip-unsupported --overwrite -o references.json {}",
    "recover --dry-run {}",
    "recover {}",
    "checksum {}",
    "check {}",
    "check --baseline {}",
    "check --config {}",
    "rules --config {}",
    "completions {}",
];

fn check_file(place: &Place, file: &OsStr) {
    for line in OF_A_FILE {
        run(place, &args(line, file));
    }
}

/// h5py's file of everything that has a name or a text in HDF5: the names of [`HOSTILE`], and one that is
/// no UTF-8.
const HDF5: &str = r"
import json, sys, h5py, numpy as np
path, names, latin1 = sys.argv[1], json.loads(sys.argv[2]), b'M\xfcller\x1b[31m'
with h5py.File(path, 'w') as f:
    for number, name in enumerate(names):
        f.create_dataset(name, data=np.arange(12, dtype='u2').reshape(3, 4))
        f.attrs[name] = name
        f.attrs[f'list {number}'] = [name, name]
        f[name].attrs[name] = np.bytes_(name.encode())
        f[name].attrs['logical_dtype'] = name
        f['a' + name + '/b' + name] = np.float32(1)
        f['record' + name] = np.zeros(2, dtype=[('a' + name, 'f4'), ('b', 'i4')])
        kind = h5py.enum_dtype({name: 1, 'other': 2}, basetype='i1')
        f.create_dataset('enum' + name, data=np.zeros(2, 'i1'), dtype=kind)
        f['soft' + name] = h5py.SoftLink('/to' + name)
        f['external' + name] = h5py.ExternalLink('none' + name.replace('/', ''), '/to' + name)
        f['text' + name] = name
    f.create_dataset(latin1, data=np.arange(4, dtype='f4'))
    f.attrs['latin1'] = np.bytes_(latin1)
    f.attrs['latin1 list'] = np.array([latin1, latin1])
    f.attrs.create('latin1 variable', latin1, dtype=h5py.string_dtype('utf-8'))
    f.attrs.create('latin1 variable list', [latin1, latin1], dtype=h5py.string_dtype('utf-8'))
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5a.create(f.id, latin1, h5py.h5t.NATIVE_INT32, space)
    for key in ['notebook', 'created', 'selvedge_version']:
        f.attrs.create(key, names[0])
";

fn hostile_hdf5(place: &Place, name: &str) {
    let path = place.path(name);
    let names = serde_json::to_string(&HOSTILE).unwrap();
    python::run(HDF5, [path.as_os_str(), names.as_ref()]);
}

#[test]
fn of_hdf5() {
    let place = Place::new();
    finished(&place.path("other.h5"));
    hostile_hdf5(&place, "file.h5");
    check_file(&place, "file.h5".as_ref());
    let run = place.run(&["inspect", "file.h5"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for told in [
        "\\u{1b}[31mred",
        "M\\xfcller\\u{1b}[31m",
        "\\u{3a}:error::pwned",
    ] {
        assert!(run.stdout.contains(told), "{told}:\n{}", run.stdout);
    }
}

#[test]
fn of_safetensors() {
    let place = Place::new();
    finished(&place.path("other.h5"));
    let tensor = r#"{"dtype": "U16", "shape": [2, 2], "data_offsets": [BEGIN, END]}"#;
    let tensors: Vec<String> = (0..)
        .step_by(8)
        .zip(HOSTILE)
        .map(|(begin, name)| {
            let tensor = tensor.replace("BEGIN", &begin.to_string());
            let tensor = tensor.replace("END", &(begin + 8).to_string());
            format!("{}: {tensor}", serde_json::to_string(name).unwrap())
        })
        .collect();
    let mut metadata: serde_json::Map<String, serde_json::Value> = HOSTILE
        .iter()
        .map(|text| ((*text).to_owned(), (*text).into()))
        .collect();
    for (key, text) in ["notebook", "created", "selvedge_version"]
        .iter()
        .zip(HOSTILE)
    {
        metadata.insert((*key).to_owned(), text.into());
    }
    let metadata = serde_json::to_string(&metadata).unwrap();
    let header = format!("{{\"__metadata__\": {metadata}, {}}}", tensors.join(", "));
    let length = (header.len() as u64).to_le_bytes();
    let file = [&length[..], header.as_bytes(), &[0; 8 * HOSTILE.len()]].concat();
    place.write("file.safetensors", &file);
    check_file(&place, "file.safetensors".as_ref());
    // Names in the errors of a header that is not sound.
    for (number, name) in (0..).zip(HOSTILE) {
        let name = serde_json::to_string(name).unwrap();
        let header =
            format!("{{{name}: {{\"dtype\": {name}, \"shape\": [], \"data_offsets\": [0, 9]}}}}");
        let length = (header.len() as u64).to_le_bytes();
        let broken = format!("broken_{number}.safetensors");
        place.write(&broken, [&length[..], header.as_bytes()].concat());
        run(&place, &args("inspect {}", broken.as_ref()));
    }
}

#[test]
fn of_numpy() {
    let place = Place::new();
    finished(&place.path("other.h5"));
    let script = "import json, sys, numpy as np\nnames = json.loads(sys.argv[2])\n\
        np.savez(sys.argv[1], **{name: np.zeros(3, 'f4') for name in names})";
    let names = serde_json::to_string(&HOSTILE).unwrap();
    python::run(script, [place.path("file.npz").as_os_str(), names.as_ref()]);
    check_file(&place, "file.npz".as_ref());
}

/// Files of such names: sound ones, ones that are damaged, and ones that there are not.
#[test]
fn of_paths() {
    let place = Place::new();
    finished(&place.path("other.h5"));
    let names = HOSTILE
        .iter()
        .map(|name| name.replace('/', "").into_bytes());
    for name in names.chain([LATIN1.to_vec()]) {
        for (ending, contents) in [
            ("h5", fs::read(place.path("other.h5")).unwrap()),
            ("npy", b"\x93NUMPY".to_vec()),
            ("safetensors", b"\x08\0\0\0\0\0\0\0{\"a\": 1}".to_vec()),
        ] {
            let name = [&name[..], b".", ending.as_bytes()].concat();
            let name = OsString::from_vec(name);
            let path = place.path("").join(&name);
            fs::write(&path, contents).unwrap();
            for line in [
                "inspect {}",
                "inspect --json {}",
                "verify {} other.h5",
                "recover {}",
            ] {
                run(&place, &args(line, &name));
            }
            fs::remove_file(&path).unwrap();
            for line in ["inspect --json {}", "convert {} {}", "rechunk {} new.h5"] {
                run(&place, &args(line, &name));
            }
        }
    }
}

/// Every argument of every command, where it is echoed in an error.
#[test]
fn of_arguments() {
    let place = Place::new();
    finished(&place.path("other.h5"));
    for name in HOSTILE
        .iter()
        .map(OsStr::new)
        .chain([OsStr::from_bytes(LATIN1)])
    {
        for line in [
            "{}",
            "--color {}",
            "inspect --{}",
            "inspect other.h5 --assume {}",
            "plan --steps {}",
            "plan --tensor {}",
            "plan --json --steps 1 --path {} --tensor W:bfloat16:2",
            "rechunk other.h5 new.h5 --for {}",
            "rechunk other.h5 new.h5 --as-bf16 {}",
            "rechunk other.h5 new.h5 --memory {}",
            "convert other.h5 new.h5 --tensor {}",
            "convert other.h5 new.h5 --steps {}",
            "convert other.h5 new.h5 --assume {}",
            "convert other.h5 {}",
            "check --select {}",
            "check --output-format {}",
            "check --output {}/nowhere",
            "check --write-baseline={}",
            "check {}",
            "rules {}",
            "completions {}",
            "man {}",
        ] {
            let mut command = args(line, name);
            for word in &mut command {
                let text = word.to_string_lossy();
                if let Some((before, after)) = text.split_once("{}") {
                    *word = [OsStr::new(before), name, OsStr::new(after)]
                        .iter()
                        .copied()
                        .collect();
                }
            }
            run(&place, &command);
        }
    }
}

/// A repository in which all that has a name or a text is hostile, in every format of a report.
#[test]
fn of_a_repository() {
    let place = Place::new();
    place.write("selvedge.toml", "");
    let git = |args: &[&OsStr]| {
        let status = Command::new("git")
            .current_dir(place.path("."))
            .args(args)
            .status();
        assert!(status.unwrap().success());
    };
    git(&["init".as_ref(), "--quiet".as_ref()]);
    let mut attributes = Vec::new();
    let mut hooks = String::from("repos:\n  - hooks:\n");
    for (number, name) in HOSTILE.iter().enumerate() {
        let word = name.replace(['/', ' ', '\n', '\r', '.', '='], "");
        git(&[
            "config".as_ref(),
            format!("filter.{number}{word}.clean").as_ref(),
            format!("nbstripout {word}").as_ref(),
        ]);
        attributes.extend(format!("{word}*.ipynb filter={number}{word}\n").into_bytes());
        hooks.push_str(&format!("      - id: nbstripout {word}\n"));
        let file = name.replace('/', "");
        let text = serde_json::to_string(name).unwrap();
        let broken = NOTEBOOK.replace("print(mask.sum())", &text[1..text.len() - 1]);
        place.write(&format!("notebooks/{file}.ipynb"), &broken);
        place.write(&format!("notebooks/1.9a_{file}.ipynb"), "{");
        let error = format!(
            r#"{{"ename": {text}, "evalue": {text}, "output_type": "error", "traceback": [{text}]}}"#
        );
        let raised = broken.replace(
            r#"{"name": "stdout", "output_type": "stream", "text": ["3699\n"]}"#,
            &error,
        );
        assert_ne!(raised, broken);
        place.write(&format!("notebooks/1.{number}b_raised.ipynb"), &raised);
        place.write(&format!("tensors/{file}/{file}.safetensors"), "");
        place.write(&format!("tensors/{file}/{file}.h5"), "");
    }
    attributes.extend_from_slice(b"M\xfcller.ipynb filter=nbstripout\n");
    place.write(".gitattributes", attributes);
    place.write(".pre-commit-config.yaml", &hooks);
    place.write(".git/hooks/pre-commit", hooks.replace("- id: ", ""));
    hostile_hdf5(&place, "tensors/run_1.h5");
    let latin1 = OsStr::from_bytes(LATIN1);
    for (number, ending) in ["ipynb", "h5", "safetensors"].iter().enumerate() {
        let mut name = latin1.to_owned();
        name.push(format!(".{ending}"));
        fs::write(place.path("tensors").join(&name), "").unwrap();
        name.push(number.to_string());
    }
    for format in ["full", "concise", "json", "github", "sarif"] {
        for colour in ["always", "never"] {
            let line = format!("check --color {colour} --output-format {format}");
            let run = run(&place, &args(&line, "".as_ref()));
            assert_eq!(run.code, 1, "{}", run.stderr);
            if format == "concise" {
                for told in ["\\u{1b}[31mred", "M\\xfcller", "\\u{23}#[error]pwned"] {
                    assert!(run.stdout.contains(told), "{told}:\n{}", run.stdout);
                }
            }
        }
    }
    run(
        &place,
        &args("check --write-baseline=known.toml", "".as_ref()),
    );
    let known = run(&place, &args("check --baseline known.toml", "".as_ref()));
    assert_eq!(known.code, 0, "{}{}", known.stdout, known.stderr);
    for flags in [
        "--fix --dry-run",
        "--unsafe-fixes --dry-run",
        "--unsafe-fixes --yes",
    ] {
        run(&place, &args(&format!("check {flags}"), "".as_ref()));
    }
    for entry in fs::read_dir(place.path("notebooks")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    // All that the baseline knows is stale now.
    for format in ["full", "concise", "json", "github", "sarif"] {
        let line = format!("check --baseline known.toml --output-format {format}");
        run(&place, &args(&line, "".as_ref()));
    }
    for (number, name) in HOSTILE.iter().enumerate() {
        let text = serde_json::to_string(name).unwrap().replace("\u{7f}", "");
        for toml in [
            format!("{text} = 1"),
            format!("[{text}]"),
            format!("exclude = [{text}, \"[\"]"),
            format!("[rules]\nselect = [{text}]"),
            format!("[limits]\nchunk-size = {text}"),
            format!("# {name}\n="),
            (*name).to_owned(),
        ] {
            place.write(&format!("config_{number}.toml"), toml);
            for line in [
                "check --config {}",
                "check --baseline {}",
                "check --print-config --config {}",
            ] {
                let file = format!("config_{number}.toml");
                run(&place, &args(line, file.as_ref()));
            }
        }
    }
}
