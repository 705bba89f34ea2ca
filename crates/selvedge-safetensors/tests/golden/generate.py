"""Writes python.safetensors, as Python's safetensors writes it, beside this script.

Every dtype that it can write from numpy and ml_dtypes, with every bit pattern of those of 8 and 16
bits. Run by hand with `target/python/bin/python`, the versions of testing/python/requirements.txt; the
tests compare what it writes today with the file that is committed.
"""

import sys
from pathlib import Path

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file


def patterns(bits, dtype):
    """Every pattern of a dtype of 8 or 16 bits."""
    unsigned = np.dtype(f"uint{bits}")
    return np.arange(2**bits).astype(unsigned).view(dtype)


def tensors():
    found = {
        "bool": np.array([True, False, True]),
        "c64": np.array([[1 + 2j, -0.0 - np.inf * 1j]], np.complex64),
        "empty": np.zeros((0, 64), np.float32),
        "f16": patterns(16, np.float16),
        "bf16": patterns(16, ml_dtypes.bfloat16).reshape(256, 256),
        "scalar": np.array(17, np.int64),
        "überschrift \"x\"\n": np.array([1.5], np.float32),
    }
    for name in ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]:
        limits = np.iinfo(name)
        found[name] = np.array([limits.min, 0, 1, limits.max], name)
    for name in ["float32", "float64"]:
        limits = np.finfo(name)
        tiny = limits.smallest_subnormal
        found[name] = np.array([-0.0, tiny, limits.max, np.inf, -np.inf, np.nan], name)
    for name in ["e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz", "e8m0fnu"]:
        found[f"float8_{name}"] = patterns(8, getattr(ml_dtypes, f"float8_{name}"))
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else __file__)
    folder = folder if folder.is_dir() else folder.parent
    save_file(tensors(), folder / "python.safetensors", {"format": "np", "note": "Grüße"})
