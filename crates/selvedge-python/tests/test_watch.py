"""A model and its optimizer are recorded from a loop that is not touched."""

from __future__ import annotations

import copy
import gc
import importlib
import io
import pathlib
import subprocess
import sys
import textwrap
import types
from typing import Any

import numpy
import pytest
import torch

import selvedge


def small() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


def steps(model: torch.nn.Module, optimizer: torch.optim.Optimizer, count: int, **kept: list[Any]) -> None:
    """A plain loop. `kept` has lists that take what there is to keep, by its kind."""
    for step in range(count):
        loss = model(torch.randn(3, 4, generator=torch.Generator().manual_seed(step))).square().sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        if "grad" in kept:
            kept["grad"].append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        optimizer.step()
        if "weights" in kept:
            kept["weights"].append({name: p.detach().clone() for name, p in model.named_parameters()})


class GreedyOptimizer(torch.optim.SGD):
    """It changes gradients in place, as optimizers may."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad.mul_(100)
        return super().step(closure)


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD, GreedyOptimizer])
def test_gradients_after_clipping_and_weights_after_the_step(path: pathlib.Path, kind: Any) -> None:
    model = small()
    optimizer = kind(model.parameters(), lr=0.1)
    kept: dict[str, list[Any]] = {"grad": [], "weights": []}
    with selvedge.watch(model, optimizer, path, steps=12) as watch:
        steps(model, optimizer, 12, **kept)
    assert watch.recorder.summary is not None and watch.recorder.summary.steps == 12
    steps(model, optimizer, 2)
    file = selvedge.open(path)
    assert file.steps == 12
    for name, _ in model.named_parameters():
        assert torch.equal(file[name].torch(), torch.stack([now[name] for now in kept["weights"]]))
        assert torch.equal(file[f"{name}.grad"].torch(), torch.stack([now[name] for now in kept["grad"]]))


@pytest.mark.parametrize("by_name", [False, True])
def test_gradients_that_a_closure_makes(path: pathlib.Path, by_name: bool) -> None:
    # It is called in the step, after the hooks before it, and by some optimizers again and again.
    model = small()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
    made: list[torch.Tensor] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(torch.ones(3, 4)).square().sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        made.append(model[0].weight.grad.clone())
        return loss

    last = []
    with selvedge.watch(model, optimizer, path):
        for _ in range(4):
            optimizer.step(closure=closure) if by_name else optimizer.step(closure)
            last.append(made[-1])
    assert len(made) > 4
    assert torch.equal(selvedge.open(path)["0.weight.grad"].torch(), torch.stack(last))


def test_a_step_that_fails_is_not_recorded_and_the_next_is(path: pathlib.Path) -> None:
    # A notebook is interrupted in a step, and its loop is started again.
    class Interrupted(torch.optim.SGD):
        fails = False

        def step(self, closure: Any = None) -> Any:
            if Interrupted.fails:
                raise KeyboardInterrupt
            return super().step(closure)

    model = small()
    optimizer = Interrupted(model.parameters(), lr=0.1)
    with selvedge.watch(model, optimizer, path) as watch:
        for fails in (False, True, True, False):
            Interrupted.fails = fails
            if fails:
                with pytest.raises(KeyboardInterrupt):
                    steps(model, optimizer, 1)
            else:
                steps(model, optimizer, 1)
        assert watch.recorder.appended == 2


def test_some_steps_and_some_parameters(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.AdamW(model.parameters())
    what = ("exp_avg", "exp_avg_sq", "weights")
    with selvedge.watch(model, optimizer, path, what=what, every=3, select=lambda name: "weight" in name):
        steps(model, optimizer, 10)
    file = selvedge.open(path)
    assert file.steps == 4
    assert set(file) == {f"{layer}.weight{kind}" for layer in (0, 2) for kind in ("", ".exp_avg", ".exp_avg_sq")}
    weight = model.get_parameter("2.weight")
    assert torch.equal(file["2.weight.exp_avg_sq"][-1].torch(), optimizer.state[weight]["exp_avg_sq"])
    path.unlink()
    with selvedge.watch(model, optimizer, path, what=["exp_avg"], select=["0.bias"]):
        steps(model, optimizer, 1)
    assert list(selvedge.open(path)) == ["0.bias.exp_avg"]


def test_scalars_and_activations(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    activations = {"0": ("float32", (3, 8)), "2": (("float32", (2,)), lambda output: output[0])}
    outputs: list[torch.Tensor] = []
    model[2].register_forward_hook(lambda *args: outputs.append(args[2].detach().clone()))
    with selvedge.watch(
        model, optimizer, path, what=["weights"], activations=activations, scalars=["loss"], select=["0.bias"]
    ) as watch:
        for step in range(4):
            model(torch.zeros(3, 4))  # a forward pass before, which the last one replaces
            watch.log(loss=step)
            steps(model, optimizer, 1)
        with pytest.raises(selvedge.DeclarationError, match="lacks `loss`"):
            steps(model, optimizer, 1)
    file = selvedge.open(path)
    assert file["loss"].numpy().tolist() == [0, 1, 2, 3]
    assert file["0.out"].shape == (4, 3, 8)
    assert torch.equal(file["2.out"].torch(), torch.stack([output[0] for output in outputs[1:8:2]]))


def test_a_parameter_without_a_gradient(path: pathlib.Path) -> None:
    model = small()
    model.register_parameter("unused", torch.nn.Parameter(torch.ones(3)))
    model[0].bias.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters())
    with selvedge.watch(model, optimizer, path), pytest.raises(selvedge.DeclarationError, match="`unused` has no gradient"):
        steps(model, optimizer, 1)
    with selvedge.watch(
        model, optimizer, path, overwrite=True, what=("grad", "exp_avg"), absent="zeros"
    ):
        steps(model, optimizer, 2)
    file = selvedge.open(path)
    assert not file["unused.grad"].numpy().any() and file["unused.grad"].shape == (2, 3)
    assert "0.bias.grad" not in file


def test_what_cannot_be_watched(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.Adafactor(model.parameters())
    for options, match in (
        ({"what": "weights"}, "expected a list"),
        ({"what": ["row_var"]}, "after its first step"),
        ({"every": 0}, "1 or more"),
        ({"select": ["3.weight"]}, "no trained parameter `3.weight`; the model has `0.weight`"),
        ({"activations": {"9": ("float32", (1,))}}, "no module '9'"),
        ({"activations": {"0": "float32"}}, "`0`: expected a dtype and the shape"),
        ({"absent": "nan"}, "'zeros'"),
        ({"what": ["weight"]}, "expected 'weights', 'grad' or a state"),
        ({"select": "0.weight"}, r"\['0.weight'\]"),
        ({"select": []}, "chooses none"),
    ):
        with pytest.raises(selvedge.DeclarationError, match=match):
            selvedge.watch(model, optimizer, path, **options)
        assert not path.exists()
    for wrong, match in (
        ((model.parameters(), optimizer), "model: expected a `torch.nn.Module`, found `generator`"),
        ((model, model), "optimizer: expected a `torch.optim.Optimizer`, found `Sequential`"),
    ):
        with pytest.raises(selvedge.DeclarationError, match=match):
            selvedge.watch(*wrong, path)
    steps(model, optimizer, 1)
    with selvedge.watch(model, optimizer, path, what=["row_var"], select=["0.weight"]):
        steps(model, optimizer, 2)
    assert selvedge.open(path)["0.weight.row_var"].shape[0] == 2


def test_scalars_that_were_not_told_are_told_how(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with selvedge.watch(model, optimizer, path, scalars=["loss"]) as watch:
        with pytest.raises(selvedge.DeclarationError, match="lacks `loss`") as error:
            steps(model, optimizer, 1)
        assert "watch.log(loss=…)" in error.value.__notes__[0]
        watch.log(loss=1.0)
        steps(model, optimizer, 1)


def test_a_watch_that_nobody_keeps_records_as_long_as_its_optimizer_is_there(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    selvedge.watch(model, optimizer, path)
    gc.collect()
    steps(model, optimizer, 2)
    del optimizer
    gc.collect()
    assert (selvedge.open(path).steps, selvedge.open(path).state) == (2, "died")
    # It is finished when the interpreter exits.
    script = """
        import sys, torch, selvedge
        model = torch.nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        selvedge.watch(model, optimizer, sys.argv[1], overwrite=True)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (selvedge.open(path).steps, selvedge.open(path).state) == (3, "finished")


