#!/usr/bin/env bash
# Where the chunks of a dataset lie that grows along its second axis, as HDF5 tells it, and what kerchunk makes of that.
#
# Versions: h5py 3.16.0 (HDF5 2.0.0), kerchunk 0.2.10, zarr 3.4.2, fsspec 2026.9.0, Python 3.13.
# Guess: chunk_iter and get_chunk_info give each chunk's offset in the dataset, whatever the index is made of.
# Seen: with an extensible array (libver v110 and later) whose growing axis is not the first, they give chunks the offsets of
# others, some of them beyond the dataset, and get_chunk_info_by_coord finds no chunk where there is one; reads are right.
# kerchunk, which goes through the chunks so, refers to some chunks in the place of others, and returns wrong values without
# an error.
set -euo pipefail
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  h5py==3.16.0 numpy==2.5.5 kerchunk==0.2.10 zarr==3.4.2 fsspec==2026.9.0
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import fsspec
import h5py
import numpy as np
import zarr
from kerchunk.hdf import SingleHdf5ToZarr

wanted = np.arange(1, 9, dtype="<i4").reshape(2, 4)
with h5py.File("grows.h5", "w", libver="v110") as file:
    file.create_dataset("x", data=wanted, maxshape=(2, None), chunks=(1, 2))
with h5py.File("grows.h5") as file:
    assert np.array_equal(file["x"][:], wanted)
    x = file["x"].id
    told = [x.get_chunk_info(index) for index in range(x.get_num_chunks())]
    assert x.get_chunk_info_by_coord((1, 0)).byte_offset is None, "HDF5 has changed"
with open("grows.h5", "rb") as file:
    data = file.read()
for chunk in told:
    values = np.frombuffer(data[chunk.byte_offset : chunk.byte_offset + 8], "<i4")
    row, column = (int(axis[0]) for axis in np.nonzero(wanted == values[0]))
    print(f"the chunk of {values.tolist()} is at {(row, column)}, and told to be at {chunk.chunk_offset}")
right = {(0, 0), (0, 2), (1, 0), (1, 2)}
assert any(chunk.chunk_offset not in right for chunk in told), "HDF5 has changed"
references = SingleHdf5ToZarr("grows.h5").translate()
store = zarr.storage.FsspecStore(fsspec.filesystem("reference", fo=references, asynchronous=True), read_only=True)
found = zarr.open_group(store, mode="r", zarr_format=2)["x"][:]
print("kerchunk", found.tolist())
assert not np.array_equal(found, wanted), "kerchunk has changed"
PYTHON
