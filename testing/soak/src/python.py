import os, json
from safetensors.numpy import load_file

def plain(path, shapes):
    """Of a file that was written by hand: the steps that all tensors have, in a row from the first on, right."""
    with h5py.File(path, "r") as f:
        good = None
        for number, name in enumerate(AS):
            if name not in f:
                return [0]
            values = f[name][:]
            steps = 0
            while steps < len(values) and right(number, name, values[steps:steps + 1], steps):
                steps += 1
            good = steps if good is None else min(good, steps)
        return [good]

def version(path):
    """Of a safetensors file: the value that all of its tensors have."""
    tensors = load_file(path)
    assert sorted(tensors) == ["V", "W", "version"], sorted(tensors)
    found = {int(value) for name in tensors for value in np.unique(tensors[name])}
    assert len(found) == 1, found
    return list(found)

def rows(path):
    """Of a safetensors file that has grown: its rows, and how many of them are right, in a row from the first on."""
    tensors = load_file(path)
    right = [(values == row).all() for row, values in enumerate(tensors["rows"])]
    if not (tensors["fixed"] == 7).all():
        right = [False]
    return [len(tensors["rows"]), (right + [False]).index(False)]

def opens(path):
    """Whether every value of any HDF5 file can be read."""
    with h5py.File(path, "r") as f:
        for name in f:
            if isinstance(f[name], h5py.Dataset):
                f[name][()]
                dict(f[name].attrs)
        dict(f.attrs)
        return []

for line in sys.stdin:
    what, path, *words = line.rstrip("\n").split("\t")
    try:
        if what == "trajectory":
            found = check(path, shapes(words))
        elif what == "plain":
            found = plain(path, shapes(words))
        else:
            found = {"version": version, "rows": rows, "opens": opens}[what](path)
        print("ok", *found, flush=True)
    except BaseException as error:
        print("error", type(error).__name__, repr(str(error)), flush=True)
