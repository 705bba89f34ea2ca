//! `selvedge view`: a page for one user, which follows a run, and is given to nobody else.

use std::ffi::OsString;
use std::fs;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::server::Server;
use crate::common::{Place, finished, live};
use selvedge_hdf5::{Recorder, bf16};
use selvedge_testing::python;
use serde_json::Value;

#[test]
fn a_run_is_followed() {
    let place = Place::new();
    let mut run = live(&place.path("a.h5"));
    let server = Server::start(&place, &["a.h5"]);
    let news = server.wait(5);
    let file = &news["files"][0];
    assert_eq!(
        (&file["is_live"], &file["steps"]),
        (&true.into(), &5.into())
    );
    let version = news["version"].as_u64().expect("a number");
    assert_eq!(
        server.news(version)["files"][0]["tensors"],
        Value::Array(Vec::new())
    );
    let weights = vec![bf16::from_f32(-3.0); 24];
    run.append(|row| row.put("W", &weights)?.put("losses", &0.5_f32))
        .expect("append");
    run.commit().expect("commit");
    let news = server.wait(6);
    let tensor = |news: &Value, name: &str| {
        let tensors = news["files"][0]["tensors"].as_array().expect("tensors");
        tensors
            .iter()
            .find(|tensor| tensor["name"] == name)
            .expect("it is there")
            .clone()
    };
    assert_eq!(tensor(&news, "W")["shape"], serde_json::json!([6, 6, 4]));
    let (head, cells) = server.slice("step?file=0&tensor=0");
    assert_eq!((&head["number"], cells), (&5.into(), vec![-3.0; 24]));
    run.finish().expect("finish");
    // What was measured as it came is what is measured at once.
    for _ in 0..200 {
        if server.news(0)["files"][0]["is_live"] == false {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let followed = server.news(0);
    assert_eq!(followed["files"][0]["is_live"], false, "{followed}");
    let at_once = Server::start(&place, &["a.h5"]).wait(6);
    for name in ["W", "losses", "dead_mask"] {
        assert_eq!(tensor(&followed, name), tensor(&at_once, name), "{name}");
    }
}

/// The head had the length of one file and the blocks of the other, and there was advice for a file that is somebody else's now.
#[test]
fn a_file_that_is_replaced_is_not_mixed_with_the_other() {
    let place = Place::new();
    drop(live(&place.path("a.h5")));
    let dead = place.print(&["inspect", "a.h5"]);
    assert!(dead.contains("selvedge recover a.h5"), "{dead}");
    let server = Server::start(&place, &["a.h5"]);
    let before = server.wait(5);
    let file = |news: &Value| news["files"][0].clone();
    let told = |news: &Value| file(news)["told"].as_str().expect("text").to_owned();
    let at_once = server.news(0);
    assert!(told(&at_once).contains("selvedge recover"), "{at_once}");
    fs::write(place.path("other"), "of some other bytes").expect("write");
    fs::rename(place.path("other"), place.path("a.h5")).expect("rename");
    let mut after = server.news(0);
    for _ in 0..200 {
        if !file(&after)["problem"].is_null() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
        after = server.news(0);
    }
    let problem = file(&after)["problem"].to_string();
    assert!(problem.contains("start `selvedge view` again"), "{problem}");
    assert_eq!(file(&after)["lines"], file(&before)["lines"]);
    assert_eq!(told(&after), "another file has its name now, or none\n");
}

#[test]
fn slices_are_those_of_the_file() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    fs::write(place.path("words"), "the\nof\n").expect("write");
    let server = Server::start(&place, &["a.h5", "--vocabulary", "words"]);
    // As `common` has recorded it.
    let value = |step: u16, n: u16| f32::from(n % 5) - 2.0 + f32::from(step * (n % 2));
    let (head, cells) = server.slice("step?file=0&tensor=0&step=3");
    let expected: Vec<f32> = (0..24).map(|n| value(3, n)).collect();
    assert_eq!(cells, expected);
    assert_eq!(
        (&head["slice"]["rows"], &head["slice"]["bytes"]),
        (&6.into(), &48.into())
    );
    let (_, cells) = server.slice("step?file=0&tensor=0&step=3&of=change");
    assert_eq!(cells, [0.0, 1.0].repeat(12));
    let (head, cells) = server.slice("row?file=0&tensor=0&row=1");
    let expected: Vec<f32> = (0..7)
        .flat_map(|step| (4..8).map(move |n| value(step, n)))
        .collect();
    assert_eq!((cells, &head["token"]), (expected, &"of".into()));
    for (query, why) in [
        ("step?file=0&tensor=0&step=7", "there is no step 7"),
        (
            "step?file=0&tensor=0&step=0&of=change",
            "no step before step 0",
        ),
        ("step?file=0&tensor=9", "no such tensor"),
        ("step?file=7&tensor=0", "no such tensor"),
        ("row?file=0&tensor=0&row=6", "there is no row 6"),
        ("row?file=0&tensor=1&row=0", "without rows"),
    ] {
        let (head, body) = server.get(query, "");
        let body = String::from_utf8(body).expect("text");
        assert!(
            head.starts_with("HTTP/1.1 422") && body.contains(why),
            "{query}: {body}"
        );
    }
}

#[test]
fn nobody_else_is_answered() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    let server = Server::start(&place, &["a.h5"]);
    let (head, page) = server.get("", "");
    assert!(
        head.starts_with("HTTP/1.1 200") && page.starts_with(b"<!doctype html>"),
        "{head}"
    );
    for line in [
        "Cache-Control: no-store",
        "Referrer-Policy: no-referrer",
        "frame-ancestors 'none'",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    let (host, path) = server.parts();
    assert!(
        host.starts_with("127.0.0.1:") && path.len() == 34,
        "{host} {path}"
    );
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 404),
        (format!("GET /news HTTP/1.1\r\nHost: {host}\r\n\r\n"), 404),
        (
            format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
            403,
        ),
        (
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\n\r\n"),
            403,
        ),
        (
            format!("GET {path}a.h5 HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            404,
        ),
        (format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"), 405),
        (
            format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n",
                "x".repeat(20_000)
            ),
            431,
        ),
    ] {
        let answer = server.send(request.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {answer}"
        );
        assert!(
            answer.ends_with("\r\n\r\n"),
            "{request}: nothing follows: {answer}"
        );
    }
}

