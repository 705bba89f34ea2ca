"""Small tensors: saved as they are indexed, and loaded with where they came from."""

from __future__ import annotations

import pathlib

import numpy
import pytest
import safetensors.numpy
import safetensors.torch
import torch

import selvedge


def test_the_seeds_snippet(tmp_path: pathlib.Path) -> None:
    output = tmp_path / "tensors/Qwen3-4B-Instruct-2507/1.5d_cluster_mask.safetensors"
    mask = torch.arange(1000) % 3 == 0
    centers = torch.randn(17, 64, dtype=torch.bfloat16)
    size = selvedge.save_safetensors(
        {"cluster_mask": mask, "n_clusters": 17, "centers": centers}, output,
        notebook="1.5d_clusters.ipynb", parameters={"threshold": 0.5}, metadata={"format": "pt"},
    )  # fmt: skip
    assert size == output.stat().st_size
    # By the package of the format, as the seed loads it.
    data = safetensors.torch.load_file(output)
    assert torch.equal(data["cluster_mask"], mask) and data["n_clusters"].item() == 17
    assert torch.equal(data["centers"], centers)
    # And by ours.
    loaded = selvedge.load_safetensors(output)
    assert torch.equal(loaded["centers"], centers) and loaded["centers"].dtype == torch.bfloat16
    assert (loaded.notebook, loaded.parameters) == ("1.5d_clusters.ipynb", {"threshold": "0.5"})
    assert loaded.metadata["format"] == "pt"
    assert set(selvedge.load_safetensors(output, ["n_clusters"])) == {"n_clusters"}


def test_strided_values_are_saved_as_they_are_indexed(tmp_path: pathlib.Path) -> None:
    # safetensors 0.8 saves them as other values, without an error.
    path = tmp_path / "a.safetensors"
    array = numpy.arange(24, dtype=numpy.float32).reshape(4, 6)
    tensors = {"t": array.T, "f": numpy.asfortranarray(array), "s": array[::2, ::-1], "p": torch.arange(6.0).reshape(2, 3).T}
    selvedge.save_safetensors(tensors, path)
    found = safetensors.numpy.load_file(path)
    for name, value in tensors.items():
        assert numpy.array_equal(found[name], numpy.asarray(value)), name


def test_rows_are_chosen_as_numpy_does(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.safetensors"
    values = torch.randn(40, 3, 2, dtype=torch.bfloat16)
    selvedge.save_safetensors({"W": values}, path)
    mask = torch.arange(40) % 7 == 1
    one = torch.tensor([2])
    for rows in (slice(3, 9), slice(None, None, 5), slice(None, None, -3), [5, 1, 1, -1], mask, [], 7, one):
        expected = values.flip(0)[::3] if rows == slice(None, None, -3) else values[rows]
        assert torch.equal(selvedge.load_safetensors(path, rows=rows)["W"], expected)
    with pytest.raises(IndexError):
        selvedge.load_safetensors(path, rows=[40])


def test_forms_and_errors(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.safetensors"
    values = torch.randn(4, 3, dtype=torch.bfloat16)
    selvedge.save_safetensors({"W": values}, path, reproducible=True)
    first = path.read_bytes()
    selvedge.save_safetensors({"W": values}, path, reproducible=True, sync=False)
    assert path.read_bytes() == first
    assert selvedge.load_safetensors(path, form="numpy")["W"].dtype.name == "bfloat16"
    assert selvedge.load_safetensors(path, form="bits")["W"].dtype == numpy.uint16
    with pytest.raises(FileExistsError):
        selvedge.save_safetensors({"W": values}, path, overwrite=False)
    with pytest.raises(selvedge.DtypeError, match="complex128"):
        selvedge.save_safetensors({"c": numpy.zeros(2, numpy.complex128)}, path)
    with pytest.raises(KeyError):
        selvedge.load_safetensors(path, ["V"])
    with pytest.raises(FileNotFoundError):
        selvedge.load_safetensors(tmp_path / "b.safetensors")
    for wrong, match in (
        ({"metadata": {"k": 1}}, "metadata: `k`: expected a text, found 1"),
        ({"metadata": ["k"]}, "metadata: expected a mapping"),
        ({"parameters": {"p": "\ud800"}}, "parameters: `p`: expected a text"),
        ({"notebook": "\ud800"}, "notebook: expected a text"),
    ):
        with pytest.raises(selvedge.DeclarationError, match=match):
            selvedge.save_safetensors({"W": values}, path, **wrong)
    with pytest.raises(selvedge.DeclarationError, match="expected names for keys"):
        selvedge.save_safetensors({"\ud800": values}, path)
    with pytest.raises(selvedge.DeclarationError, match="names: expected a text"):
        selvedge.load_safetensors(path, ["\ud800"])
    assert torch.equal(selvedge.load_safetensors(bytes(path))["W"], values)
    with pytest.raises(selvedge.Error, match="__metadata__"):
        selvedge.save_safetensors({"__metadata__": values}, path)
    assert path.read_bytes() == first
