"""The package itself: what it exports, what it needs, its types, its documentation."""

from __future__ import annotations

import ast
import inspect
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import selvedge
from selvedge import _selvedge

PACKAGE = pathlib.Path(selvedge.__file__).parent
MODULE = pathlib.Path(_selvedge.__file__)
SOURCES = pathlib.Path(__file__).parents[1]
ROOT = SOURCES.parents[1]


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF")
def test_the_module_exports_nothing_but_itself() -> None:
    # Symbols of HDF5 would be those that h5py finds.
    exported = subprocess.run(["nm", "-D", "--defined-only", MODULE], capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1] for line in exported.splitlines()]
    if _selvedge.OBJECT_STORES:
        # What object_store brings has functions for C.
        names = [name for name in names if not name.startswith("crc_fast_")]
    assert names == ["PyInit__selvedge"]
    needed = subprocess.run(["readelf", "-dW", MODULE], capture_output=True, text=True, check=True).stdout
    libraries = set(re.findall(r"NEEDED.*\[(.*)\]", needed))
    assert libraries <= {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "libpthread.so.0", "libdl.so.2"}


@pytest.mark.parametrize("order", ["h5py, selvedge", "selvedge, h5py"])
def test_beside_h5py_in_both_orders(tmp_path: pathlib.Path, order: str) -> None:
    source = f"""
import {order}, numpy, torch
with selvedge.Recorder("a.h5", scalars=["loss"]) as run:
    run.append(loss=1.5)
    run.commit()
    with h5py.File("a.h5") as file:
        assert file["loss"][:].tolist() == [1.5]
with h5py.File("b.h5", "w") as file:
    file.create_dataset("W", data=numpy.arange(12).reshape(3, 4), compression="gzip", chunks=(1, 4))
assert selvedge.open("b.h5")["W"][1].numpy().tolist() == [4, 5, 6, 7]
with h5py.File("a.h5", "r+") as file:
    file.create_dataset("more", data=[1, 2])
assert selvedge.open("a.h5")["more"].numpy().tolist() == [1, 2]
"""
    subprocess.run([sys.executable, "-c", source], cwd=tmp_path, check=True)


