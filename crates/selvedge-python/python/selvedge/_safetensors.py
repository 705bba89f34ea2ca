"""Saving and loading small tensors: safetensors files that say where they came from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from selvedge import _selvedge
from selvedge._arguments import as_path, as_text, named
from selvedge._dtypes import BITS, SIZES, to_numpy, to_torch
from selvedge._errors import DeclarationError, OutOfRangeError
from selvedge._indices import pick, runs

Path = str | os.PathLike[str]


def save_safetensors(
    tensors: Mapping[str, Any],
    path: Path,
    *,
    notebook: Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = True,
    sync: bool = True,
    reproducible: bool = False,
) -> int:
    """Saves tensors, arrays and numbers as safetensors. Returns the bytes of the file.

    The file gets its name when it is complete: whatever happens, there is the old one, or none, or the whole new
    one. Strided and transposed values are saved as they are indexed.

    Args:
        tensors: values by name.
        path: the file, such as ``tensors/MODEL/1.5d_cluster_mask.safetensors``. Folders are made.
        notebook: the notebook that makes it; with `parameters` it is in the file's metadata.
        parameters: what the tensors were made with.
        metadata: other entries of the metadata.
        overwrite: replaces a file, as `safetensors.torch.save_file` does.
        sync: waits until the file is on the disk.
        reproducible: leaves out the time and the version, so that equal tensors make equal files.

    Raises:
        ExistsError: there is a file, and `overwrite` is off.
        DtypeError: values that safetensors has no dtype for.

    >>> save_safetensors({"cluster_mask": mask, "n_clusters": 17}, f"tensors/{MODEL}/1.5d_cluster_mask.safetensors",
    ...                  notebook="1.5d_clusters.ipynb", parameters={"threshold": 0.5})
    """
    items = named("tensors", tensors, "{'mask': mask}")
    options = {
        "notebook": None if notebook is None else as_text("notebook", os.fsdecode(notebook)),
        "parameters": [
            (name, as_text(f"parameters: `{name}`", str(value)))
            for name, value in named("parameters", parameters, "{'threshold': 0.5}")
        ],
        "metadata": [
            (name, as_text(f"metadata: `{name}`", value)) for name, value in named("metadata", metadata, "{'format': 'pt'}")
        ],
        "overwrite": overwrite,
        "sync": sync,
        "reproducible": reproducible,
    }
    return _selvedge.save_safetensors(as_path(path, new=True), items, options)


class Loaded(dict[str, Any]):
    """The tensors of a file, by name, and where they came from."""

    metadata: dict[str, str]
    """All entries of the file's metadata."""

    @property
    def notebook(self) -> str | None:
        """The notebook that made it."""
        return self.metadata.get("notebook")

    @property
    def parameters(self) -> dict[str, str]:
        """What the tensors were made with, as text."""
        prefix = "parameter."
        return {
            key.removeprefix(prefix): value for key, value in self.metadata.items() if key.startswith(prefix)
        }


def load_safetensors(
    path: Path,
    names: Sequence[str] | None = None,
    *,
    rows: Any = None,
    form: Literal["torch", "numpy", "bits"] = "torch",
) -> Loaded:
    """Loads tensors of a safetensors file.

    Args:
        path: the file.
        names: which tensors; without it all.
        rows: which indices of their first axis: a slice, a list, or a mask; without it all. Only those are read.
        form: what they become: tensors of torch, arrays, or arrays of the bits of what NumPy has no dtype for.

    Raises:
        NotFoundError: there is no such file.
        TensorNotFoundError: it has no such tensor.
        MissingPackageError: it takes torch, or `ml_dtypes`, which is not installed.

    >>> data = load_safetensors(output_path)
    >>> data["cluster_mask"], data.notebook
    """
    if isinstance(names, str):
        raise DeclarationError(f"names={names!r}: expected a list of names: [{names!r}]")
    if form not in ("torch", "numpy", "bits"):
        raise DeclarationError(f"form={form!r}: expected 'torch', 'numpy' or 'bits'")
    import numpy

    file = _selvedge.SafetensorsFile(as_path(path))
    loaded = Loaded()
    loaded.metadata = file.metadata()
    for name in file.names() if names is None else [as_text("names", name) for name in names]:
        dtype, shape = file.info(name)
        made_of = {"torch": to_torch, "numpy": to_numpy}[form](dtype) if form != "bits" else None
        length = shape[0] if shape else 1
        chosen: Any = range(length)
        if rows is not None:
            if not shape:
                raise OutOfRangeError(f"`{name}` is a single value and has no rows")
            chosen, kept, _ = pick(chosen, rows, name)
            shape = [len(chosen), *shape[1:]] if kept else shape[1:]
        row = SIZES[dtype]
        for axis in shape[1:] if rows is None or kept else shape:
            row *= axis
        values = numpy.empty(shape, BITS.get(dtype, dtype))
        ranges = []
        for first, count, stride in runs(chosen):
            if stride == 1:
                ranges.append((first * row, count * row))
            else:
                ranges += [((first + number * stride) * row, row) for number in range(count)]
        file.read_into(values, name, ranges)
        loaded[name] = values if made_of is None else made_of(values)
    return loaded
