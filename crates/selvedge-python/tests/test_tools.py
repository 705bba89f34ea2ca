"""The program and its work as functions."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import h5py
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
