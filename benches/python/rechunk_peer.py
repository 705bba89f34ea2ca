"""The h5py side of the bench of rechunking: the script that people write for it.

`commands.py` says how it is driven. Times are in seconds and measured here.
"""

import os
import sys
from time import perf_counter

import h5py

from commands import serve


class Peer:
    def version(self):
        python = ".".join(map(str, sys.version_info[:3]))
        return f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}, Python {python}"

    def rechunk(self, path, new, *chunk):
        """Copies the tensor `W` into chunks of the shape `chunk`, some steps at a time, and puts it on the disk."""
        chunk = tuple(map(int, chunk))
        begin = perf_counter()
        with h5py.File(path) as file, h5py.File(new, "w") as out:
            old = file["W"]
            dataset = out.create_dataset(
                "W", old.shape, old.dtype, chunks=chunk, maxshape=(None, *old.shape[1:]), fill_time="never"
            )
            dataset.attrs.update(old.attrs)
            for first in range(0, len(old), 64):
                dataset[first : first + 64] = old[first : first + 64]
        with open(new, "rb") as out:
            os.fsync(out.fileno())
        return repr(perf_counter() - begin)


if __name__ == "__main__":
    serve(Peer())
