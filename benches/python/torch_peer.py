"""The groups `python`: the package, h5py and others from a loop of PyTorch, on the CPU. `commands.py` says how it is
driven."""

import platform
from pathlib import Path

import h5py
import numpy as np
import safetensors.torch
import selvedge
import torch

import record_peer
from commands import recorded, same, serve, timed

# What the copies of `memcpy` go round in, as those of a recorder go round in its queue.
QUEUE = 64 << 20


def numpy_of(tensor):
    """An array that shares the memory, as loops for h5py make it."""
    tensor = tensor.detach().cpu()
    return tensor.view(torch.uint16).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()


class Nothing(torch.optim.Optimizer):
    """An optimizer whose step is its hooks."""

    def __init__(self, parameters):
        super().__init__(parameters, {})

    def step(self, closure=None):
        return None


def of_arrays(writer):
    """A contender that writes arrays, as those of the groups `record`; to make them is in the time of a step."""

    def create(self, path, tensors, steps):
        rows = max(1, 1_000_000 // max(tensor.nbytes for tensor in tensors.values()))
        write, close = writer(self, path, steps, [min(rows, steps)] * len(tensors))
        return lambda step, values: write(step, map(numpy_of, values)), close

    return create


def bf16(array):
    return torch.from_numpy(array).view(torch.bfloat16)


# What is read of the tensor `W`, and by whom; of single steps the first row is kept.
READS = {
    "whole_by_selvedge": lambda peer, tensor: tensor.torch(),
    "rows_by_selvedge": lambda peer, tensor: tensor[:, peer.rows].torch(),
    "single_by_selvedge": lambda peer, tensor: [tensor[step].torch()[:1].clone() for step in peer.steps],
    "whole_by_h5py": lambda peer, dataset: bf16(dataset[:]),
    "rows_by_h5py": lambda peer, dataset: bf16(dataset[:])[:, peer.rows],
    "single_by_h5py": lambda peer, dataset: [bf16(dataset[step])[:1].clone() for step in peer.steps],
}

# What files of a step each are read by.
LOADS = {".pt": torch.load, ".safetensors": safetensors.torch.load_file}


class OfFiles:
    """A tensor of a folder with a file for each step."""

    def __init__(self, path, end, load, name, shape):
        self.path, self.end, self.load, self.name, self.shape = path, end, load, name, shape

    def __getitem__(self, step):
        return numpy_of(self.load(self.path / f"{step}{self.end}")[self.name])


class Peer(record_peer.Peer):
    def __init__(self):
        # Copies by several threads wait for each other where others are at work.
        torch.set_num_threads(1)
        self.rest = lambda: None

    def record(self, contender, path, count, shape, steps, bursts):
        """Records `steps` steps of `count` tensors, and of a loss where these are few.

        With `bursts`, the contender may rest, outside of the time, when it is half a queue ahead.
        """
        tensors = {f"layer{n}": torch.randn(shape).bfloat16() for n in range(count)}
        if count < 10:
            tensors["loss"] = torch.tensor(2.5)
        # The number of the step: one that is recorded twice, or too late, is found.
        number = tensors["layer0"].view(torch.int16).view(-1)[:1]
        path, self.rest = Path(path), lambda: None
        self.tensors = [(name, tensor.shape, numpy_of(tensor).dtype) for name, tensor in tensors.items()]
        size = sum(tensor.nbytes for tensor in tensors.values())

        def create():
            return getattr(self, contender)(path, tensors, steps)

        def values(step):
            number.fill_(step % 30_000)
            return tensors.values()

        rests = (max(1, QUEUE // 2 // size), lambda: self.rest()) if bursts else None
        figures = recorded(create, steps, values, rests)
        # What was copied in memory is nowhere.
        if path.exists():
            self.of = lambda step: map(numpy_of, values(step))
            self.check(path, steps, {0, steps // 2, steps - 1})
        return figures

    def opened(self, path, steps):
        for end, load in LOADS.items():
            if (path / f"0{end}").exists():
                return {name: OfFiles(path, end, load, name, (steps, *shape)) for name, shape, _ in self.tensors}
        return super().opened(path, steps)

    def append(self, path, tensors, steps):
        run = selvedge.Recorder(path, steps, like=tensors)
        self.rest = run.commit
        return lambda step, _: run.append(tensors), run.finish

    def watch(self, path, tensors, steps):
        model = torch.nn.ParameterDict({name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()})
        optimizer = Nothing(model.parameters())
        watch = selvedge.watch(model, optimizer, path, steps, what=["weights"])
        self.rest = watch.recorder.commit
        return lambda step, _: optimizer.step(), watch.close

    def memcpy(self, path, tensors, steps):
        size = sum(tensor.nbytes for tensor in tensors.values())
        queue = [[torch.ones_like(tensor) for tensor in tensors.values()] for _ in range(max(1, QUEUE // size))]

        def write(step, values):
            for copy, tensor in zip(queue[step % len(queue)], values):
                copy.copy_(tensor)

        return write, lambda: None

    h5py_tuned, h5py_seed, tofile = map(
        of_arrays, (record_peer.Peer.h5py_tuned, record_peer.Peer.h5py_seed, record_peer.Peer.tofile)
    )

    def torch_save(self, path, tensors, steps):
        path.mkdir()
        return lambda step, _: torch.save(tensors, path / f"{step}.pt"), lambda: None

    def safetensors(self, path, tensors, steps):
        path.mkdir()
        return lambda step, _: safetensors.torch.save_file(tensors, path / f"{step}.safetensors"), lambda: None

    def prepare(self, rows, steps):
        """Takes the rows of a step and the single steps that will be asked for."""
        self.rows, self.steps = np.array(rows), steps

    def read(self, way, path):
        """Reads of the tensor `W` into torch, and returns the time and the sum of the words, of single steps the first."""
        opened = selvedge.open if way.endswith("selvedge") else h5py.File
        figures, found = timed(lambda: READS[way](self, opened(path)["W"]))
        words = [step.view(-1)[:4] for step in found] if isinstance(found, list) else [found.view(-1)]
        return figures, sum(int(part.view(torch.int64).sum()) for part in words) % 2**64


serve(Peer(), {"torch": torch.__version__, "Python of torch": platform.python_version()})
