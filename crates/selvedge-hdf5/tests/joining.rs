//! Several ranks record one run, each into a file of its own, and are joined: what is read of the view is
//! what one process would have recorded.

use std::fs;
use std::path::{Path, PathBuf};

use selvedge_hdf5::{
    CompareOptions, Compression, Dtype, Error, Join, JoinError, Reader, Rechunk, Recorder,
    RecorderBuilder, Replicas, Role, RunState, Shard, StorageError, TensorSpec, add_checksums,
    bf16, compare, joined_steps, new_run_id, recover,
};
use selvedge_testing::{again, is_child, python, setting, system_calls, traced};

use common::ranks::{
    W, append, bits_of, block, declare, four, joined, path_of, record, shard, single, w,
};

mod common;

/// Stock h5py finds the same in a view as in the file of one process.
const SAME: &str = r#"
import sys, h5py, numpy as np
def load(path):
    with h5py.File(path, "r", locking=False) as f:
        return {name: (f[name][...], dict(f[name].attrs).get("logical_dtype")) for name in f}
view, single = load(sys.argv[1]), load(sys.argv[1].replace("view", "single"))
assert view.keys() == single.keys(), (view.keys(), single.keys())
for name, (values, dtype) in view.items():
    expected, other = single[name]
    assert values.dtype == expected.dtype and dtype == other, name
    assert np.array_equal(values, expected), (name, values.shape, expected.shape)
"#;

fn check_same(view: &Path, single: &Path) {
    let [left, right] = [view, single].map(|path| Reader::open(path).unwrap());
    let found = compare(&left, &right, &CompareOptions::default(), |_| ()).unwrap();
    assert!(found.is_equal(), "{found:?}");
}

#[test]
fn a_view_is_what_one_process_would_have_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, view) = joined(folder.path());
    let single = single(folder.path(), 57);
    check_same(&view, &single);
    python::on_file(SAME, &view);

    let file = Reader::open(&view).unwrap();
    assert_eq!(
        (file.committed_steps(), file.state()),
        (57, RunState::Finished)
    );
    assert_eq!(file.sources().len(), paths.len());
    assert_eq!((file.shard(), file.notes()), (None, &[][..]));
    let whole = Reader::open(&single).unwrap();
    for name in ["W", "M", "loss", "mask", "ids"] {
        let [joined, expected] = [&file, &whole].map(|file| file.tensor(name).unwrap());
        assert_eq!(joined.shape(), expected.shape(), "{name}");
        assert_eq!(
            joined.attributes().unwrap(),
            expected.attributes().unwrap(),
            "{name}"
        );
        for stride in [1, 4] {
            let [found, wanted] = [joined, expected].map(|tensor| {
                let end = tensor.shape()[0];
                let selection = tensor.select().steps(end / 3..end).every(stride);
                let bytes = selection.shape().unwrap().iter().product::<u64>()
                    * tensor.dtype().unwrap().size() as u64;
                let mut bytes = vec![0; usize::try_from(bytes).unwrap()];
                selection.read_bytes_into(&mut bytes).unwrap();
                bytes
            });
            assert_eq!(found, wanted, "{name}, every {stride}");
        }
    }
    let rows = [9, 0, 4, 4, 2, 3];
    for (name, rows) in [("W", &rows[..]), ("M", &rows[1..5])] {
        let [found, wanted] = [&file, &whole].map(|file| {
            let rows = rows.iter().map(|row| row % 4).collect::<Vec<_>>();
            let rows = file
                .tensor(name)
                .unwrap()
                .select()
                .steps(3..50)
                .every(3)
                .rows(rows);
            rows.read_f32().unwrap()
        });
        let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(found), bits(wanted), "{name}");
    }
    let mut steps = 0;
    for block in file
        .tensor("W")
        .unwrap()
        .select()
        .blocks::<bf16>(4000)
        .unwrap()
    {
        let block = block.unwrap();
        for (nth, values) in block.steps().zip(block.chunks(60)) {
            let expected = bits_of(&common::ranks::block(w, nth, [0, W[0]], [0, W[1]]));
            assert_eq!(bits_of(values), expected);
            steps += 1;
        }
    }
    assert_eq!(steps, 57);
}

/// A run goes on after it was joined. The view shows the steps that it was made with.
#[test]
fn a_view_stays_while_its_ranks_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, view) = joined(folder.path());
    assert_eq!(joined_steps(&paths).unwrap(), 57);
    for (rank, path) in paths.iter().enumerate() {
        let mut run = Recorder::resume(path).at_step(57).start().unwrap();
        append(&mut run, Some(rank), 80);
        run.finish().unwrap();
    }
    let single = single(folder.path(), 57);
    check_same(&view, &single);
    python::on_file(SAME, &view);
    fs::remove_file(&single).unwrap();
    let plan = Join::new(paths.iter().rev())
        .overwrite(true)
        .write(&view)
        .unwrap();
    assert_eq!(plan.steps, 80);
    check_same(&view, &self::single(folder.path(), 80));
    python::on_file(SAME, &view);
}

