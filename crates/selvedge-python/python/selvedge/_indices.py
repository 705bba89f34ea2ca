"""Indices of one axis as NumPy has them, and as the program writes them, in the order in which they are read."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from selvedge import _selvedge
from selvedge._errors import OutOfRangeError, ShapeError

Indices = Sequence[int]


def pick(indices: Indices, key: Any, name: str) -> tuple[Indices, bool, bool]:
    """Those of `indices` that `key` chooses; whether the axis is kept; and whether `key` was a list or a mask."""
    count = len(indices)
    if isinstance(key, slice):
        return indices[key], True, False
    if isinstance(key, str):
        named = _selvedge.named_indices(key, count, name)
        places = [place for first, count, stride in named for place in range(first, first + count * stride, stride)]
        return [indices[place] for place in places], True, False
    if not isinstance(key, bool):
        try:
            number = operator.index(key)
        except TypeError:
            pass
        else:
            return [indices[_place(number, count, name)]], False, False
    import numpy

    if key is None or key is Ellipsis or isinstance(key, (bool, float)):
        raise OutOfRangeError(
            f"`{name}`: expected an integer, a slice, a list of indices, a mask or a text such as 'log:50', found {key!r}"
        )
    chosen = numpy.asarray(key)
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
    places = [_place(int(number), count, name) for number in chosen]
    return [indices[place] for place in places], True, True


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
