#!/usr/bin/env bash
# A dataset whose values lie in another file (external raw storage of HDF5), through readers that do not use libhdf5.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), kerchunk 0.2.10, virtualizarr 2.8.0, pyfive 1.3.0, zarr 3.4.2, Python 3.13.
# Guess: a reference into the other file, or an error that says that the storage is external.
# Seen: kerchunk, VirtualiZarr and pyfive return zeros of the right shape and dtype, without a warning. h5py reads the
# values.
set -euo pipefail
# virtualizarr 2.8 wants Python 3.12 or newer: PYTHON names another than python3.
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  h5py==3.16.0 numpy==2.5.5 kerchunk==0.2.10 virtualizarr==2.8.0 zarr==3.4.2 xarray==2026.9.0 obstore==0.12.1 pyfive==1.3.0
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


def with_pyfive(path):
    import pyfive

    with pyfive.File(path) as file:
        return file["x"][:]


def show(name, values):
    print(f"{name:13} {values.dtype} {values.ravel()[:6].tolist()}")

wanted = np.arange(1, 31, dtype="<i4").reshape(10, 3)
with h5py.File("external.h5", "w") as file:
    file.create_dataset("x", data=wanted, external=[("values.raw", 0, wanted.nbytes)])

assert np.array_equal(with_h5py("external.h5"), wanted)
readers = [("kerchunk", with_kerchunk), ("VirtualiZarr", with_virtualizarr), ("pyfive", with_pyfive)]
for name, read in readers:
    found = np.asarray(read("external.h5"))
    show(name, found)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    assert not found.any(), f"{name} has changed: it reads values"
PYTHON