/// Ten thousand requests of every odd kind: none gets anything but what the page asks for, and the last is answered as the
/// first.
#[test]
fn odd_requests_get_nothing() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    fs::write(place.path("secret"), "unseen-by-all").expect("write");
    let server = Server::start(&place, &["a.h5"]);
    let (host, path) = server.parts();
    let pieces = [
        "GET ",
        "POST ",
        "get ",
        "/",
        path,
        "..",
        "/secret",
        "a.h5",
        "news",
        "step",
        "row",
        "?",
        "since=",
        "tensor=0",
        "&",
        "step=",
        "99999999999999999999",
        "-1",
        "%2e%2e%2f",
        "%00",
        " HTTP/1.1",
        " HTTP/9.9",
        "\r\n",
        "\n",
        "Host: ",
        host,
        "Origin: null",
        "Content-Length: 7",
        "Transfer-Encoding: chunked",
        ": ",
        "\0",
        "\u{7f}ü",
        "\r\n\r\n",
        "open=0.0,",
        "file=0",
    ];
    let mut random = 1_u64;
    let mut next = move |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(random >> 33).expect("31 bits") % below
    };
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..10_000 {
        let mut request = String::new();
        let kind = next(3);
        // Some of them begin as they should, and some are nearly right.
        if kind > 0 {
            request.push_str(&format!("GET {path}"));
        }
        if kind == 2 {
            let name = ["", "news", "step", "row", "a.h5", "../secret"][next(6)];
            let numbers = ["0", "1", "7", "99999999999999999999", "-1", "x"];
            let mut number = || numbers[next(6)];
            let (file, tensor, at) = (number(), number(), number());
            request.push_str(&format!(
                "{name}?file={file}&tensor={tensor}&step={at}&row={at}&since={at}"
            ));
        } else {
            (0..next(12)).for_each(|_| request.push_str(pieces[next(pieces.len())]));
        }
        if kind == 2 || next(2) == 0 {
            request.push_str(&format!(" HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        }
        let answer = server.send(request.as_bytes());
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("unseen-by-all"), "{request:?}");
        let status = answer.get(9..12).unwrap_or("none").to_owned();
        assert!(
            status != "200" || request.contains(path),
            "{request:?}: {answer}"
        );
        *statuses.entry(status).or_insert(0) += 1;
    }
    for status in ["200", "400", "404", "405", "422"] {
        assert!(statuses.contains_key(status), "{statuses:?}");
    }
    assert!(!statuses.contains_key("none"), "{statuses:?}");
    assert!(server.get("", "").0.starts_with("HTTP/1.1 200"));
}

/// Connections that send nothing do not keep others out for ever.
#[test]
fn those_who_wait_are_sent_away() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    let server = Server::start(&place, &["a.h5"]);
    let idle: Vec<TcpStream> = (0..40)
        .map(|_| TcpStream::connect(server.parts().0).expect("connect"))
        .collect();
    let is_answered = || {
        server
            .send(
                format!(
                    "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n",
                    server.parts().1,
                    server.parts().0
                )
                .as_bytes(),
            )
            .starts_with(b"HTTP/1.1 200")
    };
    assert!(!is_answered(), "there are too many at once");
    thread::sleep(Duration::from_secs(6));
    assert!(is_answered(), "and they were sent away");
    drop(idle);
}

