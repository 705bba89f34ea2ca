"""The groups `compress`: h5py with the filters of HDF5, of h5py and of hdf5plugin. `commands.py` says how it is driven.

With `--stock` the plugins are not loaded: that is the h5py that tells whether a file can be opened without them.
"""

import sys
from time import perf_counter

import h5py
import numpy as np

from commands import same, serve, timed, versions

STOCK = "--stock" in sys.argv[1:]
if not STOCK:
    from hdf5plugin import LZ4, Bitshuffle, Blosc2, Zstd

    # The names of `src/groups.txt`: h5py's keywords.
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
    def prepare(self, path, shape):
        self.values = np.fromfile(path, np.uint16).reshape(-1, *shape)

    def write(self, path, codec):
        """Writes step by step, and returns the figures of the sample."""
        values, options = self.values, {"fill_time": "never", **CODECS[codec]}
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset("W", values.shape, values.dtype, chunks=(1, *values.shape[1:]), **options)
            begin = perf_counter()
            for step, array in enumerate(values):
                dataset[step] = array
            file.flush()
            return {"seconds": perf_counter() - begin, "on_disk": dataset.id.get_storage_size()}

    def read(self, path):
        """Reads all of it into memory that is there, and compares it."""
        with h5py.File(path) as file:
            found = np.ones_like(self.values)
            figures, _ = timed(lambda: file["W"].read_direct(found))
        same(found, self.values)
        return {"read_seconds": figures["seconds"]}

    def opens(self, path):
        """Whether this h5py reads the file at all."""
        try:
            self.read(path)
        except OSError:
            return False
        return True


serve(Peer(), versions("h5py", "numpy", *([] if STOCK else ["hdf5plugin"])))
