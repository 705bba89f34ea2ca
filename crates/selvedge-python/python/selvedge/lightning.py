"""A callback of Lightning's `Trainer` that records the model which it trains.

>>> trainer = Trainer(callbacks=[SelvedgeCallback("run.h5", what=("weights", "grad"))])
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from selvedge._errors import DeclarationError, MissingPackageError
from selvedge._extras import package
from selvedge._watch import Watch, check_goes_on

try:
    package("lightning.pytorch", "`selvedge.lightning`")
    from lightning.pytorch import Callback
except MissingPackageError:
    # It has two names.
    if find_spec("pytorch_lightning") is None:
        raise
    from pytorch_lightning import Callback


class SelvedgeCallback(Callback):  # type: ignore[misc]
    """Records weights, gradients and the optimizer's state of each step of the optimizer.

    Args:
        path: the file.
        optimizer: which of the module's optimizers.
        options: those of `selvedge.watch`: what, every, select, … Where the trainer goes on from a checkpoint, `resume`
            goes on at the checkpoint's step, and gives up what the file has after it. Of a module with several
            optimizers Lightning does not know the steps of each: `at_step` has to tell them. With `shard` every rank
            records, and otherwise the main process alone.
    """

    def __init__(self, path: str | os.PathLike[str], *, optimizer: int = 0, **options: Any) -> None:
        self._path = path
        self._optimizer = optimizer
        self._options = options
        self.watch: Watch | None = None

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Begins to record."""
        if not trainer.is_global_zero and self._options.get("shard") is None:
            return
        # Steps that a checkpoint has made: those of all optimizers.
        options = {"at_step": trainer.global_step or None, **self._options}
        if len(trainer.optimizers) > 1 and self._options.get("at_step") is None and trainer.global_step:
            raise DeclarationError(
                f"the module has {len(trainer.optimizers)} optimizers, and the checkpoint tells {trainer.global_step:,} steps "
                "of all together: tell how many optimizer "
                f"{self._optimizer} has made, `SelvedgeCallback({os.fspath(self._path)!r}, at_step=…)`"
            )
        check_goes_on(self._path, options, "`fit(…, ckpt_path=…)`")
        self.watch = Watch(module, trainer.optimizers[self._optimizer], self._path, **options)

    def on_train_end(self, trainer: Any, module: Any) -> None:
        """Finishes the file."""
        self._close()

    def on_exception(self, trainer: Any, module: Any, exception: BaseException) -> None:
        """Finishes the file, which has all steps that were made."""
        self._close()

    def _close(self) -> None:
        if self.watch is not None:
            self.watch.close()
            self.watch = None
