"""What can go wrong. Every class is an :class:`Error` and the built-in exception that fits."""

from __future__ import annotations


class Error(Exception):
    """Any error of Selvedge. The message says what was expected, what was found and what to do."""


class FileError(Error, OSError):
    """A file cannot be read or written, or is not what it should be."""


class ExistsError(Error, FileExistsError):
    """There is a file, and it was not to be replaced: `overwrite=True`, or `resume=True`."""


class NotFoundError(Error, FileNotFoundError):
    """There is no such file."""


class StoppedError(Error, OSError):
    """The recorder stopped: the disk is full, or somebody deleted the file. What is committed stays."""


class TensorNotFoundError(Error, KeyError):
    """There is no tensor of this name."""

    # A KeyError shows its argument in quotes, which makes an escaped mess of a sentence.
    __str__ = Exception.__str__


class OutOfRangeError(Error, IndexError):
    """A step, or a row of one, that a tensor does not have."""


class DtypeError(Error, TypeError):
    """Values of another dtype than the tensor's, or an object that has no values."""


class ShapeError(Error, ValueError):
    """Values of another shape than the tensor's."""


class DeclarationError(Error, ValueError):
    """A run that cannot be declared so, or a step that lacks a tensor."""


class BudgetError(Error, MemoryError):
    """The run needs more memory than its budget, or than there is."""


class ClosedError(Error, ValueError):
    """A recorder that is finished, or a file that is closed."""


class MissingPackageError(Error, ImportError):
    """A package that this needs, and Selvedge itself does not, is not installed. The message has the extra."""


class ProcessError(Error, RuntimeError):
    """A recorder is used in a process that was forked from its own."""


class ProgramError(Error, RuntimeError):
    """The program `selvedge` could not do what was asked for."""