/// Compressed ranks, one of them an archive, are read as plain ones.
#[test]
fn compressed_ranks_are_joined() {
    const ROWS: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let run = new_run_id().unwrap();
    let value = |step: u16, index: usize| {
        let low = (usize::from(step) * 7 + index % 251) % 256;
        bf16::from_bits(0x3F00 | u16::try_from(low).unwrap())
    };
    let mut paths = Vec::new();
    for rank in 0..2_usize {
        let path = folder.path().join(format!("fast_{rank}.h5"));
        let shard = Shard {
            run: run.clone(),
            rank: rank as u64,
            world_size: 2,
        };
        let part = TensorSpec::new("W", Dtype::Bf16, [ROWS, 256])
            .part_of([2 * ROWS, 256], [rank * ROWS, 0]);
        let mut recorder = Recorder::create(&path)
            .shard(shard)
            .compression(Compression::Fast)
            .tensor_spec(part)
            .start()
            .unwrap();
        for step in 0..40 {
            let first = rank * ROWS * 256;
            let values: Vec<_> = (first..first + ROWS * 256)
                .map(|index| value(step, index))
                .collect();
            recorder.append(|row| row.put("W", &values)).unwrap();
        }
        recorder.finish().unwrap();
        paths.push(path);
    }
    let archive = folder.path().join("archive.h5");
    Rechunk::new(&paths[1], &archive)
        .compression(Compression::Temporal)
        .run(|_| ())
        .unwrap();
    paths[1] = archive;
    let view = folder.path().join("view.h5");
    Join::new(&paths).write(&view).unwrap();
    let file = Reader::open(&view).unwrap();
    let tensor = file.tensor("W").unwrap();
    let expected = |step: u16| {
        (0..2 * ROWS * 256)
            .map(|index| value(step, index))
            .collect::<Vec<_>>()
    };
    let whole = tensor.read::<bf16>().unwrap();
    for step in 0..40 {
        let at = usize::from(step) * 2 * ROWS * 256;
        assert!(
            whole[at..at + 2 * ROWS * 256] == expected(step)[..],
            "step {step}"
        );
        assert!(
            tensor.read_step::<bf16>(step.into()).unwrap() == expected(step),
            "step {step} alone"
        );
    }
    let rows = tensor
        .select()
        .steps(10..30)
        .every(7)
        .rows([100, 3])
        .read::<bf16>()
        .unwrap();
    let wanted = [10, 17, 24].into_iter().flat_map(|step| {
        let step = expected(step);
        [100, 3]
            .into_iter()
            .flat_map(move |row| step[row * 256..(row + 1) * 256].to_vec())
    });
    assert!(rows == wanted.collect::<Vec<_>>());
}

/// A step costs a read of each rank that has a part of it, and nothing else.
#[test]
fn a_second_step_of_a_view_is_a_read_of_each_rank() {
    const NAME: &str = "a_second_step_of_a_view_is_a_read_of_each_rank";
    if is_child(NAME) {
        let view: PathBuf = setting("VIEW");
        let file = Reader::open(view).unwrap();
        let [tensor, loss] = ["W", "loss"].map(|name| file.tensor(name).unwrap());
        let (mut values, mut losses) = (vec![bf16::ZERO; 60], [0.0_f32; 57]);
        tensor.read_steps_into(22..23, &mut values).unwrap();
        loss.read_into(&mut losses[..]).unwrap();
        traced(|| tensor.read_steps_into(23..24, &mut values).unwrap());
        assert_eq!(
            bits_of(&values),
            bits_of(&block(w, 23, [0, W[0]], [0, W[1]]))
        );
        let mut row = [bf16::ZERO; 6];
        let selection = tensor.select().steps(24..25).rows([4]);
        traced(|| selection.read_into(&mut row).unwrap());
        traced(|| loss.read_into(&mut losses[..1]).err());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_, view) = joined(folder.path());
    let mut child = again(NAME, &[("VIEW", view.display().to_string())]);
    let mut calls = system_calls(&mut child);
    for of_read in &mut calls {
        // The allocator's, where its memory ends.
        of_read.retain(|&call| call != libc::SYS_mprotect);
    }
    let reads = vec![libc::SYS_pread64; 4];
    assert_eq!(calls, [reads.clone(), reads[..1].to_vec(), vec![]]);
}

