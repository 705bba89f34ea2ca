#!/usr/bin/env bash
# Datasets without axes in an HDF5 file, through VirtualiZarr's HDFParser: read by its own store, and by xarray through the
# kerchunk references that it writes.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), virtualizarr 2.8.0, zarr 3.4.2, xarray 2026.9.0, kerchunk 0.2.10, Python 3.13.
# Guess: the same values, since the references are to the same bytes.
# Seen: the chunk of an array without axes is written under the key `name/`, where Zarr 2 has `name/0`. So a reader finds no
# chunk and returns the fill value, 0, without an error; also with `mask_and_scale=False`. VirtualiZarr's store has the value.
set -euo pipefail
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  h5py==3.16.0 numpy==2.5.5 virtualizarr==2.8.0 obstore==0.12.1 zarr==3.4.2 xarray==2026.9.0 kerchunk==0.2.10
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json
import pathlib

import h5py
import numpy as np
import virtualizarr
import xarray
from obspec_utils.registry import ObjectStoreRegistry
from obstore.store import LocalStore
from virtualizarr.parsers import HDFParser

with h5py.File("file.h5", "w") as file:
    file["scale"] = np.float64(0.5)
    file["count"] = np.int32(7)
url = pathlib.Path("file.h5").absolute().as_uri()
registry = ObjectStoreRegistry({"file://": LocalStore()})
own = xarray.open_zarr(HDFParser()(url, registry), consolidated=False, zarr_format=3)
assert (own["scale"], own["count"]) == (0.5, 7)

virtual = virtualizarr.open_virtual_dataset(url, registry, HDFParser(), loadable_variables=[])
virtual.vz.to_kerchunk("references.json", format="json")
with open("references.json") as file:
    print("keys  ", [key for key in json.load(file)["refs"] if key.startswith("scale")])
found = xarray.open_dataset("references.json", engine="kerchunk", mask_and_scale=False)
print("values", float(found["scale"]), int(found["count"]))
assert (found["scale"], found["count"]) == (0, 0), "this has changed"
PYTHON
