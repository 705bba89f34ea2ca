use selvedge_conventions::{
    Damage, Dtype, Filter, Hdf5Facts, ReadPattern, RunState, Storage, TensorFacts,
};

use super::fixtures::Fixture;
use super::{World, file};

/// 6,001 steps of a tensor of (10000, 64), in chunks of this shape.
fn chunked(chunk: [u64; 3]) -> TensorFacts {
    TensorFacts {
        storage: Storage::Chunked {
            chunk: chunk.to_vec(),
            filters: Vec::new(),
            fast_encoder: None,
        },
        logical_dtype: Some("bfloat16".to_owned()),
        advised_chunk: Some(vec![1501, 10_000, 64]),
        ..TensorFacts::new("W", Dtype::Uint16, 2, &[6001, 10_000, 64])
    }
}

fn filtered(filters: &[(i32, &str)], encoder: Option<&str>) -> TensorFacts {
    let filter = |(id, name): &(i32, &str)| Filter {
        id: *id,
        name: (*name).to_owned(),
    };
    TensorFacts {
        storage: Storage::Chunked {
            chunk: vec![1501, 10_000, 64],
            filters: filters.iter().map(filter).collect(),
            fast_encoder: encoder.map(str::to_owned),
        },
        ..chunked([1501, 10_000, 64])
    }
}

fn finished(name: &str, tensor: TensorFacts) -> World {
    recording(name, RunState::Finished, Some(6001), tensor)
}

fn recording(name: &str, state: RunState, planned: Option<u64>, tensor: TensorFacts) -> World {
    let facts = Hdf5Facts {
        state,
        planned_steps: planned,
        committed_steps: Some(tensor.shape[0]),
        tensors: vec![tensor],
        ..Hdf5Facts::default()
    };
    file(&format!("tensors/Thimble/{name}.h5"), 7_684_000_000, facts)
}

/// A run whose recorder died, and whose file `h5repack` wrote anew.
fn anew(name: &str) -> World {
    let facts = Hdf5Facts {
        state: RunState::Died,
        written_anew: true,
        committed_steps: Some(4203),
        ..Hdf5Facts::default()
    };
    file(&format!("tensors/Thimble/{name}.h5"), 7_684_000_000, facts)
}

fn damaged(name: &str, damage: Damage) -> World {
    let facts = Hdf5Facts {
        damage: Some(damage),
        ..Hdf5Facts::default()
    };
    file(&format!("tensors/Thimble/{name}.h5"), 500, facts)
}

fn steps(steps: u64, tensor: TensorFacts) -> TensorFacts {
    TensorFacts {
        shape: vec![steps, 10_000, 64],
        ..tensor
    }
}

/// A virtual dataset without these sources.
fn without(files: &[&str]) -> TensorFacts {
    let missing = |file: &&str| format!("dataset `W` of {file}, which is not there");
    TensorFacts {
        missing_sources: files.iter().map(missing).collect(),
        ..TensorFacts::new("all/W", Dtype::Uint16, 2, &[2, 6001, 10_000, 64])
    }
}

pub(super) fn fixtures() -> Vec<Fixture> {
    let mut fixtures = about_chunks();
    let good = || chunked([1501, 10_000, 64]);
    let died = RunState::Died;
    fixtures.insert(
        0,
        Fixture {
            code: "TRJ001",
            passing: vec![
                ("plain", finished("thimble_7", good())),
                (
                    "shuffled",
                    finished("thimble_7", filtered(&[(2, "shuffle")], None)),
                ),
                (
                    "a fast encoder",
                    finished("thimble_7", filtered(&[(1, "gzip-1")], Some("selvedge"))),
                ),
            ],
            failing: vec![
                (
                    "gzip",
                    finished("thimble_11", filtered(&[(1, "gzip-1")], None)),
                ),
                (
                    "shuffle and zstd",
                    finished(
                        "thimble_12",
                        filtered(&[(2, "shuffle"), (32015, "zstd")], None),
                    ),
                ),
            ],
        },
    );
    fixtures.push(Fixture {
        code: "TRJ005",
        passing: vec![
            ("finished", finished("thimble_7", good())),
            (
                "live",
                recording("thimble_7", RunState::Live, Some(6001), good()),
            ),
            (
                "foreign",
                recording("thimble_7", RunState::Unknown, None, good()),
            ),
        ],
        failing: vec![
            (
                "planned",
                recording("thimble_51", died, Some(6001), steps(4203, good())),
            ),
            (
                "open",
                recording("thimble_52", died, None, steps(4203, good())),
            ),
            ("written-anew", anew("thimble_53")),
        ],
    });
    fixtures.push(Fixture {
        code: "TRJ006",
        passing: vec![("sound", finished("thimble_7", good()))],
        failing: vec![
            (
                "truncated",
                damaged(
                    "thimble_61",
                    Damage::Truncated {
                        expected: 7_684_000_000,
                        found: 500,
                    },
                ),
            ),
            ("not HDF5", {
                let reason = "it does not start with the HDF5 signature".to_owned();
                damaged("thimble_62", Damage::Unreadable { reason })
            }),
        ],
    });
    fixtures.push(Fixture {
        code: "TRJ007",
        passing: vec![("all are there", finished("all_runs", without(&[])))],
        failing: vec![
            ("one", finished("all_runs_1", without(&["run_1.h5"]))),
            ("a rank", {
                let facts = Hdf5Facts {
                    changed_source: Some("rank1.h5 is not there".to_owned()),
                    ..Hdf5Facts::default()
                };
                file("tensors/Thimble/joined_1.h5", 100, facts)
            }),
            (
                "two",
                finished("all_runs_2", without(&["run_1.h5", "run_2.h5"])),
            ),
        ],
    });
    let changed = |name: &str, state: RunState, changes: &[&str]| {
        let facts = Hdf5Facts {
            state,
            unequal_steps: state == RunState::Died,
            committed_steps: Some(3000),
            changes: changes.iter().map(ToString::to_string).collect(),
            ..Hdf5Facts::default()
        };
        file(&format!("tensors/Thimble/{name}.h5"), 500, facts)
    };
    let shortened =
        "the run had 6,001 steps, and 3,000 are left: another program changed the step tensors";
    let missing =
        "1 step tensor that the run had is not here any more: another program deleted or moved it";
    fixtures.push(Fixture {
        code: "TRJ008",
        passing: vec![
            ("as it was", changed("thimble_7", RunState::Finished, &[])),
            (
                "TRJ005 tells",
                changed("thimble_7", RunState::Died, &[shortened]),
            ),
        ],
        failing: vec![
            (
                "shortened",
                changed("thimble_81", RunState::Finished, &[shortened]),
            ),
            (
                "both",
                changed("thimble_82", RunState::Recovered, &[shortened, missing]),
            ),
        ],
    });
    fixtures
}

