//! `selvedge report`: every figure of the page is NumPy's, and nothing of a file runs in it.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::common::{Place, finished, unwrapped};
use selvedge_hdf5::{Compression, Reader, Recorder, bf16};
use selvedge_testing::python;

const MAKE: &str = include_str!("report/make.py");
const JUDGE: &str = include_str!("report/judge.py");

/// What of the page was held against NumPy.
fn judged(file: &Path, page: &Path, sampled: bool) -> Vec<String> {
    let mut arguments = vec![file.as_os_str(), page.as_os_str()];
    arguments.extend(sampled.then_some(OsStr::new("sampled")));
    let checked = python::run(JUDGE, arguments);
    checked.lines().map(str::to_owned).collect()
}

/// Every dtype, layout and filter that h5py writes, with NaN, infinities, still rows and masks.
#[test]
fn every_figure_is_that_of_numpy() {
    let place = Place::new();
    let (file, page) = (place.path("h5py.h5"), place.path("h5py_report.html"));
    python::on_file(MAKE, &file);
    let said = place.print(&["report", "h5py.h5"]);
    assert!(said.starts_with("h5py_report.html: "), "{said}");
    let checked = judged(&file, &page, false);
    for kind in ["scalar", "steps", "constant"] {
        let of_kind = checked.iter().filter(|line| line.starts_with(kind)).count();
        assert!(of_kind >= 3, "{kind}: {checked:?}");
    }
    assert_eq!(checked.len(), 27, "{checked:?}");
}

fn recorded(path: &Path, compression: Compression) {
    let dead: Vec<bool> = (0..200).map(|row| row % 5 == 0).collect();
    let run = Recorder::create(path)
        .tensor::<bf16>("W", [200, 64])
        .scalar::<f32>("losses")
        .constant("dead_mask", &dead)
        .compression(compression)
        .steps(60);
    let mut run = run.start().expect("start");
    for step in 0..60_u16 {
        let value = |n: u16| match n / 64 % 5 {
            0 => 1.0,
            _ => f32::from(n % 13 + 1) * f32::from(step * (n % 7 + 1)).sin(),
        };
        let weights: Vec<bf16> = (0..12_800).map(|n| bf16::from_f32(value(n))).collect();
        let loss = 4.0 / f32::from(step + 1);
        run.append(|row| row.put("W", &weights)?.put("losses", &loss))
            .expect("append");
    }
    run.finish().expect("finish");
}

/// What a recorder writes, and what `rechunk` makes of it: chunks of steps, of rows, compressed or not.
#[test]
fn recorded_files_plain_and_compressed() {
    let place = Place::new();
    recorded(&place.path("plain.h5"), Compression::None);
    recorded(&place.path("fast.h5"), Compression::Fast);
    for (name, flags) in [
        ("tokens", ["--for", "tokens"]),
        ("temporal", ["--compression", "temporal"]),
    ] {
        let new = format!("{name}.h5");
        place.print(&[&["rechunk", "plain.h5", &new][..], &flags].concat());
    }
    for (name, is_compressed) in [
        ("plain", false),
        ("fast", true),
        ("tokens", false),
        ("temporal", true),
    ] {
        let (file, page) = (place.path(&format!("{name}.h5")), format!("{name}.html"));
        let reader = Reader::open(&file).expect("open");
        assert_eq!(
            reader.tensor("W").expect("W").encoder().is_some(),
            is_compressed,
            "{name}"
        );
        place.print(&["report", &format!("{name}.h5"), "-o", &page]);
        let mut checked = judged(&file, &place.path(&page), false);
        checked.sort();
        assert_eq!(
            checked,
            ["constant dead_mask", "scalar losses", "steps W"],
            "{name}"
        );
    }
}

