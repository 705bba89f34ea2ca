#!/usr/bin/env bash
# Integers of 12 bits in 16 (H5Tset_precision, H5Tset_offset), as data acquisition stores the samples of its converters:
# the bits outside of the 12 are padding, and a reader extends the sign.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), kerchunk 0.2.10, virtualizarr 2.8.0, pyfive 1.3.0, zarr 3.4.2, Python 3.13.
# Guess: the values that h5py reads, or a type that is refused.
# Seen: kerchunk, VirtualiZarr and pyfive take the 16 bits for an int16, without a warning: -108 becomes 3988, and with
# an offset of 4 bits each value is also 16 times as large. h5py reads the values.
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

wanted = np.array([-108, 47, 1020, -2048], dtype="<i2")
readers = [("kerchunk", with_kerchunk), ("VirtualiZarr", with_virtualizarr), ("pyfive", with_pyfive)]
for offset in [0, 4]:
    path = f"offset_{offset}.h5"
    with h5py.File(path, "w") as file:
        kind = h5py.h5t.STD_I16LE.copy()
        kind.set_precision(12)
        kind.set_offset(offset)
        space = h5py.h5s.create_simple(wanted.shape)
        dataset = h5py.h5d.create(file.id, b"x", kind, space)
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, wanted)
    assert np.array_equal(with_h5py(path), wanted)
    stored = ((wanted.astype("<u2") & 0xFFF) << offset).astype("<u2").view("<i2")
    for name, read in readers:
        found = np.asarray(read(path))
        show(name, found)
        assert np.array_equal(found, stored), f"{name} has changed"
PYTHON