def test_a_file_that_begins_at_a_checkpoint_goes_on_at_another(path: pathlib.Path) -> None:
    """Its steps are those of the optimizer from the first on, whichever was recorded first."""
    model = torch.nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    def train(first: int, last: int, **options: Any) -> list[int]:
        model.weight.data.fill_(first)
        with selvedge.watch(model, optimizer, path, what=["weights"], at_step=first, **options):
            for _ in range(first, last):
                model.weight.grad = torch.full((1, 1), -1.0)
                optimizer.step()
        return [int(step) - 1 for step in selvedge.open(path)["weight"].numpy().ravel()]

    assert train(5, 15, resume=True) == list(range(5, 15))
    assert train(9, 16, resume=True) == list(range(5, 16))
    assert selvedge.open(path).attributes["watched_from"] == 5
    with pytest.raises(selvedge.DeclarationError, match="begins at step 5 of the optimizer.*overwrite=True"):
        train(3, 9, resume=True)
    assert train(4, 17, overwrite=True, every=3) == [6, 9, 12, 15]
    assert train(10, 20, resume=True, every=3) == [6, 9, 12, 15, 18]
    with pytest.raises(selvedge.DeclarationError, match="every=2: .* has every 3 steps"):
        train(10, 20, resume=True, every=2)
    assert train(3, 6, overwrite=True) == [3, 4, 5]
    # Each step is a cadence, too: five times fewer would be given up as later ones.
    with pytest.raises(selvedge.DeclarationError, match="every=5: .* has each step of the optimizer"):
        train(6, 9, resume=True, every=5)
    with pytest.raises(selvedge.DeclarationError, match="3 committed steps"):
        train(9, 12, resume=True)


