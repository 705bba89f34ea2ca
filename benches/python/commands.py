"""How a peer is driven: commands on stdin, one a line, fields separated by tabs.

Each is answered with one line on stdout: `ok` and its result, or `error` and what went wrong.
"""

import json
import os
import sys
from importlib.metadata import version


def serve(peer):
    """Calls the method of `peer` that each command names, until stdin ends."""
    for line in sys.stdin:
        command, *fields = line.rstrip("\n").split("\t")
        try:
            answer = f"ok\t{getattr(peer, command)(*fields)}"
        except Exception as error:
            answer = f"error\t{type(error).__name__}: {error}".replace("\n", " ")
        print(answer, flush=True)


def versions(*modules):
    """The versions of Python and of modules, as their packages were installed."""
    found = {"Python": ".".join(map(str, sys.version_info[:3]))}
    return json.dumps(found | {module.__name__: version(module.__name__) for module in modules})


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


def files(path):
    """The file at `path`, or all files of the folder."""
    if not os.path.isdir(path):
        yield path
    for folder, _, names in os.walk(path):
        for name in names:
            yield os.path.join(folder, name)


def sync(path):
    """Waits until the data are on the disk."""
    for name in files(path):
        file = os.open(name, os.O_RDONLY)
        os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)
        os.close(file)
