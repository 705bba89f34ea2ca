#!/usr/bin/env bash
# An HDF5 file of h5py, opened by xarray directly and through the references that kerchunk makes of it.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), kerchunk 0.2.10, xarray 2026.9.0, h5netcdf 1.8.2, zarr 3.4.2, Python 3.13.
# Guess: the same values and dtypes, since the references are to the same bytes.
# Seen: HDF5's fill value, which is 0 where nobody sets one, becomes the fill value of the Zarr array, and xarray takes
# that for the mark of a missing value: integers become float32, each 0 becomes NaN, and of a bool False becomes NaN.
# The file opened directly keeps them, and so does `mask_and_scale=False`.
set -euo pipefail
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  h5py==3.16.0 numpy==2.5.5 kerchunk==0.2.10 zarr==3.4.2 xarray==2026.9.0 h5netcdf==1.8.2
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import json

import h5py
import numpy as np
import xarray
from kerchunk.hdf import SingleHdf5ToZarr

numbers, flags = np.array([0, 1, 2], "<u2"), np.array([True, False, True])
with h5py.File("file.h5", "w") as file:
    file.create_dataset("numbers", data=numbers, chunks=(3,))
    file["flags"] = flags
with open("references.json", "w") as file:
    json.dump(SingleHdf5ToZarr("file.h5", inline_threshold=0).translate(), file)

direct = xarray.open_dataset("file.h5", engine="h5netcdf", phony_dims="access")
assert np.array_equal(direct["numbers"], numbers) and direct["numbers"].dtype == "u2"
assert np.array_equal(direct["flags"], flags) and direct["flags"].dtype == "bool"
plain = xarray.open_dataset("references.json", engine="kerchunk", mask_and_scale=False)
assert np.array_equal(plain["numbers"], numbers) and np.array_equal(plain["flags"], flags)

found = xarray.open_dataset("references.json", engine="kerchunk")
print("numbers", found["numbers"].dtype, found["numbers"].values.tolist())
print("flags  ", found["flags"].dtype, found["flags"].values.tolist())
assert found["numbers"].dtype == "float32" and np.isnan(found["numbers"].values[0]), "this has changed"
assert found["flags"].dtype == object and found["flags"].values[1] is not False, "this has changed"
PYTHON
