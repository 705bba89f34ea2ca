"""Sizes in bytes, as people say them."""

from __future__ import annotations

import operator
import re
from typing import SupportsIndex

from selvedge._arguments import LARGEST
from selvedge._errors import DeclarationError

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
          "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}  # fmt: skip


def in_bytes(size: float | str | None) -> int | None:
    """A number of bytes, or a text such as ``"64 MiB"`` or ``"24 GB"``."""
    if size is None:
        return None
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", size) if isinstance(size, str) else None
    count = -1
    if found is not None and found[2].lower() in _UNITS:
        count = round(min(float(found[1]) * _UNITS[found[2].lower()], LARGEST))
    elif isinstance(size, SupportsIndex):
        count = operator.index(size)
    elif isinstance(size, float) and size % 1 == 0:
        count = int(size)
    if not 0 <= count < LARGEST:
        raise DeclarationError(f"size {size!r}: expected a number of bytes, or a text such as '64 MiB' or '24 GB'")
    return count


def shown(size: float) -> str:
    """Bytes with a decimal unit: ``1.28 MB``."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        size /= 1000
        if size < 999.995 or unit == "PB":
            break
    return f"{size:.2f} {unit}"
