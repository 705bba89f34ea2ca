"""Tensors of a device: their values in the memory of the host."""

from __future__ import annotations

from typing import Any


def to_host(tensor: Any) -> Any:
    """A copy in host memory. It waits until the device has made the values."""
    if hasattr(tensor, "cpu"):
        return tensor.detach().cpu()
    import numpy

    # jax and others copy on their way to NumPy.
    return numpy.asarray(tensor)