def test_importing_it_is_quick_and_takes_nothing_else() -> None:
    # The program is a child for each thread of a check: it has no use for NumPy.
    source = "import sys, selvedge; print(*sorted({'numpy', 'torch', 'h5py', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize(
    ("package", "extra", "code"),
    [
        ("torch", "torch", "file['W'].torch()"),
        ("torch", "torch", "next(iter(file['W'].blocks(form='torch')))"),
        ("torch", "torch", "selvedge.load_safetensors('a.safetensors')"),
        ("torch", "torch", "selvedge.Shard.from_torch()"),
        ("ml_dtypes", "ml_dtypes", "file['W'].numpy()"),
        ("ml_dtypes", "ml_dtypes", "numpy.asarray(file['W'])"),
        ("transformers", "transformers", "selvedge.SelvedgeCallback"),
        ("lightning", "lightning", "import selvedge.lightning"),
        ("virtualizarr", "zarr", "selvedge.VirtualizarrParser()('a.h5', None)"),
        ("zarr", "zarr", "selvedge.to_icechunk('a.h5', None)"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path: pathlib.Path, package: str, extra: str, code: str) -> None:
    # NumPy is all that the others need.
    source = f"""
import sys, numpy
for name in "torch ml_dtypes transformers lightning pytorch_lightning virtualizarr zarr icechunk xarray".split():
    sys.modules[name] = None
import selvedge
from selvedge import *
with selvedge.Recorder("a.h5", tensors={{"W": ("bfloat16", ())}}, scalars=["loss"]) as run:
    run.append(W=1.0, loss=1.0)
selvedge.save_safetensors({{"loss": numpy.ones(2)}}, "a.safetensors")
file = selvedge.open("a.h5")
assert file["W"].as_float32().tolist() == [1.0] and file["loss"].numpy().tolist() == [1.0]
try:
    {code}
except selvedge.MissingPackageError as error:
    assert isinstance(error, ImportError) and error.name == {package!r}, error
    assert "needs the package `{package}`" in str(error) and "pip install 'selvedge[{extra}]'" in str(error), error
else:
    sys.exit("no error")
"""
    subprocess.run([sys.executable, "-c", source], cwd=tmp_path, check=True)


def test_the_types_are_right(tmp_path: pathlib.Path) -> None:
    mypy = [sys.executable, "-m", "mypy", "--config-file", SOURCES / "pyproject.toml"]
    checked = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_types_of_the_example_are_right(tmp_path: pathlib.Path) -> None:
    cells = json.loads((ROOT / "examples/notebooks/1.2a_record_from_pytorch.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (tmp_path / "example.py").write_text("\n".join(code))
    # To follow torch's own types takes minutes.
    settings = "[mypy]\ncheck_untyped_defs = True\n[mypy-torch.*,matplotlib.*]\nfollow_imports = skip\nignore_missing_imports = True\n"
    (tmp_path / "mypy.ini").write_text(settings)
    checked = subprocess.run([sys.executable, "-m", "mypy", "example.py"], cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_stubs_agree_with_the_module(tmp_path: pathlib.Path) -> None:
    stubtest = [sys.executable, "-m", "mypy.stubtest", "selvedge._selvedge", "--ignore-disjoint-bases"]
    stubtest += ["--mypy-config-file", str(SOURCES / "pyproject.toml")]
    tested = subprocess.run(stubtest, cwd=tmp_path, capture_output=True, text=True)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    # What an editor shows is what `help` shows.
    for node in ast.walk(ast.parse((PACKAGE / "_selvedge.pyi").read_text())):
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef) and (text := ast.get_docstring(member)):
                    shown = inspect.getdoc(getattr(getattr(_selvedge, node.name), member.name))
                    assert shown == text, member.name


def test_all_that_is_public_is_documented() -> None:
    for name in selvedge.__all__:
        if name == "__version__":
            continue
        public = getattr(selvedge, name)
        assert inspect.getdoc(public), name
        if inspect.isclass(public) and not issubclass(public, Exception):
            for member in vars(public):
                if not member.startswith("_"):
                    assert inspect.getdoc(getattr(public, member)) or member in public.__annotations__, f"{name}.{member}"


def snippets(document: pathlib.Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


PRELUDE = """
import pathlib, numpy, torch, h5py, selvedge
torch.manual_seed(0)
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = torch.nn.Embedding(10_000, 64, dtype=torch.bfloat16)
        self.head = torch.nn.Linear(64, 8, dtype=torch.bfloat16)
    def forward(self, ids):
        return self.head(self.wte(ids))
model = Model()
optimizer = torch.optim.AdamW(model.parameters())
loader = [torch.randint(10_000, (4,)) for _ in range(30)]
dead = torch.arange(10_000) % 3 == 0
mask = dead
MODEL = "Qwen3-4B-Instruct-2507"
def train_step(batch):
    loss = model(batch).float().square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
def train(model, optimizer):
    for batch in loader:
        train_step(batch)
"""


@pytest.mark.parametrize("document", ["README.md", "docs/python.md", "crates/selvedge-python/README.md"])
def test_the_lines_of_the_documentation_run(tmp_path: pathlib.Path, document: str) -> None:
    # One after the other, in a folder of their own, as somebody would who follows the page.
    blocks = [block for block in snippets(ROOT / document) if "selvedge" in block or document == "docs/python.md"]
    assert blocks
    source = PRELUDE + "\n".join(f"# {document}, block {number}\n{block}" for number, block in enumerate(blocks))
    # What `torchrun` sets of a run of one process.
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    environment = {**os.environ, **alone, "COLUMNS": "100"}
    ran = subprocess.run(
        [sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert ran.returncode == 0, ran.stderr


# What the blocks of other pages read.
FILES = """
import pathlib, h5py, numpy, torch, selvedge
expected = torch.arange(60 * 40).reshape(60, 10, 4).bfloat16()
with selvedge.Recorder("tensors/Thimble/thimble_7.h5", like={"W": expected[0]}) as run:
    for step in expected:
        run.append(W=step)
path = pathlib.Path("tensors/Flannel/1.5d_clusters.safetensors")
path.parent.mkdir()
dead = torch.arange(10) % 3 == 0
selvedge.save_safetensors({"cluster_mask": dead}, path, notebook="1.5d_clusters.ipynb")
"""


@pytest.mark.parametrize(
    ("page", "before", "after"),
    [
        ("compression", 'f = h5py.File("tensors/Thimble/thimble_7.h5")', "assert torch.equal(W, expected)"),
        ("format", "", "assert torch.equal(W, expected)"),
        ("other-programs", "", 'assert "W" in globals()'),
        ("safetensors", "", "assert torch.equal(mask, dead)"),
    ],
)
def test_the_lines_that_read_by_other_packages_run(
    tmp_path: pathlib.Path, page: str, before: str, after: str
) -> None:
    # Dask is among the packages of the recipes (examples/scale), whose tests have it.
    blocks = [block for block in snippets(ROOT / f"docs/{page}.md") if "dask" not in block]
    assert blocks
    source = "\n".join([FILES, before, *blocks, after])
    ran = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_the_contenders_of_the_benches_record(tmp_path: pathlib.Path) -> None:
    """What they record is checked where it is made: `cargo xtask bench` has them at length."""
    few = ["memcpy", "append", "h5py_tuned", "h5py_seed", "tofile", "torch_save", "safetensors"]
    runs = [(who, 4, [32, 8]) for who in few] + [(who, 12, [16]) for who in ("append", "watch")]
    calls = [
        json.dumps(["record", [who, str(tmp_path / str(number)), count, shape, 5, True]])
        for number, (who, count, shape) in enumerate(runs)
    ]
    peer = [sys.executable, ROOT / "benches/python/torch_peer.py"]
    answers = subprocess.run(peer, input="\n".join(calls), capture_output=True, text=True, check=True).stdout
    assert answers.count('{"Ok": {') == len(runs), answers
