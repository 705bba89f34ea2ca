#!/usr/bin/env bash
# Chunks at the edge of a dataset that HDF5 leaves unfiltered (H5Pset_chunk_opts with H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS),
# through chunk references. No filter mask marks them: the flag stands in the layout message of the dataset.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), kerchunk 0.2.10, virtualizarr 2.8.0, zarr 3.4.2, Python 3.13.
# Guess: an error, since the chunk is not what the filters say; or the right values.
# Seen: with shuffle alone, which any bytes pass through, kerchunk and VirtualiZarr return wrong values in the last rows,
# without a warning. h5py reads the values.
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
import ctypes
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

wanted = np.arange(30, dtype="<i4").reshape(10, 3) * 1000 + 7
with h5py.File("edge.h5", "w", libver="latest") as file:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((4, 3))
    plan.set_shuffle()
    # h5py has no name for this call of the libhdf5 that it brings along.
    paths = [line.split()[-1] for line in open("/proc/self/maps") if "/libhdf5-" in line]
    library = ctypes.CDLL(paths[0])
    library.H5Pset_chunk_opts.argtypes = [ctypes.c_int64, ctypes.c_uint]
    assert library.H5Pset_chunk_opts(plan.id, 2) >= 0
    space = h5py.h5s.create_simple(wanted.shape)
    dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.STD_I32LE, space, plan)
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, wanted)
    masks = [dataset.get_chunk_info(nth).filter_mask for nth in range(3)]
    assert masks == [0, 0, 0], masks

assert np.array_equal(with_h5py("edge.h5"), wanted)
for name, read in [("kerchunk", with_kerchunk), ("VirtualiZarr", with_virtualizarr)]:
    found = read("edge.h5")
    show(name, found[8:])
    assert np.array_equal(found[:8], wanted[:8]), "the whole chunks are filtered, and are read"
    assert not np.array_equal(found[8:], wanted[8:]), f"{name} has changed: it reads the edge"
PYTHON
