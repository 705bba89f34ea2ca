"""A callback of Hugging Face's `Trainer` that records the model which it trains.

>>> trainer = Trainer(model, arguments, train_dataset=data, callbacks=[SelvedgeCallback("run.h5")])
"""

from __future__ import annotations

import os
from typing import Any

from selvedge._extras import package
from selvedge._watch import Watch

package("transformers", "`SelvedgeCallback`")
from transformers import TrainerCallback  # noqa: E402


class SelvedgeCallback(TrainerCallback):  # type: ignore[misc]
    """Records weights, gradients and the optimizer's state of each step of the optimizer.

    Args:
        path: the file.
        options: those of `selvedge.watch`: what, every, select, …; the number of steps is the trainer's.
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        self._path = path
        self._options = options
        self.watch: Watch | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begins to record, in the main process."""
        if not state.is_world_process_zero:
            return
        optimizer = kwargs["optimizer"]
        # accelerate wraps the optimizer; the step that has hooks is the one inside.
        optimizer = getattr(optimizer, "optimizer", optimizer)
        every = self._options.get("every", 1)
        steps = self._options.get("steps") or (-(-state.max_steps // every) if state.max_steps > 0 else None)
        options = {**self._options, "steps": steps}
        self.watch = Watch(kwargs["model"], optimizer, self._path, **options)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Finishes the file."""
        if self.watch is not None:
            self.watch.close()
