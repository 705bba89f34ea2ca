"""How a peer is driven: calls on stdin, one a line, as JSON: the name of a method, and its arguments.

Each is answered with one line on stdout: `{"Ok": result}`, or `{"Err": what went wrong}`. Times are in seconds and measured
here, so neither the start of Python nor its imports nor the pipe are in them; what a call costs besides is measured from
outside.
"""

import json
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
            answer = {"Ok": getattr(peer, method)(*arguments or ())}
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


def recorded(create, steps, values_of, rests=None):
    """The figures of a sample: `create` returns what writes the values of a step, and what closes the file.

    After so many steps each, `rests` is called, outside of the time of a step: a number, and what is called.
    """
    blocked = np.empty(steps)
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
    figures = {"seconds": perf_counter() - created, "create": created - begin}
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
