"""Record every step of a training run into one plain HDF5 file, and read it back, bit for bit.

>>> import selvedge
>>> with selvedge.Recorder("run.h5", steps=3, tensors={"W": ("float32", (2, 2))}, scalars=["loss"]) as run:
...     for step in range(3):
...         _ = run.append(W=numpy.full((2, 2), step, numpy.float32), loss=0.5)
>>> selvedge.open("run.h5")["W"][-1].numpy()
array([[2., 2.],
       [2., 2.]], dtype=float32)

===========================  ==================================================================
`Recorder`                   records steps from a loop
`watch`                      records a model and its optimizer, from a loop that is not touched
`open`                       opens a recording, or any HDF5 file, to read it
`save_safetensors`           saves masks, PCA results and other small tensors
`load_safetensors`           loads them
`inspect`, `verify`          tell what is in a file, and whether it is as it was
`report`                     makes a page about a run: what moved, when, and where it stopped
`rechunk`, `recover`         write a file anew for another way of reading, put one in order
`Shard`, `join`              record a run of several processes, and show their files as one
`push`, `pull`               put files into object stores, and fetch them; `open` takes ``s3://…``, too
`references`, `to_icechunk`  let xarray, Dask and other readers of Zarr have the values, from an object store too
===========================  ==================================================================

Errors are :class:`selvedge.Error`, and the built-in exception that fits: a tensor that is not there is a
`KeyError`, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from selvedge._errors import (
    BudgetError,
    ClosedError,
    DeclarationError,
    DtypeError,
    Error,
    ExistsError,
    FileError,
    MissingPackageError,
    NotFoundError,
    OutOfRangeError,
    ProcessError,
    ProgramError,
    ShapeError,
    StoppedError,
    TensorNotFoundError,
)
from selvedge._file import File, open
from selvedge._ranks import Shard, joined_steps
from selvedge._recorder import Plan, Recorder, Summary, plan
from selvedge._references import VirtualizarrParser, references, to_icechunk
from selvedge._safetensors import Loaded, load_safetensors, save_safetensors
from selvedge._selection import Selection, Tensor
from selvedge._selvedge import __version__
from selvedge._stores import pull, push
from selvedge._tools import Page, Recovery, inspect, join, rechunk, recover, report, verify
from selvedge._watch import Watch, watch

if TYPE_CHECKING:
    from selvedge.transformers import SelvedgeCallback as SelvedgeCallback

__all__ = [
    "BudgetError",
    "ClosedError",
    "DeclarationError",
    "DtypeError",
    "Error",
    "ExistsError",
    "File",
    "FileError",
    "Loaded",
    "MissingPackageError",
    "NotFoundError",
    "OutOfRangeError",
    "Page",
    "Plan",
    "ProcessError",
    "ProgramError",
    "Recorder",
    "Recovery",
    "Selection",
    "Shard",
    "ShapeError",
    "StoppedError",
    "Summary",
    "Tensor",
    "TensorNotFoundError",
    "VirtualizarrParser",
    "Watch",
    "__version__",
    "inspect",
    "join",
    "joined_steps",
    "load_safetensors",
    "open",
    "plan",
    "pull",
    "push",
    "rechunk",
    "recover",
    "references",
    "report",
    "save_safetensors",
    "to_icechunk",
    "verify",
    "watch",
]


def __getattr__(name: str) -> Any:
    # The callback is a class of transformers, which takes seconds to import and need not be there: so it is not
    # among those that `import *` asks for.
    if name == "SelvedgeCallback":
        from selvedge.transformers import SelvedgeCallback

        return SelvedgeCallback
    raise AttributeError(f"module 'selvedge' has no attribute {name!r}")
