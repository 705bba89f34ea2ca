#!/bin/sh
# What the tests leave out on a machine without a GPU: tensors of a CUDA device are recorded as they are at the moment of
# `append`, which does not wait for the device, and how long it keeps the loop. Takes less than two minutes.
# usage: PYTHON=python sh gpu.sh      (a Python with torch for CUDA, h5py and the installed package)
set -eu
"${PYTHON:-python3}" - <<'PYTHON'
import pathlib
import tempfile
import time
import warnings

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


# The bytes are those of the moment, though the device is at work on the next step, tensors go and their memory is given to
# others, and values of the step before are on their way.
weights = torch.zeros(10_000, 64, dtype=torch.bfloat16, device="cuda")
loss = torch.zeros((), device="cuda")
busy = torch.randn(4096, 4096, device="cuda")
with warnings.catch_warnings():
    # That the copies differ, or that memory cannot be pinned, is an error here.
    warnings.simplefilter("error")
    with selvedge.Recorder(
        folder / "moment.h5", steps=400, like={"W": weights, "grad": weights}, scalars=["loss"], queue="32 MB"
    ) as run:
        for step in range(400):
            busy = (busy @ busy).tanh()
            gradient = torch.full_like(weights, -step)
            run.put(grad=gradient)
            del gradient
            torch.full_like(weights, 99)
            weights.fill_(step)
            loss.fill_(step)
            run.append(W=weights.T.contiguous().T if step % 5 == 0 else weights, loss=loss)
            weights.fill_(-1)
            loss.fill_(-1)
with h5py.File(folder / "moment.h5") as file:
    for name, sign in (("W", 1), ("grad", -1)):
        found = torch.from_numpy(file[name][:]).view(torch.bfloat16)
        expected = (sign * torch.arange(400)).to(torch.bfloat16)
        assert torch.equal(found[:, 0, 0], expected) and bool((found == found[:, :1, :1]).all()), name
    assert file["loss"][:].tolist() == list(range(400))

# `append` does not wait: with a second of work before it on the device, it is back long before the work is done.
torch.cuda.synchronize()
with selvedge.Recorder(folder / "wait.h5", steps=1, like={"W": weights}) as run:
    run.put(W=weights)
    run.put(W=weights)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(400):
        busy = (busy @ busy).tanh()
    launched = time.perf_counter() - start
    run.append(W=weights)
    appended = time.perf_counter() - start - launched
    torch.cuda.synchronize()
    whole = time.perf_counter() - start
print(f"append: {1e3 * appended:.2f} ms, with {1e3 * (whole - launched):.0f} ms of work before it on the device")
assert appended < 0.1 * (whole - launched), "it has waited for the device"

# A model of real modules, watched, beside copies by hand of the same training.
torch.manual_seed(1)
model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.GELU(), torch.nn.Linear(512, 256)).cuda().bfloat16()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
kept = {f"{name}{kind}": [] for kind in ("", ".grad") for name, _ in model.named_parameters()}
with selvedge.watch(model, optimizer, folder / "watch.h5", 100):
    for _ in range(100):
        optimizer.zero_grad()
        model(torch.randn(64, 256, device="cuda").bfloat16()).square().mean().backward()
        for name, parameter in model.named_parameters():
            kept[f"{name}.grad"].append(parameter.grad.clone().cpu())
        optimizer.step()
        for name, parameter in model.named_parameters():
            kept[name].append(parameter.detach().clone().cpu())
for name, steps in kept.items():
    found = selvedge.open(folder / "watch.h5")[name].torch()
    assert torch.equal(found.view(torch.int16), torch.stack(steps).view(torch.int16)), name

# How long it keeps the loop, beside the copy alone.
tensors = {name: torch.randn(10_000, 64, device="cuda").bfloat16() for name in ("W", "grad_W", "momentum_W", "variance_W")}
pinned = {name: torch.empty_like(value, device="cpu").pin_memory() for name, value in tensors.items()}
times: dict[str, list[float]] = {
    "append": [], "append and synchronize": [], "copies to pinned memory": [], "copies by .cpu()": [],
}
with selvedge.Recorder(folder / "time.h5", steps=300, like=tensors) as run:
    for step in range(300):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run.append(tensors)
        times["append"].append(time.perf_counter() - start)
        torch.cuda.synchronize()
        times["append and synchronize"].append(time.perf_counter() - start)
        start = time.perf_counter()
        for name, value in tensors.items():
            pinned[name].copy_(value, non_blocking=True)
        torch.cuda.synchronize()
        times["copies to pinned memory"].append(time.perf_counter() - start)
        start = time.perf_counter()
        for value in tensors.values():
            value.cpu()
        times["copies by .cpu()"].append(time.perf_counter() - start)
for name, values in times.items():
    print(f"{name}: {1e6 * sorted(values)[len(values) // 2]:.0f} µs for 5.12 MB")
print("all right")
PYTHON