#[test]
fn a_quick_look_has_the_figures_of_its_steps() {
    let place = Place::new();
    let (file, page) = (place.path("run.h5"), place.path("quick.html"));
    let mut run = Recorder::create(&file)
        .tensor::<bf16>("W", [4, 3])
        .steps(2000)
        .start()
        .expect("start");
    for step in 0..2000_u16 {
        let weights: Vec<bf16> = (0..12)
            .map(|n| bf16::from_f32(f32::from(step % (n + 2))))
            .collect();
        run.append(|row| row.put("W", &weights)).expect("append");
    }
    run.finish().expect("finish");
    let said = place.print(&["report", "--quick", "run.h5", "-o", "quick.html"]);
    assert!(said.contains("some of the steps"), "{said}");
    assert_eq!(judged(&file, &page, true), ["steps W"]);
}

/// Rows that moved at other steps "never moved", and a NaN was "the first" where others came before it.
#[test]
fn a_sample_says_nothing_of_other_steps() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
steps = np.arange(3000)[:, None, None]
values = np.tile((steps >= 100 + np.arange(30)[:, None]).astype('f4'), 4)
values[777:, 3, 1] = np.nan
with h5py.File(sys.argv[1], 'w') as f:
    f.create_dataset('W', data=values, chunks=(100, 30, 4))
";
    python::on_file(make, &place.path("a.h5"));
    place.print(&["report", "--quick", "a.h5"]);
    let text = place.print(&["view", "--term", "a.h5", "--steps", "0..3000:13"]);
    let text = text.replace("\n  ", " ");
    let part = "in the 231 of 3,000 steps that were measured";
    for told in [
        format!("W: 171 NaN {part}, the first of these at step 780, [3, 1]"),
        "28 of 30 still in the".to_owned(),
        "and all numbers are of these".to_owned(),
    ] {
        assert!(text.contains(&told), "{told}: {text}");
    }
    let script = concat!(
        include_str!("../common/browser.py"),
        "
def use(tab, seen):
    tab.call('Page.navigate', url=page)
    tab.until(\"document.readyState === 'complete' && document.querySelector('ul.movers') !== null\")
    seen['text'] = tab.value('root.textContent')
page = 'file://' + os.path.abspath(sys.argv[1])
drive(page, use)
"
    );
    let seen = python::run(script, [place.path("a_report.html")]);
    let seen: serde_json::Value = serde_json::from_str(&seen).expect("JSON");
    if seen.is_null() {
        eprintln!("skipped: there is no Chromium on the PATH to open the page in");
        return;
    }
    let text = seen["text"].as_str().expect("text");
    let part = "in the 200 of 3,000 steps that were measured";
    for told in [
        format!("W: 148 NaN {part}, the first of these at step 784"),
        format!("28 of 30 rows did not move {part}. Those that moved most in these"),
        "of which 200 were measured".to_owned(),
        "and all numbers are of these".to_owned(),
    ] {
        assert!(text.contains(&told), "{told}: {text}");
    }
}

/// The JSON of a page.
fn data(page: &Path) -> serde_json::Value {
    let html = fs::read_to_string(page).expect("the page");
    let (_, data) = html.split_once("id=\"data\">").expect("data");
    let (data, _) = data.split_once("</script>").expect("its end");
    serde_json::from_str(data).expect("JSON")
}

#[test]
fn several_files_share_a_page_and_rows_have_tokens() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    finished(&place.path("b.h5"));
    fs::write(
        place.path("vocab.json"),
        r#"{"the": 0, "of": 1, "</script>": 4}"#,
    )
    .expect("write");
    place.print(&[
        "report",
        "a.h5",
        "b.h5",
        "--tensor",
        "W",
        "--vocabulary",
        "vocab.json",
        "-o",
        "ab.html",
    ]);
    // The rows of `W`, and of its mask, are six.
    for (tokens, told) in [
        ("a\nb\nc\nd\ne\nf\n", ""),
        (
            "a\nb\nc\nd\n",
            "; of a tensor of 6 rows the last 2 have none",
        ),
        (
            "\n\n\n\n\n\n\n",
            ", and no tensor has more than 6 rows: it may be",
        ),
    ] {
        fs::write(place.path("words"), tokens).expect("write");
        let args = [
            "a.h5",
            "--vocabulary",
            "words",
            "-o",
            "w.html",
            "--overwrite",
        ];
        let said = unwrapped(&place.print(&[&["report"][..], &args].concat()));
        assert_eq!(
            said.contains("words has tokens"),
            !told.is_empty(),
            "{said}"
        );
        assert!(said.contains(told), "{said}");
    }
    let data = data(&place.path("ab.html"));
    let files = data["files"].as_array().expect("files");
    let names: Vec<_> = files.iter().map(|file| file["name"].as_str()).collect();
    assert_eq!(names, [Some("a.h5"), Some("b.h5")]);
    // The tensor that was named, and the mask that says what its rows are.
    let tensors = files[0]["tensors"].as_array().expect("tensors");
    let tensors: Vec<_> = tensors
        .iter()
        .map(|tensor| tensor["name"].as_str())
        .collect();
    assert_eq!(tensors, [Some("W"), Some("dead_mask")]);
    assert_eq!(data["tokens"]["4"], "</script>");
    assert!(
        files[0]["told"]
            .as_str()
            .expect("text")
            .contains("7 of 8 steps"),
        "{data}"
    );
}

