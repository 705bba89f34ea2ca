#!/usr/bin/env bash
# `jupytext --to ipynb --update` after a cell of the script was changed.
#
# Versions: jupytext 1.19.6, nbformat 5.11.1, Python 3.13.
# Guess: outputs of cells that are the same are preserved, and a changed cell loses its output and its count.
# Seen: the changed cell keeps both, whatever is in it now: `x = 3` stands there as [2] with the output 1, which it cannot
# have. Nothing in the notebook tells it from a cell that ran. A cell that is put in before the others shifts nothing.
set -euo pipefail
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jupytext==1.19.6 nbformat==5.11.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pathlib
import subprocess
import sys

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

jupytext = str(pathlib.Path(sys.executable).with_name("jupytext"))


def updated(*cells):
    """What is left of a notebook that ran `import math` and `print(1)`, with these cells in the script."""
    ran = new_notebook(cells=[new_code_cell("import math", execution_count=1), new_code_cell("print(1)", execution_count=2)])
    ran.cells[1].outputs = [new_output("stream", text="1\n")]
    nbformat.write(ran, "a.ipynb")
    pathlib.Path("a.py").write_text("\n\n".join(f"# %%\n{cell}" for cell in cells) + "\n")
    subprocess.run([jupytext, "--quiet", "--to", "ipynb", "--update", "a.py"], check=True)
    cells = nbformat.read("a.ipynb", as_version=4).cells
    return [(cell.source, cell.execution_count, [output.text for output in cell.outputs]) for cell in cells]


for changed in ("print(2)", "x = 3", "import torch"):
    found = updated("import math", changed)
    print(*found)
    assert found[1] == (changed, 2, ["1\n"]), f"jupytext has changed: {found}"
found = updated("import os", "import math", "print(1)")
print(*found)
assert found[0] == ("import os", None, []) and found[2] == ("print(1)", 2, ["1\n"]), found
PYTHON
