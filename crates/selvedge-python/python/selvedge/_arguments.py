"""Arguments that are not as a declaration has them: each is told by its name, with an example."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterable
from typing import Any

from selvedge import _selvedge
from selvedge._dtypes import name_of
from selvedge._errors import DeclarationError, FileError

# How a URL begins, as the program has it.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# What a path is made of by those who take a URL for one: they leave one slash of two.
_NO_PATH = re.compile(r"(?:.*/)?(s3a?|gs|az|azure|adl|abfss?|https?):(?=/)", re.DOTALL)

# What builds the package with object stores.
WITH_STORES = (
    "in the repository, `pip install ./crates/selvedge-python --config-settings=build-args='--features object-store'` "
    "builds one with them"
)
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


def is_url(path: str) -> bool:
    """Whether it is a URL, such as that of an object in a store, and no path of this machine."""
    return _URL.match(path) is not None


def as_source(given: str | bytes | os.PathLike[Any]) -> str:
    """A path of a file that is read, or the URL of an object, of a package that was built with object stores."""
    path = os.fsdecode(given)
    url = _URL.match(path)
    if url is None:
        return as_path(path)
    if not _selvedge.OBJECT_STORES:
        raise FileError(
            f"{url[1]}://… is in an object store, and this package was built without them; {WITH_STORES}; without it the "
            "program reads objects, and fetches them (`selvedge pull URL FILE`), where it was built with them, and "
            "`selvedge.VirtualizarrParser` lets xarray read them"
        )
    return path


def as_path(given: str | bytes | os.PathLike[Any], *, new: bool = False) -> str:
    """A path of a file of this machine, which bytes may be as well; with `new`, of one that is to be written.

    Every path that a function is given comes through here, or through `as_source` where it may be a URL.
    """
    path = os.fsdecode(given)
    if (url := _URL.match(path)) is not None:
        # Of the rest nothing is told: there can be a password in it.
        if url[1] == "file":
            raise FileError("file://… is a URL: name the file by its path")
        raise FileError(
            f"{url[1]}://… is in an object store, and what is written is a file of this machine: name one, and "
            "`selvedge.push(FILE, URL)` puts it there"
            if new
            else f"{url[1]}://… is in an object store, and this takes files of this machine: `selvedge.pull(URL, FILE)` "
            "makes one of it"
        )
    if (url := _NO_PATH.match(path)) is not None and not os.path.isdir(url[0]):
        raise FileError(
            f"{url[1]}:/… is what a path makes of a URL, and names no object: give `{url[1]}://…` as a text, and not as a "
            "`pathlib.Path`"
        )
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
