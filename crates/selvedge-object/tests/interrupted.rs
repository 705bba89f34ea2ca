//! Reads that somebody no longer waits for. What interrupts them is for the whole process, so they have one of their own.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{gathered, record, step};
use selvedge_base::Chain;
use selvedge_hdf5::{Compression, bf16};
use selvedge_object::{ObjectError, ObjectOptions, interrupt_reads, open};
use selvedge_testing::objects::{Fault, ObjectServer};

/// Does `work`, interrupts it while it waits, and says how long it went on then.
fn interrupted<T: Send>(work: impl FnOnce() -> T + Send) -> (T, Duration) {
    thread::scope(|scope| {
        let working = scope.spawn(work);
        thread::sleep(Duration::from_millis(300));
        assert!(!working.is_finished(), "it waits for the server");
        let began = Instant::now();
        while !working.is_finished() {
            interrupt_reads();
            thread::sleep(Duration::from_millis(10));
        }
        (working.join().unwrap(), began.elapsed())
    })
}

#[test]
fn what_is_interrupted_ends_at_once_and_what_begins_later_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run_1.h5");
    let server = ObjectServer::start();
    for compression in [Compression::None, Compression::Fast] {
        record(&path, compression, 60, true);
        let url = server.put("run_1.h5", gathered(&path));
        let options = ObjectOptions::default();

        server.fault(0, Fault::Stall);
        let (opened, took) = interrupted(|| open(&url, &options));
        assert!(matches!(opened, Err(ObjectError::Interrupted { .. })));
        assert!(took < Duration::from_millis(200), "{took:?}");

        // Of a compressed file that is the index, without which libhdf5 looks for the chunk, and may find it.
        let file = open(&url, &options).unwrap();
        let tensor = file.tensor("velocity").unwrap();
        server.fault(0, Fault::Stall);
        let (read, took) = interrupted(|| tensor.read_step::<bf16>(58));
        assert!(took < Duration::from_millis(200), "{took:?}");
        match read.map_err(|error| Chain(&error).to_string()) {
            Ok(values) => assert!(compression == Compression::Fast && values == step(58)),
            Err(text) => assert!(
                text.contains(&format!("reading {url} was interrupted")),
                "{text}"
            ),
        }
        assert!(tensor.read_step::<bf16>(58).unwrap() == step(58));
        server.taken();
        assert!(tensor.read_step::<bf16>(57).unwrap() == step(57));
        assert_eq!(server.taken().len(), 1);
    }
}
