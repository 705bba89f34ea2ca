"""Makes a file as h5py would: every dtype and layout that a report tells apart, with NaN, infinities and still rows."""

import sys

import h5py
import ml_dtypes
import numpy as np

rng = np.random.default_rng(5)


def walk(shape, dtype, scale=0.01):
    """Values that move from step to step, but for every third row."""
    moves = rng.standard_normal(shape) * scale
    moves[1:, ::3] = 0
    values = np.cumsum(moves, axis=0)
    # Some values stay for a while, and zeros change their sign.
    values[len(values) // 4 : len(values) // 2] = values[len(values) // 4]
    values[:, 1] = np.where(np.arange(shape[0]) % 2, 0.0, -0.0).reshape(-1, *[1] * (len(shape) - 2))
    return values.astype(dtype)


with h5py.File(sys.argv[1], "w") as f:

    def bits(name, values, **options):
        f.create_dataset(name, data=values.view(np.uint16), **options)
        f[name].attrs["logical_dtype"] = "bfloat16"

    weights = walk((40, 30, 5), ml_dtypes.bfloat16)
    weights[11, 3, 2] = np.nan
    weights[12:, 4, 1] = np.nan
    weights[20, 29, 4] = -np.inf
    bits("W", weights, chunks=(7, 30, 5))
    bits("rows", walk((40, 30, 5), ml_dtypes.bfloat16), chunks=(40, 4, 5), compression="gzip", shuffle=True)
    bits("vector", walk((40, 300), ml_dtypes.bfloat16), chunks=(3, 300))
    bits("many", walk((2500, 4, 3), ml_dtypes.bfloat16), chunks=(100, 4, 3))
    f.create_dataset("half", data=walk((40, 6, 2, 2), np.float16, 1e-6), chunks=(1, 6, 2, 2), compression="lzf")
    f.create_dataset("single", data=walk((40, 20, 3), np.float32), chunks=(40, 20, 3))
    f.create_dataset("swapped", data=walk((40, 20, 3), ">f4"), chunks=(9, 20, 3))
    f.create_dataset("double", data=walk((40, 9), np.float64, 1e-200), chunks=(5, 9))
    f.create_dataset("long", data=walk((6, 70_001), np.float32), chunks=(2, 70_001))
    f.create_dataset("huge", data=rng.random((10, 4, 2)) * 1e308, chunks=(2, 4, 2))
    f.create_dataset("none", data=np.full((10, 4), np.nan, "f4"), chunks=(2, 4))
    for dtype in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"):
        values = np.abs(walk((12, 7, 2), np.float64, 40.0)).astype(dtype)
        f.create_dataset("ints/" + dtype, data=values, chunks=(4, 7, 2))
    losses = rng.standard_normal(40).astype("f4")
    losses[5], losses[30:] = np.inf, np.nan
    f.create_dataset("losses", data=losses, chunks=(10,))
    f.create_dataset("rate", data=rng.random(5000), chunks=(1000,))
    f.create_dataset("steps_done", data=np.arange(40), chunks=(10,))
    f["mask"] = rng.random(30) < 0.3
    f["start"] = rng.standard_normal((50, 4)).astype("f4")
    f["big"] = rng.standard_normal((300, 301)).astype("f4")
    f["one"] = 2.5
    f["text"] = ["not", "numbers"]
    f["empty"] = np.zeros((0, 3), "f4")
