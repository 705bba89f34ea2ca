"""Norms of every step by Ray, from a file or a joined view that all workers can open.

    python ray_norms.py RUN.h5 NORMS.npy

Ray's own `read_zarr` takes neither Zarr 3 nor these references (2.60); a function over numbers of steps takes everything that
Selvedge reads.
"""

import sys

import numpy
import ray

import selvedge


path, target = sys.argv[1:3]


def norms(batch: dict[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
    """Of the steps of a batch. A worker opens the file anew, which costs a few reads."""
    with selvedge.open(path) as file:
        values = file["weight"][batch["id"].tolist()].as_float32().astype("float64")
    return {"step": batch["id"], "norm": numpy.sqrt(numpy.square(values).sum(axis=(1, 2)))}


ray.init(include_dashboard=False)
found = ray.data.range(selvedge.open(path).steps).map_batches(norms, batch_size=16).to_pandas()
numpy.save(target, found.sort_values("step")["norm"].to_numpy())
