#!/usr/bin/env bash
# References to a file for which an Icechunk repository has no virtual chunk container: set one by one, and all at once.
#
# Versions: icechunk 2.3.0, zarr 3.4.2, Python 3.13.
# Guess: both raise, since both are asked to validate the container, which is the default.
# Seen: `set_virtual_ref` raises. `set_virtual_refs_arr` returns the places of the references that it refused, as its
# documentation says, and nothing else tells of them: the session commits, and the chunks read as the fill value, without an
# error. Whoever does not look at what it returns has an array of zeros.
set -euo pipefail
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check icechunk==2.3.0 zarr==3.4.2 numpy==2.5.5
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import pathlib

import icechunk
import numpy as np
import zarr

path = pathlib.Path("values.bin").absolute()
path.write_bytes(np.arange(1, 9, dtype="<u2").tobytes())
repo = icechunk.Repository.create(icechunk.in_memory_storage())
session = repo.writable_session("main")
zarr.create_array(session.store, name="W", shape=(8,), chunks=(4,), dtype="u2", compressors=None, filters=None, fill_value=0)
try:
    session.store.set_virtual_ref("W/c/0", f"file://{path}", offset=0, length=8)
    raise SystemExit("this has changed")
except icechunk.IcechunkError as error:
    print("one by one ", type(error).__name__)
bounds = np.array([0, 8], "u8"), np.array([8, 8], "u8")
returned = session.store.set_virtual_refs_arr("W", (2,), [f"file://{path}"] * 2, *bounds)
session.commit("references")
found = zarr.open_array(repo.readonly_session("main").store, path="W", mode="r")[:]
print("all at once", returned, found.tolist())
assert returned == [(0,), (1,)] and not found.any(), "this has changed"
PYTHON
