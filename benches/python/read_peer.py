"""The h5py side of the groups `read`.

`commands.py` says how it is driven. Times are in seconds and measured here; each answer has the time
and the sum of what was read, as 64-bit words, so that nobody is fast by reading something else.
"""

import json
from time import perf_counter

import h5py
import numpy as np

from commands import Meter, serve, versions


def total(values):
    """The sum of the values as 64-bit words, modulo 2**64."""
    return int(np.ascontiguousarray(values).reshape(-1).view(np.uint64).sum())


class Peer:
    def __init__(self):
        self.rows = self.mask = self.steps = self.memory = None
        self.first = 0

    def versions(self):
        return versions(h5py, np)

    def prepare(self, path, rows, steps):
        """Reads the rows of a step and the single steps that will be asked for."""
        self.rows = np.fromfile(rows, np.int64)
        self.steps = [int(step) for step in np.fromfile(steps, np.int64)]
        with h5py.File(path) as file:
            dataset = file["W"]
            self.mask = np.zeros(dataset.shape[1], bool)
            self.mask[self.rows] = True
            # Touched, as memory is that is used again.
            self.memory = np.ones(dataset.shape, dataset.dtype)
        return ""

    def read(self, how, path, first):
        """Reads of the tensor `W` by the method `how`; by the fancy index from step `first` on."""
        self.first = int(first)
        meter = Meter()
        begin = perf_counter()
        with h5py.File(path) as file:
            found = getattr(self, how)(file["W"])
        seconds = perf_counter() - begin
        figures = {"seconds": seconds, "peak_memory": meter.figures().get("peak_memory", 0)}
        return f"{json.dumps(figures)}\t{found if isinstance(found, int) else total(found)}"

    def whole_into(self, dataset):
        dataset.read_direct(self.memory)
        return self.memory

    def whole(self, dataset):
        return dataset[:]

    def rows_masked(self, dataset):
        return dataset[:][:, self.mask]

    def rows_fancy(self, dataset):
        return dataset[self.first :, self.rows]

    def strided(self, dataset):
        return dataset[::10]

    def strided_loop(self, dataset):
        return np.stack([dataset[step] for step in range(0, len(dataset), 10)])

    def single(self, dataset):
        """The sum of the first word of each step."""
        words = (dataset[step].reshape(-1)[:4].view(np.uint64)[0] for step in self.steps)
        return sum(map(int, words)) % 2**64

    def steps_of(self, path, steps, opens):
        """Reads single steps of an open file; with `opens` opening it is in the time."""
        steps = [int(step) for step in np.fromfile(steps, np.int64)]
        begin = perf_counter()
        with h5py.File(path) as file:
            dataset = file["W"]
            if not opens:
                begin = perf_counter()
            words = [int(dataset[step][:4].view(np.uint64)[0]) for step in steps]
            seconds = perf_counter() - begin
        return f"{json.dumps({'seconds': seconds})}\t{sum(words) % 2**64}"


if __name__ == "__main__":
    serve(Peer())