#[test]
fn mistakes_are_told_and_leave_no_page() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    fs::write(place.path("a_report.html"), "mine").expect("write");
    fs::write(place.path("wrong.json"), r#"{"the": "first"}"#).expect("write");
    for (args, told) in [
        (&["report", "a.h5"][..], "a_report.html exists already"),
        (&["report", "no.h5"], "no.h5"),
        (
            &["report", "a.h5", "-t", "V", "-o", "b.html"],
            "a.h5 has no tensor `V`",
        ),
        (
            &[
                "report",
                "a.h5",
                "--vocabulary",
                "wrong.json",
                "-o",
                "b.html",
            ],
            "wrong.json is no vocabulary",
        ),
        (
            &["report", "a.h5", "--vocabulary", "a.h5", "-o", "b.html"],
            "a.h5 is no vocabulary: it is no text in UTF-8",
        ),
        (
            &["report", "a.h5", "--vocabulary", "gone.txt", "-o", "b.html"],
            "there is no gone.txt",
        ),
        (
            &["report", "a.h5", "-o", "./a.h5", "--overwrite"],
            "./a.h5 is one of the files that are read",
        ),
        (
            &["show", "a.h5", "W", "-o", "a.h5", "--overwrite"],
            "a.h5 is one of the files that are read",
        ),
    ] {
        let run = place.run(args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(told), "{args:?}: {}", run.stderr);
    }
    assert_eq!(
        fs::read_to_string(place.path("a_report.html")).expect("read"),
        "mine"
    );
    assert!(!place.path("b.html").exists());
    place.print(&["report", "a.h5", "--overwrite"]);
    assert!(
        fs::read_to_string(place.path("a_report.html"))
            .expect("read")
            .starts_with("<!doctype html>")
    );
}

/// A run that h5py wrote without chunks had no curves, and nothing said so.
#[test]
fn what_may_have_steps_is_told_and_taken() {
    let place = Place::new();
    let make = "import sys, h5py, numpy as np\n\
        with h5py.File(sys.argv[1], 'w') as f:\n    \
        f['W'] = np.random.rand(20, 5, 8); f['losses'] = np.random.rand(20); f['ids'] = np.arange(7)\n    \
        np.save(sys.argv[1] + '.npy', f['W'])";
    python::on_file(make, &place.path("a.h5"));
    let told = "the file does not say whether the first axis, of 20, is steps; --steps takes it";
    for (file, count) in [("a.h5", 2), ("a.h5.npy", 1)] {
        let kinds = |flags: &[&str]| -> (String, Vec<String>) {
            let said =
                place.print(&[&["report", file, "-o", "p.html", "--overwrite"], flags].concat());
            let said = said.replace("\n  ", " ");
            let data = data(&place.path("p.html"));
            let lines = data["files"][0]["lines"].to_string();
            assert_eq!(said.contains(told), lines.contains(told), "{said}{lines}");
            let tensors = data["files"][0]["tensors"].as_array().expect("tensors");
            let kinds = tensors.iter().map(|tensor| tensor["kind"].to_string());
            (
                said,
                kinds.filter(|kind| !kind.contains("constant")).collect(),
            )
        };
        let (said, kinds_of) = kinds(&[]);
        assert!(said.contains(told) && kinds_of.is_empty(), "{said}");
        let (said, kinds_of) = kinds(&["--steps"]);
        assert!(!said.contains(told) && kinds_of.len() == count, "{said}");
    }
    // A file that a conversion made says it itself.
    finished(&place.path("run.h5"));
    place.print(&["convert", "run.h5", "run.safetensors"]);
    place.print(&["report", "run.safetensors"]);
    let data = data(&place.path("run_report.html"));
    let text = data["files"][0]["tensors"].to_string();
    assert!(
        text.contains("\"scalar\"") && text.contains("\"steps\""),
        "{text}"
    );
}

