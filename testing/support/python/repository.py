"""Makes a repository of notebooks and tensor files with planted faults, and prints which.

Usage: repository.py FOLDER NOTEBOOKS TENSOR_FILES

Prints a line for each finding that `selvedge check` has to come to, `PATH CODE`, sorted. Files of gigabytes are sparse.
Half of the tensor files are HDF5, half safetensors. Two in five files have a fault; a notebook in 25 has several MB.
"""

import json
import struct
import sys
from pathlib import Path

import h5py
import numpy as np

PROJECTS = 8
MODEL = "Flannel"
expected = []


def cell(count, outputs, source="print(mask.sum())"):
    return {
        "cell_type": "code",
        "execution_count": count,
        "id": f"cell-{count}",
        "metadata": {},
        "outputs": outputs,
        "source": [source],
    }


def stream(text):
    return {"name": "stdout", "output_type": "stream", "text": [text]}


def notebook(*cells):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


OUTPUT = [stream("3699\n")]
ERROR = {"output_type": "error", "ename": "KeyError", "evalue": "'W'", "traceback": ["KeyError"]}
GOOD = notebook(cell(1, OUTPUT), cell(2, OUTPUT))
OLD = {
    "metadata": {},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [
        {
            "cells": [
                {
                    "cell_type": "code",
                    "input": ["3699"],
                    "language": "python",
                    "outputs": [{"output_type": "pyout", "prompt_number": 1, "text": ["3699"]}],
                    "prompt_number": 1,
                }
            ]
        }
    ],
}
NOTEBOOKS = [
    ("NBK001", GOOD[: len(GOOD) // 2]),
    ("NBK001", "{}"),
    ("NBK001", ""),
    ("NBK002", notebook(cell(None, []), cell(None, []))),
    ("NBK003", notebook(cell(1, [ERROR]))),
    ("NBK004", notebook(cell(2, OUTPUT), cell(1, OUTPUT))),
    ("NBK005", notebook(cell(1, OUTPUT), cell(None, []))),
    ("NBK007", json.dumps(OLD)),
]


def make_notebooks(root, count):
    ids = []
    for index in range(count):
        project = index % PROJECTS
        name = f"{index % 3 + 1}.{index + 1}a"
        path = root / f"box_{project}/notebooks/{name}_clusters.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        code, text = None, GOOD
        if index % 5 in (1, 3):
            code, text = NOTEBOOKS[index // 5 * 2 % len(NOTEBOOKS) + (index % 5 == 3)]
        elif index % 25 == 0:
            image = {"image/png": "iVBORw0K" * 400_000}
            shown = {"output_type": "display_data", "data": image, "metadata": {}}
            text = notebook(cell(1, [shown]), cell(2, OUTPUT))
        path.write_text(text)
        expect(root, path, code)
        ids.append((project, name))
    return ids


def expect(root, path, code):
    if code:
        expected.append(f"{path.relative_to(root)} {code}")


def weights(*shape):
    """The bits of bfloat16 for random numbers."""
    values = np.random.default_rng(1).standard_normal(shape).astype("f4")
    return (values.view("u4") >> 16).astype("u2")


def safetensors(path, dtype, shape, data=b"", declared=None, extra=0):
    size = {"BF16": 2, "F16": 2, "U16": 2, "F32": 4}[dtype] * int(np.prod(shape))
    header = {"mask": {"dtype": dtype, "shape": list(shape), "data_offsets": [0, declared or size]}}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
        file.truncate(8 + len(text) + size + extra)


SAFETENSORS = [
    ("NAM001", "cluster_mask", lambda path: safetensors(path, "F32", (4, 4))),
    ("NAM002", "9.99z_mask", lambda path: safetensors(path, "F32", (4, 4))),
    ("NAM003", None, lambda path: safetensors(path, "F32", (4, 4))),
    ("TEN001", None, lambda path: safetensors(path, "F32", (100_000, 65_000))),
    ("TEN002", None, lambda path: safetensors(path, "F16", (4, 4))),
    ("TEN003", None, lambda path: safetensors(path, "U16", (64, 64), weights(64, 64).tobytes())),
    ("TEN004", None, lambda path: path.write_bytes(b"\x02\0\0\0\0\0\0\0[]")),
    ("TEN004", None, lambda path: safetensors(path, "F32", (4, 4), extra=-8)),
    ("TEN005", None, lambda path: safetensors(path, "F32", (4, 4), extra=8)),
]


def trajectory(path, shape, chunk, dtype="f4", attributes=(), data=None, **more):
    with h5py.File(path, "w") as file:
        if data is None and not more:
            # Room that is reserved and never written is a hole in the file.
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_chunk(chunk)
            properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            space = h5py.h5s.create_simple(shape, (h5py.h5s.UNLIMITED, *shape[1:]))
            kind = h5py.h5t.py_create(np.dtype(dtype))
            h5py.h5d.create(file.id, b"W", kind, space, dcpl=properties).close()
        else:
            unlimited = (None, *shape[1:])
            file.create_dataset("W", shape, dtype, data, maxshape=unlimited, chunks=chunk, **more)
        for name, value in attributes:
            file.attrs[name] = value


def cut(path):
    trajectory(path, (100, 50_000), (100, 50_000))
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)


DIED = [("selvedge_format", 1), ("selvedge_version", "0.1.0"), ("selvedge_state", 0), ("selvedge_steps_planned", 100)]
HDF5 = [
    ("NAM004", "notes", lambda path: trajectory(path, (100, 500), (100, 500))),
    ("TRJ001", None, lambda path: trajectory(path, (100, 50_000), (100, 50_000), compression=1)),
    ("TRJ002", None, lambda path: trajectory(path, (400, 50_000), (2, 50_000))),
    ("TRJ003", None, lambda path: trajectory(path, (101, 50_000), (100, 50_000))),
    ("TRJ004", None, lambda path: trajectory(path, (100, 50_000), (1, 50_000))),
    ("TRJ005", None, lambda path: trajectory(path, (100, 500), (100, 500), attributes=DIED)),
    ("TRJ006", None, cut),
    ("TRJ006", None, lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)))),
    ("TRJ006", None, lambda path: path.write_bytes(b"")),
    ("TEN002", None, lambda path: trajectory(path, (100, 500), (100, 500), "f2")),
    ("TEN003", None, lambda path: trajectory(path, (64, 64), (64, 64), "u2", data=weights(64, 64))),
]


