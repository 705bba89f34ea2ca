use selvedge_conventions::{Hdf5Facts, NumpyFacts, SafetensorsFacts, TreePath};

use super::fixtures::Fixture;
use super::{World, file};

fn tensors(path: &str) -> World {
    configured(file(path, 1000, SafetensorsFacts::default()))
}

/// A world with a `selvedge.toml`.
fn configured(mut world: World) -> World {
    world.tree.is_configured = true;
    world
}

/// A file in a tree that keeps to no conventions: a download beside others.
fn elsewhere(name: &str) -> World {
    let world = file(&format!("models/{name}"), 1000, SafetensorsFacts::default());
    world.file("models/run.h5", 1000, Hdf5Facts::default())
}

/// Data of tests, in a repository where other files are named by the conventions.
fn of_tests(path: &str) -> World {
    let world = file(path, 1000, SafetensorsFacts::default());
    world.neighbour("tensors/Flannel/1.5d_mask.safetensors")
}

/// A file in a module of a program that is called `tensors`, beside notebooks.
fn of_a_program() -> World {
    let world = file(
        "tensors/data/x.safetensors",
        1000,
        SafetensorsFacts::default(),
    );
    let mut world = world.neighbour("notebooks/1.1a_first.ipynb");
    world.tree.packages.insert("tensors".to_owned());
    world
}

/// A file in a directory of tensors beside notebooks, without a `selvedge.toml`.
fn beside_notebooks(path: &str) -> World {
    let world = file(path, 1000, SafetensorsFacts::default());
    world.neighbour("notebooks/1.1a_first.ipynb")
}

/// An array of NumPy.
fn array(path: &str) -> World {
    configured(file(path, 1000, NumpyFacts::default()))
}

fn made_by(path: &str, notebook: &str) -> World {
    let facts = SafetensorsFacts {
        notebook: Some(notebook.to_owned()),
        ..SafetensorsFacts::default()
    };
    configured(file(path, 1000, facts))
}

fn trajectory(path: &str) -> World {
    configured(file(path, 1000, Hdf5Facts::default()))
}