/// What `open` says of a view.
fn refused(view: &Path) -> String {
    match Reader::open(view) {
        Err(error @ StorageError::ChangedSource { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was opened"),
    }
}

/// HDF5 shows fill values for a source that is gone, and whatever is in one that was replaced.
#[test]
fn a_view_whose_ranks_are_not_as_they_were_joined_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, view) = joined(folder.path());
    let moved = folder.path().join("moved.h5");
    fs::rename(&paths[2], &moved).unwrap();
    let said = refused(&view);
    assert!(said.contains("its source rank_2.h5 is not there"), "{said}");

    // Another run, and another rank of the same run.
    record(folder.path(), "another", 2, 60);
    let said = refused(&view);
    assert!(
        said.contains("rank_2.h5 is of rank 2 of 4 of the run another, where rank 2"),
        "{said}"
    );
    fs::copy(&paths[1], &paths[2]).unwrap();
    assert!(
        refused(&view).contains("is of rank 1 of 4"),
        "{}",
        refused(&view)
    );

    // The same rank with fewer steps, and with other tensors.
    fs::copy(&moved, &paths[2]).unwrap();
    drop(Recorder::resume(&paths[2]).at_step(41).start().unwrap());
    let said = refused(&view);
    assert!(
        said.contains("tensor `M` as float32 of shape (41, 4, 2), where float32 of shape (57, 4, 2) was joined"),
        "{said}"
    );
    fs::remove_file(&paths[2]).unwrap();
    let run = Reader::open(&paths[0]).unwrap().shard().unwrap();
    let other = Shard { rank: 2, ..run };
    drop(
        Recorder::create(&paths[2])
            .shard(other)
            .scalar::<f32>("loss")
            .start()
            .unwrap(),
    );
    assert!(
        refused(&view).contains("has no tensor"),
        "{}",
        refused(&view)
    );

    fs::rename(&moved, &paths[2]).unwrap();
    check_same(&view, &single(folder.path(), 57));
}

/// Sources that lie beside the view are read without being asked for, others where that is.
#[test]
fn sources_follow_the_rule_of_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let paths = four(folder.path());
    let view = folder.path().join("views/view.h5");
    Join::new(&paths).write(&view).unwrap();
    let said = refused(&view);
    assert!(
        said.contains("../rank_0.h5 is not read: its name leads out of the folder of the file"),
        "{said}"
    );
    // Its own folder alone would not help.
    assert!(
        said.contains("--follow-links=DIR") && !said.contains("`follow_links`"),
        "{said}"
    );
    let inside = Reader::options().follow_links_inside(folder.path());
    assert_eq!(inside.open(&view).unwrap().committed_steps(), 57);
    // The whole is moved together.
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for name in ["rank_0.h5", "rank_1.h5", "rank_2.h5", "rank_3.h5"] {
        fs::rename(folder.path().join(name), elsewhere.join(name)).unwrap();
    }
    fs::rename(folder.path().join("views"), elsewhere.join("views")).unwrap();
    let inside = Reader::options().follow_links_inside(&elsewhere);
    assert_eq!(
        inside
            .open(elsewhere.join("views/view.h5"))
            .unwrap()
            .committed_steps(),
        57
    );
}

#[test]
fn a_view_is_not_recorded_into() {
    let folder = tempfile::tempdir().unwrap();
    let (paths, view) = joined(folder.path());
    let before = fs::read(&view).unwrap();
    for error in [
        Error::from(recover(&view).unwrap_err()),
        Recorder::resume(&view).start().unwrap_err().into(),
        add_checksums(&view, |_| ()).unwrap_err().into(),
    ] {
        assert!(error.to_string().contains("joined view"), "{error}");
    }
    assert_eq!(fs::read(&view).unwrap(), before);
    let error = Join::new(&paths)
        .overwrite(true)
        .write(&paths[1])
        .unwrap_err();
    assert!(matches!(error, JoinError::OverShard { .. }), "{error}");
    let error = Join::new(&paths).write(&view).unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
}

/// What `plan` says of these files.
fn not_joined(paths: &[PathBuf]) -> String {
    Join::new(paths).plan().unwrap_err().to_string()
}

