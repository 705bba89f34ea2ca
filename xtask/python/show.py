"""Shows an HDF5 file with stock h5py and numpy: no plugin, no wrapper, nothing of ours.

Usage: show.py FILE
"""

import sys

import h5py
import ml_dtypes
import numpy as np


def values(dataset):
    """The first values of the last step, as what `logical_dtype` says they are."""
    if dataset.size == 0:
        return ""
    # A scalar has no last step, and of a list the last three are as good as of a matrix the first.
    where = {0: (), 1: slice(-3, None)}.get(dataset.ndim, -1)
    last = np.asarray(dataset[where])
    if dataset.attrs.get("logical_dtype") == "bfloat16":
        last = last.view(ml_dtypes.bfloat16)
    return " ".join(str(value) for value in last.reshape(-1)[:3])


def main(path):
    with h5py.File(path, "r") as file:
        rows = [("name", "shape", "dtype", "logical_dtype", "values at the end")]
        for name in file:
            dataset = file[name]
            logical = dataset.attrs.get("logical_dtype", "")
            rows.append((name, str(dataset.shape), str(dataset.dtype), logical, values(dataset)))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths)]
            print("  " + "  ".join([*cells, row[4]]).rstrip())
        for key, value in file.attrs.items():
            print(f"  {key} = {value}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
