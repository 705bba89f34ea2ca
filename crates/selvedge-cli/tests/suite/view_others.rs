//! `selvedge view` of files that other programs write: which steps they have, and how far they are.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::common::Place;
use crate::common::server::Server;
use selvedge_testing::{Guard, python, resident};
use serde_json::{Value, json};

/// 60 steps of `W` and of `losses`, with a NaN in each, without chunks and in chunks; nothing grows.
const FIXED: &str = "import sys, h5py, numpy as np\n\
    w, l = np.arange(60 * 50 * 8, dtype='f4').reshape(60, 50, 8), np.linspace(4, 1, 60, dtype='f4')\n\
    w[17, 3, 2] = l[20] = np.nan\n\
    with h5py.File(sys.argv[1], 'w') as f: f['W'], f['losses'] = w, l\n\
    with h5py.File(sys.argv[1] + '.chunked', 'w') as f:\n    \
    f.create_dataset('W', data=w, chunks=(4, 50, 8)); f.create_dataset('losses', data=l, chunks=(60,))";

/// The first NaN of a tensor whose first axis nobody calls steps was "at step 0".
#[test]
fn the_first_nan_is_where_it_is() {
    let place = Place::new();
    python::on_file(FIXED, &place.path("a.h5"));
    let without = place.print(&["view", "--term", "a.h5"]);
    for told in [
        "the file does not say whether the first\n  axis, of 60, is steps; --steps takes it",
        "W: 1 NaN, the first at [17, 3, 2]\n",
        "losses: 1 NaN, the first at [20]\n",
    ] {
        assert!(without.contains(told), "{told}: {without}");
    }
    let of_steps = |args: &[&str]| place.print(&[&["view", "--term"], args].concat());
    let with = of_steps(&["--steps", "a.h5"]);
    let found = [
        "W: 1 NaN, the first at step 17, [3, 2]\n",
        "losses: 1 NaN, the first at step 20\n",
    ];
    assert!(found.iter().all(|told| with.contains(told)), "{with}");
    assert_eq!(
        with.replace("a.h5", ""),
        of_steps(&["a.h5", "--steps"]).replace("a.h5", "")
    );
    let chunked = of_steps(&["a.h5.chunked"]);
    assert!(found.iter().all(|told| chunked.contains(told)), "{chunked}");
    // Those that are named, and no others.
    for (steps, has_nan, update) in [
        ("10..19", true, "7990 at step 18"),
        ("20..", false, "8000 at step 59"),
        ("log:4", false, "8000 at step 59"),
    ] {
        for chosen in [&["--step", steps][..], &[&format!("--steps={steps}")]] {
            let some = of_steps(&[&["a.h5", "-t", "W"], chosen].concat());
            assert!(some.contains("some of the steps were read"), "{some}");
            let told = "W: 1 NaN in the 9 of 60 steps that were measured, the first of these at step\n  17, [3, 2]\n";
            assert_eq!(some.contains(told), has_nan, "{steps}: {some}");
            let update = format!("W: norm of the change {update}\n");
            assert!(some.contains(&update), "{steps}: {some}");
        }
    }
    let wrong = place.run(&["view", "--term", "a.h5", "--steps", "50..61"]);
    let told = "a.h5: tensor `W` has no steps 50..61: it has 60 of them";
    assert!(
        wrong.code == 2 && wrong.stderr.contains(told),
        "{}",
        wrong.stderr
    );
}

