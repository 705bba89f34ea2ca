"""The h5py side of the bench of rechunking: the script that people write for it.

`commands.py` says how it is driven. Times are in seconds and measured here.
"""

from time import perf_counter

import h5py

from commands import serve, sync, versions


class Peer:
    def versions(self):
        return versions(h5py)

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
        sync(new)
        return repr(perf_counter() - begin)


if __name__ == "__main__":
    serve(Peer())
