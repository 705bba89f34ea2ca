"""The program `selvedge`: as a console script, and as a child that does a piece of work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import NoReturn

from selvedge import _selvedge
from selvedge._arguments import as_path, as_source
from selvedge._errors import ProgramError

# Runs the package whose file is its first argument, wherever the interpreter would look for one of this name.
_START = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("selvedge", sys.argv.pop(1))
package = sys.modules["selvedge"] = module_from_spec(spec)
spec.loader.exec_module(package)
from selvedge._program import main
main()
"""

# Flags that are arguments of the functions here.
_SWITCH = re.compile(
    "`?--(overwrite|skip-unsupported|skip-damaged|assume-bf16|load-plugins|checksums|follow-links|quick|steps)"
    "(=DIR|\\[=DIR\\])?(?![\\w-])`?"
)
_FLAG = re.compile("'--([a-z-]+) <[A-Z]+>'")


def _in_python(said: str) -> str:
    """What the program says, without what is only of the command line."""
    said = said.strip().removeprefix("error: ").removesuffix("For more information, try '--help'.").rstrip()
    said = with_arguments(said)
    said = _FLAG.sub(lambda flag: f"`{'read' if flag[1] == 'for' else flag[1]}`", said)
    if re.search(r"(?<![\w/-])--[a-z]", said):
        said += " (what begins with `--` is an option of the program `selvedge` in a terminal)"
    return said


def with_arguments(said: str) -> str:
    """What the program says, with the arguments of the functions here for its flags."""

    def argued(flag: re.Match[str]) -> str:
        name = flag[1].replace("-", "_")
        values = {None: ["True"], "=DIR": ["DIR"], "[=DIR]": ["True", "DIR"]}[flag[2]]
        return ", or ".join(f"`{name}={value}`" for value in values)

    said = _SWITCH.sub(argued, said)
    return said.replace("--tensor ", "`tensors` ")


def _again() -> tuple[str, list[str]]:
    """What starts the program once more.

    It is mostly started among somebody's data, and `-m` would take the modules of Python itself from there: a `re.py`
    beside a file would be run.
    """
    import selvedge

    assert selvedge.__file__ is not None
    return sys.executable, ["-P", "-c", _START, selvedge.__file__]


def main() -> NoReturn:
    """Runs the program with the command line of this process."""
    # Ctrl-C ends it as it ends any program; Python would only take a note. Whoever started it to be ignored, as
    # a shell does with `&` in a script, has it so.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = _selvedge.run_program(["selvedge", *sys.argv[1:]], _again())
    sys.stdout.flush()
    os._exit(code)


def argument(path: str | os.PathLike[str], *, new: bool = False) -> str:
    """A path as the program takes it; with `new`, of a file that it writes."""
    return _no_option(as_path(path, new=new))


def source(path: str | os.PathLike[str]) -> str:
    """The same of a file that it reads, which may be an object."""
    return _no_option(as_source(path))


def _no_option(path: str) -> str:
    """A path that begins with no `-`, as options do."""
    return os.path.join(os.curdir, path) if path.startswith("-") else path


def call(*arguments: str, answers: tuple[int, ...] = (0,)) -> tuple[int, str]:
    """Runs the program in a process of its own: the exit code, and what it prints. Paths are made by `argument` and `source`.

    A damaged file can make libhdf5 crash or loop; it is the child that crashes, and Ctrl-C ends it.
    """
    file, first = _again()
    command = [file, *first, *arguments]
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
