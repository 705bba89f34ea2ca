"""The package beside h5py, tofile, torch.save and safetensors, on real tensors of torch, in turns.

usage: python record_and_read.py [--rounds N] [--seed] [FOLDER]

Each contender's answer is checked. Printed are medians, and in brackets the least and the greatest; `--seed` adds h5py as
it is mostly written, whose first step writes gigabytes of fill values. FOLDER is where the files go.
"""

import argparse
import os
import pathlib
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import h5py
import numpy
import safetensors.torch
import torch

import selvedge

Tensors = dict[str, torch.Tensor]


def numpy_of(tensor: torch.Tensor) -> Any:
    """As the seed's loop makes an array of a tensor."""
    tensor = tensor.detach().cpu()
    return tensor.view(torch.uint16).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()


def by_selvedge(path: pathlib.Path, tensors: Tensors, steps: int) -> tuple[Callable[[int], object], Callable[[], object]]:
    run = selvedge.Recorder(path, steps, like=tensors)
    return lambda step: run.append(tensors), run.finish


def by_h5py(path: pathlib.Path, tensors: Tensors, steps: int, rows: int, **options: Any) -> Any:
    file = h5py.File(path, "w")
    datasets = {}
    for name, tensor in tensors.items():
        array = numpy_of(tensor)
        chunk = (min(rows, steps), *array.shape)
        datasets[name] = file.create_dataset(name, (steps, *array.shape), array.dtype, chunks=chunk, **options)

    def write(step: int) -> None:
        for name, dataset in datasets.items():
            dataset[step] = numpy_of(tensors[name])

    return write, file.close


