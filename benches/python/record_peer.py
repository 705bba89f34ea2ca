"""The groups `record`: h5py, numpy and zarr. `commands.py` says how it is driven."""

import os

import h5py
import numpy as np

from commands import assign, recorded, same, serve, versions

DTYPES = {"bfloat16": np.uint16, "float32": np.float32}


class Peer:
    def prepare(self, path, distinct, tensors):
        """Reads the source: `distinct` steps of `tensors` (name, dtype, shape), without gaps."""
        self.tensors = [(name, tuple(shape), DTYPES[dtype]) for name, dtype, shape in tensors]
        with open(path, "rb") as file:
            # Of a scalar, the number itself.
            self.source = [
                [np.fromfile(file, dtype, int(np.prod(shape))).reshape(shape)[()] for _, shape, dtype in self.tensors]
                for _ in range(distinct)
            ]

    def of(self, step):
        return self.source[step % len(self.source)]

    def record(self, layout, path, steps, chunks):
        """Writes `steps` steps, and returns the figures of the sample."""
        figures = recorded(lambda: getattr(self, layout)(path, steps, chunks), steps, self.of)
        # As in Rust: a number is written in less time than it takes to ask for the time.
        if sum(array.nbytes for array in self.source[0]) < 4096:
            figures = {name: value for name, value in figures.items() if not name.startswith("blocked")}
        return figures

    def opened(self, path, steps):
        """The tensors of what was written, by their names."""
        if os.path.isfile(path):
            return h5py.File(path)
        if os.path.exists(os.path.join(path, "zarr.json")):
            import zarr

            return zarr.open_group(path, mode="r")
        files = [(name, os.path.join(path, name), dtype, (steps, *shape)) for name, shape, dtype in self.tensors]
        return {name: np.memmap(file, dtype, "r").reshape(shape) for name, file, dtype, shape in files}

    def check(self, path, steps, checked):
        """Compares the steps `checked` with the source."""
        found = self.opened(path, steps)
        for name, shape, _ in self.tensors:
            if found[name].shape != (steps, *shape):
                raise ValueError(f"{name} is {found[name].shape}")
        for step in checked:
            for (name, _, _), expected in zip(self.tensors, self.of(step)):
                same(found[name][step], expected, f"step {step} of {name}")

    def h5py(self, path, steps, chunks, **options):
        file = h5py.File(path, "w")
        datasets = [
            file.create_dataset(name, (steps, *shape), dtype, chunks=(chunk, *shape), **options)
            for (name, shape, dtype), chunk in zip(self.tensors, chunks)
        ]
        return assign(datasets), file.close

    def h5py_tuned(self, path, steps, chunks):
        return self.h5py(path, steps, chunks, fill_time="never")

    def h5py_seed(self, path, steps, chunks):
        return self.h5py(path, steps, [steps] * len(chunks))

    def tofile(self, path, steps, chunks):
        os.mkdir(path)
        files = [open(os.path.join(path, name), "wb") for name, _, _ in self.tensors]

        def write(step, arrays):
            for file, array in zip(files, arrays):
                array.tofile(file)

        return write, lambda: [file.close() for file in files]

    def memmap(self, path, steps, chunks):
        os.mkdir(path)
        maps = [
            np.memmap(os.path.join(path, name), dtype, "w+", shape=(steps, *shape))
            for name, shape, dtype in self.tensors
        ]
        # The last reference to the maps closes them; fdatasync then writes their pages, too.
        return assign(maps), maps.clear

    def zarr(self, path, steps, chunks):
        import zarr

        group = zarr.create_group(path)
        # Otherwise each chunk is first compared with the fill value.
        options = {"compressors": None, "config": {"write_empty_chunks": True}}
        arrays = [
            group.create_array(name, shape=(steps, *shape), chunks=(1, *shape), dtype=dtype, **options)
            for name, shape, dtype in self.tensors
        ]
        return assign(arrays), lambda: None


if __name__ == "__main__":
    serve(Peer(), versions("h5py", "numpy", "zarr") | {"HDF5 of h5py": h5py.version.hdf5_version})
