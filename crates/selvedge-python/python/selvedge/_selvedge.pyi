from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, final

__all__ = [
    "Columns",
    "File",
    "Recorder",
    "SafetensorsFile",
    "Tensor",
    "__version__",
    "describe",
    "joined_steps",
    "new_run_id",
    "plan",
    "rank_of",
    "recover",
    "run_program",
    "save_safetensors",
]

__version__: str

class Recorder:
    def __new__(
        cls,
        path: str,
        tensors: Sequence[tuple[str, str, Sequence[int]]],
        constants: Sequence[tuple[str, Any]],
        attributes: Sequence[tuple[str, Any]],
        options: Mapping[str, Any],
    ) -> Self: ...
    def append(self, values: Mapping[str, Any] | None = None, /, **tensors: Any) -> int:
        """Appends one step: a value for each tensor, in a mapping or by name. Returns its number; the first is 0.

        The values are copied before it returns. It waits only while the queue is full, without the interpreter's
        lock, and Ctrl-C interrupts the wait; then the step is not recorded. Values of another dtype than the
        tensor's are an error, never converted; a float of Python is rounded to the dtype of its scalar.

        Raises:
            DtypeError: values of another dtype, or an object without values.
            ShapeError: values of another shape.
            TensorNotFoundError: a tensor that was not declared.
            DeclarationError: a tensor is missing, or the run has all steps that it was planned for.
            StoppedError: the writer stopped, here or earlier.
            ClosedError: the recorder is finished.
            ProcessError: this process was forked from the one that records.
        """

    def put(self, values: Mapping[str, Any] | None = None, /, **tensors: Any) -> None:
        """Copies some tensors of the next step now; `append` completes it.

        For values that are gone or changed when the others are there, such as gradients before the optimizer's
        step. Putting a tensor again replaces it. It waits as `append` does while the queue is full. After the last
        planned step it does nothing.
        """

    def _columns(self, names: list[str]) -> Columns: ...
    def _append(self, columns: Columns, values: list[Any], others: dict[str, Any]) -> int: ...
    def _put(self, columns: Columns, values: list[Any]) -> None: ...
    def commit(self) -> int:
        """Waits until every appended step is committed, and returns their number. Ctrl-C interrupts it."""

    def _finish(self) -> tuple[str, int, int, int, float, tuple[float, float, float, int]]: ...
    @property
    def committed(self) -> int:
        """Committed steps of the file: what a kill of this process cannot lose."""

    @property
    def appended(self) -> int:
        """Steps of the file and of the queue."""

    @property
    def closed(self) -> bool:
        """Whether it is finished."""

    @property
    def path(self) -> str:
        """The file."""

    @property
    def tensors(self) -> list[tuple[str, str, list[int]]]:
        """Name, dtype and shape of a step, of each step tensor."""

    @property
    def plan_text(self) -> str: ...
    @property
    def plan_numbers(self) -> dict[str, int]: ...

@final
class Columns: ...

@final
class File:
    def __new__(cls, path: str, links: bool | str, plugins: bool) -> Self: ...
    def refresh(self) -> int: ...
    def assume_bf16(self, name: str) -> None: ...
    def names(self) -> list[str]: ...
    def tensor(self, name: str) -> Tensor: ...
    def committed(self) -> int: ...
    def planned(self) -> int | None: ...
    def attributes(self) -> list[tuple[str, Any]]: ...
    def notes(self) -> list[str]: ...
    def state(self) -> Literal["live", "died", "finished", "recovered", "unknown"]: ...

@final
class Tensor:
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def is_step_tensor(self) -> bool: ...
    @property
    def chunk_shape(self) -> list[int] | None: ...
    def attributes(self) -> list[tuple[str, Any]]: ...
    def read_into(
        self, buffer: Any, runs: Sequence[tuple[int, int, int]], rows: Sequence[int] | None, as_float32: bool
    ) -> None: ...
    def read_single_into(self, buffer: Any) -> None: ...

@final
class SafetensorsFile:
    def __new__(cls, path: str) -> Self: ...
    def names(self) -> list[str]: ...
    def info(self, name: str) -> tuple[str, list[int]]: ...
    def metadata(self) -> dict[str, str]: ...
    def read_into(self, buffer: Any, name: str, ranges: Sequence[tuple[int, int]]) -> None: ...

def plan(
    path: str,
    tensors: Sequence[tuple[str, str, Sequence[int]]],
    constants: Sequence[tuple[str, Any]],
    attributes: Sequence[tuple[str, Any]],
    options: Mapping[str, Any],
) -> tuple[str, dict[str, int]]: ...
def joined_steps(shards: Sequence[str]) -> int: ...
def new_run_id() -> str: ...
def rank_of(path: str) -> tuple[str, int, int, int] | None: ...
def describe(object: Any, name: str) -> tuple[str, list[int]]: ...
def named_indices(text: str, length: int, name: str) -> list[tuple[int, int, int]]: ...
def recover(path: str) -> tuple[int, bool, str]: ...
def save_safetensors(path: str, tensors: Sequence[tuple[str, Any]], options: Mapping[str, Any]) -> int: ...
def run_program(arguments: Sequence[str], again: tuple[str, Sequence[str]]) -> int: ...
