use selvedge_conventions::{
    Abandoned, Damage, Dtype, Float16Evidence, Hdf5Facts, NumpyFacts, SafetensorsFacts,
    TensorFacts, Uint16Evidence,
};

use super::fixtures::Fixture;
use super::{World, file, path};

fn safetensors(name: &str, tensors: Vec<TensorFacts>) -> World {
    let facts = SafetensorsFacts {
        tensors,
        ..SafetensorsFacts::default()
    };
    file(
        &format!("tensors/Flannel/{name}.safetensors"),
        1_280_000,
        facts,
    )
}

fn hdf5(name: &str, tensors: Vec<TensorFacts>) -> World {
    let facts = Hdf5Facts {
        tensors,
        ..Hdf5Facts::default()
    };
    file(&format!("tensors/Flannel/{name}.h5"), 1_280_000, facts)
}

fn array(name: &str, tensors: Vec<TensorFacts>, damage: Option<Damage>) -> World {
    let facts = NumpyFacts { damage, tensors };
    file(&format!("data/{name}.npy"), 1_280_000, facts)
}

/// A world in which a writer died.
fn abandoned(name: &str, is_recoverable: bool) -> World {
    let mut world = World::default();
    world.tree.abandoned.push(Abandoned {
        path: path(name),
        bytes: 1_920_000_000,
        is_recoverable,
        is_whole: false,
    });
    world
}

fn damaged(name: &str, damage: Damage) -> World {
    let facts = SafetensorsFacts {
        damage: Some(damage),
        ..SafetensorsFacts::default()
    };
    file(&format!("tensors/Flannel/{name}.safetensors"), 500, facts)
}

fn uncovered(name: &str, gaps: &[(u64, u64)]) -> World {
    let facts = SafetensorsFacts {
        uncovered: gaps.iter().map(|(start, end)| *start..*end).collect(),
        ..SafetensorsFacts::default()
    };
    file(&format!("tensors/Flannel/{name}.safetensors"), 500, facts)
}

fn tensor(dtype: Dtype) -> TensorFacts {
    TensorFacts::new("W", dtype, 2, &[6001, 10_000, 64])
}

fn marked(dtype: Dtype, logical: &str) -> TensorFacts {
    TensorFacts {
        logical_dtype: Some(logical.to_owned()),
        ..tensor(dtype)
    }
}

fn float16(bits: impl IntoIterator<Item = u16>) -> TensorFacts {
    TensorFacts {
        float16: Some(Float16Evidence::of(bits)),
        ..tensor(Dtype::Float16)
    }
}

fn uint16(bits: impl IntoIterator<Item = u16>) -> TensorFacts {
    TensorFacts {
        uint16: Some(Uint16Evidence::of(bits)),
        ..tensor(Dtype::Uint16)
    }
}

/// Numbers that bfloat16 holds, in float16: 1.0 to 2.0.
fn rounded() -> impl Iterator<Item = u16> {
    (0..128).map(|index| 0x3C00 + index * 8)
}

/// Numbers in bfloat16, spread evenly over so many powers of two below 2.
fn measured(binades: f32) -> impl Iterator<Item = u16> {
    (0..640).map(move |at| ((1.0 - at as f32 / 640.0 * binades).exp2().to_bits() >> 16) as u16)
}

/// Squares, down to 1e-9.
fn squares() -> impl Iterator<Item = u16> {
    measured(30.0)
}

/// Weights in bfloat16, of both signs.
fn weights() -> impl Iterator<Item = u16> {
    measured(8.0)
        .zip([0, 0x8000].into_iter().cycle())
        .map(|(bits, sign)| bits | sign)
}

fn same(hashes: &[(&str, &str)]) -> World {
    let mut world = World::default();
    for (path, hash) in hashes {
        world = world.neighbour(path);
        let file = world.tree.files.last_mut().unwrap();
        file.content_hash = Some((*hash).to_owned());
    }
    world
}

