"""The groups `read` and `rechunk`: h5py. `commands.py` says how it is driven.

What was read is summed, as 64-bit words, so that nobody is fast by reading something else.
"""

from time import perf_counter

import h5py
import numpy as np

from commands import serve, timed, total, versions

READS = {
    "whole_into": lambda peer, dataset: dataset.read_direct(peer.memory) or peer.memory,
    "whole": lambda peer, dataset: dataset[:],
    "rows_masked": lambda peer, dataset: dataset[:][:, peer.mask],
    "rows_fancy": lambda peer, dataset: dataset[peer.first :, peer.rows],
    "strided": lambda peer, dataset: dataset[::10],
    "strided_loop": lambda peer, dataset: np.stack([dataset[step] for step in range(0, len(dataset), 10)]),
    "single": lambda peer, dataset: np.array([first_word(dataset[step]) for step in peer.steps]),
}


def first_word(step):
    return step.reshape(-1)[:4].view(np.uint64)[0]


class Peer:
    def prepare(self, path, rows, steps):
        """Takes the rows of a step and the single steps that will be asked for."""
        self.path, self.rows, self.steps = path, rows, steps
        with h5py.File(path) as file:
            dataset = file["W"]
            self.mask = np.zeros(dataset.shape[1], bool)
            self.mask[rows] = True
            # Touched, as memory is that is used again.
            self.memory = np.ones(dataset.shape, dataset.dtype)

    def read(self, how, first):
        """Reads of the tensor `W`; by the fancy index from step `first` on."""
        self.first = first

        def read():
            with h5py.File(self.path) as file:
                return READS[how](self, file["W"])

        figures, self.found = timed(read)
        return figures

    def total(self):
        """The sum of what was read, which is then forgotten."""
        return total(self.__dict__.pop("found"))

    def steps_of(self, path, steps, opens):
        """Reads single steps of an open file; with `opens` opening it is in the time."""
        begin = perf_counter()
        with h5py.File(path) as file:
            dataset = file["W"]
            if not opens:
                begin = perf_counter()
            words = [int(first_word(dataset[step])) for step in steps]
            seconds = perf_counter() - begin
        return {"seconds": seconds}, sum(words) % 2**64

    def rechunk(self, path, new, chunk):
        """Copies `W` into chunks of this shape, 64 steps at a time: the script of a user."""
        begin = perf_counter()
        with h5py.File(path) as file, h5py.File(new, "w") as out:
            old = file["W"]
            dataset = out.create_dataset(
                "W", old.shape, old.dtype, chunks=tuple(chunk), maxshape=(None, *old.shape[1:]), fill_time="never"
            )
            dataset.attrs.update(old.attrs)
            for first in range(0, len(old), 64):
                dataset[first : first + 64] = old[first : first + 64]
        return {"seconds": perf_counter() - begin}


serve(Peer(), versions("h5py", "numpy"))
