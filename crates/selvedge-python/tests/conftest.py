"""What the tests share: files, and children that are stopped, interrupted and killed."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where a recording goes."""
    return tmp_path / "thimble_1.h5"


class Child:
    """A program of Python in a process of its own."""

    def __init__(self, source: str, *arguments: object, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            # A signal for this child is not one for the tests.
            start_new_session=True,
            # Ctrl-C is one, also where the tests were started in the background, as a shell does with `&`.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def say(self) -> None:
        """Sends it an empty line."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """Kills it, as an out-of-memory killer does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def end(self, timeout: float = 60) -> tuple[int, str, str]:
        """Waits for its end: the exit code, and the rest of what it prints."""
        printed, said = self.process.communicate(timeout=timeout)
        return self.process.returncode, printed, said


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Starts children, of which none is left."""
    children: list[Child] = []

    def start(source: str, *arguments: object, **environment: str) -> Child:
        children.append(Child(source, *arguments, **environment))
        return children[-1]

    yield start
    for one in children:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a child whose disk can be stopped and filled: see `disk.c`."""
    if sys.platform != "linux":
        pytest.skip("the calls are caught as Linux names them")
    library = tmp_path_factory.mktemp("disk") / "disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "disk.c", "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Waits until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.005)
