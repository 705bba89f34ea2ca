"""The groups `safetensors`. `commands.py` says how it is driven.

Each answer has the figures of a sample and, of a load, the sum of what was loaded, as 64-bit words.
"""

from time import perf_counter

import ml_dtypes
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from commands import same, serve, timed, total, versions


class Peer:
    def prepare(self, source, shape, names, rows):
        """Reads the values of tensors of one shape, without gaps, and takes the rows that will be asked for."""
        values = np.fromfile(source, ml_dtypes.bfloat16).reshape(len(names), *shape)
        self.tensors, self.rows = dict(zip(names, values)), np.array(rows, np.int64)

    def save(self, path):
        return timed(lambda: save_file(self.tensors, path))[0]

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
        found = total(array)
        del array
        return {"seconds": perf_counter() - begin, "load": loaded}, found

    def load_all(self, path):
        figures, arrays = timed(lambda: load_file(path))
        return figures, sum(map(total, arrays.values())) % 2**64

    def rows_by_slice(self, path):
        def take():
            with safe_open(path, "numpy") as file:
                (name,) = file.keys()
                tensor = file.get_slice(name)
                return np.stack([tensor[row] for row in self.rows.tolist()])

        return self.taken(take)

    def rows_of_all(self, path):
        def take():
            (array,) = load_file(path).values()
            return array[self.rows]

        return self.taken(take)

    def taken(self, take):
        """The time of taking the rows of the one tensor, which are compared."""
        figures, rows = timed(take)
        (expected,) = self.tensors.values()
        same(rows, expected[self.rows])
        return figures, None


serve(Peer(), versions("safetensors", "numpy", "ml_dtypes"))
