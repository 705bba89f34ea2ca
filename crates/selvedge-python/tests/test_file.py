"""Reading: what is asked for is what NumPy would have given."""

from __future__ import annotations

import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import h5py
import ml_dtypes
import numpy
import pytest
import torch
from conftest import Child

import selvedge
from selvedge import _selection


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, dict[str, Any]]:
    """A file, and its values."""
    random = numpy.random.default_rng(3)
    bits = random.integers(0, 1 << 16, (50, 20, 3), numpy.uint16)
    values = {
        "W": bits.view(ml_dtypes.bfloat16),
        "x": random.standard_normal((50, 20, 2, 2)).astype(numpy.float32),
        "loss": random.standard_normal(50),
        "flags": random.random((50, 4)) < 0.5,
    }
    constants = {"mask": random.random(20) < 0.4, "ids": numpy.arange(12).reshape(3, 4), "one": numpy.float32(2.5)}
    path = tmp_path_factory.mktemp("read") / "thimble_1.h5"
    like = {name: value[0] for name, value in values.items()}
    with selvedge.Recorder(path, like=like, constants=constants, attributes={"seed": 3}) as run:
        for step in range(50):
            run.append({name: value[step] for name, value in values.items()})
    return path, values | constants


def same(found: Any, expected: Any) -> None:
    assert found.shape == expected.shape and found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()