/// A tensor that is damaged is told, and the page has the others.
#[test]
fn a_damaged_tensor_does_not_hide_the_others() {
    let place = Place::new();
    let damage = "import sys, h5py, numpy as np\n\
        with h5py.File(sys.argv[1], 'w') as f:\n    \
        f.create_dataset('W', data=np.random.rand(9, 50, 8), chunks=(9, 50, 8), compression='gzip')\n    \
        f.create_dataset('losses', data=np.random.rand(9), chunks=(3,))\n    \
        f.flush(); at = f['W'].id.get_chunk_info(0)\n\
        with open(sys.argv[1], 'r+b') as f:\n    f.seek(at.byte_offset + 50); f.write(b'\\x55' * 40)\n";
    python::on_file(damage, &place.path("a.h5"));
    let run = place.run(&["report", "a.h5"]);
    assert_eq!(run.code, 2, "{}", run.stdout);
    let told = "error: tensor `W` of a.h5 was not measured: ";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let data = data(&place.path("a_report.html"));
    let tensors = data["files"][0]["tensors"].as_array().expect("tensors");
    let unread = tensors.iter().filter(|tensor| tensor["unread"].is_string());
    assert_eq!((unread.count(), tensors.len()), (1, 2), "{data}");
}

/// Used as a reader would use it, in a browser; which runs nothing of what names say.
#[test]
fn the_page_works_in_a_browser() {
    let place = Place::new();
    recorded(&place.path("plain.h5"), Compression::None);
    let name = "</script><script>pwned = 1</script><img src=x onerror='pwned = 1'>";
    let rename = "import sys, h5py\n\
        with h5py.File(sys.argv[1], 'r+') as f:\n    \
        f['g/' + sys.argv[2]] = f['losses'][()]; f['dead_mask'].attrs[sys.argv[2]] = sys.argv[2]\n";
    python::run(rename, [place.path("plain.h5").as_os_str(), name.as_ref()]);
    fs::rename(place.path("plain.h5"), place.path("<b>&amp;.h5")).expect("rename");
    fs::write(place.path("words.txt"), format!("{name}\n").repeat(200)).expect("write");
    place.print(&[
        "report",
        "<b>&amp;.h5",
        "--vocabulary",
        "words.txt",
        "-o",
        "page.html",
    ]);
    let script = concat!(
        include_str!("../common/browser.py"),
        "\n",
        include_str!("report/browser.py")
    );
    let seen = python::run(script, [place.path("page.html")]);
    let seen: serde_json::Value = serde_json::from_str(&seen).expect("JSON");
    if seen.is_null() {
        eprintln!("skipped: there is no Chromium on the PATH to open the page in");
        return;
    }
    assert_eq!(
        (&seen["title"], &seen["heading"]),
        (&"<b>&amp;.h5".into(), &"<b>&amp;.h5".into())
    );
    assert_eq!(
        (&seen["ran"], &seen["scripts"]),
        (&"undefined".into(), &2.into()),
        "{seen}"
    );
    let nothing = serde_json::Value::Array(Vec::new());
    assert_eq!(
        (&seen["errors"], &seen["loaded"]),
        (&nothing, &nothing),
        "{seen}"
    );
    assert_eq!(seen["legend"], "a –", "the present value is none");
    let ticks = ["56.67", "56.67000002", "56.67000004"];
    assert_eq!(seen["ticks"], serde_json::json!(ticks));
    let hover = seen["hover"].as_str().expect("text");
    assert!(
        hover.contains("row ") && hover.contains("pwned") && hover.contains("step"),
        "{seen}"
    );
    assert_ne!(seen["hover"], seen["zoomed hover"], "{seen}");
    assert_eq!(
        (&seen["zoomed"], &seen["whole again"]),
        (&true.into(), &true.into()),
        "{seen}"
    );
    assert_ne!(seen["theme"][0], seen["theme"][1], "{seen}");
    assert_eq!(
        (&seen["wider"], &seen["wider at 400"]),
        (&0.into(), &0.into()),
        "{seen}"
    );
}

