"""Names of dtypes, and what they are in NumPy and torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selvedge._extras import package

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


def to_numpy(dtype: str) -> Callable[[Any], Any]:
    """What makes arrays of `dtype` of its bits, in their memory. A package that is missing is told before they are read."""
    if dtype not in BITS:
        return lambda bits: bits
    instead = ", or take `.as_float32()`, `.torch()` or `.bits()`"
    types = package("ml_dtypes", f"an array of {dtype}, which NumPy does not have,", instead=instead)
    return lambda bits: bits.view(getattr(types, dtype))


def to_torch(dtype: str) -> Callable[[Any], Any]:
    """The same for tensors of torch."""
    torch = package("torch", "a tensor of torch", instead=", or take arrays (`.numpy()`, `form='numpy'`)")
    if dtype not in BITS:
        return lambda bits: torch.from_numpy(bits)
    # Older torch makes nothing of uint16.
    bits_of = "int16" if dtype == "bfloat16" else "uint8"
    return lambda bits: torch.from_numpy(bits.view(bits_of)).view(getattr(torch, dtype))
