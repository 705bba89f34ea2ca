"""Recording a model and its optimizer from a loop that is not touched."""

from __future__ import annotations

import contextlib
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import FrameType, TracebackType
from typing import Any, Literal, Self

from selvedge._arguments import dtype_and_shape, named, shown, whole
from selvedge._errors import ClosedError, DeclarationError, DtypeError, Error, ShapeError
from selvedge._file import open as selvedge_open
from selvedge._recorder import Recorder, Scalars, Summary

# What the state of common optimizers has for each parameter, made by the first step: of the shape and dtype of
# the parameter. Other kinds are known when they are there.
_LIKE_PARAMETER = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "grad_avg", "sum")

Select = Callable[[str], bool] | Iterable[str]

# Watches that are at work, or were.
_WATCHES: weakref.WeakSet[Watch] = weakref.WeakSet()


def watch(
    model: Any,
    optimizer: Any,
    path: str | os.PathLike[str],
    steps: int | None = None,
    *,
    what: Iterable[str] = ("weights", "grad"),
    every: int = 1,
    select: Select | None = None,
    activations: Mapping[str, Any] | None = None,
    scalars: Scalars = (),
    absent: Literal["raise", "zeros"] = "raise",
    at_step: int | None = None,
    **options: Any,
) -> Watch:
    """Records a model and its optimizer at each step of the optimizer, by hooks.

    Recorded are the gradients that the optimizer gets (after clipping), and the weights and the optimizer's state
    as the step leaves them. A tensor is named after its parameter: ``wte.weight``, ``wte.weight.grad``,
    ``wte.weight.exp_avg``.

    Args:
        model: a `torch.nn.Module`.
        optimizer: its `torch.optim.Optimizer`.
        path: the file.
        steps: how many steps will be recorded; without it the number is open.
        what: ``"weights"``, ``"grad"``, and what the optimizer keeps for a parameter, such as ``"exp_avg"`` and
            ``"exp_avg_sq"``.
        every: records every so many steps of the optimizer, the first among them. A run that is resumed is counted
            anew, unless `at_step` says how many steps there were. The file has it as its attribute `watched_every`.
        select: which parameters: their names, or a function of a name. Without it all that are trained.
        activations: outputs of modules, by the modules' names: ``(dtype, shape)``, or a pair of it and a function
            that makes the recorded values of the output (some tokens, say), or None for a pass that is not recorded.
            The last forward pass in training mode before a step is recorded, under ``MODULE.out``. Those of
            ``model.eval()`` and of copies of the model are not, nor is one that torch traces.
        scalars: numbers that every step has, told by `Watch.log` before the step, such as the loss.
        absent: what becomes of a parameter without a gradient, or without state of the optimizer: an error, or
            zeros.
        at_step: the steps that the optimizer made before, where the training goes on from a checkpoint. A file that
            begins there has it as its attribute `watched_from`; with `resume` what the file has of later steps is given
            up.
        options: what `Recorder` takes besides: constants, attributes, notebook, memory, overwrite, resume, …; with
            `shard` each rank of a model that is cut into DTensors (FSDP2's `fully_shard`, tensor parallelism) records
            what it has.

    A parameter without a gradient at a step that is recorded is an error unless `absent` says otherwise.

    Returns:
        A `Watch`: close it, or use it in a ``with`` statement. Otherwise it records as long as the optimizer is there,
        and is closed when the interpreter exits.

    >>> with selvedge.watch(model, optimizer, "run.h5", what=("weights", "grad", "exp_avg", "exp_avg_sq")):
    ...     train(model, optimizer)
    """
    return Watch(
        model,
        optimizer,
        path,
        steps,
        what=what,
        every=every,
        select=select,
        activations=activations,
        scalars=scalars,
        absent=absent,
        at_step=at_step,
        **options,
    )


