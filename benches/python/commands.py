"""How a peer is driven: calls on stdin, one a line, as JSON: the name of a method, and its arguments.

Each is answered with one line on stdout: `{"Ok": result}`, or `{"Err": what went wrong}`. Times are in seconds and measured
here, so neither the start of Python nor its imports nor the pipe are in them.
"""

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter

import numpy as np


def serve(peer, versions):
    """Calls the method of `peer` that each line names, until stdin ends; `versions` is one of them."""
    peer.versions = lambda: versions
    for line in sys.stdin:
        try:
            method, arguments = json.loads(line)
            answer = {"Ok": getattr(peer, method)(*arguments)}
        except Exception as error:
            answer = {"Err": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def versions(*packages):
    """The versions of Python and of those of `packages` that are installed."""
    found = {"Python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


def timed(call):
    """The figures of a call, and what it returns."""
    begin = perf_counter()
    result = call()
    return {"seconds": perf_counter() - begin}, result


class Meter:
    """What a sample costs besides its time, as `src/meter.rs` has it: memory above what there was, bytes written."""

    def __init__(self):
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
            self.memory = status("VmRSS")
        except OSError:
            self.memory = None
        self.written = written()

    def figures(self):
        figures = {}
        if self.memory is not None:
            figures["peak_memory"] = max(status("VmHWM") - self.memory, 0)
        if self.written is not None:
            figures["written"] = written() - self.written
        return figures


def status(key):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key + ":"))


def written():
    try:
        with open("/proc/self/io") as file:
            values = dict(line.split(": ") for line in file.read().splitlines())
    except OSError:
        return None
    return max(int(values["wchar"]), int(values["write_bytes"]))


def sync(path):
    """Waits until the data of the file at `path`, or of all files of the folder, are on the disk."""
    for folder, _, names in os.walk(path) if os.path.isdir(path) else [("", (), [path])]:
        for name in names:
            file = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)
            os.close(file)


def recorded(create, steps, values_of, rests=None, disk=None):
    """The figures of a sample: `create` returns what writes the values of a step, and what closes the file.

    After so many steps each, `rests` is called, outside of the time of a step: a number, and what is called.
    """
    meter, blocked = Meter(), np.empty(steps)
    begin = perf_counter()
    write, close = create()
    created = perf_counter()
    for step in range(steps):
        values = values_of(step)
        start = perf_counter()
        write(step, values)
        blocked[step] = perf_counter() - start
        if rests and step % rests[0] == rests[0] - 1:
            rests[1]()
    close()
    if disk:
        sync(disk)
    figures = {"seconds": perf_counter() - created, "create": created - begin, **meter.figures()}
    blocked.sort()
    for name, percent in ("blocked_p50", 50), ("blocked_p99", 99), ("blocked_max", 100):
        figures[name] = blocked[max(-(-steps * percent // 100), 1) - 1]
    return figures


def total(values):
    """The sum of the values as 64-bit words, modulo 2**64."""
    return int(np.ascontiguousarray(values).reshape(-1).view(np.uint64).sum())


def assign(targets):
    def write(step, values):
        for target, value in zip(targets, values):
            target[step] = value

    return write


def same(found, expected, what="the file"):
    """Compares arrays by their bytes: of floats, NaN is not NaN."""
    found = np.asarray(found)
    if found.dtype != expected.dtype or found.shape != expected.shape:
        raise ValueError(f"{what} has {found.dtype} {found.shape}, not {expected.dtype} {expected.shape}")
    if found.tobytes() != expected.tobytes():
        raise ValueError(f"{what} has other bytes")
