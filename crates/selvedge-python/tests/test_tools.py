"""The program and its work as functions."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from html import unescape
from typing import Any

import h5py
import numpy
import pytest
import torch

import selvedge

PROGRAM = pathlib.Path(sys.executable).with_name("selvedge")


@pytest.fixture
def recorded(path: pathlib.Path) -> pathlib.Path:
    weights = torch.randn(64, 8, dtype=torch.bfloat16)
    with selvedge.Recorder(path, steps=20, like={"W": weights}, notebook="1.1a_x.ipynb") as run:
        for step in range(20):
            run.append(W=weights * step)
    return path


def test_the_program_is_there_after_pip_install(recorded: pathlib.Path) -> None:
    for program in ([PROGRAM], [sys.executable, "-m", "selvedge"]):
        version = subprocess.run([*program, "--version"], capture_output=True, text=True, check=True).stdout
        assert version.split() == ["selvedge", selvedge.__version__]
        shown = subprocess.run([*program, "inspect", recorded], capture_output=True, text=True, check=True).stdout
        assert "bfloat16" in shown
        wrong = subprocess.run([*program, "inspect", "no.h5"], capture_output=True, text=True)
        assert wrong.returncode == 2 and "no.h5" in wrong.stderr and "Traceback" not in wrong.stderr
        assert subprocess.run([*program, "--wrong"], capture_output=True).returncode == 2
    # It starts itself for each thread that reads HDF5.
    checked = subprocess.run([PROGRAM, "check", recorded.parent], capture_output=True, text=True)
    assert checked.returncode in (0, 1) and checked.stderr == "" and "1 file" in checked.stdout, checked


@pytest.mark.parametrize("elsewhere", [False, True])
def test_python_files_beside_the_data_are_not_run(
    recorded: pathlib.Path, tmp_path: pathlib.Path, elsewhere: bool
) -> None:
    # The child looked for modules of Python in the current folder first: that of somebody's data.
    data, own = tmp_path / "data", tmp_path / "own"
    data.mkdir()
    for name in ("re", "json", "numpy", "selvedge", "sitecustomize"):
        (data / f"{name}.py").write_text(f"open('{name}.run', 'w')")
    own.mkdir()
    environment = dict(os.environ)
    command = [sys.executable]
    if elsewhere:
        # The package is where this process alone looks.
        shutil.copytree(pathlib.Path(selvedge.__file__).parent, own / "selvedge")
        command.append("-S")
    script = own / "script.py"
    script.write_text("import sys, selvedge\nprint(selvedge.__file__)\nprint(selvedge.inspect(sys.argv[1])['format'])")
    ran = subprocess.run(
        [*command, script, recorded], cwd=data, env=environment, capture_output=True, text=True, check=True
    )
    package, found = ran.stdout.split()
    assert found == "hdf5" and package.startswith(str(own)) == elsewhere
    assert not list(data.glob("*.run"))


def test_paths_that_begin_with_a_dash(
    recorded: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(recorded, "-x.h5")
    assert selvedge.inspect("-x.h5")["recording"]["committed_steps"] == 20
    assert selvedge.inspect(b"-x.h5")["recording"]["committed_steps"] == 20
    selvedge.rechunk("-x.h5", pathlib.Path("-y.h5"))
    assert selvedge.verify("-x.h5", "-y.h5")["equal"]
    pathlib.Path("-words.txt").write_text("a\n" * 64)
    selvedge.report("-x.h5", "-page.html", "-y.h5", vocabulary="-words.txt")
    selvedge.references("-x.h5", "-x.json")
    with pytest.raises(selvedge.ProgramError, match="`-W`"):
        selvedge.report("-x.h5", tensors=["-W"])
    with pytest.raises(selvedge.ProgramError, match="no.h5"):
        selvedge.join(["-no.h5"], "-view.h5")
    assert selvedge.recover("-x.h5").committed == 20
    assert {path.name for path in tmp_path.glob("-*")} == {"-x.h5", "-y.h5", "-words.txt", "-page.html", "-x.json"}


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_an_interrupt_that_is_ignored_stays_so(path: pathlib.Path, handler: signal.Handlers) -> None:
    # As a shell has it of `selvedge … &` in a script: Ctrl-C is for what runs in front.
    run = selvedge.Recorder(path, scalars=["loss"])
    program = subprocess.Popen(
        [PROGRAM, "inspect", "--watch", path], stdout=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),
    )  # fmt: skip
    assert program.stdout is not None and program.stdout.readline()
    program.send_signal(signal.SIGINT)
    if handler == signal.SIG_DFL:
        program.communicate(timeout=60)
        assert program.returncode in (-signal.SIGINT, 130)
        run.finish()
        return
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(1)
    run.finish()
    program.communicate(timeout=60)
    assert program.returncode == 0


def test_inspect_and_verify(recorded: pathlib.Path, tmp_path: pathlib.Path) -> None:
    found = selvedge.inspect(recorded)
    assert found["recording"]["committed_steps"] == 20
    assert [tensor["name"] for tensor in found["tensors"]] == ["W"]
    other = tmp_path / "tokens.h5"
    assert "20 steps" in selvedge.rechunk(recorded, other, read="tokens", checksums=True)
    assert selvedge.verify(recorded, other)["equal"]
    assert selvedge.verify(other)["equal"]
    assert torch.equal(selvedge.open(other)["W"].torch(), selvedge.open(recorded)["W"].torch())
    weights = torch.zeros(64, 8, dtype=torch.bfloat16)
    with selvedge.Recorder(other, steps=1, like={"W": weights}, overwrite=True) as run:
        run.append(W=weights)
    assert not selvedge.verify(recorded, other)["equal"]
    with pytest.raises(selvedge.ProgramError, match="exists already; .*`overwrite=True` replaces it"):
        selvedge.rechunk(recorded, other)
    with pytest.raises(selvedge.ProgramError, match=r"invalid value 'rows' for `read`\s+\[possible values: [a-z, ]+\]$"):
        selvedge.rechunk(recorded, other, read="rows", overwrite=True)
    with pytest.raises(selvedge.ProgramError, match="no checksums"):
        selvedge.verify(recorded)
    with pytest.raises(selvedge.ProgramError, match="nothing.h5"):
        selvedge.inspect(tmp_path / "nothing.h5")


def test_report(recorded: pathlib.Path, tmp_path: pathlib.Path) -> None:
    page = tmp_path / "page.html"
    assert "page.html" in selvedge.open(recorded).report(page)
    text = page.read_text()
    assert text.startswith("<!doctype html>") and str(recorded.name) in text
    with pytest.raises(selvedge.ProgramError, match="exists already"):
        selvedge.report(recorded, page)
    words = tmp_path / "words.txt"
    words.write_text("\n".join(f"token{number}" for number in range(64)))
    selvedge.report(recorded, page, recorded, tensors=["W"], vocabulary=words, quick=True, overwrite=True)
    assert "token63" in page.read_text()


def measured(page: str) -> dict[str, Any]:
    """What a page tells of the first tensor of its first file."""
    data = page.split('id="data">')[1].split("</script>")[0]
    tensor: dict[str, Any] = json.loads(data)["files"][0]["tensors"][0]
    return tensor


def test_a_notebook_shows_a_page(recorded: pathlib.Path, tmp_path: pathlib.Path) -> None:
    page = selvedge.open(recorded).report()
    assert page.startswith("a page: ") and page.html is not None
    assert measured(page.html)["name"] == "W"
    shown = page._repr_html_()
    assert shown is not None and shown.startswith("<iframe sandbox=") and "allow-same-origin" not in shown
    assert unescape(shown.split('srcdoc="')[1].removesuffix('"></iframe>')) == page.html
    # One that has a file is there to be opened.
    target = tmp_path / "new" / "page.html"
    assert selvedge.report(recorded, target)._repr_html_() is None and target.exists()


def test_a_page_of_some_steps(recorded: pathlib.Path) -> None:
    for steps in ("0..5", [0, 1, 2, 3, 4], numpy.arange(5)):
        page = selvedge.report(recorded, steps=steps)
        assert "some of the steps" in page
    assert "some of the steps" not in selvedge.report(recorded, steps=True)
    with pytest.raises(selvedge.OutOfRangeError, match="steps"):
        selvedge.report(recorded, steps="some.h5")


def test_bits_of_bfloat16_without_a_marker(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bits.h5"
    weights = torch.randn(20, 30, 8, dtype=torch.bfloat16)
    with h5py.File(path, "w") as file:
        file["W"] = weights.view(torch.uint16).numpy()
    page = selvedge.open(path, assume_bf16=True).report()
    assert page.html is not None and measured(page.html)["dtype"] == "bfloat16" and "assume" not in page
    page = selvedge.open(path, assume_bf16=["W"]).report(assume_bf16=False)
    assert page.html is not None and measured(page.html)["dtype"] == "uint16" and "`assume_bf16=True`" in page
    assert selvedge.inspect(path, assume_bf16=True)["tensors"][0]["dtype"] == "bfloat16"
    selvedge.rechunk(path, tmp_path / "marked.h5", assume_bf16=["W"])
    assert torch.equal(selvedge.open(tmp_path / "marked.h5")["W"].torch(), weights)
    with h5py.File(path, "a") as file:
        file["ids"] = numpy.arange(20, dtype=numpy.uint16)
    with pytest.raises(selvedge.DeclarationError, match="leaves out `ids`: say"):
        selvedge.open(path, assume_bf16=["W"]).report()


def test_what_cannot_be_read_is_left_out_where_that_is_asked_for(tmp_path: pathlib.Path) -> None:
    path, new = tmp_path / "mixed.h5", tmp_path / "new.h5"
    with h5py.File(path, "w") as f:
        f["W"], f["text"] = [[1.0, 2.0], [3.0, 4.0]], ["a", "b"]
    with pytest.raises(selvedge.ProgramError, match="`text`.*`skip_unsupported=True` leaves"):
        selvedge.rechunk(path, new)
    assert "`text`" in selvedge.rechunk(path, new, skip_unsupported=True, skip_damaged=True)
    with pytest.raises(selvedge.ProgramError, match="1 of 2 tensors .* were not compared: tensor `text`"):
        selvedge.verify(path, path)
    assert not selvedge.verify(path, new)["equal"]
    assert selvedge.verify(path, new, skip_unsupported=True)["equal"]


def test_recover_of_a_file_that_is_whole(recorded: pathlib.Path) -> None:
    found = selvedge.recover(recorded)
    assert (found.committed, found.changed) == (20, False) and "20" in str(found)
