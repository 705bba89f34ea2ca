"""A callback of Hugging Face's `Trainer` that records the model which it trains.

>>> with SelvedgeCallback("run.h5") as callback:
...     Trainer(model, arguments, train_dataset=data, callbacks=[callback]).train()
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self

from selvedge._extras import package
from selvedge._watch import Watch, check_goes_on

package("transformers", "`SelvedgeCallback`")
from transformers import TrainerCallback  # noqa: E402


class SelvedgeCallback(TrainerCallback):  # type: ignore[misc]
    """Records weights, gradients and the optimizer's state of each step of the optimizer.

    A trainer does not tell its callbacks of an error or of Ctrl-C: a ``with`` statement, or `close`, finishes the file
    then, too.

    Args:
        path: the file.
        options: those of `selvedge.watch`: what, every, select, …; the number of steps is the trainer's. Where it goes
            on from a checkpoint, `resume` goes on at the checkpoint's step, and gives up what the file has after it.
            With `shard` every rank records, and otherwise the main process alone.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        self._path = path
        self._options = options
        self.watch: Watch | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begins to record."""
        if not state.is_world_process_zero and self._options.get("shard") is None:
            return
        optimizer = kwargs["optimizer"]
        # accelerate wraps the optimizer; the step that has hooks is the one inside.
        optimizer = getattr(optimizer, "optimizer", optimizer)
        # Steps that a checkpoint has made.
        options = {"at_step": state.global_step or None, **self._options}
        check_goes_on(self._path, options, "`train(resume_from_checkpoint=…)`")
        if state.max_steps > 0 and not options.get("steps"):
            every = options.get("every", 1)
            goes_on = options.get("resume") and os.path.exists(self._path)
            before = 0 if goes_on else -(-state.global_step // every)
            options["steps"] = -(-state.max_steps // every) - before or None
        self.watch = Watch(kwargs["model"], optimizer, self._path, **options)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Finishes the file."""
        self.close()

    def close(self) -> None:
        """Ends the recording, where it has begun: removes the hooks and finishes the file. It can be called again."""
        if self.watch is not None:
            self.watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.watch is not None:
            self.watch.__exit__(kind, error, trace)
