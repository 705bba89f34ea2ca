"""Packages that only some of what this one does needs: its optional extras."""

from __future__ import annotations

import importlib
from typing import Any

from selvedge._errors import MissingPackageError


def package(name: str, what: str, extra: str | None = None, instead: str = "") -> Any:
    """The module `name`, which `what` needs; `instead` is what does without it.

    Raises:
        MissingPackageError: it is not installed, with the extra that brings it.
    """
    root = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A package that is there, and misses one of its own, says it better.
        if error.name is None or error.name.partition(".")[0] != root:
            raise
    extra = extra or root
    raise MissingPackageError(
        f"{what} needs the package `{root}`, which is not installed: `pip install 'selvedge[{extra}]'`{instead}",
        name=root,
    )
