"""The groups `safetensors`. `commands.py` says how it is driven.

Each answer has the figures of a sample and, of a load, the sum of what was loaded, as text.
"""

import os
from time import perf_counter

import ml_dtypes
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from commands import same, serve, versions

# Elements that are widened at a time: of the sizes and ways that were tried, the fastest in numpy.
BLOCK = 1 << 16


class Peer:
    def versions(self):
        return versions("safetensors", "numpy", "ml_dtypes")

    def prepare(self, source, shape, names, rows):
        """Reads the values of tensors of one shape, without gaps, and takes the rows that will be asked for."""
        values = np.fromfile(source, ml_dtypes.bfloat16).reshape(len(names), *shape)
        self.tensors, self.rows = dict(zip(names, values)), np.array(rows, np.int64)

    def save(self, path, sync):
        begin = perf_counter()
        save_file(self.tensors, path)
        if sync:
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.close(file)
        return {"seconds": perf_counter() - begin}

    def check(self, path):
        with safe_open(path, "numpy") as file:
            if sorted(file.keys()) != sorted(self.tensors):
                raise ValueError(f"other tensors in {path}")
            for name, expected in self.tensors.items():
                same(file.get_tensor(name), expected, name)

    def load(self, path):
        """The time up to the array, and that up to its end, with its sum."""
        begin = perf_counter()
        (array,) = load_file(path).values()
        loaded = perf_counter() - begin
        total = sum_of(array)
        del array
        return {"seconds": perf_counter() - begin, "load": loaded}, repr(total)

    def load_all(self, path):
        begin = perf_counter()
        arrays = load_file(path)
        seconds = perf_counter() - begin
        return {"seconds": seconds}, repr(sum_of(np.concatenate(list(arrays.values()), axis=None)))

    def rows_by_slice(self, path):
        begin = perf_counter()
        with safe_open(path, "numpy") as file:
            (name,) = file.keys()
            tensor = file.get_slice(name)
            taken = np.stack([tensor[row] for row in self.rows.tolist()])
        seconds = perf_counter() - begin
        same(taken, self.tensors[name][self.rows])
        return {"seconds": seconds}, None

    def rows_of_all(self, path):
        begin = perf_counter()
        ((name, array),) = load_file(path).items()
        taken = array[self.rows]
        del array
        seconds = perf_counter() - begin
        same(taken, self.tensors[name][self.rows])
        return {"seconds": seconds}, None


def sum_of(array):
    """The sum of a bfloat16 array: widened to float32 block by block, so that it stays in the cache, by a shift of the
    bits."""
    bits, total = array.reshape(-1).view(np.uint16), 0.0
    wide = np.empty(BLOCK, np.uint32)
    for begin in range(0, len(bits), BLOCK):
        block = bits[begin : begin + BLOCK]
        target = wide[: len(block)]
        np.left_shift(block, 16, out=target, dtype=np.uint32)
        total += float(target.view(np.float32).sum())
    return total


if __name__ == "__main__":
    serve(Peer())