/// Used as a researcher would use it, while a run goes on.
#[test]
fn the_page_works_in_a_browser() {
    let place = Place::new();
    let name = "<img src=x onerror='pwned = 1'>.h5";
    let run = Recorder::create(place.path(name))
        .tensor::<bf16>("W", [200, 16])
        .scalar::<f32>("losses")
        .steps(4_000);
    let mut run = run.start().expect("start");
    let mut append = |step: u16| {
        let value = |n: u16| f32::from(n % 13) * f32::from(step * (n % 7 + 1)).sin();
        let weights: Vec<bf16> = (0..3200).map(|n| bf16::from_f32(value(n))).collect();
        run.append(|row| {
            row.put("W", &weights)?
                .put("losses", &(4.0 / f32::from(step + 1)))
        })
        .expect("append");
        run.commit().expect("commit");
    };
    (0..50).for_each(&mut append);
    let server = Server::start(&place, &[name]);
    let script = concat!(
        include_str!("../common/browser.py"),
        "\n",
        include_str!("view/browser.py")
    );
    let mut arguments = vec![OsString::from(&server.address)];
    // A folder for pictures, for those who want to look at it.
    arguments.extend(std::env::var_os("SELVEDGE_PICTURES"));
    let seen = thread::scope(|scope| {
        let looking = scope.spawn(|| python::run(script, arguments));
        let mut step = 50;
        while !looking.is_finished() && step < 4_000 {
            append(step);
            step += 1;
            thread::sleep(Duration::from_millis(50));
        }
        looking.join().expect("it works")
    });
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    if seen.is_null() {
        eprintln!("skipped: there is no Chromium on the PATH to open the page in");
        return;
    }
    let nothing = Value::Array(Vec::new());
    assert_eq!(
        (&seen["errors"], &seen["loaded"]),
        (&nothing, &nothing),
        "{seen}"
    );
    assert_eq!(
        (&seen["ran"], &seen["title"]),
        (&"undefined".into(), &name.into()),
        "{seen}"
    );
    let text = |key: &str| seen[key].as_str().unwrap_or_default().to_owned();
    assert!(text("state").starts_with("live: "), "{seen}");
    assert!(text("histogram").contains("median"), "{seen}");
    assert_eq!(text("row"), "row 1 over the steps");
    assert_eq!(
        (&seen["wider"], &seen["wider at 400"]),
        (&0.into(), &0.into()),
        "{seen}"
    );
}