#[test]
fn files_that_do_not_go_together_are_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = four(folder.path());
    let plan = Join::new(&paths).plan().unwrap();
    assert_eq!(plan.steps, 57);
    assert_eq!(
        plan.ranks
            .iter()
            .map(|rank| rank.committed)
            .collect::<Vec<_>>(),
        [60, 57, 60, 59]
    );
    let of = |name: &str| {
        plan.tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .unwrap()
    };
    assert_eq!(
        (of("W").role, &of("W").ranks[..]),
        (Role::Step, &[0, 1, 2, 3][..])
    );
    assert_eq!(
        (&of("loss").replicas, &of("loss").ranks[..]),
        (&Replicas::Equal, &[0][..])
    );

    let said = not_joined(&[paths[0].clone(), paths[3].clone()]);
    assert_eq!(
        said,
        "of 4 ranks, ranks 1, 2 are missing: name a file of each"
    );
    assert!(not_joined(&[]).contains("missing"));
    let alone = single(folder.path(), 3);
    assert!(not_joined(std::slice::from_ref(&alone)).contains("single.h5 is of no rank"));
    let copy = folder.path().join("copy.h5");
    fs::copy(&paths[1], &copy).unwrap();
    paths.push(copy.clone());
    assert!(
        not_joined(&paths).contains("are both of rank 1"),
        "{}",
        not_joined(&paths)
    );
    paths.pop();

    let run = Reader::open(&paths[0]).unwrap().shard().unwrap().run;
    fs::remove_file(&copy).unwrap();
    // Another that declares rank 3 as it is told to.
    let mut instead = |declare: &dyn Fn(RecorderBuilder) -> RecorderBuilder| {
        let _ = fs::remove_file(&copy);
        let builder = Recorder::create(&copy).shard(shard(&run, 3));
        drop(declare(builder).start().unwrap());
        paths[3].clone_from(&copy);
        not_joined(&paths)
    };
    let said = instead(&|builder| declare(builder, Some(3)).attribute("seed", 3));
    assert!(
        said.contains("attribute `seed`") && said.contains("has 3, and"),
        "{said}"
    );
    let part = |rows: usize, first: usize| {
        TensorSpec::new("W", Dtype::Bf16, [rows, 6]).part_of([10, 6], [first, 0])
    };
    let rate = |builder: RecorderBuilder| {
        let m = TensorSpec::new("M", Dtype::F32, [4, 2]).part_of([4, 8], [0, 6]);
        builder.attribute("learning_rate", 1e-3).tensor_spec(m)
    };
    let said = instead(&|builder| rate(builder).tensor_spec(part(2, 8)));
    assert!(
        said.contains("the ranks 2 and 3 both have its part [8:9, 0:6]"),
        "{said}"
    );
    let said =
        instead(&|builder| rate(builder).tensor_spec(TensorSpec::new("W", Dtype::Bf16, [1, 6])));
    assert!(
        said.contains("tensor `W`") && said.contains("steps of bfloat16, all of (1, 6)"),
        "{said}"
    );
    let said = instead(&|builder| rate(builder));
    assert!(
        said.contains("tensor `W`: of its steps of shape [10, 6] no rank has the part [9:10, 0:6]"),
        "{said}"
    );
    assert!(said.contains("0, 1, 2"), "{said}");
    let said = instead(&|builder| declare(builder.tensor_attribute("W", "unit", "px"), Some(3)));
    assert!(said.contains("tensor `W`: attribute `unit`"), "{said}");
    fs::remove_file(path_of(folder.path(), 3)).unwrap();
    record(folder.path(), "another", 3, 3);
    let others = [paths[0].clone(), path_of(folder.path(), 3)];
    assert!(
        not_joined(&others).contains("run another of 4 ranks"),
        "{}",
        not_joined(&others)
    );
}

/// A loss that is each rank's own: it is told, and the view has that of the first rank.
#[test]
fn replicas_that_differ_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = new_run_id().unwrap();
    let paths: Vec<PathBuf> = (0..2_u16)
        .map(|rank| {
            let path = path_of(folder.path(), rank.into());
            let shard = Shard {
                run: run.clone(),
                rank: rank.into(),
                world_size: 2,
            };
            let builder = Recorder::create(&path).shard(shard).scalar::<f32>("loss");
            // Only the first has the tensor that is replicated.
            let builder = if rank == 0 {
                builder.scalar::<u8>("only")
            } else {
                builder
            };
            let mut run = builder.start().unwrap();
            for step in 0..9_u16 {
                let loss = f32::from(step + if step > 5 { rank } else { 0 });
                run.append(|row| {
                    let row = row.put("loss", &loss)?;
                    if rank == 0 {
                        row.put("only", &3_u8)
                    } else {
                        Ok(row)
                    }
                })
                .unwrap();
            }
            run.finish().unwrap();
            path
        })
        .collect();
    let view = folder.path().join("view.h5");
    let plan = Join::new(&paths).write(&view).unwrap();
    let replicas = |name: &str| {
        let found = plan.tensors.iter().find(|tensor| tensor.name == name);
        found.unwrap().replicas.clone()
    };
    assert_eq!(replicas("loss"), Replicas::Differ(vec![(1, 6)]));
    assert_eq!(replicas("only"), Replicas::None);
    let losses = Reader::open(&view)
        .unwrap()
        .tensor("loss")
        .unwrap()
        .read::<f32>()
        .unwrap();
    assert_eq!(losses[8], 8.0);
}
