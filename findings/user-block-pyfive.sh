#!/usr/bin/env bash
# A file with a user block (512 bytes of its own before HDF5 begins, as every MATLAB 7.3 file has), read by pyfive.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), pyfive 1.3.0, Python 3.13.
# Guess: the values; pyfive opens the file and lists its datasets, so it knows of the block.
# Seen: a contiguous dataset is read from 512 bytes before its place, without an error: zeros here, or whatever lies
# there. h5py reads the values.
set -euo pipefail
# virtualizarr 2.8 wants Python 3.12 or newer: PYTHON names another than python3.
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  h5py==3.16.0 numpy==2.5.5 pyfive==1.3.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import h5py
import numpy as np
import pyfive


def show(name, values):
    print(f"{name:13} {values.dtype} {values.ravel()[:6].tolist()}")

wanted = np.arange(1, 31, dtype="<i4").reshape(10, 3)
with h5py.File("block.h5", "w", userblock_size=512) as file:
    file["x"] = wanted
with h5py.File("block.h5") as file:
    assert np.array_equal(file["x"][:], wanted)
    place = file["x"].id.get_offset()
with open("block.h5", "rb") as file:
    data = file.read()
assert data[place : place + wanted.nbytes] == wanted.tobytes(), "h5py counts the block"
with pyfive.File("block.h5") as file:
    found = np.asarray(file["x"][:])
show("pyfive", found)
shifted = np.frombuffer(data[place - 512 : place - 512 + wanted.nbytes], "<i4").reshape(10, 3)
assert np.array_equal(found, shifted) and not np.array_equal(found, wanted), "pyfive has changed"
PYTHON