/// A tensor with an axis of no length, which is not the first, ended the program.
#[test]
fn tensors_without_values_are_no_trouble() {
    let place = Place::new();
    let make = "
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], 'w') as f:
    f['nothing'] = np.zeros((4, 0), 'f4')
    f.create_dataset('steps', (3, 0, 2), 'f4', chunks=(1, 1, 2), maxshape=(None, 8, 2))
    f['W'] = np.ones((4, 2), 'f4')
";
    python::on_file(make, &place.path("a.h5"));
    let said = place.print(&["report", "a.h5"]);
    assert!(said.starts_with("a_report.html: "), "{said}");
}

/// `W` cannot be read at steps 4 and 5, `loss` at 8 to 11, and rows 2 and 3 of `w_rows` at none.
pub(crate) const DAMAGED: &str = r#"
import sys, h5py, numpy as np
path = sys.argv[1]
with h5py.File(path, "w") as f:
    f.create_dataset("W", data=np.arange(12 * 8, dtype="f4").reshape(12, 8) ** 2, chunks=(2, 8), compression="gzip")
    f.create_dataset("loss", data=np.arange(12, dtype="f4"), chunks=(4,), compression="gzip")
    f.create_dataset("w_rows", data=np.arange(12 * 8 * 3, dtype="f4").reshape(12, 8, 3), chunks=(12, 2, 3), compression="gzip")
    damaged = {"W": 2, "loss": 2, "w_rows": 1}
    places = [f[name].id.get_chunk_info(chunk).byte_offset for name, chunk in damaged.items()]
with open(path, "r+b") as f:
    for place in places:
        f.seek(place)
        f.write(bytes(6))
"#;

/// One damaged chunk cost a tensor all of its steps.
#[test]
fn damage_costs_the_steps_that_cannot_be_read() {
    let place = Place::new();
    python::on_file(DAMAGED, &place.path("a.h5"));
    let run = place.run(&["report", "a.h5", "-o", "a.html"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    for told in [
        "tensor `W` of a.h5 is not all in the page: 3 of 12 steps were not measured",
        "tensor `loss` of a.h5 is not all in the page: 4 of 12 steps were not measured",
        "tensor `w_rows` of a.h5 is not all in the page: 2 of 8 rows were not measured (2 to 3)",
    ] {
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
    // Rows on both sides of a damaged chunk were refused: it was unpacked with them.
    let args = [
        "show", "a.h5", "w_rows", "--step", "1", "--rows", "0,7", "--format", "csv",
    ];
    let csv = place.print(&args);
    assert!(csv.contains("0,24") && csv.contains("7,45"), "{csv}");
    let data = data(&place.path("a.html"));
    let tensors = data["files"][0]["tensors"].as_array().expect("tensors");
    let of = |name: &str| {
        tensors
            .iter()
            .find(|tensor| tensor["name"] == name)
            .expect("it")
    };
    assert_eq!(
        (&of("W")["measured"], &of("W")["nan"]),
        (&9.into(), &0.into())
    );
    assert_eq!(of("loss")["measured"], 8);
    for name in ["W", "loss"] {
        assert!(
            of(name)["partly"]
                .as_str()
                .is_some_and(|why| why.contains("chunk"))
        );
    }
}
