#!/usr/bin/env bash
# A compact dataset (HDF5 keeps its values in the object header) through chunk references.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), kerchunk 0.2.10, virtualizarr 2.8.0, zarr 3.4.2, Python 3.13.
# Guess: the values are inlined into the references, as small ones are; or the dataset is refused by name.
# Seen: kerchunk and VirtualiZarr list the dataset with its shape and dtype, without a reference and without a warning.
# Every value reads as 0. h5py reads the values.
set -euo pipefail
# virtualizarr 2.8 wants Python 3.12 or newer: PYTHON names another than python3.
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  h5py==3.16.0 numpy==2.5.5 kerchunk==0.2.10 virtualizarr==2.8.0 zarr==3.4.2 xarray==2026.9.0 obstore==0.12.1
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import logging
import os

import h5py
import numpy as np
import zarr

logging.disable(logging.CRITICAL)


def with_h5py(path):
    with h5py.File(path) as file:
        return file["x"][:]


def with_kerchunk(path):
    from kerchunk.hdf import SingleHdf5ToZarr
    from kerchunk.utils import refs_as_store

    store = refs_as_store(SingleHdf5ToZarr(path, inline_threshold=0).translate())
    return zarr.open_group(store, mode="r", zarr_format=2)["x"][...]


def with_virtualizarr(path):
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore
    from virtualizarr.parsers import HDFParser

    registry = ObjectStoreRegistry({"file://": LocalStore()})
    store = HDFParser()(url="file://" + os.path.abspath(path), registry=registry)
    return zarr.open_group(store, mode="r", zarr_format=3)["x"][...]


def show(name, values):
    print(f"{name:13} {values.dtype} {values.ravel()[:6].tolist()}")

wanted = np.arange(1, 31, dtype="<i4").reshape(10, 3)
with h5py.File("compact.h5", "w") as file:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(wanted.shape)
    dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.STD_I32LE, space, plan)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, wanted)

assert np.array_equal(with_h5py("compact.h5"), wanted)
for name, read in [("kerchunk", with_kerchunk), ("VirtualiZarr", with_virtualizarr)]:
    found = read("compact.h5")
    show(name, found)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    assert not found.any(), f"{name} has changed: it reads values"
PYTHON