def make_tensor_files(root, count, ids):
    for index in range(count):
        project, notebook_id = ids[index * 7 % len(ids)]
        folder = root / f"box_{project}/tensors/{MODEL}"
        folder.mkdir(parents=True, exist_ok=True)
        kind, number = index % 2, index // 2
        faulty = number % 5 in (1, 3)
        fault = number // 5 * 2 + (number % 5 == 3)
        if kind == 0:
            code, stem, make = SAFETENSORS[fault % len(SAFETENSORS)]
            if not faulty:
                code, stem, make = None, None, lambda path: safetensors(path, "BF16", (64, 64))
            if code == "NAM003":
                folder = root / f"box_{project}/results"
                folder.mkdir(exist_ok=True)
            name = f"{stem or notebook_id + '_mask'}{index}"
            path = folder / f"{name}.safetensors"
        else:
            code, stem, make = HDF5[fault % len(HDF5)]
            if not faulty:
                code, stem, make = None, None, lambda path: trajectory(path, (100, 50_000), (100, 50_000))
            path = folder / (f"{stem}{index}.h5" if stem else f"flannel_{index}.h5")
        make(path)
        expect(root, path, code)


def make_what_is_left_out(root):
    (root / ".gitignore").write_text("*.safetensors\n*.h5\nscratch/\n")
    for folder in ["scratch", "box_0/notebooks/.ipynb_checkpoints", ".cache", "node_modules/a", "env", "target"]:
        path = root / folder
        path.mkdir(parents=True)
        (path / "broken.ipynb").write_text("{")
        if folder != "scratch":
            (path / "broken.h5").write_bytes(b"nothing")
    (root / "env/pyvenv.cfg").write_text("")
    (root / "target/CACHEDIR.TAG").write_text("")
    hooks = "repos:\n  - repo: local\n    hooks:\n      - id: nbstripout\n"
    (root / ".pre-commit-config.yaml").write_text(hooks)
    (root / ".gitattributes").write_text("*.ipynb filter=nbstripout\n")
    expected.extend([".pre-commit-config.yaml GIT002", ".gitattributes GIT001"])


def main(folder, notebooks, tensors):
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    (root / "selvedge.toml").write_text("")
    make_tensor_files(root, int(tensors), make_notebooks(root, int(notebooks)))
    make_what_is_left_out(root)
    print("\n".join(sorted(expected)))


if __name__ == "__main__":
    main(*sys.argv[1:])
