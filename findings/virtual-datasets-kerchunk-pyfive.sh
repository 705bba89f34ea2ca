#!/usr/bin/env bash
# A virtual dataset of HDF5 whose source is there, through readers that do not use libhdf5 to read.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), kerchunk 0.2.10, pyfive 1.3.0, zarr 3.4.2, Python 3.13.
# Guess: kerchunk, which makes references to parts of files, refers to the source; pyfive says that it has no virtual
# datasets.
# Seen: kerchunk lists the variable and every value reads as the fill value; pyfive returns an array without axes that
# holds None. Neither raises or warns. h5py reads the values.
set -euo pipefail
# virtualizarr 2.8 wants Python 3.12 or newer: PYTHON names another than python3.
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  h5py==3.16.0 numpy==2.5.5 kerchunk==0.2.10 zarr==3.4.2 xarray==2026.9.0 pyfive==1.3.0
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

def with_pyfive(path):
    import pyfive

    with pyfive.File(path) as file:
        return file["x"][:]


def show(name, values):
    print(f"{name:13} {values.dtype} {values.ravel()[:6].tolist()}")

wanted = np.arange(1, 31, dtype="<i4").reshape(10, 3)
with h5py.File("source.h5", "w") as file:
    file["x"] = wanted
layout = h5py.VirtualLayout(wanted.shape, wanted.dtype)
layout[:] = h5py.VirtualSource("source.h5", "x", wanted.shape)
with h5py.File("virtual.h5", "w", libver="latest") as file:
    file.create_virtual_dataset("x", layout, fillvalue=-1)

assert np.array_equal(with_h5py("virtual.h5"), wanted)
found = with_kerchunk("virtual.h5")
show("kerchunk", found)
assert found.shape == wanted.shape and (found == -1).all(), "kerchunk has changed"
found = with_pyfive("virtual.h5")
print("pyfive       ", repr(found))
assert np.asarray(found).shape == () and np.asarray(found).item() is None, "pyfive has changed"
PYTHON
