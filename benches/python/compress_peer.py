"""The Python side of the groups `compress`: h5py with the filters of HDF5, of h5py and of hdf5plugin.

`commands.py` says how it is driven. With `--stock` the plugins are not loaded: that is the h5py that
tells whether a file can be opened without them. Times are in seconds and measured here.
"""

import json
import sys
from time import perf_counter

import h5py
import numpy as np

from commands import serve, versions

STOCK = "--stock" in sys.argv[1:]
if not STOCK:
    import hdf5plugin

    # The name that `src/compress/codec.rs` has for them: h5py's keywords.
    CODECS = {
        "none": {},
        "gzip-1": {"compression": "gzip", "compression_opts": 1},
        "gzip-6": {"compression": "gzip", "compression_opts": 6},
        "lzf": {"compression": "lzf"},
        "lz4": {"compression": hdf5plugin.LZ4()},
        "bitshuffle-lz4": {"compression": hdf5plugin.Bitshuffle(cname="lz4")},
        "zstd-1": {"compression": hdf5plugin.Zstd(clevel=1)},
        "blosc2-lz4": {"compression": hdf5plugin.Blosc2(cname="lz4", clevel=1, filters=hdf5plugin.Blosc2.SHUFFLE)},
        "blosc2-zstd-1": {"compression": hdf5plugin.Blosc2(cname="zstd", clevel=1, filters=hdf5plugin.Blosc2.SHUFFLE)},
    }


class Peer:
    def __init__(self):
        self.values = None

    def versions(self):
        return versions(h5py, np) if STOCK else versions(h5py, np, hdf5plugin)

    def prepare(self, path, height, width):
        self.values = np.fromfile(path, np.uint16).reshape(-1, int(height), int(width))
        return ""

    def write(self, path, codec, shuffle):
        """Writes step by step, and returns the figures of the sample."""
        values = self.values
        with h5py.File(path, "w") as file:
            dataset = file.create_dataset(
                "W",
                values.shape,
                values.dtype,
                chunks=(1, *values.shape[1:]),
                fill_time="never",
                shuffle=bool(shuffle),
                **CODECS[codec],
            )
            begin = perf_counter()
            for step, array in enumerate(values):
                dataset[step] = array
            file.flush()
            seconds = perf_counter() - begin
            size = dataset.id.get_storage_size()
        return json.dumps({"seconds": seconds, "on_disk": size})

    def read(self, path):
        """Reads all of it into memory that is there, and compares it."""
        with h5py.File(path) as file:
            dataset = file["W"]
            found = np.ones_like(self.values)
            begin = perf_counter()
            dataset.read_direct(found)
            seconds = perf_counter() - begin
        if not np.array_equal(found, self.values):
            raise ValueError("other values")
        return json.dumps({"read_seconds": seconds})

    def opens(self, path):
        """Whether this h5py reads the file at all."""
        try:
            with h5py.File(path) as file:
                found = file["W"][:]
        except OSError:
            return "no"
        if not np.array_equal(found, self.values):
            raise ValueError("other values")
        return "yes"


if __name__ == "__main__":
    serve(Peer())
