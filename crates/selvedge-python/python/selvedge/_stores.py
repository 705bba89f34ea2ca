"""Files into object stores, and out of them."""

from __future__ import annotations

import os

from selvedge._arguments import as_source, is_url
from selvedge._errors import DeclarationError
from selvedge._program import argument, call, with_arguments

Path = str | os.PathLike[str]


def push(path: Path, url: str, *, overwrite: bool = False) -> str:
    """Puts a file into an object store, and reads it back to compare.

    It is what ``selvedge push`` does: the chunk indexes of a compressed file go to its end, where one request finds
    them. Credentials and endpoints are those of the environment, such as ``AWS_ACCESS_KEY_ID``.

    Args:
        path: the file; a trajectory has to be finished.
        url: the object that it becomes, such as ``"s3://bucket/run.h5"`` (also ``gs://``, ``az://``).
        overwrite: replaces an object. Without it the store decides that there is none of this name.

    Returns:
        What the program says of it.

    Raises:
        DeclarationError: `url` is none.
        FileError: the package was built without object stores.
        ProgramError: there is such an object, or the store does not take it.
    """
    arguments = ["push", argument(path), _object(url), *["--overwrite"] * overwrite]
    return with_arguments(call(*arguments)[1])


def pull(url: str, path: Path, *, overwrite: bool = False) -> str:
    """Fetches an object from a store into a file, which gets its name when it is complete and, where it has checksums,
    right.

    A large file that is interrupted leaves ``NAME.unfinished``: the next call goes on there, if the object is still the
    same.

    Args:
        url: the object, such as ``"s3://bucket/run.h5"`` (also ``gs://``, ``az://``, ``https://``).
        path: the file that it becomes. Folders that are missing are made.
        overwrite: replaces a file.

    Returns:
        What the program says of it.

    Raises:
        DeclarationError: `url` is none.
        FileError: the package was built without object stores.
        ProgramError: there is such a file, or the object cannot be read.
    """
    arguments = ["pull", _object(url), argument(path, new=True), "--parents", *["--overwrite"] * overwrite]
    return with_arguments(call(*arguments)[1])


def _object(url: str) -> str:
    """The URL of an object."""
    found = as_source(url)
    if not is_url(found):
        raise DeclarationError(f"url={url!r}: expected the URL of an object, such as 's3://bucket/run.h5'")
    return found
