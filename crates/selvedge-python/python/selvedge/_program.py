"""The program `selvedge`: as a console script, and as a child that does a piece of work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import NoReturn

from selvedge import _selvedge
from selvedge._errors import ProgramError

# Flags that are arguments of the functions here.
_SWITCH = re.compile(
    "`?--(overwrite|skip-unsupported|skip-damaged|assume-bf16|load-plugins|checksums|follow-links)(=DIR|\\[=DIR\\])?`?"
)
_FLAG = re.compile("'--([a-z-]+) <[A-Z]+>'")


def _in_python(said: str) -> str:
    """What the program says, without what is only of the command line."""
    said = said.strip().removeprefix("error: ").removesuffix("For more information, try '--help'.").rstrip()
    said = _SWITCH.sub(lambda flag: f"`{flag[1].replace('-', '_')}=True`", said)
    return _FLAG.sub(lambda flag: f"`{'read' if flag[1] == 'for' else flag[1]}`", said)


def _again() -> tuple[str, list[str]]:
    """What starts the program once more."""
    return sys.executable, ["-m", "selvedge"]


def main() -> NoReturn:
    """Runs the program with the command line of this process."""
    # Ctrl-C ends it as it ends any program; Python would only take a note.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = _selvedge.run_program(["selvedge", *sys.argv[1:]], _again())
    sys.stdout.flush()
    os._exit(code)


def call(*arguments: str | os.PathLike[str], answers: tuple[int, ...] = (0,)) -> tuple[int, str]:
    """Runs the program in a process of its own: the exit code, and what it prints.

    A damaged file can make libhdf5 crash or loop; it is the child that crashes, and Ctrl-C ends it.
    """
    file, first = _again()
    command = [file, *first, *(os.fspath(argument) for argument in arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            printed, said = child.communicate()
        except BaseException:
            # It removes what it has begun, and ends.
            child.terminate()
            child.wait()
            raise
    if child.returncode not in answers:
        said = _in_python(said) or f"it ended with {child.returncode}"
        raise ProgramError(f"`selvedge {arguments[0]}`: {said}")
    return child.returncode, printed