/// The curves of some steps are the points of those of all.
#[test]
fn a_report_of_some_steps_has_their_figures() {
    let place = Place::new();
    python::on_file(FIXED, &place.path("a.h5"));
    let data = |flags: &[&str]| -> Value {
        let page = ["report", "a.h5", "-o", "p.html", "--overwrite"];
        place.print(&[&page, flags].concat());
        let html = fs::read_to_string(place.path("p.html")).expect("a page");
        let (_, data) = html.split_once("id=\"data\">").expect("data");
        serde_json::from_str(data.split_once("</script>").expect("an end").0).expect("JSON")
    };
    let (all, some) = (data(&["--steps"]), data(&["--steps", "40, 10..20, last"]));
    let tensor = |data: &Value, at: usize| data["files"][0]["tensors"][at].clone();
    let compare = "import sys, json, base64, numpy as np\n\
        all, some = [json.loads(text) for text in sys.argv[1:]]\n\
        of = lambda text: np.frombuffer(base64.b64decode(text))\n\
        at = of(some['at']).astype(int)\n\
        assert list(at) == [*range(10, 20), 40, 59], at\n\
        pick = lambda data: [of(data['values']['mean'])] if 'values' in data else [\
        of(data['curves'][name]['mean']) for name in ('norm', 'update', 'changed', 'largest')]\n\
        for one, other in zip(pick(all), pick(some)): assert np.array_equal(one[at], other, equal_nan=True), (one, other)\n\
        assert some['measured'] == 12 and some['nan'] == int('values' not in some), some['nan']";
    for number in 0..2 {
        let texts = [tensor(&all, number), tensor(&some, number)];
        python::run(compare, texts.map(|tensor| tensor.to_string()));
    }
    assert_eq!(some["files"][0]["is_sampled"], true);
}

/// A writer that adds two steps for each line that it is sent.
const WRITER: &str = "import sys, h5py, numpy as np\n\
    f = h5py.File(sys.argv[1], 'w', libver='latest')\n\
    d = f.create_dataset('W', data=np.zeros((4, 10), 'f4'), chunks=(1, 10), maxshape=(None, 10))\n\
    f.swmr_mode = True\n\
    print(4, flush=True)\n\
    while sys.stdin.readline():\n    \
    n = d.shape[0]; d.resize(n + 2, axis=0); d[n:] = n; d.flush(); print(n + 2, flush=True)\n\
    f.close()";