def test_a_number_that_is_told_is_kept_as_it_was(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    total, average = torch.zeros(()), numpy.zeros((), "float32")
    with selvedge.watch(model, optimizer, path, what=["weights"], scalars=["loss", "average"]) as watch:
        for step in range(3):
            total += step + 1
            average += step + 1
            watch.log(loss=total, average=average)
            total.zero_()
            average[...] = 0
            steps(model, optimizer, 1)
    file = selvedge.open(path)
    assert file["loss"].numpy().tolist() == file["average"].numpy().tolist() == [1, 2, 3]


@pytest.mark.filterwarnings("ignore:.*is deprecated. Please switch:FutureWarning")
def test_passes_that_are_no_training_are_not_recorded(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    batch = torch.ones(5, 4)
    activations = {"0": ("float32", (5, 8)), "2": (("float32", (5, 2)), lambda out: None if len(out) < 5 else out)}
    with selvedge.watch(model, optimizer, path, what=["weights"], activations=activations):
        for _ in range(2):
            model(batch).sum().backward()
            model.eval()
            model(torch.zeros(3, 4))
            model.train()
            torch.jit.trace(model, torch.zeros(2, 4), check_trace=False)
            optimizer.step()
        with pytest.raises(selvedge.ShapeError, match=r"steps of shape \(5, 8\), found \(3, 8\)") as raised:
            model(torch.zeros(3, 4))
        assert "drop_last=True" in raised.value.__notes__[0]
    with torch.no_grad():
        expected = model[0](batch)
    assert torch.equal(selvedge.open(path)["0.out"].torch(), torch.stack([expected] * 2))


def test_an_optimizer_that_wraps_another(path: pathlib.Path) -> None:
    class Wrapper(torch.optim.Optimizer):
        """As accelerate's, which calls nothing of its base."""

        def __init__(self, optimizer: torch.optim.Optimizer | None) -> None:
            self.optimizer = optimizer

        def step(self, closure: Any = None) -> None:
            self.optimizer.step()

    model = small()
    optimizer = Wrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    with selvedge.watch(model, optimizer, path, what=["weights"]):
        steps(model, optimizer.optimizer, 2)
    assert selvedge.open(path).steps == 2
    other = path.with_name("other_1.h5")
    with pytest.raises(selvedge.DeclarationError, match="`Wrapper` calls no hooks.*wraps another one, give that"):
        selvedge.watch(model, Wrapper(None), other)
    assert not other.exists()


def test_what_becomes_of_parameters_meanwhile_is_recorded_or_refused(path: pathlib.Path) -> None:
    """Where a parameter's values lie is looked up at each step: they may be elsewhere, or be others."""
    model = small()
    # A step that changes nothing: what is recorded is what was put there.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    weight, shape = model[0].weight, (8, 4)
    numbers = torch.arange(32.0).reshape(shape)
    lazily_negated = (torch.zeros(shape) + 1j * numbers).conj().imag
    assert lazily_negated.is_neg()
    expected = []
    with selvedge.watch(model, optimizer, path, what=["weights"], select=["0.weight"]) as watch:
        for values in (
            torch.full(shape, 7.0),
            numbers.t().contiguous().t(),
            torch.stack([numbers, numbers])[1],
            torch.cat([numbers, numbers], 1)[:, ::2],
            lazily_negated,
            numbers,
            # At the same address with another sign.
            torch._neg_view(numbers),
        ):
            weight.data = values
            optimizer.step()
            expected.append(values.clone())
        # Other parameters in its place, which the optimizer does not know.
        for values, match in (
            (numbers.double(), "`0.weight` holds float32, found float64"),
            (numbers.bfloat16(), "`0.weight` holds float32, found bfloat16"),
            (torch.zeros(8, 5), r"`0.weight` has steps of shape \(8, 4\), found \(8, 5\)"),
            (torch.zeros(32), r"found \(32,\)"),
            (numbers.to("meta"), "values of `0.weight` cannot be read"),
            (numbers + 1, ""),
        ):
            model[0].weight = torch.nn.Parameter(values)
            if match:
                with pytest.raises(selvedge.Error, match=match):
                    optimizer.step()
        optimizer.step()
        expected.append(numbers + 1)
        torch.utils.swap_tensors(model[0].weight, torch.nn.Parameter(numbers + 2))
        optimizer.step()
        expected.append(numbers + 2)
        del model[0].weight
        with pytest.raises(selvedge.DeclarationError, match="no longer has a parameter `0.weight`"):
            optimizer.step()
    assert watch.recorder.appended == len(expected)
    assert torch.equal(selvedge.open(path)["0.weight"].torch(), torch.stack(expected))


def test_gradients_of_bfloat16_that_are_others_at_each_step(path: pathlib.Path) -> None:
    """A tensor that was seen before is not asked for its sign again; others are, at the same address and elsewhere."""
    model = torch.nn.Linear(4, 8, bias=False).bfloat16()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    numbers = torch.arange(32.0).reshape(8, 4).bfloat16()
    expected = []
    with selvedge.watch(model, optimizer, path, what=["weights", "grad"]):
        for step, make in enumerate([torch.clone, torch.clone, torch._neg_view, torch.clone, torch._neg_view, torch.neg]):
            optimizer.zero_grad(set_to_none=True)
            model.weight.grad = make(numbers + step)
            model.weight.data = numbers * step
            optimizer.step()
            expected.append((numbers * step, model.weight.grad.clone()))
            if step == 3:
                model.load_state_dict({"weight": numbers + 7})
                optimizer.step()
                expected.append((numbers + 7, model.weight.grad.clone()))
    file = selvedge.open(path)
    assert torch.equal(file["weight"].torch(), torch.stack([weights for weights, _ in expected]))
    assert torch.equal(file["weight.grad"].torch(), torch.stack([gradients for _, gradients in expected]))


def test_the_state_is_that_of_a_checkpoint_that_is_loaded_meanwhile(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.AdamW(model.parameters())
    with selvedge.watch(model, optimizer, path, what=["exp_avg"], select=["0.bias"]):
        steps(model, optimizer, 1)
        optimizer.load_state_dict(optimizer.state_dict())
        steps(model, optimizer, 3)
    assert torch.equal(selvedge.open(path)["0.bias.exp_avg"][-1].torch(), optimizer.state[model[0].bias]["exp_avg"])


def test_copies_of_the_model_are_not_recorded(path: pathlib.Path) -> None:
    """A hook is copied with its module: an average of the weights, or a target network, was recorded as the model."""
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with selvedge.watch(model, optimizer, path, what=["weights"], activations={"2": ("float32", (3, 2))}):
        other = copy.deepcopy(model)
        saved = io.BytesIO()
        torch.save(model, saved)
        saved.seek(0)
        # What is saved is read by those who do not have this package.
        assert b"selvedge" not in saved.getvalue()
        output = model(torch.ones(3, 4)).detach()
        for copied in (other, torch.load(saved, weights_only=False)):
            for parameter in copied.parameters():
                parameter.data.zero_()
            assert not copied(torch.ones(3, 4)).any()
        model[0].weight.grad = torch.zeros(8, 4)
        optimizer.step()
    assert torch.equal(selvedge.open(path)["2.out"][0].torch(), output)


def test_an_output_of_several_tensors_is_told_what_chooses(path: pathlib.Path) -> None:
    model = torch.nn.Sequential(torch.nn.LSTM(4, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    declared = ("float32", (8, 2))
    with selvedge.watch(model, optimizer, path, what=["weights"], activations={"0": declared}):
        with pytest.raises(selvedge.DtypeError, match=r"output of `0` is a `tuple`; .* \{'0': .*lambda output: output\[0\]"):
            model(torch.ones(8, 4))


def test_a_watch_that_is_closed_says_so(path: pathlib.Path) -> None:
    """A notebook's cell that enters the same watch again recorded nothing, and did not say so."""
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = selvedge.watch(model, optimizer, path)
    with watch:
        steps(model, optimizer, 2)
    with pytest.raises(selvedge.ClosedError, match="thimble_1.h5; make another one, .*`overwrite=True`"), watch:
        pass
    with pytest.raises(selvedge.ClosedError):
        watch.log(loss=1.0)
    assert watch.close().steps == 2


def test_a_watch_ends_with_the_next_one_of_its_file(path: pathlib.Path) -> None:
    """Its hooks stayed, and ended the loop of the next one with `ClosedError`."""
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watches = []
    for _ in range(2):
        watches.append(selvedge.watch(model, optimizer, path, overwrite=True))
        steps(model, optimizer, 3)
    with selvedge.watch(model, optimizer, path, resume=True):
        steps(model, optimizer, 1)
    assert [watch.close().steps for watch in watches] == [3, 3]
    assert selvedge.open(path).steps == 4


@pytest.mark.parametrize("what", [("weights",), ("weights", "grad")])
def test_a_step_beyond_those_that_were_planned(path: pathlib.Path, what: tuple[str, ...]) -> None:
    """It was told to lack a gradient."""
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with selvedge.watch(model, optimizer, path, 2, what=what):
        steps(model, optimizer, 2)
        with pytest.raises(selvedge.DeclarationError, match="planned for 2 steps and has them all"):
            steps(model, optimizer, 1)


def test_scalars_of_a_step_that_is_not_recorded_are_not_those_of_the_next(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with selvedge.watch(model, optimizer, path, scalars=["loss"], every=2) as watch:
        for step in range(2):
            watch.log(loss=step)
            steps(model, optimizer, 1)
        with pytest.raises(selvedge.DeclarationError, match="lacks `loss`"):
            steps(model, optimizer, 1)
    assert selvedge.open(path)["loss"].numpy().tolist() == [0]


@pytest.mark.parametrize("unscales", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_a_scaler(path: pathlib.Path, fused: bool, unscales: bool) -> None:
    """An optimizer that is fused divides the gradients itself, and skips steps by itself: both were recorded as they came."""
    model = small()
    optimizer = torch.optim.AdamW(model.parameters(), fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    expected = []
    with selvedge.watch(model, optimizer, path, scalars=["number"], every=2) as watch:
        for number in range(8):
            inputs = torch.randn(3, 4, generator=torch.Generator().manual_seed(number))
            overflows = number in (0, 3, 4)
            loss = model(inputs * float("inf") if overflows else inputs).square().sum()
            optimizer.zero_grad()
            (gradient,) = torch.autograd.grad(loss, [model[0].weight], retain_graph=True)
            scaler.scale(loss).backward()
            if unscales:
                scaler.unscale_(optimizer)
            watch.log(number=number)
            scaler.step(optimizer)
            scaler.update()
            if not overflows:
                expected.append((number, gradient, model[0].weight.detach().clone()))
    file = selvedge.open(path)
    numbers, gradients, weights = zip(*expected[::2], strict=True)
    assert tuple(file["number"].numpy()) == numbers == (1, 5, 7)
    assert torch.equal(file["0.weight.grad"].torch(), torch.stack(gradients))
    assert torch.equal(file["0.weight"].torch(), torch.stack(weights))


def test_an_optimizer_that_takes_the_scaler_itself_is_refused(path: pathlib.Path) -> None:
    class Own(torch.optim.SGD):
        def step(self, closure: Any = None, *, grad_scaler: Any = None) -> Any:
            return super().step(closure)

    model = small()
    optimizer = Own(model.parameters(), lr=0.1)
    with selvedge.watch(model, optimizer, path), pytest.raises(selvedge.DeclarationError, match="`Own` takes a scaler"):
        optimizer.step(grad_scaler=torch.amp.GradScaler("cpu"))


def test_every_so_many_steps_are_counted_from_a_checkpoint_on(path: pathlib.Path) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    kept: dict[str, list[Any]] = {"weights": []}
    # A checkpoint of five steps; seven were made when the training was killed.
    for at_step, count in ((None, 7), (5, 5)):
        kept["weights"] = kept["weights"][:5]
        with selvedge.watch(model, optimizer, path, what=["weights"], every=3, resume=True, at_step=at_step):
            steps(model, optimizer, count, **kept)
    recorded = [now["0.weight"] for now in kept["weights"][::3]]
    assert torch.equal(selvedge.open(path)["0.weight"].torch(), torch.stack(recorded)) and len(recorded) == 4
    # Where it is not told how many steps there were, the next one is recorded.
    with selvedge.watch(model, optimizer, path, what=["weights"], every=3, resume=True):
        steps(model, optimizer, 1)
    assert selvedge.open(path).steps == 5


def fake(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> None:
    """A package that has as much of another as a callback takes."""
    module = types.ModuleType(name)
    module.__dict__.update(members)
    monkeypatch.setitem(sys.modules, name, module)


def test_the_callback_of_transformers(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "transformers", TrainerCallback=object)
    monkeypatch.delitem(sys.modules, "selvedge.transformers", raising=False)
    model = small()
    optimizer = torch.optim.AdamW(model.parameters())
    callback = selvedge.SelvedgeCallback(path, what=("weights", "exp_avg"), every=2)
    state = types.SimpleNamespace(is_world_process_zero=True, max_steps=7, global_step=0)
    # accelerate wraps the optimizer.
    wrapped = types.SimpleNamespace(optimizer=optimizer)
    callback.on_train_begin(None, state, None, model=model, optimizer=wrapped)
    steps(model, optimizer, 7)
    callback.on_train_end(None, state, None)
    file = selvedge.open(path)
    assert (file.steps, file.planned, file.state) == (4, 4, "finished")
    # It is stopped after the fifth step, and goes on from a checkpoint of the fourth.
    kept: dict[str, list[Any]] = {"weights": []}
    for global_step, stops, resume in ((0, 5, False), (4, 7, True)):
        kept["weights"] = kept["weights"][:global_step]
        state.global_step = global_step
        options = {"resume": True} if resume else {"overwrite": True}
        with selvedge.SelvedgeCallback(path, what=["weights"], **options) as callback:
            callback.on_train_begin(None, state, None, model=model, optimizer=wrapped)
            steps(model, optimizer, stops - global_step, **kept)
            # Nobody calls `on_train_end`.
        assert callback.watch.recorder.closed
    file = selvedge.open(path)
    assert (file.steps, file.planned, file.state) == (7, 7, "finished")
    assert torch.equal(file["0.weight"].torch(), torch.stack([now["0.weight"] for now in kept["weights"]]))
    # A training that begins anew is not the one of the file.
    state.global_step = 0
    with pytest.raises(selvedge.DeclarationError, match="7 steps, and the training begins at its first.*resume_from_checkpoint"):
        callback = selvedge.SelvedgeCallback(path, what=["weights"], resume=True)
        callback.on_train_begin(None, state, None, model=model, optimizer=wrapped)
    state.global_step = 4
    # It goes on from the checkpoint in a file of its own.
    callback = selvedge.SelvedgeCallback(path, what=["weights"], every=3, overwrite=True)
    callback.on_train_begin(None, state, None, model=model, optimizer=wrapped)
    steps(model, optimizer, 3)
    callback.on_train_end(None, state, None)
    assert (selvedge.open(path).steps, selvedge.open(path).planned) == (1, 1)
    # Other processes than the main one record where a shard says which they are.
    state.is_world_process_zero = False
    for shard, expected in ((None, False), (selvedge.Shard("a run", 1, 2), True)):
        callback = selvedge.SelvedgeCallback(path, what=["weights"], overwrite=True, shard=shard)
        callback.on_train_begin(None, state, None, model=model, optimizer=wrapped)
        assert (callback.watch is not None) == expected
        callback.close()
    monkeypatch.delitem(sys.modules, "selvedge.transformers", raising=False)


def test_the_callback_of_lightning(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "lightning")
    fake(monkeypatch, "lightning.pytorch", Callback=object)
    monkeypatch.delitem(sys.modules, "selvedge.lightning", raising=False)
    module = importlib.import_module("selvedge.lightning")
    model = small()
    optimizer = torch.optim.AdamW(model.parameters())
    callback = module.SelvedgeCallback(path)
    trainer = types.SimpleNamespace(is_global_zero=True, optimizers=[optimizer], global_step=0)
    callback.on_train_start(trainer, model)
    steps(model, optimizer, 3)
    callback.on_train_end(trainer, model)
    assert (selvedge.open(path).steps, selvedge.open(path).state) == (3, "finished")
    # It goes on from a checkpoint of the second step.
    trainer.global_step = 2
    callback = module.SelvedgeCallback(path, resume=True)
    callback.on_train_start(trainer, model)
    steps(model, optimizer, 3)
    callback.on_exception(trainer, model, KeyboardInterrupt())
    assert (selvedge.open(path).steps, selvedge.open(path).state) == (5, "finished")
    # Of two optimizers the checkpoint does not know the steps.
    trainer.optimizers = [optimizer, torch.optim.SGD(model.parameters(), lr=0.1)]
    with pytest.raises(selvedge.DeclarationError, match="2 optimizers, and the checkpoint tells 2 steps of all together"):
        module.SelvedgeCallback(path, resume=True).on_train_start(trainer, model)
    trainer.global_step = 0
    with pytest.raises(selvedge.DeclarationError, match="5 steps, and the training begins at its first.*ckpt_path"):
        module.SelvedgeCallback(path, resume=True).on_train_start(trainer, model)
    trainer.global_step = 4
    callback = module.SelvedgeCallback(path, resume=True, at_step=2)
    callback.on_train_start(trainer, model)
    callback.on_train_end(trainer, model)
    assert selvedge.open(path).steps == 2
    monkeypatch.delitem(sys.modules, "selvedge.lightning", raising=False)
