"""Arguments that are not as a declaration has them: each is told by its name, with an example."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable
from typing import Any

from selvedge._dtypes import name_of
from selvedge._errors import DeclarationError, FileError


# Counts of bytes, steps and elements are below it.
LARGEST = 1 << 63


def named(what: str, given: Any, example: str) -> list[tuple[str, Any]]:
    """Names, and what is declared under each."""
    if given is None:
        return []
    # What modules of torch have for mappings is none to Python.
    if not hasattr(given, "items"):
        raise DeclarationError(f"{what}: expected a mapping by name, such as {example}, found `{type(given).__name__}`")
    items = list(given.items())
    for name, _ in items:
        if not is_text(name):
            raise DeclarationError(f"{what}: expected names for keys, as in {example}, found {name!r}")
    return items


def is_text(given: Any) -> bool:
    """Whether it is a text that a file can hold. A text of Python may have halves of characters, which are none."""
    try:
        return isinstance(given, str) and given.encode() is not None
    except UnicodeEncodeError:
        return False


def as_text(what: str, given: Any) -> str:
    """A text that goes into a file."""
    if not is_text(given):
        raise DeclarationError(f"{what}: expected a text, found {given!r}")
    return str(given)


def as_path(given: str | bytes | os.PathLike[Any]) -> str:
    """A path of a file, which bytes may be as well."""
    path = os.fsdecode(given)
    try:
        is_path = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise FileError(f"{path!r} cannot be the path of a file: expected no zero byte and no half of a character")
    return path


def dtype_and_shape(what: str, asked: Any) -> tuple[str, list[int]]:
    """The dtype and the shape of a step that a tensor is declared with."""
    try:
        dtype, shape = asked
        return name_of(dtype), axes(shape)
    except (TypeError, ValueError):
        pass
    raise DeclarationError(
        f"{what}: expected a dtype and the shape of a step, such as ('bfloat16', (10_000, 64)), found {asked!r}"
    )


def axes(given: Iterable[Any]) -> list[int]:
    """A number for each axis: lengths, or indices.

    Raises:
        TypeError: one is no integer, or there are none.
        ValueError: one is below 0, or larger than a file has room for.
    """
    found = [operator.index(axis) for axis in given]
    if not all(0 <= axis < LARGEST for axis in found):
        raise ValueError(given)
    return found


def whole(what: str, number: Any, expected: str = "a number of steps, such as 1000") -> int | None:
    """An integer from 0 on, where one is given."""
    if number is None:
        return None
    try:
        [found] = axes([number])
    except (TypeError, ValueError):
        raise DeclarationError(f"{what}={number!r}: expected {expected}") from None
    return found


def listed(given: Any) -> list[Any]:
    """Several paths or names; one alone is no list of its letters."""
    return [given] if isinstance(given, (str, bytes, os.PathLike)) else list(given)


def shown(names: Iterable[str]) -> str:
    """Names, of which there may be thousands."""
    every = [f"`{name}`" for name in names]
    more = f" and {len(every) - 12:,} more" if len(every) > 12 else ""
    return ", ".join(every[:12]) + more if every else "none"