/// A file of a SWMR writer was shown as it was when it was opened.
#[test]
fn a_file_that_another_program_writes_is_followed() {
    let place = Place::new();
    let path = place.path("a.h5");
    let writer = python::script(WRITER, [&path]);
    let mut writer = { writer }
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map(Guard)
        .expect("python");
    let mut lines = BufReader::new(writer.0.stdout.take().expect("a pipe")).lines();
    let mut input = writer.0.stdin.take();
    let mut said = || {
        lines
            .next()
            .expect("a line")
            .expect("text")
            .parse::<u64>()
            .expect("a number")
    };
    assert_eq!(said(), 4);
    let server = Server::start(&place, &["a.h5"]);
    let news = server.wait(4);
    assert_eq!(news["files"][0]["is_live"], true);
    let watched = place
        .command(&["inspect", "--watch", "a.h5"])
        .stdout(Stdio::piped())
        .spawn();
    for steps in [6, 8, 10] {
        writeln!(input.as_ref().expect("a pipe"), "on").expect("it listens");
        assert_eq!(said(), steps);
        let news = server.wait(steps);
        let file = &news["files"][0];
        assert_eq!(
            (&file["steps"], &file["problem"]),
            (&json!(steps), &Value::Null)
        );
        let (head, cells) = server.slice("step?file=0&tensor=0");
        assert_eq!(
            (&head["number"], cells[0]),
            (&json!(steps - 1), (steps - 2) as f32)
        );
    }
    let (_, row) = server.slice("row?file=0&tensor=0&row=3&from=4");
    assert_eq!(row, [4.0, 4.0, 6.0, 6.0, 8.0, 8.0]);
    drop(input.take());
    writer.0.wait().expect("it ends");
    let is_live = || server.news(0)["files"][0]["is_live"] == true;
    for _ in 0..200 {
        if !is_live() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(!is_live());
    let watched = watched
        .expect("it starts")
        .wait_with_output()
        .expect("it ends with the writer");
    let text = String::from_utf8_lossy(&watched.stdout);
    assert!(text.contains("(10, 10)"), "{text}");
}

/// Steps whose chunk was never written were filled in as a whole, however large, to show some rows of them.
#[cfg(target_os = "linux")]
#[test]
fn steps_without_a_chunk_take_no_memory() {
    let place = Place::new();
    let make = "import sys, h5py\n\
        with h5py.File(sys.argv[1], 'w') as f:\n    \
        f.create_dataset('W', (2, 1 << 19, 512), 'u2', chunks=(1, 1 << 19, 512), fillvalue=7)";
    python::on_file(make, &place.path("a.h5"));
    let server = Server::start(&place, &["a.h5"]);
    for what in ["values", "change"] {
        let (head, cells) = server.slice(&format!("step?file=0&tensor=0&step=1&of={what}"));
        let expected = if what == "values" { 7.0 } else { 0.0 };
        assert!(
            cells.len() == 1000 * 512 && cells.iter().all(|cell| *cell == expected),
            "{head}"
        );
    }
    let measured = || server.news(0)["files"][0]["tensors"][0]["measured"] == 1;
    let asked = std::time::Instant::now();
    while !measured() {
        assert!(
            asked.elapsed().as_secs() < 120,
            "one step of the two, as they are large, is measured"
        );
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let peak = resident(server.child.0.id(), "VmHWM") / 1024;
    assert!(peak > 0, "procfs tells the peak");
    // Two tasks with blocks of 40 MiB, what is told of them, and slices: 230 to 250 MB, whatever a step has.
    assert!(peak < 350_000, "{peak} kB, and a step has 537 MB");
}

/// One damaged chunk took the tensor from the page, and from the terminal.
#[test]
fn damage_costs_the_steps_that_cannot_be_read() {
    let place = Place::new();
    python::on_file(crate::report::DAMAGED, &place.path("a.h5"));
    let server = Server::start(&place, &["a.h5"]);
    let news = server.wait(8);
    let tensors = news["files"][0]["tensors"].as_array().expect("tensors");
    for (name, told, unread) in [
        ("W", "3 of 12 steps were not measured (4 to 6)", [[4, 6]]),
        (
            "loss",
            "4 of 12 steps were not measured (8 to 11)",
            [[8, 11]],
        ),
    ] {
        let mut named = tensors.iter().filter(|tensor| tensor["name"] == name);
        let tensor = named.next().expect("it");
        let partly = tensor["partly"].as_str().unwrap_or_default();
        assert!(
            partly.starts_with(told) && partly.contains("chunk"),
            "{tensor}"
        );
        assert_eq!(tensor["unread_steps"], serde_json::json!(unread));
    }
    let (head, body) = server.get("step?file=0&tensor=0&step=4", "");
    let body = String::from_utf8(body).expect("text");
    assert!(
        head.starts_with("HTTP/1.1 422") && body.contains("chunk"),
        "{body}"
    );
    let (head, cells) = server.slice("row?file=0&tensor=0&row=1");
    assert_eq!(
        head["slice"]["unread"],
        serde_json::json!([[4, 5]]),
        "{head}"
    );
    assert_eq!(cells.len(), 10);
    let (head, cells) = server.slice("step?file=0&tensor=2&step=1");
    assert_eq!(
        head["slice"]["unread"],
        serde_json::json!([[2, 3]]),
        "{head}"
    );
    let rows = (0..8_u8).filter(|row| ![2, 3].contains(row));
    let values = rows.flat_map(|row| (0..3).map(move |column| f32::from(24 + 3 * row + column)));
    assert!(cells.iter().copied().eq(values), "{cells:?}");
    let run = place.run(&["view", "--term", "a.h5"]);
    for told in [
        "(4 to 6)",
        "(8 to 11)",
        "2 of 8 rows were not measured (2 to 3)",
    ] {
        assert!(run.stdout.contains(told), "{}", run.stdout);
    }
}