pub(super) fn fixtures() -> Vec<Fixture> {
    vec![
        Fixture {
            code: "NAM001",
            passing: vec![
                (
                    "an id",
                    tensors("tensors/Flannel/1.5d_cluster_mask.safetensors"),
                ),
                (
                    "an id of another pattern",
                    tensors("tensors/Flannel/042_mask.safetensors")
                        .config("notebooks.id-pattern = '[0-9]{3}'"),
                ),
                ("a trajectory", trajectory("tensors/Thimble/thimble_7.h5")),
                ("no conventions", elsewhere("mask.safetensors")),
                (
                    "no notebooks, and no name of the conventions",
                    file(
                        "tensors/data/x.safetensors",
                        1000,
                        SafetensorsFacts::default(),
                    ),
                ),
                (
                    "data of tests",
                    of_tests("tests/data/tensors/f32/x.safetensors"),
                ),
                ("source", of_tests("src/tensors/f32/x.safetensors")),
                ("a module of a program", of_a_program()),
                (
                    "a part of a checkpoint",
                    tensors("tensors/Flannel/model-00001-of-00003.safetensors"),
                ),
                ("a part by its index", {
                    let path = "tensors/Flannel/part_a.safetensors";
                    let mut world = tensors(path);
                    world.tree.shards.insert(TreePath::new(path));
                    world
                }),
                ("an array", array("tensors/Flannel/1.5d_mask.npy")),
                ("an array anywhere", array("data/mask.npz")),
            ],
            failing: vec![
                ("no id", tensors("tensors/Flannel/cluster_mask.safetensors")),
                (
                    "beside notebooks",
                    beside_notebooks("tensors/Flannel/norms.safetensors"),
                ),
                ("capitals", tensors("tensors/Flannel/1.5D_mask.safetensors")),
                (
                    "at the end",
                    tensors("tensors/Flannel/mask (1.5d).safetensors"),
                ),
                (
                    "the metadata know",
                    made_by(
                        "tensors/Flannel/dead tokens.safetensors",
                        "notebooks/1.6a_dead_tokens.ipynb",
                    ),
                ),
                (
                    "an id of another pattern",
                    tensors("tensors/Flannel/1.5d_norms.safetensors")
                        .config("notebooks.id-pattern = '[0-9]{3}'"),
                ),
                ("an array", array("tensors/Flannel/mask 1.5d.npy")),
            ],
        },
        Fixture {
            code: "NAM002",
            passing: vec![
                (
                    "in its project",
                    tensors("box_3/tensors/Flannel/1.5d_mask.safetensors")
                        .neighbour("box_3/notebooks/drafts/1.5d_clusters.ipynb"),
                ),
                (
                    "above its project",
                    tensors("box_3/tensors/Flannel/1.5d_mask.safetensors")
                        .neighbour("notebooks/1.5d.ipynb"),
                ),
                (
                    "anywhere, where the project has none",
                    tensors("data/tensors/Flannel/1.5d_mask.safetensors")
                        .neighbour("code/notebooks/1.5d-clusters.ipynb"),
                ),
                ("no id at all", tensors("tensors/Flannel/mask.safetensors")),
                ("no conventions", elsewhere("1.5d_mask.safetensors")),
                ("an array anywhere", array("data/1.5d_mask.npy")),
            ],
            failing: vec![
                ("an array", array("tensors/Flannel/1.5d_mask.npz")),
                (
                    "a slip of the finger",
                    tensors("box_3/tensors/Flannel/1.5e_mask.safetensors")
                        .neighbour("box_3/notebooks/1.5d_clusters.ipynb")
                        .neighbour("box_3/notebooks/1.24c8_norms.ipynb"),
                ),
                (
                    "only in another project",
                    tensors("box_4/tensors/Flannel/11.7d_mask.safetensors")
                        .neighbour("box_3/notebooks/11.7d_clusters.ipynb")
                        .neighbour("box_4/notebooks/1.1a_first.ipynb")
                        .neighbour("box_4/notebooks/2.10b_second.ipynb"),
                ),
                (
                    "no notebooks",
                    tensors("box_5/tensors/Flannel/1.5d_mask.safetensors")
                        .neighbour("elsewhere/1.5d_clusters.ipynb"),
                ),
            ],
        },
        Fixture {
            code: "NAM003",
            passing: vec![
                (
                    "at the root",
                    tensors("tensors/Flannel/1.5d_mask.safetensors"),
                ),
                ("deep", trajectory("a/box_3/tensors/Thimble/thimble_7.h5")),
                ("a part of a checkpoint in a folder of its own", {
                    let path = "tensors/Flannel/step_100/model-00001-of-00002.safetensors";
                    let mut world = tensors(path);
                    world.tree.shards.insert(TreePath::new(path));
                    world
                }),
                ("no conventions", elsewhere("1.5d_mask.safetensors")),
                (
                    "data of tests",
                    of_tests("tests/data/tensors/x.safetensors"),
                ),
                ("a module of a program", of_a_program()),
                (
                    "elsewhere, as configured",
                    tensors("data/Flannel/1.5d_mask.safetensors")
                        .config("tensors.directories = 'data'"),
                ),
                ("an array anywhere", array("data/mask.npy")),
            ],
            failing: vec![
                ("an array", array("tensors/1.5d_array.npy")),
                (
                    "beside a notebook",
                    tensors("notebooks/1.5d_beside.safetensors"),
                ),
                (
                    "no model",
                    tensors("box_3/tensors/1.5d_no_model.safetensors"),
                ),
                (
                    "called like a part of a checkpoint, and no index has it",
                    tensors("tensors/Flannel/step_100/model-00001-of-00002.safetensors"),
                ),
                ("too deep", trajectory("tensors/Thimble/old/thimble_1.h5")),
                (
                    "a misspelt model",
                    tensors("tensors/Flanel/1.5d_misspelt.safetensors")
                        .config("tensors.models = ['Flannel', 'Thimble']"),
                ),
            ],
        },
        Fixture {
            code: "NAM004",
            passing: vec![
                ("no conventions", elsewhere("mask.safetensors")),
                ("a run", trajectory("tensors/Thimble/thimble_7.h5")),
                (
                    "safetensors",
                    tensors("tensors/Thimble/thimble.safetensors"),
                ),
            ],
            failing: vec![
                ("no number", trajectory("tensors/Thimble/thimble.h5")),
                ("almost", trajectory("tensors/Thimble/Thimble-008.hdf5")),
                ("nothing to go by", trajectory("tensors/Thimble/7.h5")),
            ],
        },
    ]
}
