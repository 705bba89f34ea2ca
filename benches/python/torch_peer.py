"""The groups `python`: the package, h5py and others from a loop of PyTorch, on the CPU.

`commands.py` says how it is driven. Times are in seconds and measured here.
"""

import json
import platform
from math import prod
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
import safetensors.torch
import selvedge
import torch

from commands import serve

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


class Peer:
    def __init__(self):
        # Copies by several threads wait for each other where others are at work.
        torch.set_num_threads(1)
        self.rows = self.steps = None

    def versions(self):
        return json.dumps({"torch": torch.__version__, "Python of torch": platform.python_version()})

    def record(self, contender, path, count, shape, steps, bursts):
        """Records `steps` steps of `count` tensors, and of a loss where these are few.

        With `bursts`, the contender may rest, outside of the time, when it is half a queue ahead.
        """
        shape = [int(axis) for axis in shape.split("x")]
        tensors = {f"layer{n}": torch.randn(shape).bfloat16() for n in range(int(count))}
        if len(tensors) < 10:
            tensors["loss"] = torch.tensor(2.5)
        # The number of the step: one that is recorded twice, or too late, is found.
        number = tensors["layer0"].view(torch.int16).view(-1)[:1]
        steps, path = int(steps), Path(path)
        blocked = np.empty(steps)
        begin = perf_counter()
        write, rest, close = getattr(self, contender)(path, tensors, steps)
        created = perf_counter()
        size = sum(tensor.nbytes for tensor in tensors.values())
        burst = max(1, QUEUE // 2 // size) if bursts else steps
        for step in range(steps):
            number.fill_(step % 30_000)
            start = perf_counter()
            write(step)
            blocked[step] = perf_counter() - start
            if step % burst == burst - 1:
                rest()
        close()
        figures = {"seconds": perf_counter() - created, "create": created - begin}
        blocked.sort()
        for name, percent in ("blocked_p50", 50), ("blocked_p99", 99), ("blocked_max", 100):
            figures[name] = blocked[max(-(-steps * percent // 100), 1) - 1]
        check(path, tensors, steps)
        return json.dumps(figures)

    def append(self, path, tensors, steps):
        run = selvedge.Recorder(path, steps, like=tensors)
        return lambda step: run.append(tensors), run.commit, run.finish

    def watch(self, path, tensors, steps):
        model = torch.nn.ParameterDict({name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()})
        optimizer = Nothing(model.parameters())
        watch = selvedge.watch(model, optimizer, path, steps, what=["weights"])
        return lambda step: optimizer.step(), watch.recorder.commit, watch.close

    def memcpy(self, path, tensors, steps):
        size = sum(tensor.nbytes for tensor in tensors.values())
        queue = [[(torch.ones_like(tensor), tensor) for tensor in tensors.values()] for _ in range(max(1, QUEUE // size))]

        def write(step):
            for copy, tensor in queue[step % len(queue)]:
                copy.copy_(tensor)

        return write, nothing, nothing

    def h5py(self, path, tensors, steps, rows, **options):
        file = h5py.File(path, "w")
        datasets = {}
        for name, tensor in tensors.items():
            array = numpy_of(tensor)
            chunk = (min(rows, steps), *array.shape)
            datasets[name] = file.create_dataset(name, (steps, *array.shape), array.dtype, chunks=chunk, **options)

        def write(step):
            for name, dataset in datasets.items():
                dataset[step] = numpy_of(tensors[name])

        return write, nothing, file.close

    def h5py_tuned(self, path, tensors, steps):
        rows = max(1, 1_000_000 // max(tensor.nbytes for tensor in tensors.values()))
        return self.h5py(path, tensors, steps, rows, fill_time="never")

    def h5py_seed(self, path, tensors, steps):
        # Chunks of a whole run, whose fill values the first step writes.
        return self.h5py(path, tensors, steps, steps)

    def tofile(self, path, tensors, steps):
        path.mkdir()
        files = [(open(path / name, "wb"), tensor) for name, tensor in tensors.items()]

        def write(step):
            for file, tensor in files:
                numpy_of(tensor).tofile(file)

        return write, nothing, lambda: [file.close() for file, _ in files]

    def torch_save(self, path, tensors, steps):
        path.mkdir()
        return lambda step: torch.save(tensors, path / f"{step}.pt"), nothing, nothing

    def safetensors(self, path, tensors, steps):
        path.mkdir()
        return lambda step: safetensors.torch.save_file(tensors, path / f"{step}.safetensors"), nothing, nothing

    def prepare(self, rows, steps):
        """Reads the rows of a step and the single steps that will be asked for."""
        self.rows = np.fromfile(rows, np.int64)
        self.steps = np.fromfile(steps, np.int64).tolist()
        return ""

    def read(self, contender, what, path):
        """Reads of the tensor `W` into torch, and returns the time and the sum of the words, of single steps the first."""
        begin = perf_counter()
        found = getattr(self, f"{what}_by_{contender}")(path)
        seconds = perf_counter() - begin
        words = [step.view(-1)[:4] for step in found] if isinstance(found, list) else [found.view(-1)]
        total = sum(int(part.view(torch.int64).sum()) for part in words) % 2**64
        return f"{json.dumps({'seconds': seconds})}\t{total}"

    def whole_by_selvedge(self, path):
        return selvedge.open(path)["W"].torch()

    def rows_by_selvedge(self, path):
        return selvedge.open(path)["W"][:, self.rows].torch()

    def steps_by_selvedge(self, path):
        tensor = selvedge.open(path)["W"]
        return [tensor[step].torch()[:1].clone() for step in self.steps]

    def whole_by_h5py(self, path):
        with h5py.File(path) as file:
            return torch.from_numpy(file["W"][:]).view(torch.bfloat16)

    def rows_by_h5py(self, path):
        return self.whole_by_h5py(path)[:, self.rows]

    def steps_by_h5py(self, path):
        with h5py.File(path) as file:
            dataset = file["W"]
            return [torch.from_numpy(dataset[step]).view(torch.bfloat16)[:1].clone() for step in self.steps]


def nothing():
    pass


def check(path, tensors, steps):
    """Compares the first, the middle and the last step with what was recorded, but for copies in memory."""
    if not path.exists():
        return
    for step in {0, steps // 2, steps - 1}:
        for name, tensor in tensors.items():
            expected = numpy_of(tensor).copy()
            if name == "layer0":
                expected.reshape(-1)[0] = step % 30_000
            if path.is_file():
                with h5py.File(path) as file:
                    found = file[name][step]
            elif (path / name).exists():
                offset = step * expected.nbytes
                found = np.fromfile(path / name, expected.dtype, prod(expected.shape), offset=offset)
            elif (saved := path / f"{step}.pt").exists():
                found = numpy_of(torch.load(saved)[name])
            else:
                found = numpy_of(safetensors.torch.load_file(path / f"{step}.safetensors")[name])
            if np.asarray(found).tobytes() != expected.tobytes():
                raise ValueError(f"step {step} of {name} has other bytes")


if __name__ == "__main__":
    serve(Peer())
