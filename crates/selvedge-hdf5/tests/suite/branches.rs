//! A joined view shows what was joined, or is refused: its ranks may have gone back meanwhile, or were replaced.

use std::fs;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    CompareOptions, Compression, Join, Reader, Rechunk, Recorder, StorageError, bf16, compare,
    new_run_id,
};

use crate::common::ranks::{W, append, declare, joined, path_of, record, rows, shard, single};

/// What `open` says of a view.
fn refused(view: &Path) -> String {
    match Reader::open(view) {
        Err(error @ StorageError::ChangedSource { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was opened"),
    }
}

fn check_same(view: &Path, single: &Path) {
    let [left, right] = [view, single].map(|path| Reader::open(path).unwrap());
    let found = compare(&left, &right, &CompareOptions::default(), |_| ()).unwrap();
    assert!(found.is_equal(), "{found:?}");
}

/// Records other values than `append`, up to `until` steps.
fn append_others(run: &mut Recorder, rank: usize, until: u64) {
    let [top, bottom] = rows(rank);
    let (w, m) = (vec![bf16::ONE; (bottom - top) * W[1]], vec![1.0_f32; 8]);
    for _ in run.appended()..until {
        run.append(|row| row.put("W", &w)?.put("M", &m)?.put("loss", &0.0_f32))
            .unwrap();
    }
}

/// What a view says whose rank 2 has others than its 57 steps.
fn has_others(view: &Path) -> String {
    format!(
        "{} is a joined view of the ranks of a run, and its source rank_2.h5 has others than the 57 steps that were \
         joined: it was replaced, or gave some of them up (`at_step`); put back what was joined, or join the ranks anew",
        view.display()
    )
}

/// A view showed old steps of one rank beside new ones of another: a rank was only asked for its run, its number and its
/// shapes, and all of that is the same after it went back.
#[test]
fn a_view_is_refused_when_a_rank_gave_up_steps_that_it_shows() {
    for compression in [Compression::None, Compression::Fast] {
        let folder = tempfile::tempdir().unwrap();
        let run = new_run_id().unwrap();
        let paths: Vec<PathBuf> = (0..4)
            .map(|rank| {
                let path = path_of(folder.path(), rank);
                let builder = Recorder::create(&path).shard(shard(&run, rank));
                let builder = declare(builder, Some(rank)).compression(compression);
                let mut run = builder.start().unwrap();
                append(&mut run, Some(rank), 57);
                run.finish().unwrap();
                path
            })
            .collect();
        let view = folder.path().join("view.h5");
        Join::new(&paths).write(&view).unwrap();
        let single = single(folder.path(), 57);
        check_same(&view, &single);
        let mut open = Reader::open(&view).unwrap();
        assert_eq!(open.refresh().unwrap(), 57);

        let as_joined = folder.path().join("as_joined.h5");
        fs::copy(&paths[2], &as_joined).unwrap();
        let mut run = Recorder::resume(&paths[2]).at_step(56).start().unwrap();
        assert_eq!(open.refresh().unwrap_err().to_string(), has_others(&view));
        append_others(&mut run, 2, 60);
        run.finish().unwrap();
        assert_eq!(refused(&view), has_others(&view));
        assert_eq!(open.refresh().unwrap_err().to_string(), has_others(&view));

        // The new view is of the branch, and another branch from the same step is not that one.
        let anew = || Join::new(&paths).overwrite(true).write(&view).unwrap();
        assert_eq!(anew().steps, 57);
        Reader::open(&view).unwrap();
        fs::copy(&as_joined, &paths[2]).unwrap();
        let mut run = Recorder::resume(&paths[2]).at_step(56).start().unwrap();
        append_others(&mut run, 2, 60);
        run.finish().unwrap();
        assert_eq!(refused(&view), has_others(&view));
        anew();
        fs::copy(&as_joined, &paths[2]).unwrap();
        assert_eq!(refused(&view), has_others(&view));
        anew();
        check_same(&view, &single);
    }
}

/// A rank that was recorded anew under the name of the run, step for step, was taken for what was joined.
#[test]
fn a_view_is_refused_when_a_rank_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, view) = joined(folder.path());
    let moved = folder.path().join("moved.h5");
    fs::rename(&paths[2], &moved).unwrap();
    let run = Reader::open(&paths[0]).unwrap().shard().unwrap().run;
    record(folder.path(), &run, 2, 60);
    assert_eq!(refused(&view), has_others(&view));

    // What is written anew of what was joined has its steps, and so has what goes on after them: it goes back there, too.
    fs::remove_file(&paths[2]).unwrap();
    Rechunk::new(&moved, &paths[2]).run(|_| ()).unwrap();
    let single = single(folder.path(), 57);
    check_same(&view, &single);
    for steps in [57, 70, 80] {
        let resumed = Recorder::resume(&paths[2]).at_step(steps).steps(90);
        let mut run = resumed.start().unwrap();
        append_others(&mut run, 2, 90);
        run.finish().unwrap();
        check_same(&view, &single);
    }
    fs::remove_file(&moved).unwrap();
    Rechunk::new(&paths[2], &moved).run(|_| ()).unwrap();
    fs::rename(&moved, &paths[2]).unwrap();
    check_same(&view, &single);
    drop(Recorder::resume(&paths[2]).at_step(56).start().unwrap());
    let mut run = Recorder::resume(&paths[2]).start().unwrap();
    append_others(&mut run, 2, 57);
    run.finish().unwrap();
    assert_eq!(refused(&view), has_others(&view));
}
