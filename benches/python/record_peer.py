"""The Python side of the groups `record`: h5py, numpy and zarr.

`commands.py` says how it is driven. Times are in seconds and measured here, so neither the start of
Python nor its imports are in them.
"""

import json
import os
from time import perf_counter

import h5py
import numpy as np

from commands import Meter, serve, sync, versions

try:
    import zarr
except ImportError as error:
    zarr, missing = None, error

DTYPES = {"bfloat16": np.uint16, "float32": np.float32}


class Peer:
    def __init__(self):
        self.tensors = []  # (name, shape of a step, dtype)
        self.source = []  # distinct steps, each a list of arrays

    def versions(self):
        found = json.loads(versions(h5py, np, *([zarr] if zarr else [])))
        return json.dumps({**found, "HDF5 of h5py": h5py.version.hdf5_version})

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

    def record(self, layout, path, steps, chunks, disk):
        """Writes `steps` steps, and returns the figures of the sample."""
        meter = Meter()
        steps, chunks = int(steps), [int(chunk) for chunk in chunks.split(",")]
        source, distinct = self.source, len(self.source)
        blocked = np.empty(steps)
        begin = perf_counter()
        write, close = getattr(self, f"create_{layout}")(path, steps, chunks)
        created = perf_counter()
        for step in range(steps):
            start = perf_counter()
            write(step, source[step % distinct])
            blocked[step] = perf_counter() - start
        close()
        if disk:
            sync(path)
        figures = {"seconds": perf_counter() - created, "create": created - begin, **meter.figures()}
        # As in Rust: a number is written in less time than it takes to ask for the time.
        if self.step_bytes() >= 4096:
            blocked.sort()
            for name, percent in ("blocked_p50", 50), ("blocked_p99", 99), ("blocked_max", 100):
                figures[name] = blocked[max(-(-steps * percent // 100), 1) - 1]
        return json.dumps(figures)

    def step_bytes(self):
        return sum(array.nbytes for array in self.source[0])

    def create_h5py(self, path, steps, chunks, **options):
        file = h5py.File(path, "w")
        datasets = [
            file.create_dataset(name, (steps, *shape), dtype, chunks=(chunk, *shape), **options)
            for (name, shape, dtype), chunk in zip(self.tensors, chunks)
        ]
        return assign(datasets), file.close

    def create_h5py_tuned(self, path, steps, chunks):
        return self.create_h5py(path, steps, chunks, fill_time="never")

    def create_h5py_seed(self, path, steps, chunks):
        return self.create_h5py(path, steps, [steps] * len(chunks))

    def create_tofile(self, path, steps, chunks):
        os.mkdir(path)
        files = [open(os.path.join(path, name), "wb") for name, _, _ in self.tensors]

        def write(step, arrays):
            for file, array in zip(files, arrays):
                array.tofile(file)

        def close():
            for file in files:
                file.close()

        return write, close

    def create_memmap(self, path, steps, chunks):
        os.mkdir(path)
        maps = [
            np.memmap(os.path.join(path, name), dtype, "w+", shape=(steps, *shape))
            for name, shape, dtype in self.tensors
        ]
        # The last reference to the maps closes them; fdatasync then writes their pages, too.
        return assign(maps), maps.clear

    def create_zarr(self, path, steps, chunks):
        if not zarr:
            raise missing
        group = zarr.create_group(path)
        # Otherwise each chunk is first compared with the fill value.
        options = {"compressors": None, "config": {"write_empty_chunks": True}}
        arrays = [
            group.create_array(name, shape=(steps, *shape), chunks=(1, *shape), dtype=dtype, **options)
            for name, shape, dtype in self.tensors
        ]
        return assign(arrays), lambda: None

    def check(self, layout, path, steps, *checked):
        """Reads the steps `checked` of `steps` steps and compares them with the source."""
        for tensor, (name, shape, dtype) in enumerate(self.tensors):
            full = (int(steps), *shape)
            if layout == "zarr":
                found = zarr.open_group(path, mode="r")[name]
            else:
                found = np.memmap(os.path.join(path, name), dtype, "r").reshape(full)
            if found.shape != full or found.dtype != dtype:
                raise ValueError(f"{name} is {found.dtype} {found.shape}")
            for step in map(int, checked):
                source = self.source[step % len(self.source)][tensor]
                if np.asarray(found[step]).tobytes() != source.tobytes():
                    raise ValueError(f"step {step} of {name} has other bytes")
        return ""

    def check_h5py(self, path, steps, *checked):
        """The same of an HDF5 file, whoever wrote it."""
        with h5py.File(path, "r") as file:
            for tensor, (name, shape, dtype) in enumerate(self.tensors):
                dataset = file[name]
                if dataset.shape != (int(steps), *shape) or dataset.dtype != dtype:
                    raise ValueError(f"{name} is {dataset.dtype} {dataset.shape}")
                for step in map(int, checked):
                    source = self.source[step % len(self.source)][tensor]
                    if dataset[step].tobytes() != source.tobytes():
                        raise ValueError(f"step {step} of {name} has other bytes")
        return ""


def assign(targets):
    def write(step, arrays):
        for target, array in zip(targets, arrays):
            target[step] = array

    return write


if __name__ == "__main__":
    serve(Peer())
