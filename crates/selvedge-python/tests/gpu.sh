#!/bin/sh
# What the tests leave out on a machine without a GPU: tensors of a CUDA device are recorded as they are at the moment of
# `append`, and how long that keeps the loop. Takes less than a minute.
# usage: PYTHON=python sh gpu.sh      (a Python with torch for CUDA, h5py and the installed package)
set -eu
"${PYTHON:-python3}" - <<'PYTHON'
import pathlib
import tempfile
import time

import h5py
import torch

import selvedge

assert torch.cuda.is_available(), "torch finds no CUDA device"
print(torch.cuda.get_device_name(), "torch", torch.__version__, "selvedge", selvedge.__version__)
folder = pathlib.Path(tempfile.mkdtemp())

# Every dtype and some layouts, bit for bit.
bits = torch.arange(65_536, dtype=torch.int32).to(torch.int16).reshape(256, 256)
for dtype in (torch.bfloat16, torch.float16, torch.int16):
    value = bits.view(dtype).cuda()
    for number, layout in enumerate((value, value.T, value[::2, 1::3], value[3, 5])):
        path = folder / f"{dtype}_{number}.h5".removeprefix("torch.")
        with selvedge.Recorder(path, steps=1, like={"W": layout}) as run:
            run.append(W=layout)
        found = selvedge.open(path)["W"][0].torch()
        assert torch.equal(found.view(torch.int16), layout.cpu().contiguous().view(torch.int16)), (dtype, number)

# The bytes are those of the moment, though the device is at work on the next step.
weights = torch.zeros(10_000, 64, dtype=torch.bfloat16, device="cuda")
busy = torch.randn(4096, 4096, device="cuda")
with selvedge.Recorder(folder / "moment.h5", steps=200, like={"W": weights}) as run:
    for step in range(200):
        busy = (busy @ busy).tanh()
        weights.fill_(step)
        run.append(W=weights)
        weights.fill_(-1)
with h5py.File(folder / "moment.h5") as file:
    found = torch.from_numpy(file["W"][:]).view(torch.bfloat16)
assert torch.equal(found[:, 0, 0], torch.arange(200).to(torch.bfloat16)) and bool((found == found[:, :1, :1]).all())

# How long it keeps the loop, beside the copy alone.
tensors = {name: torch.randn(10_000, 64, device="cuda").bfloat16() for name in ("W", "grad_W", "momentum_W", "variance_W")}
pinned = {name: torch.empty_like(value, device="cpu").pin_memory() for name, value in tensors.items()}
with selvedge.Recorder(folder / "time.h5", steps=300, like=tensors) as run:
    times: dict[str, list[float]] = {"append": [], "copies to pinned memory": []}
    for step in range(300):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run.append(tensors)
        times["append"].append(time.perf_counter() - start)
        start = time.perf_counter()
        for name, value in tensors.items():
            pinned[name].copy_(value, non_blocking=True)
        torch.cuda.synchronize()
        times["copies to pinned memory"].append(time.perf_counter() - start)
for name, values in times.items():
    print(f"{name}: {1e6 * sorted(values)[len(values) // 2]:.0f} µs for 5.12 MB")
print("all right")
PYTHON