pub(super) fn fixtures() -> Vec<Fixture> {
    let bias = TensorFacts::new("bias", Dtype::Uint16, 2, &[64]);
    let recorded = {
        let facts = Hdf5Facts {
            selvedge_version: Some("0.1.0".to_owned()),
            tensors: vec![tensor(Dtype::Uint16)],
            ..Hdf5Facts::default()
        };
        file("tensors/Thimble/thimble_7.h5", 100, facts)
    };
    vec![
        Fixture {
            code: "TEN001",
            passing: vec![("small", safetensors("1.5d_small", vec![])), {
                let facts = Hdf5Facts::default();
                (
                    "HDF5",
                    file("tensors/Thimble/thimble_7.h5", 30_727_680_000, facts),
                )
            }],
            failing: vec![
                ("beyond the default", {
                    let facts = SafetensorsFacts::default();
                    let path = "tensors/Thimble/7.1a_trajectory.safetensors";
                    file(path, 30_727_680_000, facts)
                }),
                (
                    "beyond what is configured",
                    safetensors("7.1b_limit", vec![]).config("limits.safetensors-size = '1 MB'"),
                ),
            ],
        },
        Fixture {
            code: "TEN002",
            passing: vec![
                (
                    "bfloat16",
                    safetensors("2.1a", vec![tensor(Dtype::Bfloat16)]),
                ),
                (
                    "meant",
                    hdf5("flannel_1", vec![marked(Dtype::Float16, "float16")]),
                ),
                (
                    "meant, as its name says",
                    safetensors("2.1a_model.fp16", vec![tensor(Dtype::Float16)]),
                ),
                ("meant, as a configuration says", {
                    let mut world = safetensors("2.1a", vec![tensor(Dtype::Float16)]);
                    let folder = world.artifacts[0].path.parent().to_owned();
                    world.tree.float16_folders.insert(folder);
                    world
                }),
                (
                    "read, and its own",
                    hdf5("flannel_1", vec![float16(0x3C00..0x4000)]),
                ),
            ],
            failing: vec![
                (
                    "safetensors",
                    safetensors("2.1b_half", vec![tensor(Dtype::Float16)]),
                ),
                ("HDF5", hdf5("flannel_2", vec![tensor(Dtype::Float16)])),
                ("NumPy", array("W", vec![tensor(Dtype::Float16)], None)),
            ],
        },
        Fixture {
            code: "TEN003",
            passing: vec![
                (
                    "marked",
                    hdf5("flannel_3", vec![marked(Dtype::Uint16, "bfloat16")]),
                ),
                ("integers", hdf5("flannel_3", vec![uint16(0..10_000)])),
                ("one axis", hdf5("flannel_3", vec![bias])),
                (
                    "distances in millimetres",
                    hdf5(
                        "flannel_3",
                        vec![uint16((0..128).map(|index| 4000 + index * 30))],
                    ),
                ),
                (
                    "ids beyond 11,000",
                    hdf5("flannel_3", vec![uint16((0..128).map(|index| index * 390))]),
                ),
                ("recorded by Selvedge", recorded),
                (
                    "an array of which nobody knows",
                    array("W", vec![tensor(Dtype::Uint16)], None),
                ),
            ],
            failing: vec![
                ("not seen", hdf5("flannel_4", vec![tensor(Dtype::Uint16)])),
                ("seen", hdf5("flannel_5", vec![uint16(weights())])),
                ("second moments beside weights", {
                    let mut squares = uint16(squares());
                    squares.name = "v".to_owned();
                    hdf5("flannel_7", vec![uint16(weights()), squares])
                }),
                ("second moments by their name", {
                    let mut squares = uint16(squares());
                    squares.name = "optimizer/exp_avg_sq".to_owned();
                    hdf5("flannel_8", vec![squares])
                }),
                (
                    "safetensors",
                    safetensors("3.1a_uint16", vec![tensor(Dtype::Uint16)]),
                ),
                (
                    "opaque",
                    hdf5(
                        "flannel_6",
                        vec![tensor(Dtype::named("2 opaque bytes (`NUMPY:V2`)"))],
                    ),
                ),
                ("an array", array("W", vec![uint16(weights())], None)),
                (
                    "an opaque array",
                    array("opaque", vec![tensor(Dtype::named("<V2"))], None),
                ),
            ],
        },
        Fixture {
            code: "TEN004",
            passing: vec![("sound", safetensors("4.1a", vec![]))],
            failing: vec![
                (
                    "truncated",
                    damaged(
                        "4.1b_truncated",
                        Damage::Truncated {
                            expected: 1_280_096,
                            found: 500,
                        },
                    ),
                ),
                ("no header", {
                    let reason = "its header is no JSON, at byte 17".to_owned();
                    damaged("4.1c_header", Damage::Unreadable { reason })
                }),
            ],
        },
        Fixture {
            code: "TEN005",
            passing: vec![("covered", safetensors("5.1a", vec![]))],
            failing: vec![
                ("one gap", uncovered("5.1b_gap", &[(1024, 1280)])),
                ("gaps", uncovered("5.1c_gaps", &[(0, 8), (100, 108)])),
            ],
        },
        Fixture {
            code: "TEN006",
            passing: vec![
                (
                    "different",
                    same(&[("tensors/a_1.h5", "x"), ("tensors/a_2.h5", "y")]),
                ),
                ("notebooks", same(&[("a.ipynb", "x"), ("b.ipynb", "x")])),
            ],
            failing: vec![(
                "three times",
                same(&[
                    ("tensors/Thimble/1.24c_mask.safetensors", "x"),
                    ("tensors/Flannel/1.5d_mask.safetensors", "x"),
                    ("tensors/Thimble/1.6a_mask.safetensors", "x"),
                ]),
            )],
        },
        Fixture {
            code: "TEN007",
            passing: vec![
                (
                    "not read",
                    safetensors("7.2a", vec![tensor(Dtype::Float16)]),
                ),
                (
                    "its own",
                    safetensors("7.2a", vec![float16(0x3C00..0x4000)]),
                ),
            ],
            failing: vec![
                (
                    "without loss",
                    safetensors("7.2b_lossless", vec![float16(rounded())]),
                ),
                (
                    "with losses",
                    hdf5(
                        "flannel_6",
                        vec![float16(rounded().chain([0, 0, 1, 0x7C00]))],
                    ),
                ),
            ],
        },
        Fixture {
            code: "TEN008",
            passing: vec![("nothing", World::default())],
            failing: vec![
                (
                    "a conversion",
                    abandoned("tensors/Thimble/.thimble_7.h5.partial", false),
                ),
                (
                    "rows",
                    abandoned("tensors/Flannel/1.5e_rows.safetensors.unfinished", true),
                ),
            ],
        },
        Fixture {
            code: "TEN009",
            passing: vec![("sound", array("W", vec![tensor(Dtype::named("<f4"))], None))],
            failing: vec![
                ("truncated", {
                    let (expected, found) = (1_280_128, 500);
                    let damage = Damage::Truncated { expected, found };
                    array("truncated", vec![], Some(damage))
                }),
                ("no header", {
                    let reason = "it does not begin like one of NumPy".to_owned();
                    array("header", vec![], Some(Damage::Unreadable { reason }))
                }),
            ],
        },
    ]
}
