"""The h5py side of the recording benchmark.

`commands.py` says how it is driven. Times are in seconds and measured here, so neither the start of
Python nor its imports are in them.
"""

import sys
from time import perf_counter

import h5py
import numpy as np

from commands import serve

DTYPES = {"bfloat16": np.uint16, "float32": np.float32}


class Peer:
    def __init__(self):
        self.tensors = []  # (name, shape of a step, dtype)
        self.source = []  # distinct steps, each a list of arrays

    def version(self):
        python = ".".join(map(str, sys.version_info[:3]))
        return f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}, Python {python}"

    def prepare(self, path, distinct, *tensors):
        """Reads the source: `distinct` steps of `tensors` (name:dtype:10000x64), without gaps."""
        self.tensors, self.source = [], []
        for tensor in tensors:
            name, dtype, shape = tensor.split(":")
            shape = tuple(int(axis) for axis in shape.split("x") if axis)
            self.tensors.append((name, shape, DTYPES[dtype]))
        data, at = open(path, "rb").read(), 0
        for _ in range(int(distinct)):
            step = []
            for _, shape, dtype in self.tensors:
                count = int(np.prod(shape, dtype=np.int64))
                # A copy, so that it is aligned; of a scalar, the number itself.
                step.append(np.frombuffer(data, dtype, count, at).reshape(shape).copy()[()])
                at += count * np.dtype(dtype).itemsize
            self.source.append(step)
        return ""

    def record(self, path, steps, extent, chunks, fill):
        """Writes `steps` steps into datasets of `extent` steps, with chunks of that many steps.
        Returns the time of creation, of the steps and `close`, of the first step, and of the
        longest."""
        steps, extent = int(steps), int(extent)
        begin = perf_counter()
        file = h5py.File(path, "w")
        datasets = []
        for (name, shape, dtype), chunk in zip(self.tensors, map(int, chunks.split(","))):
            dataset = file.create_dataset(
                name, (extent, *shape), dtype, chunks=(chunk, *shape), fill_time=fill
            )
            datasets.append(dataset)
        created = perf_counter()
        source, distinct = self.source, len(self.source)
        for dataset, array in zip(datasets, source[0]):
            dataset[0] = array
        last = perf_counter()
        first = longest = last - created
        for step in range(1, steps):
            for dataset, array in zip(datasets, source[step % distinct]):
                dataset[step] = array
            now = perf_counter()
            longest, last = max(longest, now - last), now
        file.close()
        end = perf_counter()
        return f"{created - begin!r}\t{end - created!r}\t{first!r}\t{longest!r}"

    def check(self, path, steps, *checked):
        """Reads the steps `checked` of a file of `steps` steps and compares them with the source."""
        with h5py.File(path, "r") as file:
            for tensor, (name, shape, dtype) in enumerate(self.tensors):
                dataset = file[name]
                if dataset.shape != (int(steps), *shape) or dataset.dtype != dtype:
                    raise ValueError(f"{name} is {dataset.dtype} {dataset.shape} in {path}")
                for step in map(int, checked):
                    source = self.source[step % len(self.source)][tensor]
                    if dataset[step].tobytes() != source.tobytes():
                        raise ValueError(f"step {step} of {name} has other bytes in {path}")
        return ""


if __name__ == "__main__":
    serve(Peer())