fn about_chunks() -> Vec<Fixture> {
    let good = || chunked([1501, 10_000, 64]);
    let single = "trajectories.read-pattern = 'single-steps'";
    vec![
        Fixture {
            code: "TRJ002",
            passing: vec![
                ("the plan", finished("thimble_7", good())),
                (
                    "near the plan",
                    finished("thimble_7", chunked([600, 10_000, 64])),
                ),
                ("nobody asked the planner", {
                    let mut tensor = chunked([10, 10_000, 64]);
                    tensor.advised_chunk = None;
                    finished("thimble_7", tensor)
                }),
                ("small", {
                    let mut tensor = chunked([1, 10_000, 64]);
                    tensor.shape = vec![10, 10_000, 64];
                    finished("thimble_7", tensor)
                }),
            ],
            failing: vec![
                (
                    "small chunks",
                    finished("thimble_21", chunked([10, 10_000, 64])),
                ),
                (
                    "pieces of a step",
                    finished("thimble_22", chunked([1501, 100, 64])),
                ),
                ("large chunks", {
                    let mut tensor = chunked([3000, 10_000, 64]);
                    tensor.advised_chunk = Some(vec![100, 500, 64]);
                    finished("thimble_23", tensor)
                }),
            ],
        },
        Fixture {
            code: "TRJ003",
            passing: vec![
                ("3 steps of tail", finished("thimble_7", good())),
                (
                    "still to be filled",
                    recording("thimble_7", RunState::Live, Some(6001), steps(10, good())),
                ),
                (
                    "an open number of steps",
                    recording("thimble_7", RunState::Live, None, steps(10, good())),
                ),
                (
                    "allowed",
                    finished("thimble_7", chunked([1600, 10_000, 64]))
                        .config("limits.tail-waste = 0.1"),
                ),
            ],
            failing: vec![
                ("1600", finished("thimble_31", chunked([1600, 10_000, 64]))),
                (
                    "1500, one more chunk for one step",
                    finished("thimble_32", chunked([1500, 10_000, 64])),
                ),
                ("stopped early, as the file tells", {
                    let mut tensor = steps(2000, good());
                    tensor.stored_bytes = Some(4 * 1501 * 1_280_000);
                    finished("thimble_33", tensor)
                }),
            ],
        },
        Fixture {
            code: "TRJ004",
            passing: vec![
                ("chunks of many", finished("thimble_7", good())),
                (
                    "single steps are read",
                    finished("thimble_7", chunked([1, 10_000, 64])).config(single),
                ),
                ("the plan itself", {
                    let mut tensor = chunked([1, 10_000, 64]);
                    tensor.advised_chunk = Some(vec![1, 10_000, 64]);
                    finished("thimble_7", tensor)
                }),
            ],
            failing: vec![
                (
                    "of the file",
                    finished("thimble_41", chunked([1, 10_000, 64])),
                ),
                ("although single steps are configured", {
                    let mut world = finished("thimble_42", chunked([1, 10_000, 64])).config(single);
                    if let selvedge_conventions::Contents::Hdf5(facts) =
                        &mut world.artifacts[0].contents
                    {
                        facts.read_pattern = Some(ReadPattern::WholeTensors);
                    }
                    world
                }),
            ],
        },
    ]
}
