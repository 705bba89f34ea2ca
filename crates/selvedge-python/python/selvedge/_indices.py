"""Indices of one axis as NumPy has them, and as the program writes them, in the order in which they are read."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from selvedge import _selvedge
from selvedge._dtypes import name_of
from selvedge._errors import OutOfRangeError, ShapeError

if TYPE_CHECKING:
    import numpy

Indices = Sequence[int]


def pick(indices: Indices, key: Any, name: str) -> tuple[Indices, bool, bool]:
    """Those of `indices` that `key` chooses; whether the axis is kept; and whether `key` was a list or a mask."""
    count = len(indices)
    expected = f"`{name}`: expected an integer, a slice, a list of indices, a mask or a text such as 'log:50'"
    if isinstance(key, slice):
        try:
            return indices[key], True, False
        except (TypeError, ValueError) as error:
            raise OutOfRangeError(f"{expected}, found {key!r}: {error}") from None
    if isinstance(key, str):
        named = _selvedge.named_indices(key, count, name)
        places = [place for first, count, stride in named for place in range(first, first + count * stride, stride)]
        return [indices[place] for place in places], True, False
    if _is_single(key):
        try:
            number = operator.index(key)
        except TypeError:
            pass
        else:
            return [indices[_place(number, count, name)]], False, False
    import numpy

    try:
        chosen = numpy.asarray(key)
    except (TypeError, ValueError) as error:
        raise OutOfRangeError(f"{expected}: {error}") from None
    if chosen.ndim == 0:
        raise OutOfRangeError(f"{expected}, found {key!r}")
    if chosen.ndim != 1:
        raise OutOfRangeError(f"`{name}`: an index of {chosen.ndim} axes; expected a list of integers, or a mask")
    if chosen.dtype == numpy.bool_:
        if len(chosen) != count:
            raise ShapeError(f"`{name}`: a mask of {len(chosen)} for an axis of {count}")
        chosen = numpy.flatnonzero(chosen)
    elif chosen.size == 0:
        chosen = chosen.astype(numpy.int64)
    elif not numpy.issubdtype(chosen.dtype, numpy.integer):
        raise OutOfRangeError(f"`{name}`: an index of {chosen.dtype}; expected integers, or a mask of bools")
    if chosen.size:
        _place(int(chosen.min()), count, name)
        _place(int(chosen.max()), count, name)
    return as_array(indices)[chosen.astype(numpy.int64)].tolist(), True, True


def _is_single(key: Any) -> bool:
    """Whether it may be one number. Tensors of torch with one element take themselves for one, whatever their axes, and
    so do its bools."""
    if isinstance(key, bool) or getattr(key, "ndim", 0) > 0:
        return False
    return not hasattr(key, "dtype") or name_of(key.dtype) != "bool"


def as_array(indices: Indices) -> numpy.ndarray[Any, Any]:
    """The indices as NumPy chooses from them, which takes a hundredth of the time of a loop."""
    import numpy

    if isinstance(indices, range):
        return numpy.arange(indices.start, indices.stop, indices.step)
    return numpy.asarray(indices, numpy.int64)


def _place(number: int, count: int, name: str) -> int:
    place = number + count if number < 0 else number
    if not 0 <= place < count:
        there = f"expected {-count} to {count - 1}" if count else "it is empty"
        raise OutOfRangeError(f"`{name}`: no index {number} of an axis of {count}: {there}")
    return place


def runs(indices: Indices) -> list[tuple[int, int, int]]:
    """The same indices in the same order, as runs of (first, count, stride)."""
    if isinstance(indices, range) and indices.step > 0:
        return [(indices.start, len(indices), indices.step)] if indices else []
    found: list[tuple[int, int, int]] = []
    for index in indices:
        if found:
            first, count, stride = found[-1]
            if count == 1 and index > first:
                found[-1] = (first, 2, index - first)
                continue
            if count > 1 and index == first + count * stride:
                found[-1] = (first, count + 1, stride)
                continue
        found.append((index, 1, 1))
    return found