def by_h5py_tuned(path: pathlib.Path, tensors: Tensors, steps: int) -> Any:
    return by_h5py(path, tensors, steps, rows=max(1, 1_000_000 // max(t.nbytes for t in tensors.values())), fill_time="never")


def by_h5py_seed(path: pathlib.Path, tensors: Tensors, steps: int) -> Any:
    return by_h5py(path, tensors, steps, rows=1500)


def by_tofile(path: pathlib.Path, tensors: Tensors, steps: int) -> Any:
    path.mkdir()
    files = {name: open(path / name, "wb") for name in tensors}

    def write(step: int) -> None:
        for name, file in files.items():
            numpy_of(tensors[name]).tofile(file)

    return write, lambda: [file.close() for file in files.values()]


def by_torch_save(path: pathlib.Path, tensors: Tensors, steps: int) -> Any:
    path.mkdir()
    return lambda step: torch.save(tensors, path / f"{step}.pt"), lambda: None


def by_safetensors(path: pathlib.Path, tensors: Tensors, steps: int) -> Any:
    path.mkdir()
    return lambda step: safetensors.torch.save_file(tensors, path / f"{step}.safetensors"), lambda: None


def by_memcpy(path: pathlib.Path, tensors: Tensors, steps: int) -> Any:
    copies = [(torch.empty_like(tensor), tensor) for tensor in tensors.values()]
    return lambda step: [copy.copy_(tensor) for copy, tensor in copies], lambda: None


def turns(contenders: dict[str, Any], folder: pathlib.Path, tensors: Tensors, steps: int, rounds: int, pause: float) -> None:
    """Each records, in turns. `pause` seconds lie between two steps, as the training has them."""
    times: dict[str, dict[str, list[float]]] = {name: {"blocked": [], "whole": []} for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            path = folder / "file"
            write, close = contender(path, tensors, steps)
            write(0)
            blocked = []
            began = time.perf_counter()
            for step in range(1, steps):
                start = time.perf_counter()
                write(step)
                blocked.append(time.perf_counter() - start)
                if pause:
                    time.sleep(pause)
            close()
            times[name]["whole"].append((time.perf_counter() - began) / (steps - 1))
            times[name]["blocked"].append(statistics.median(blocked))
            if name.startswith(("selvedge", "h5py")):
                with h5py.File(path) as file:
                    for tensor, values in tensors.items():
                        assert numpy.array_equal(file[tensor][steps - 1], numpy_of(values)), (name, tensor)
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
    size = sum(tensor.nbytes for tensor in tensors.values())
    print(f"{len(tensors)} tensors, {size:,} bytes a step, {steps} steps, {pause * 1e3:.0f} ms between them")
    for name, found in times.items():
        shown = [f"{1e6 * statistics.median(v):9.1f} ({1e6 * min(v):.1f} to {1e6 * max(v):.1f})" for v in found.values()]
        print(f"  {name:14} the loop waits {shown[0]:>32} µs, all of it {shown[1]:>34} µs a step")


def reading(folder: pathlib.Path, rounds: int) -> None:
    """A whole tensor into torch, some rows of all steps, and single steps, beside h5py on the same file."""
    steps, rows = 800, 10_000
    path = folder / "read.h5"
    values = torch.randn(8, rows, 64).to(torch.bfloat16)
    with selvedge.Recorder(path, steps, like={"W": values[0]}) as run:
        for step in range(steps):
            run.append(W=values[step % 8])
    mask = torch.zeros(rows, dtype=torch.bool)
    mask[torch.randperm(rows, generator=torch.Generator().manual_seed(2))[:3_699]] = True
    chosen = torch.randint(steps, (1000,), generator=torch.Generator().manual_seed(3)).tolist()
    file = h5py.File(path)
    ours = selvedge.open(path)
    work: dict[str, dict[str, Callable[[], Any]]] = {
        "a whole tensor into torch": {
            "selvedge": lambda: ours["W"].torch(),
            "h5py": lambda: torch.from_numpy(file["W"][:]).view(torch.bfloat16),
        },
        "3,699 of 10,000 rows of all steps": {
            "selvedge": lambda: ours["W"][:, mask].torch(),
            "h5py": lambda: torch.from_numpy(file["W"][:]).view(torch.bfloat16)[:, mask],
        },
        "1,000 random steps": {
            "selvedge": lambda: [ours["W"][step].torch() for step in chosen],
            "h5py": lambda: [torch.from_numpy(file["W"][step]).view(torch.bfloat16) for step in chosen],
        },
    }
    print(f"reading {steps} steps of (10000, 64) bfloat16, from the page cache")
    for title, contenders in work.items():
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(rounds):
            found = []
            for name, contender in contenders.items():
                start = time.perf_counter()
                result = contender()
                times[name].append(time.perf_counter() - start)
                found.append(result)
            if number == 0:
                one, two = (torch.stack(r) if isinstance(r, list) else r for r in found)
                assert torch.equal(one.view(torch.uint16), two.view(torch.uint16))
        shown = {name: f"{1e3 * statistics.median(v):8.1f} ms ({1e3 * min(v):.1f} to {1e3 * max(v):.1f})" for name, v in times.items()}
        ratio = statistics.median(times["h5py"]) / statistics.median(times["selvedge"])
        print(f"  {title}: " + ", ".join(f"{name} {value}" for name, value in shown.items()) + f", {ratio:.2f} times")


def watching(folder: pathlib.Path, count: int, steps: int, rounds: int) -> None:
    """What `watch` costs a step, of parameters of 512 bytes: the step with it less the step without."""
    model = torch.nn.ParameterDict({f"p{number}": torch.zeros(256, dtype=torch.bfloat16) for number in range(count)})
    for parameter in model.values():
        parameter.grad = torch.ones_like(parameter)

    class Nothing(torch.optim.Optimizer):
        def __init__(self, parameters: Any) -> None:
            super().__init__(parameters, {})

        def step(self, closure: Any = None) -> None:
            return None

    for what in (("weights",), ("weights", "grad")):
        optimizer = Nothing(model.parameters())
        found: dict[str, list[float]] = {"without": [], "with": []}
        for _ in range(rounds):
            for name in found:
                path = folder / "watch.h5"
                watch = selvedge.watch(model, optimizer, path, steps, what=what) if name == "with" else None
                blocked = []
                for _ in range(steps):
                    start = time.perf_counter()
                    optimizer.step()
                    blocked.append(time.perf_counter() - start)
                    time.sleep(0.0005)
                found[name].append(statistics.median(blocked))
                if watch is not None:
                    watch.close()
                    path.unlink()
        cost = [1e6 * (a - b) for a, b in zip(found["with"], found["without"], strict=True)]
        print(f"watch of {count} parameters of 512 B, {what}: {statistics.median(cost):.1f} µs a step ({min(cost):.1f} to {max(cost):.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", action="store_true")
    options = parser.parse_args()
    # Copies by several threads wait for each other where the machine is busy.
    torch.set_num_threads(1)
    print(platform.processor() or platform.machine(), os.cpu_count(), "CPUs, Python", platform.python_version(),
          "torch", torch.__version__, "h5py", h5py.__version__, "selvedge", selvedge.__version__)  # fmt: skip
    contenders: dict[str, Any] = {
        "selvedge": by_selvedge,
        "memcpy": by_memcpy,
        "h5py, tuned": by_h5py_tuned,
        "tofile": by_tofile,
        "torch.save": by_torch_save,
        "safetensors": by_safetensors,
    }
    if options.seed:
        contenders["h5py, seed"] = by_h5py_seed
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = pathlib.Path(name)
        large = {n: torch.randn(10_000, 64).to(torch.bfloat16) for n in ("W", "grad_W", "momentum_W", "variance_W")}
        large["loss"] = torch.tensor(2.5)
        turns(contenders, folder, large, 150, options.rounds, 0.003)
        turns(contenders, folder, large, 150, options.rounds, 0)
        small = {n: torch.randn(2048).to(torch.bfloat16) for n in ("W", "grad_W", "momentum_W", "variance_W")}
        turns(contenders, folder, small, 2000, options.rounds, 0)
        many = {f"p{number}": torch.randn(256).to(torch.bfloat16) for number in range(300)}
        turns(contenders, folder, many, 200, options.rounds, 0.001)
        watching(folder, 300, 300, options.rounds)
        reading(folder, options.rounds)


if __name__ == "__main__":
    main()