class Watch:
    """A model and an optimizer that are being recorded: made by `watch`."""

    recorder: Recorder
    """The recorder, with its plan, `committed` and, when it is closed, `summary`."""

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        path: str | os.PathLike[str],
        steps: int | None = None,
        *,
        what: Iterable[str] = ("weights", "grad"),
        every: int = 1,
        select: Select | None = None,
        activations: Mapping[str, Any] | None = None,
        scalars: Scalars = (),
        absent: Literal["raise", "zeros"] = "raise",
        at_step: int | None = None,
        **options: Any,
    ) -> None:
        _expect(model, "named_parameters", "model: expected a `torch.nn.Module`")
        optimizer = _with_hooks(optimizer)
        if not whole("every", every):
            raise DeclarationError(f"every={every!r}: expected 1 or more")
        if absent not in ("raise", "zeros"):
            raise DeclarationError(f"absent={absent!r}: expected 'raise' or 'zeros'")
        kinds = tuple(what)
        if isinstance(what, str) or not kinds:
            raise DeclarationError(f"what={what!r}: expected a list such as ('weights', 'grad')")
        selected = _selected(model, select)
        if not (selected or activations):
            raise DeclarationError("no parameter of the model is watched: none is trained, or `select` chooses none")
        self._names = [name for name, _ in selected]
        # Where the model has its parameters: it may get others later.
        self._places = [_place(model, name) for name in self._names]
        self._optimizer = optimizer
        self._every = every
        self._zeros = absent == "zeros"
        # Steps of the optimizer.
        self._count = whole("at_step", at_step) or 0
        self._logged: dict[str, Any] = {}
        self._has_weights = "weights" in kinds
        self._kinds = tuple(kind for kind in kinds if kind not in ("weights", "grad"))
        modules = dict(model.named_modules())
        asked = named("activations", activations, "{'head': ('bfloat16', (4, 8))}")
        outputs = {name: _output(name, declared, modules) for name, declared in asked}
        like = self._like(selected, "grad" in kinds)
        tensors = dict(options.pop("tensors", None) or {})
        tensors.update({f"{name}.out": declared for name, (_, declared, _) in outputs.items()})
        like.update(options.pop("like", None) or {})
        if options.get("resume") and os.path.exists(path):
            if (place := _place_in(path, self._count, every, at_step is not None)) is not None:
                options["at_step"] = place
        else:
            # Where the file begins, which a training that goes on with it has to know.
            counted = {"watched_from": self._count or None, "watched_every": every if every > 1 else None}
            counted = {name: count for name, count in counted.items() if count is not None}
            options["attributes"] = {**counted, **dict(named("attributes", options.get("attributes"), "{'seed': 1}"))}
        self.recorder = Recorder(path, steps, like=like, tensors=tensors, scalars=scalars, **options)
        real = os.path.realpath(path)
        for other in list(_WATCHES):
            if os.path.realpath(other.recorder.path) == real:
                # Its recorder has ended: this is the cell that is run again.
                other._remove_hooks()
        _WATCHES.add(self)
        self._scalars = tuple(scalars)
        before = [f"{name}.grad" for name in self._names] if "grad" in kinds else []
        after = self._names if self._has_weights else []
        after = after + [f"{name}.{kind}" for name in self._names for kind in self._kinds]
        # What is recorded before the optimizer's step, which may change gradients in place, and after it.
        self._before_it = self.recorder._columns(before)
        self._after_it = self.recorder._columns(after)
        self._has_grads = bool(before)
        # The step that is being made: a step of a subclass calls that of its base, whose hooks are called, too.
        self._step: FrameType | None = None
        # Whether a scaler makes the step do nothing, as its gradients have overflowed.
        self._skipped = False
        # The optimizer's hooks keep the watch, and the model's do not.
        this = weakref.ref(self)

        def pre_hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return self._before(sys._getframe(1), args, kwargs)

        def post_hook(*_: Any) -> None:
            self._after(sys._getframe(1))

        self._hooks = [optimizer.register_step_pre_hook(pre_hook), optimizer.register_step_post_hook(post_hook)]
        for name, (module, _, choose) in outputs.items():
            self._hooks.append(module.register_forward_hook(_Output(this, weakref.ref(model), name, choose)))

    def log(self, **scalars: Any) -> None:
        """Tells the scalars of the next step, before the optimizer makes it; it need not be one that is recorded. Their
        values are those of this moment.

        Raises:
            ClosedError: the watch is closed.
        """
        self._check_open()
        self._logged.update((name, _kept(value)) for name, value in scalars.items())

    def close(self) -> Summary:
        """Ends the recording: removes the hooks and finishes the file. It can be called again."""
        self._remove_hooks()
        return self.recorder.finish()

    def _remove_hooks(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _check_open(self) -> None:
        if not self._hooks:
            raise ClosedError(
                f"this watch is closed, and records no more into {self.recorder.path}; make another one, with "
                "`resume=True` to go on with the file or `overwrite=True` to begin it anew"
            )

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove_hooks()
        self.recorder.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<selvedge.Watch of {len(self._names)} parameters: {self.recorder!r}>"

    def _repr_html_(self) -> str:
        return self.recorder._repr_html_()

    def _like(self, selected: list[tuple[str, Any]], has_grads: bool) -> dict[str, Any]:
        """A tensor of the dtype and shape of each that is recorded."""
        like = {}
        for name, parameter in selected:
            if self._has_weights:
                like[name] = parameter
            if has_grads:
                like[f"{name}.grad"] = parameter if parameter.grad is None else parameter.grad
            for kind in self._kinds:
                known = self._optimizer.state.get(parameter, {}).get(kind)
                if known is None and kind not in _LIKE_PARAMETER:
                    raise DeclarationError(
                        f"what={kind!r}: expected 'weights', 'grad' or a state of the optimizer, such as 'exp_avg'; it has "
                        f"none of this name of `{name}`, and what another will be like is known after its first step"
                    )
                like[f"{name}.{kind}"] = parameter if known is None else known
        return like

    def _recorded(self) -> bool:
        """Whether the next step is recorded."""
        return self._count % self._every == 0

    def _parameters(self) -> list[Any]:
        """The parameters that the model has now."""
        try:
            return [parameters[name] for parameters, name in self._places]
        except KeyError:
            gone = [name for (all_, own), name in zip(self._places, self._names, strict=True) if own not in all_]
            raise DeclarationError(f"the model no longer has a parameter `{gone[0]}`; watch it anew") from None

    def _before(self, step: FrameType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._step is not None and _is_called_by(step, self._step):
            return None
        self._step = step
        if "grad_scaler" in kwargs:
            raise DeclarationError(
                f"the step of `{type(self._optimizer).__name__}` takes a scaler (`grad_scaler`), which alone knows the "
                "gradients and whether the step is made: such an optimizer cannot be watched; take one that torch's "
                "GradScaler gives `grad_scale` and `found_inf`, or none that is fused"
            )
        # A scaler leaves both to an optimizer that is fused.
        found_inf = getattr(self._optimizer, "found_inf", None)
        self._skipped = found_inf is not None and bool(found_inf)
        if not self._has_grads or not self._recorded() or self._skipped:
            return None
        # A closure makes the gradients in the middle of the step: Lightning does all of its work in one.
        if len(args) > 1 and callable(args[1]):
            return (args[0], self._closure(args[1]), *args[2:]), kwargs
        if callable(closure := kwargs.get("closure")):
            return args, {**kwargs, "closure": self._closure(closure)}
        self._put_gradients()
        return None

    def _closure(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        def recorded() -> Any:
            loss = closure()
            self._put_gradients()
            return loss

        return recorded

    def _put_gradients(self) -> None:
        named = zip(self._parameters(), self._names, strict=True)
        gradients = [
            self._absent(parameter, name, "gradient") if (gradient := parameter.grad) is None else gradient
            for parameter, name in named
        ]
        if (scale := getattr(self._optimizer, "grad_scale", None)) is not None:
            # What the optimizer makes of them itself.
            gradients = [gradient / float(scale) for gradient in gradients]
        self.recorder._put(self._before_it, gradients)

    def _after(self, step: FrameType) -> None:
        if step is not self._step:
            return
        self._step = None
        # What was told of a step that is not recorded is not the next one's.
        logged, self._logged = self._logged, {}
        if self._skipped:
            return
        recorded = self._recorded()
        self._count += 1
        if not recorded:
            return
        parameters = self._parameters()
        values = parameters if self._has_weights else []
        if self._kinds:
            values = values.copy()
            # Not that of before: it is another one when a checkpoint was loaded.
            states = self._optimizer.state
            for parameter, name in zip(parameters, self._names, strict=True):
                state = states.get(parameter, {})
                for kind in self._kinds:
                    found = state.get(kind)
                    if found is None:
                        found = self._absent(parameter, name, f"{kind!r} of the optimizer")
                    values.append(found)
        try:
            self.recorder._append(self._after_it, values, logged)
        except DeclarationError as error:
            if missing := [name for name in self._scalars if name not in logged]:
                error.add_note(f"scalars are told before the step: watch.log({', '.join(f'{name}=…' for name in missing)})")
            raise

    def _absent(self, parameter: Any, name: str, what: str) -> Any:
        """What is recorded of what a parameter does not have."""
        if not self._zeros:
            raise DeclarationError(
                f"parameter `{name}` has no {what} at this step; leave it out (`select`), or record zeros "
                "(`absent='zeros'`)"
            )
        import torch

        return torch.zeros_like(parameter)


class _Output:
    """The hook that takes the output of a module."""

    def __init__(self, watch: weakref.ref[Watch], model: weakref.ref[Any], name: str, choose: Any) -> None:
        self._watch = watch
        self._model = model
        self._name = name
        self._choose = choose

    def __call__(self, module: Any, inputs: Any, output: Any) -> None:
        watch, model = self._watch(), self._model()
        if watch is None or model is None or not model.training or not watch._recorded() or _is_traced():
            return
        if self._choose is None and isinstance(output, (tuple, list, Mapping)):
            raise DtypeError(
                f"activations: the output of `{self._name}` is a `{type(output).__name__}`; a function chooses what is "
                f"recorded of it: {{{self._name!r}: ((dtype, shape), lambda output: output[0])}}"
            )
        if self._choose is not None and (output := self._choose(output)) is None:
            return
        try:
            watch.recorder.put({f"{self._name}.out": output})
        except ShapeError as error:
            error.add_note(
                "a smaller last batch is left out by `DataLoader(…, drop_last=True)`, or by a function that chooses what is "
                "recorded and returns None for it, where a larger one comes before the optimizer's step"
            )
            raise

    def __reduce__(self) -> Any:
        """A copy of the model is another one, and what is saved of it is read without this package: both get a hook
        that takes a module, its inputs and its output, and does nothing."""
        return getattr, (contextlib.nullcontext(), "__exit__")


def _with_hooks(optimizer: Any) -> Any:
    """The optimizer whose steps call hooks: the one that another wraps, as accelerate's does."""
    _expect(optimizer, "register_step_post_hook", "optimizer: expected a `torch.optim.Optimizer`")
    for one in (optimizer, getattr(optimizer, "optimizer", None), getattr(optimizer, "optim", None)):
        if hasattr(one, "_optimizer_step_post_hooks"):
            return one
    raise DeclarationError(
        f"optimizer: `{type(optimizer).__name__}` calls no hooks, as it does not call `torch.optim.Optimizer.__init__`; if it "
        "wraps another one, give that"
    )


def _told(path: str | os.PathLike[str]) -> tuple[int, dict[str, Any]] | None:
    """Committed steps and attributes of a file that is gone on with; None where it cannot be read, and the recorder says why."""
    try:
        with selvedge_open(path) as file:
            return file.steps, file.attributes
    except Error:
        return None


def _place_in(path: str | os.PathLike[str], count: int, every: int, is_told: bool) -> int | None:
    """The step of a file at which it goes on, after `count` steps of the optimizer; None to go on after its last."""
    if (told := _told(path)) is None:
        return None
    _, attributes = told
    first, found = attributes.get("watched_from", 0), attributes.get("watched_every", 1)
    if not (isinstance(first, int) and isinstance(found, int)):
        raise DeclarationError(f"{os.fspath(path)!r} has `watched_from` or `watched_every` that no watch has written")
    if found != every and (is_told or "watched_every" in attributes):
        has = "each step of the optimizer" if found == 1 else f"every {found} steps"
        raise DeclarationError(f"every={every}: {os.fspath(path)!r} has {has}, and goes on so")
    if not is_told:
        return None
    place: int = -(-count // every) - -(-first // every)
    if place < 0:
        raise DeclarationError(
            f"at_step={count}: {os.fspath(path)!r} begins at step {first:,} of the optimizer, and has none before it: go on "
            "from a later checkpoint, or begin the file anew (`overwrite=True`)"
        )
    return place


def check_goes_on(path: str | os.PathLike[str], options: Mapping[str, Any], how: str) -> None:
    """That a trainer which resumes a file goes on from a checkpoint: a training that begins anew is another one."""
    if not options.get("resume") or options.get("at_step") is not None or not os.path.exists(path):
        return
    steps, _ = _told(path) or (0, {})
    if steps:
        raise DeclarationError(
            f"resume=True: {os.fspath(path)!r} has {steps:,} steps, and the training begins at its first one: go on from a "
            f"checkpoint ({how}), or begin the file anew (`overwrite=True`)"
        )


def _kept(value: Any) -> Any:
    """A number as it is now; tensors and arrays may change."""
    if hasattr(value, "detach"):
        return value.detach().clone()
    return value.copy() if hasattr(value, "__array__") and hasattr(value, "copy") else value


def _is_traced() -> bool:
    """Whether torch looks at what a module does, with values that are not those of a training."""
    import torch

    return bool(torch.jit.is_tracing() or torch.compiler.is_exporting())


def _expect(given: Any, method: str, expected: str) -> None:
    if not hasattr(given, method):
        raise DeclarationError(f"{expected}, found `{type(given).__name__}`")


def _is_called_by(frame: FrameType, other: FrameType) -> bool:
    """Whether the other call is at work and led to this one; one that ended with an error is not."""
    caller: FrameType | None = frame.f_back
    while caller is not None and caller is not other:
        caller = caller.f_back
    return caller is other


def _selected(model: Any, select: Select | None) -> list[tuple[str, Any]]:
    """Names and parameters, without those that are not trained, and each once."""
    parameters = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if select is None:
        return parameters
    if callable(select):
        return [(name, parameter) for name, parameter in parameters if select(name)]
    wanted = list(select)
    known = dict(parameters)
    unknown = [name for name in wanted if name not in known]
    if isinstance(select, str) or unknown:
        if isinstance(select, str):
            raise DeclarationError(f"select={select!r}: expected a list of names, [{select!r}], or a function of a name")
        raise DeclarationError(f"select: no trained parameter {shown(unknown)}; the model has {shown(known)}")
    return [(name, known[name]) for name in wanted]


def _place(model: Any, name: str) -> tuple[dict[str, Any], str]:
    """The dictionary that has a parameter, and its name there."""
    module, _, own = name.rpartition(".")
    return model.get_submodule(module)._parameters, own


def _output(name: str, asked: Any, modules: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """The module, dtype and shape, and what chooses the recorded values."""
    if name not in modules:
        raise DeclarationError(f"activations: the model has no module {name!r}; it has {shown(filter(None, modules))}")
    declared, choose = asked, None
    if isinstance(asked, tuple) and len(asked) == 2 and callable(asked[1]):
        declared, choose = asked
    dtype_and_shape(f"activations: `{name}`", declared)
    return modules[name], declared, choose