INDICES: list[Any] = [
    (), 0, -1, 49, slice(None), slice(10, 20), slice(None, None, 7), slice(None, None, -1), slice(40, 3, -6),
    slice(5, 5), [3, 1, 4, 1, 5], [-1, 0], [], numpy.arange(0, 50, 3), (slice(None), 4), (slice(2, 9), -2),
    (3, 5), (7, slice(1, 18, 4)), (slice(None), slice(None, None, -2)), (slice(10), [0, 19, 3, 3]), (-5, [2, 1]),
    ([7, 2], 3), ([9, 2], slice(3, 8)), (..., slice(None)), (slice(3), ...), ..., (2, ...),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_indices_are_those_of_numpy(recorded: tuple[pathlib.Path, dict[str, Any]], index: Any) -> None:
    path, values = recorded
    file = selvedge.open(path)
    for name in ("W", "x"):
        chosen = file[name][index]
        expected = values[name][index]
        assert chosen.shape == expected.shape
        assert chosen.nbytes == expected.nbytes and chosen.ndim == expected.ndim
        same(chosen.numpy(), expected)
    if not isinstance(index, tuple):
        same(file["loss"][index].numpy(), numpy.asarray(values["loss"][index]))


def test_masks_and_lists_one_after_the_other(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    file = selvedge.open(path)
    mask = values["mask"]
    for chosen in (mask, torch.from_numpy(mask), mask.tolist(), file["mask"].numpy()):
        same(file["W"][:, chosen].numpy(), values["W"][:, mask])
    steps = values["loss"] > 0
    same(file["W"][steps].numpy(), values["W"][steps])
    same(file["W"][steps][:, mask].numpy(), values["W"][steps][:, mask])
    same(file["W"][steps][::2, mask][3].numpy(), values["W"][steps][::2, mask][3])
    same(file["W"][5][mask].numpy(), values["W"][5][mask])
    same(file["W"][:, 5][[3, 1]].numpy(), values["W"][:, 5][[3, 1]])
    same(file["ids"][1, 2:].numpy(), values["ids"][1, 2:])
    with pytest.raises(selvedge.OutOfRangeError, match="pair these two lists"):
        file["W"][[1, 2], [3, 4]]


def test_what_has_an_axis_is_a_list_also_of_one_element(tmp_path: pathlib.Path) -> None:
    # A tensor of torch with one element takes itself for an integer: its axis was lost, and a mask read row 0.
    path = tmp_path / "one.h5"
    values = numpy.arange(12, dtype=numpy.float32).reshape(4, 1, 3)
    with selvedge.Recorder(path, like={"W": values[0]}) as run:
        for step in values:
            run.append(W=step)
    tensor = selvedge.open(path)["W"]
    for index in ([2], [-1]):
        for one in (torch.tensor(index), numpy.array(index), index):
            same(tensor[one].numpy(), values[index])
    for index in ([True], [False]):
        for mask in (torch.tensor(index), numpy.array(index), index):
            same(tensor[:, mask].numpy(), values[:, index])
    for number in (torch.tensor(2), numpy.array(2), numpy.int64(2)):
        same(tensor[number].numpy(), values[2])
    for number in (torch.tensor(True), numpy.array(True), numpy.True_, torch.tensor(1.0)):
        with pytest.raises(selvedge.OutOfRangeError, match="expected an integer, .* found"):
            tensor[number]


def test_many_small_steps_are_read_in_one_piece(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each run of steps that follow each other was a read of its own: half of a million losses took seconds.
    path = tmp_path / "long.h5"
    losses = numpy.random.default_rng(1).standard_normal((4000, 2)).astype(numpy.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("loss", data=losses, chunks=(500, 2), fletcher32=True)
    loss = selvedge.open(path)["loss"]
    mask = losses[:, 0] > 0
    order = numpy.random.default_rng(2).permutation(4000)
    with monkeypatch.context() as patched:
        # Nothing is read in runs.
        patched.setattr(_selection, "runs", None)
        for index in (mask, order, slice(None, None, -1), [*range(3000), 7, 7]):
            same(loss[index].numpy(), losses[index])
            same(loss[index][:, 1].as_float32(), losses[index][:, 1])
    # A chunk that is not wanted may be damaged.
    with h5py.File(path) as file:
        where = file["loss"].id.get_chunk_info(3).byte_offset
    with path.open("r+b") as file:
        file.seek(where)
        file.write(b"\xff")
    mask[1500:2000] = False
    same(selvedge.open(path)["loss"][mask].numpy(), losses[mask])
    with pytest.raises(selvedge.FileError):
        selvedge.open(path)["loss"][::-1].numpy()


def test_an_index_may_be_a_text(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    file = selvedge.open(path)
    chosen = file["W"]["0, 7..9, last", "..:5"]
    same(chosen.numpy(), numpy.asarray(values["W"])[[0, 7, 8, 49]][:, ::5])
    assert len(file["loss"]["log:12"]) == 12
    assert file["loss"]["log:12"][0].item() == file["loss"][0].item()
    assert file["loss"]["log:12"][-1].item() == file["loss"][-1].item()
    with pytest.raises(selvedge.OutOfRangeError, match="`W`: asked for 50 of 50"):
        file["W"]["50"]
    with pytest.raises(selvedge.OutOfRangeError, match="log:50, or some of them with commas, found `x`"):
        file["W"]["x"]


@pytest.mark.parametrize(
    ("index", "match"),
    [(50, "index 50 of an axis of 50"), (-51, "index -51"), ([0, 50], "index 50"), ((0, 20), "index 20"),
     ((0, 0, 0), "only its steps and rows"), ((0, 0, 0, 0), "4 indices"), (None, "found None"), ("W", "found `W`"),
     (1.5, "found 1.5"), (slice(1.0, 2), "found slice"), (slice(0, 9, 0), "cannot be zero"), ([[1], [1, 2]], "expected"),
     (True, "found True"), ([0.5], "float64"), ([[1]], "2 axes"), ((..., ...), "one `...`"),
     ([True, False], "a mask of 2 for an axis of 50")],
)  # fmt: skip
def test_an_index_that_is_none(recorded: tuple[pathlib.Path, dict[str, Any]], index: Any, match: str) -> None:
    with pytest.raises(selvedge.Error, match=match) as error:
        selvedge.open(recorded[0])["W"][index]
    assert isinstance(error.value, IndexError | ValueError)


def test_torch_shares_memory_and_has_all_bits(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    w = selvedge.open(path)["W"]
    tensor = w.torch()
    assert tensor.dtype == torch.bfloat16
    assert tensor.view(torch.uint16).numpy().tobytes() == values["W"].tobytes()
    assert tensor.untyped_storage().nbytes() == w.nbytes
    assert w[3].torch().shape == (20, 3)
    assert selvedge.open(path)["flags"][2].torch().dtype == torch.bool
    tensor.zero_()  # writable, as people expect


def test_as_float32(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    file = selvedge.open(path)
    expected = torch.from_numpy(values["W"].view(numpy.int16)).view(torch.bfloat16).float().numpy()
    assert numpy.array_equal(file["W"].as_float32(), expected, equal_nan=True)
    assert numpy.array_equal(file["W"][::3, [1, 5]].as_float32(), expected[::3, [1, 5]], equal_nan=True)
    same(file["x"].as_float32(), values["x"])
    assert file["one"].as_float32() == 2.5
    with pytest.raises(selvedge.DtypeError, match="float32 is made of"):
        file["loss"].as_float32()


def test_single_values(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    file = selvedge.open(path)
    assert float(file["loss"][7]) == values["loss"][7] == file["loss"][7].item()
    assert int(file["ids"][1, 2]) == 6
    assert file["one"].item() == 2.5 and file["one"].shape == ()
    assert file["flags"][0, 0].item() is bool(values["flags"][0, 0])
    with pytest.raises(TypeError):
        len(file["one"])
    with pytest.raises(selvedge.DtypeError, match="not a single value"):
        file["loss"].item()


def test_blocks(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    w = selvedge.open(path)["W"]
    for memory in (1, 1000, "1 MB"):
        blocks = list(w[::2].blocks(memory))
        same(numpy.concatenate(blocks), values["W"][::2])
    assert len(list(w.blocks(1))) == 50
    assert torch.equal(torch.cat(list(w.blocks(700, "torch"))).view(torch.uint16), w.torch().view(torch.uint16))
    assert next(iter(w.blocks(700, "float32"))).dtype == numpy.float32
    assert list(w[:0].blocks()) == []
    # A row of a step is one block.
    same(*w[3, 5].blocks(1), values["W"][3, 5])
    with pytest.raises(selvedge.DtypeError, match="'torch'"):
        w.blocks(form="pandas")  # type: ignore[arg-type]


def test_a_file_is_a_mapping(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    with selvedge.open(path) as file:
        assert set(file) == set(values) and len(file) == len(values)
        assert "W" in file and "V" not in file and file.get("V") is None
        assert (file.steps, file.planned, file.state, file.notes) == (50, None, "finished", [])
        assert file.attributes["seed"] == 3 and file.path == str(path)
        assert file["W"].is_step_tensor and not file["mask"].is_step_tensor
        assert file["W"].attributes["logical_dtype"] == "bfloat16"
        assert file["W"].chunk_shape[1:] == (20, 3)
        with pytest.raises(KeyError) as error:
            file["V"]
        assert isinstance(error.value, selvedge.TensorNotFoundError)
        with pytest.raises(KeyError, match="expected the name of a tensor, found 0"):
            file[0]  # type: ignore[index]
        with pytest.raises(selvedge.DtypeError, match="compare its values"):
            file["W"] == 0  # noqa: B015
        assert file["W"] != file["mask"] and len({file["W"], file["mask"]}) == 2
        assert "has no tensor `V`; it has `W`, `flags`, `ids`, `loss`, `mask`, `one`, `x`" in str(error.value)
        assert "50 steps, finished" in repr(file) and "bfloat16, 50 steps of (20, 3)" in repr(file["W"])
        html = file._repr_html_()
        assert "bfloat16" in html and "seed = 3" in html and "(50, 20, 3)" in html
        assert "(2, 20, 3)" in repr(file["W"][:2]) and "240 B" in file["W"][:2]._repr_html_()
    with pytest.raises(selvedge.ClosedError, match="open it again"):
        file["W"]
    assert "closed" in repr(file)


def test_a_file_that_is_closed_is_there_for_others(
    recorded: tuple[pathlib.Path, dict[str, Any]], tmp_path: pathlib.Path
) -> None:
    """Whatever was taken from it: h5py locks what it writes."""
    (original, values), path = recorded, tmp_path / "thimble_1.h5"
    shutil.copyfile(original, path)
    with selvedge.open(path) as file:
        tensor, chosen, blocks = file["W"], file["W"][3:5], file["W"].blocks(1200)
        same(next(blocks), values["W"][:5])
        with pytest.raises(BlockingIOError):
            h5py.File(path, "a")
    del blocks
    with h5py.File(path, "a") as other:
        other["loss"][0] = 5.0
    for one in (tensor, chosen):
        assert repr(one).endswith("thimble_1.h5, closed>") and "closed" in one._repr_html_()
        for use in (one.numpy, one.torch, lambda one=one: one.shape, lambda one=one: one[0]):
            with pytest.raises(selvedge.ClosedError, match="was closed; open it again"):
                use()
    assert selvedge.open(path)["loss"].numpy()[0] == 5.0


def test_it_can_be_pickled(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    file = selvedge.open(path)
    again = pickle.loads(pickle.dumps(file))
    same(again["W"].numpy(), values["W"])
    chosen = pickle.loads(pickle.dumps(file["W"][::3, [1, 4]]))
    same(chosen.numpy(), values["W"][::3, [1, 4]])
    tensor = pickle.loads(pickle.dumps(file["W"]))
    assert isinstance(tensor, selvedge.Tensor) and tensor.is_step_tensor


def test_a_process_that_is_forked_while_another_thread_takes_a_tensor(
    recorded: tuple[pathlib.Path, dict[str, Any]],
) -> None:
    path, values = recorded
    file = selvedge.open(path)
    # As another thread has it at the moment of the fork.
    with file._lock():
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            found = file["W"][3].bits() if (file["W"].shape == values["W"].shape) else None
            os._exit(0 if found is not None else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0


def test_twenty_threads_read(recorded: tuple[pathlib.Path, dict[str, Any]]) -> None:
    path, values = recorded
    file = selvedge.open(path)
    wrong: list[object] = []

    def read(number: int) -> None:
        random = numpy.random.default_rng(number)
        for _ in range(40):
            step, row = random.integers(50), random.integers(20)
            found = (file["W"][int(step)].bits(), file["x"][:, int(row)].numpy(), file["loss"][int(step)].item())
            expected = (values["W"][step].view(numpy.uint16), values["x"][:, row], values["loss"][step])
            if not all(numpy.array_equal(one, two) for one, two in zip(found, expected, strict=True)):
                wrong.append((step, row))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_files_of_h5py(tmp_path: pathlib.Path) -> None:
    # The seed's own way of writing, without a word on what the bits are.
    path = tmp_path / "thimble_7.h5"
    weights = torch.randn(30, 100, 8, dtype=torch.bfloat16)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("W", (30, 100, 8), "uint16", chunks=(10, 100, 8))
        for step in range(30):
            dataset[step] = weights[step].view(torch.uint16).numpy()
        file.create_dataset("z", data=numpy.arange(40.0), compression="gzip", chunks=(10,))
        file.create_dataset("text", data="a text")
    file = selvedge.open(path)
    assert file["W"].dtype == "uint16" and file.state == "unknown"
    for assumed in (True, ["W"]):
        file = selvedge.open(path, assume_bf16=assumed)
        dead = torch.arange(100) % 3 == 0
        assert torch.equal(file["W"].torch(), weights)
        assert torch.equal(file["W"][:, dead].torch(), weights[:, dead])
        assert torch.equal(pickle.loads(pickle.dumps(file))["W"].torch(), weights)
    assert file["z"][5:25:4].numpy().tolist() == list(range(5, 25, 4))
    with pytest.raises(selvedge.DtypeError):
        file["text"].numpy()
    assert "not read" in file._repr_html_()


def test_a_file_that_is_not_there_or_none(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        selvedge.open(tmp_path / "nothing.h5")
    assert isinstance(error.value, selvedge.Error) and error.value.errno == 2
    text = tmp_path / "text.h5"
    text.write_text("no HDF5 " * 100)
    with pytest.raises(OSError, match="not an HDF5 file"):
        selvedge.open(text)
    with selvedge.Recorder(bytes(tmp_path / "a.h5"), scalars=["loss"]) as run:
        assert run.path == str(tmp_path / "a.h5")
    selvedge.save_safetensors({"W": numpy.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(selvedge.FileError, match="not an HDF5 file.* `selvedge.load_safetensors` loads it"):
        selvedge.open(tmp_path / "a.safetensors")
    with pytest.raises(selvedge.FileError, match="directory"):
        selvedge.open(tmp_path)
    saved = {"W": numpy.ones(2)}
    for path in ("a\0b", b"a\0b", "\ud800"):
        for function in (selvedge.open, selvedge.inspect, selvedge.recover, selvedge.load_safetensors):
            with pytest.raises(selvedge.FileError, match="cannot be the path of a file"):
                function(path)
        with pytest.raises(selvedge.FileError, match="cannot be the path of a file"):
            selvedge.save_safetensors(saved, path)
        with pytest.raises(selvedge.FileError, match="cannot be the path of a file"):
            selvedge.Recorder(path, scalars=["loss"])
    with pytest.raises(KeyError, match="expected the name of a tensor"):
        selvedge.File(bytes(tmp_path / "a.h5"))["\ud800"]


def test_other_files_are_read_where_that_is_asked_for(tmp_path: pathlib.Path) -> None:
    inside, path = tmp_path / "inside", tmp_path / "inside" / "links.h5"
    inside.mkdir()
    for name in ("inside/beside.h5", "far.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file["W"] = numpy.arange(6)
    with h5py.File(path, "w") as file:
        file["near"] = h5py.ExternalLink("beside.h5", "/W")
        file["far"] = h5py.ExternalLink("../far.h5", "/W")

    found = {False: set(), True: {"near"}, inside: {"near"}, tmp_path: {"near", "far"}}
    for links, names in found.items():
        file = selvedge.open(path, follow_links=links)
        assert set(file) == set(pickle.loads(pickle.dumps(file))) == names
        assert len(file.notes) == 2 - len(names)
        assert all(file[name].numpy().tolist() == list(range(6)) for name in names)
        shown = selvedge.inspect(path, follow_links=links)["tensors"]
        assert {tensor["name"] for tensor in shown} == names
    selvedge.rechunk(path, tmp_path / "whole.h5", follow_links=tmp_path)
    assert selvedge.verify(path, tmp_path / "whole.h5", follow_links=tmp_path)["equal"]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        selvedge.open(path, follow_links=tmp_path / "nowhere")


# A filter that changes nothing.
PLUGIN = """
#include <stddef.h>
static size_t filter(unsigned f, size_t n, const unsigned *v, size_t bytes, size_t *size, void **buffer) { return bytes; }
static const struct { int version, id; unsigned encoder, decoder; const char *name; void *can, *set, *filter; } class =
    {1, 4711, 1, 1, "none", NULL, NULL, (void *)filter};
int H5PLget_plugin_type(void) { return 0; }
const void *H5PLget_plugin_info(void) { return &class; }
"""


def test_plugins_are_loaded_where_that_is_asked_for(tmp_path: pathlib.Path, child: Callable[..., Child]) -> None:
    path = tmp_path / "filtered.h5"
    with h5py.File(path, "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((4,))
        plan.set_filter(4711, h5py.h5z.FLAG_OPTIONAL, ())
        dataset = h5py.h5d.create(file.id, b"W", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4,)), plan)
        dataset.write_direct_chunk((0,), numpy.ones(4, "f4").tobytes())
    (tmp_path / "plugin.c").write_text(PLUGIN)
    (tmp_path / "plugins").mkdir()
    library = tmp_path / "plugins" / "libnone.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "plugin.c"], check=True)
    source = """
        import sys, selvedge
        print(selvedge.open(sys.argv[1], load_plugins=sys.argv[2] == "yes")["W"].numpy().tolist())
    """
    for asked in ("no", "yes"):
        code, printed, said = child(source, path, asked, HDF5_PLUGIN_PATH=str(library.parent)).end()
        if asked == "yes":
            assert printed.strip() == "[1.0, 1.0, 1.0, 1.0]", said
        else:
            assert code == 1 and "FileError" in said and "load_plugins" in said, said