/// The page of a run of 1,000 steps a second is told no more late than early, and it and the server have time left.
#[test]
fn a_fast_run_is_shown_smoothly() {
    let place = Place::new();
    let run = Recorder::create(place.path("a.h5"))
        .tensor::<bf16>("W", [200, 16])
        .scalar::<f32>("losses");
    let mut run = run.start().expect("start");
    let server = Server::start(&place, &["a.h5"]);
    let script = concat!(
        include_str!("../common/browser.py"),
        "\n",
        include_str!("view/live.py")
    );
    let pictures = std::env::var_os("SELVEDGE_PICTURES").unwrap_or_default();
    let process = server.child.0.id().to_string();
    let arguments = [(&*server.address).into(), pictures, process.into()];
    let seen = thread::scope(|scope| {
        let looking = scope.spawn(|| python::run(script, arguments));
        let began = Instant::now();
        let mut step = 0_u32;
        while !looking.is_finished() && step < 120_000 {
            let due = u32::try_from(began.elapsed().as_millis()).expect("two minutes");
            while step < due {
                let value =
                    |n: u16| f32::from(n % 13) * (step as f32 / f32::from(n % 90 + 300)).sin();
                let weights: Vec<bf16> = (0..3200).map(|n| bf16::from_f32(value(n))).collect();
                let loss = 4.0 / (step as f32 / 500.0 + 1.0);
                run.append(|row| row.put("W", &weights)?.put("losses", &loss))
                    .expect("append");
                step += 1;
            }
            run.commit().expect("commit");
            thread::sleep(Duration::from_millis(10));
        }
        looking.join().expect("it works")
    });
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    if seen.is_null() {
        eprintln!("skipped: there is no Chromium on the PATH to open the page in");
        return;
    }
    eprintln!("{seen:#}");
    assert_eq!(seen["errors"], Value::Array(Vec::new()), "{seen}");
    let number = |when: &str, what: &str| seen[when][what].as_f64().expect("a number");
    // Of the points every other one goes when there are too many: an update is up to twice as large before as after it.
    let bytes = |when| number(when, "bytes") / number(when, "updates").max(1.0);
    let (early, late) = (bytes("early"), bytes("late"));
    assert!(late <= 3.0 * early, "{early} and {late} bytes: {seen}");
    // Seconds of the page's thread, and of the server, in one second.
    for who in ["page", "server"] {
        let busy = number("late", who) / number("late", "at");
        assert!(busy < 0.5, "{who}: {busy}: {seen}");
    }
}

#[test]
fn a_terminal_has_curves_and_a_heat_map() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    let text = place.print(&["view", "--term", "a.h5"]);
    insta::assert_snapshot!(crate::common::masked(&text));
    let watched = place.print(&["inspect", "--watch", "a.h5"]);
    assert_eq!(watched, place.print(&["inspect", "a.h5"]));
}

/// A run that goes on was no word at all in a pipe.
#[test]
fn a_pipe_has_what_there_is_so_far() {
    let place = Place::new();
    let _run = live(&place.path("a.h5"));
    let text = place.print(&["view", "--term", "a.h5"]);
    assert!(text.contains("losses 0.8 at step 4"), "{text}");
    place.print(&["convert", "a.h5", "mask.npy", "-t", "dead_mask"]);
    let text = place.print(&["view", "--term", "mask.npy"]);
    assert!(text.contains("no tensor has steps to draw"), "{text}");
}

#[test]
fn mistakes_are_told() {
    let place = Place::new();
    finished(&place.path("a.h5"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (args, told) in [
        (&["view", "no.h5"][..], "no.h5"),
        (&["view", "a.h5", "-t", "V"], "a.h5 has no tensor `V`"),
        (
            &["view", "a.h5", "--port", &port, "--no-open"],
            "of this machine: another program does; name another one with --port",
        ),
        (
            &["view", "a.h5", "--term", "--no-open"],
            "cannot be used with",
        ),
    ] {
        let run = place.run(args);
        assert_eq!(run.code, 2, "{args:?}");
        assert!(run.stderr.contains(told), "{args:?}: {}", run.stderr);
    }
}
