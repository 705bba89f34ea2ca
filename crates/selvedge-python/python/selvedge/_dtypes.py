"""Names of dtypes, and what they are in NumPy and torch."""

from __future__ import annotations

from typing import Any

import importlib

from selvedge._errors import DtypeError

SIZES = {
    "bfloat16": 2, "float16": 2, "float32": 4, "float64": 8, "bool": 1,
    "int8": 1, "int16": 2, "int32": 4, "int64": 8,
    "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8,
    "float8_e4m3fn": 1, "float8_e5m2": 1, "complex64": 8, "complex128": 16,
}  # fmt: skip
SHORT = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}
# What NumPy has no dtype for, and the integers that have its bits.
BITS = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}


def name_of(dtype: Any) -> str:
    """The name of a dtype: of torch, of NumPy, of jax, or a name."""
    if isinstance(dtype, str):
        name = dtype
    elif isinstance(dtype, type) or hasattr(dtype, "name"):
        import numpy

        name = numpy.dtype(dtype).name
    else:
        name = str(dtype)
    name = name.removeprefix("torch.")
    return SHORT.get(name, name)


def to_numpy(bits: Any, dtype: str) -> Any:
    """The array of `dtype` that shares the memory of its bits."""
    if dtype not in BITS:
        return bits
    try:
        types = importlib.import_module("ml_dtypes")
    except ImportError:
        raise DtypeError(
            f"NumPy has no {dtype}: install `ml_dtypes` for an array of it, or take `.as_float32()`, `.torch()` or "
            "`.bits()`"
        ) from None
    return bits.view(getattr(types, dtype))


def to_torch(bits: Any, dtype: str) -> Any:
    """The torch tensor that shares the memory of the bits of `dtype`."""
    import torch

    if dtype in BITS:
        signed = torch.from_numpy(bits.view("int16")) if dtype == "bfloat16" else torch.from_numpy(bits)
        return signed.view(getattr(torch, dtype))
    return torch.from_numpy(bits)
