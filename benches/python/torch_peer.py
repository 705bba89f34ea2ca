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


def nothing():
    pass


class Nothing(torch.optim.Optimizer):
    """An optimizer whose step is its hooks."""

    def __init__(self, parameters):
        super().__init__(parameters, {})

    def step(self, closure=None):
        return None


def of_arrays(writer):
    """A contender that writes arrays, as those of the groups `record`; to make them is in the time of a step."""

    def create(self, path, tensors, steps):
        arrays = {name: numpy_of(tensor) for name, tensor in tensors.items()}
        self.tensors = [(name, array.shape, array.dtype) for name, array in arrays.items()]
        rows = max(1, 1_000_000 // max(array.nbytes for array in arrays.values()))
        write, close = writer(self, path, steps, [min(rows, steps)] * len(arrays))
        return lambda step, values: write(step, map(numpy_of, values)), close

    return create


class Peer(record_peer.Peer):
    def __init__(self):
        # Copies by several threads wait for each other where others are at work.
        torch.set_num_threads(1)
        self.rest = nothing

    def record(self, contender, path, count, shape, steps, bursts):
        """Records `steps` steps of `count` tensors, and of a loss where these are few.

        With `bursts`, the contender may rest, outside of the time, when it is half a queue ahead.
        """
        tensors = {f"layer{n}": torch.randn(shape).bfloat16() for n in range(count)}
        if count < 10:
            tensors["loss"] = torch.tensor(2.5)
        # The number of the step: one that is recorded twice, or too late, is found.
        number = tensors["layer0"].view(torch.int16).view(-1)[:1]
        path, self.rest = Path(path), nothing
        size = sum(tensor.nbytes for tensor in tensors.values())

        def create():
            return getattr(self, contender)(path, tensors, steps)

        def values(step):
            number.fill_(step % 30_000)
            return tensors.values()

        rests = (max(1, QUEUE // 2 // size), lambda: self.rest()) if bursts else None
        figures = recorded(create, steps, values, rests)
        check(path, tensors, steps)
        return {name: value for name, value in figures.items() if name not in ("peak_memory", "written")}

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

        return write, nothing

    h5py_tuned, h5py_seed, tofile = map(
        of_arrays, (record_peer.Peer.h5py_tuned, record_peer.Peer.h5py_seed, record_peer.Peer.tofile)
    )

    def torch_save(self, path, tensors, steps):
        path.mkdir()
        return lambda step, _: torch.save(tensors, path / f"{step}.pt"), nothing

    def safetensors(self, path, tensors, steps):
        path.mkdir()
        return lambda step, _: safetensors.torch.save_file(tensors, path / f"{step}.safetensors"), nothing

    def prepare(self, rows, steps):
        """Takes the rows of a step and the single steps that will be asked for."""
        self.rows, self.steps = np.array(rows), steps

    def read(self, way, path):
        """Reads of the tensor `W` into torch, and returns the time and the sum of the words, of single steps the first."""
        figures, found = timed(lambda: getattr(self, way)(path))
        words = [step.view(-1)[:4] for step in found] if isinstance(found, list) else [found.view(-1)]
        return figures, sum(int(part.view(torch.int64).sum()) for part in words) % 2**64

    def whole_by_selvedge(self, path):
        return selvedge.open(path)["W"].torch()

    def rows_by_selvedge(self, path):
        return selvedge.open(path)["W"][:, self.rows].torch()

    def single_by_selvedge(self, path):
        tensor = selvedge.open(path)["W"]
        return [tensor[step].torch()[:1].clone() for step in self.steps]

    def whole_by_h5py(self, path):
        with h5py.File(path) as file:
            return torch.from_numpy(file["W"][:]).view(torch.bfloat16)

    def rows_by_h5py(self, path):
        return self.whole_by_h5py(path)[:, self.rows]

    def single_by_h5py(self, path):
        with h5py.File(path) as file:
            dataset = file["W"]
            return [torch.from_numpy(dataset[step]).view(torch.bfloat16)[:1].clone() for step in self.steps]


def check(path, tensors, steps):
    """Compares the first, the middle and the last step with what was recorded, but for copies in memory."""
    for step in {0, steps // 2, steps - 1} if path.exists() else ():
        found = contents(path, step, tensors)
        for name, tensor in tensors.items():
            expected = numpy_of(tensor).copy()
            if name == "layer0":
                expected.reshape(-1)[0] = step % 30_000
            array = np.asarray(found[name]).view(expected.dtype).reshape(expected.shape)
            same(array, expected, f"step {step} of {name}")


def contents(path, step, tensors):
    """The arrays of a step, by their names."""
    if path.is_file():
        with h5py.File(path) as file:
            return {name: file[name][step] for name in tensors}
    if (path / f"{step}.pt").exists():
        tensors = torch.load(path / f"{step}.pt")
    elif (path / f"{step}.safetensors").exists():
        tensors = safetensors.torch.load_file(path / f"{step}.safetensors")
    else:
        sizes = {name: tensor.nbytes for name, tensor in tensors.items()}
        return {name: np.fromfile(path / name, np.uint8, size, offset=step * size) for name, size in sizes.items()}
    return {name: numpy_of(tensor) for name, tensor in tensors.items()}


serve(Peer(), {"torch": torch.__version__, "Python of torch": platform.python_version()})
