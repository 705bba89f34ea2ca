"""The groups `compress`: h5py with the filters of HDF5, of h5py and of hdf5plugin. `commands.py` says how it is driven.

With `--stock` the plugins are not loaded: that is the h5py that tells whether a file can be opened without them.
"""

import sys
from time import perf_counter

import h5py
import numpy as np

from commands import same, serve, versions

STOCK = "--stock" in sys.argv[1:]
if not STOCK:
    from hdf5plugin import LZ4, Bitshuffle, Blosc2, Zstd

    # The names of `src/compress.rs`: h5py's keywords.
    GZIP = {"compression": "gzip", "compression_opts": 1}
    CODECS = {
        "none": {},
        "gzip-1": GZIP,
        "gzip-6": GZIP | {"compression_opts": 6},
        "shuffle-gzip-1": GZIP | {"shuffle": True},
        "lzf": {"compression": "lzf"},
        "shuffle-lzf": {"compression": "lzf", "shuffle": True},
        "lz4": {"compression": LZ4()},
        "bitshuffle-lz4": {"compression": Bitshuffle(cname="lz4")},
        "shuffle-zstd-1": {"compression": Zstd(clevel=1), "shuffle": True},
        "blosc2-lz4": {"compression": Blosc2(cname="lz4", clevel=1, filters=Blosc2.SHUFFLE)},
        "blosc2-zstd-1": {"compression": Blosc2(cname="zstd", clevel=1, filters=Blosc2.SHUFFLE)},
    }


class Peer:
    def versions(self):
        return versions("h5py", "numpy", *([] if STOCK else ["hdf5plugin"]))

    def prepare(self, path, shape):
        self.values = np.fromfile(path, np.uint16).reshape(-1, *shape)

    def write(self, path, codec):
        """Writes step by step, and returns the figures of the sample."""
        values, options = self.values, CODECS[codec]
        with h5py.File(path, "w") as file:
            chunks = (1, *values.shape[1:])
            dataset = file.create_dataset(
                "W", values.shape, values.dtype, chunks=chunks, fill_time="never", **options
            )
            begin = perf_counter()
            for step, array in enumerate(values):
                dataset[step] = array
            file.flush()
            seconds = perf_counter() - begin
            return {"seconds": seconds, "on_disk": dataset.id.get_storage_size()}

    def read(self, path):
        """Reads all of it into memory that is there, and compares it."""
        with h5py.File(path) as file:
            found = np.ones_like(self.values)
            begin = perf_counter()
            file["W"].read_direct(found)
            seconds = perf_counter() - begin
        same(found, self.values)
        return {"read_seconds": seconds}

    def opens(self, path):
        """Whether this h5py reads the file at all."""
        try:
            with h5py.File(path) as file:
                found = file["W"][:]
        except OSError:
            return False
        same(found, self.values)
        return True


if __name__ == "__main__":
    serve(Peer())
