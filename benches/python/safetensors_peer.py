"""The Python side of the groups `safetensors`.

`commands.py` says how it is driven. Times are in seconds and measured here, so neither the start of
Python nor its imports are in them.
"""

import os
from time import perf_counter

import ml_dtypes
import numpy as np
import safetensors
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from commands import serve, versions

# Elements that are widened at a time: of the sizes and ways that were tried, the fastest in numpy.
BLOCK = 1 << 16


class Peer:
    def __init__(self):
        self.tensors = {}  # name: array
        self.rows = None  # indices

    def versions(self):
        return versions(safetensors, np, ml_dtypes)

    def prepare(self, source, rows, height, width, *names):
        """Reads the values of tensors of one shape, without gaps, and the rows to be taken."""
        shape = len(names), int(height), int(width)
        values = np.fromfile(source, ml_dtypes.bfloat16).reshape(shape)
        self.tensors = dict(zip(names, values))
        self.rows = np.fromfile(rows, np.int64)
        return ""

    def save(self, path, sync):
        begin = perf_counter()
        save_file(self.tensors, path)
        if sync:
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.close(file)
        return repr(perf_counter() - begin)

    def check(self, path):
        with safe_open(path, "numpy") as file:
            if sorted(file.keys()) != sorted(self.tensors):
                raise ValueError(f"other tensors in {path}")
            for name, expected in self.tensors.items():
                same(expected, file.get_tensor(name))
        return ""

    def load(self, path):
        """Returns the time up to the array, that of its sum, that up to its end, and the sum."""
        begin = perf_counter()
        (array,) = load_file(path).values()
        loaded = perf_counter()
        total = sum_of(array)
        summed = perf_counter()
        del array
        end = perf_counter()
        return f"{loaded - begin!r}\t{summed - loaded!r}\t{end - begin!r}\t{total!r}"

    def load_all(self, path):
        """Returns the time up to the arrays, and the sum of them all."""
        begin = perf_counter()
        arrays = load_file(path)
        seconds = perf_counter() - begin
        return f"{seconds!r}\t{sum_of(np.concatenate(list(arrays.values()), axis=None))!r}"

    def rows_by_slice(self, path):
        begin = perf_counter()
        with safe_open(path, "numpy") as file:
            (name,) = file.keys()
            tensor = file.get_slice(name)
            taken = np.stack([tensor[row] for row in self.rows.tolist()])
        seconds = perf_counter() - begin
        same(self.tensors[name][self.rows], taken)
        return repr(seconds)

    def rows_of_all(self, path):
        begin = perf_counter()
        ((name, array),) = load_file(path).items()
        taken = array[self.rows]
        del array
        seconds = perf_counter() - begin
        same(self.tensors[name][self.rows], taken)
        return repr(seconds)


def sum_of(array):
    """The sum of a bfloat16 array: widened to float32 block by block, so that it stays in the cache,
    by a shift of the bits."""
    bits, total = array.reshape(-1).view(np.uint16), 0.0
    wide = np.empty(BLOCK, np.uint32)
    for begin in range(0, len(bits), BLOCK):
        block = bits[begin : begin + BLOCK]
        target = wide[: len(block)]
        np.left_shift(block, 16, out=target, dtype=np.uint32)
        total += float(target.view(np.float32).sum())
    return total


def same(expected, found):
    if expected.dtype != found.dtype or expected.shape != found.shape:
        raise ValueError(f"{found.dtype} {found.shape}, not {expected.dtype} {expected.shape}")
    # As bits: of floats, NaN is not NaN.
    if not np.array_equal(expected.view(np.uint16), found.view(np.uint16)):
        raise ValueError("other values")


if __name__ == "__main__":
    serve(Peer())
