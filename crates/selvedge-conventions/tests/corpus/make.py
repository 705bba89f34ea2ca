"""Notebooks as tools leave them, each with what is right to say of it: `corpus.json`, and a file for each beside it.

    python -m venv tools && tools/bin/pip install -r requirements.txt && tools/bin/python make.py

The versions are those of `requirements.txt`. What is expected is decided here, by what a tool has done to the notebook, and
never by what the checker says.
"""

import importlib.metadata
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.executable).parent
CELLS = ["import math", "norms = [1.5, 2.5]", "print(sum(norms))", "len(norms)", "norms", "# what is left: the mask"]
entries = []


def notebook(*sources, tags=()):
    """A notebook that has not run."""
    cells = [new_code_cell(source) for source in sources]
    for cell in cells:
        cell.metadata["tags"] = list(tags)
    made = new_notebook(cells=[new_markdown_cell("# Norms"), *cells])
    made.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    return made


def run(made, **options):
    """The notebook as nbclient leaves it, whether it ends with an error or not."""
    try:
        NotebookClient(made, kernel_name="python3", **options).execute()
    except CellExecutionError:
        pass
    return made


def tool(*words, source=None, stdin=None):
    """Runs a tool on `a.ipynb`, and gives the notebook that it leaves there."""
    if source is not None:
        nbformat.write(source, "a.ipynb")
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, env=environment, input=stdin, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{words}: {done.stderr[-2000:]}")
    return pathlib.Path("a.ipynb").read_text()


def add(program, what, text, expected, why):
    """One circumstance: what the tool left, and which rules are to speak of it."""
    if not isinstance(text, str):
        text = nbformat.writes(text)
    try:
        version = importlib.metadata.version(program)
    except importlib.metadata.PackageNotFoundError:
        version = ""
    # Times, processes and places of this run are of no interest.
    name = f"{len(entries) + 1:02}_{program.replace('-', '_').replace(' ', '_')}.ipynb"
    (HERE / name).write_text(text.replace(os.getcwd(), "."), encoding="utf-8")
    entries.append({"file": name, "tool": program, "version": version, "what": what, "expected": expected, "why": why})


def more():
    """What was added later: services and editors, and what nbconvert makes of metadata."""
    state, view = "application/vnd.jupyter.widget-state+json", "application/vnd.jupyter.widget-view+json"
    ran = run(notebook(*CELLS))

    def changed(change, of=ran):
        made = nbformat.reads(nbformat.writes(of), as_version=4)
        change(made)
        return made

    def widgets(value, of=ran):
        return changed(lambda made: made.metadata.update(widgets=value), of)

    def shows(made):
        """Whether nbconvert makes a page of it."""
        try:
            HTMLExporter().from_notebook_node(made)
        except Exception:
            return False
        return True

    assert shows(ran)
    printed = run(notebook("print(1)"))
    slider = run(notebook("import ipywidgets", "ipywidgets.IntSlider()"))
    for what, made in [
        ("metadata of widgets that are empty, beside a value", widgets({})),
        ("metadata of widgets that are empty, beside what is printed", widgets({}, printed)),
        ("metadata of widgets that are a list, beside a value", widgets([])),
        ("metadata of widgets that are null", widgets(None, printed)),
        ("metadata as ipywidgets 6 wrote them, beside a value", widgets({"state": {}, "version": "1.2"})),
        ("a state that is null, beside a value", widgets({state: {"state": None}})),
        ("a state that is null, beside a widget", widgets({state: {"state": None}}, slider)),
    ]:
        add("ipywidgets", what, made, [] if shows(made) else ["NBK008"], "nbconvert makes a page of it" if shows(made) else "nbconvert ends with an error")
    for key in ("metadata", "data"):
        made = json.loads(nbformat.writes(ran))
        del made["cells"][4]["outputs"][0][key]
        add("a script", f"an output without `{key}`", json.dumps(made, indent=1), ["NBK008"], "nbconvert ends with an error")
    made = json.loads(nbformat.writes(ran))
    del made["nbformat"]
    add("a script", "a notebook without `nbformat`", json.dumps(made, indent=1), ["NBK001"], "nbformat takes it for one of 2011, and loses the code")
    old = {"nbformat": 1, "cells": [{"cell_type": "code", "code": "print(1)", "prompt_number": 1}, {"cell_type": "text", "text": "a"}]}
    assert nbformat.reads(json.dumps(old), as_version=4).cells[0].source == "print(1)"
    add("IPython", "a notebook of 2011", json.dumps(old), ["NBK002", "NBK007"], "nbformat opens it; it has run, and what it prints is not there")

    none = ["import re", "m = re.match('a', 'b')\nm", "found = {}.get('a')\nfound", "best = max([], default=None)\nbest", "done = [].sort()\ndone"]
    add("nbclient", "values that are `None`", run(notebook(*none)), [], "IPython shows no `None`")
    both = run(notebook("W = [1]\nprint(W)\nW", "print(len(W))\nsum(W)"))
    nbformat.write(both, "a.ipynb")
    kept = tool("nbstripout", "--keep-count", "--keep-output-type=stream", "a.ipynb", source=both)
    add("nbstripout", "`--keep-count --keep-output-type stream`, cells that print and have a value", kept, ["NBK002"], "values are gone, printed text is not")
    noisy = run(notebook("for _ in range(2):\n    print(1)", "print(2)"))
    kept = tool("nbstripout", "--keep-count", "--keep-output-type=stream", "a.ipynb", source=noisy)
    add("nbstripout", "`--keep-count --keep-output-type stream`, cells that only print", kept, [], "nothing was taken out")

    meant = lambda text: run(notebook(f"1 / 0  # {text}"), allow_errors=True)  # noqa: E731
    add("an author", "`# selvedge: ignore NBK003`", meant("selvedge: ignore NBK003, it is meant"), [], "the comment silences the rule")
    add("an author", "`# selvedge: ignore[NBK99]`", meant("selvedge: ignore[NBK99]"), ["NBK003", "NBK010"], "the comment names no rule")
    text = run(notebook("print('# selvedge: ignore NBK99')"))
    add("an author", "a text that looks like such a comment", text, [], "it is none")

    def service(name, what, cells, metadata, expected=(), why="", minor=5):
        made = notebook(*[source for source, _ in cells])
        for number, (cell, (_, of_cell)) in enumerate(zip(made.cells[1:], cells, strict=True)):
            cell.execution_count = number + 1
            cell.metadata.update(of_cell)
        made = run(made, allow_errors=True)
        made.metadata.update(metadata)
        made.nbformat_minor = minor
        if minor < 5:
            for cell in made.cells:
                cell.pop("id", None)
        add(name, what, made, list(expected), why)
        return made

    uuid = {"_uuid": "8f2839f25d086af736a60e9eeb907d3b93b6e0e5", "trusted": True}
    service("Kaggle", "a notebook of a competition", [("import os\nfor a, _, names in os.walk('.'):\n    pass", uuid), ("len(os.sep)", uuid)], {"kaggle": {"isGpuEnabled": False}}, minor=4)
    colab = {"colab": {"base_uri": "https://localhost:8080/"}, "id": "x", "outputId": "y"}
    service("Colab", "forms, and what is printed", [("#@title Setup\nN = 3 #@param {type:'integer'}", colab), ("print(N)", colab), ("%%capture\nprint(N)", colab)], {"colab": {"provenance": []}, "accelerator": "GPU"}, minor=0)
    service("SageMaker", "a notebook of Studio", [("x = 1", {}), ("x", {"tags": []})], {"instance_type": "ml.t3.medium", "availableInstances": [{"memoryGiB": 4}]}, minor=4)
    blocks = service("Deepnote", "blocks of code, inputs and SQL", [("x = 1", {"deepnote_cell_type": "input-text"}), ("x", {"deepnote_cell_type": "code", "cell_id": "a"})], {"deepnote": {}, "deepnote_notebook_id": "a"})
    blocks.cells.append(new_code_cell("select 1", id="sql", metadata={"deepnote_cell_type": "sql"}))
    add("Deepnote", "a block of SQL that has no count", blocks, [], "the kernel does not run it")
    databricks = {"application/vnd.databricks.v1+cell": {"cellMetadata": {}, "nuid": "a", "title": ""}}
    made = service("Databricks", "as run", [("x = 1", databricks), ("print(x)", databricks)], {"application/vnd.databricks.v1+notebook": {"language": "python"}}, minor=0)
    for cell in made.cells[1:]:
        cell.execution_count = 0
    made.cells.append(new_code_cell("%sql\nSELECT 1 FROM a", metadata=databricks, execution_count=0))
    add("Databricks", "exported, with counts of 0 and a cell of SQL", made, [], "such counts tell no order")
    quarto = [("#| echo: false\nx = 1", {}), ("#| output: false\nprint(x)", {}), ("#| eval: false\nprint(y)", {}), ("#| include: false\nx", {})]
    made = run(notebook(*[source for source, _ in quarto[:2]]))
    made.cells[2].outputs = []
    made.cells.append(new_code_cell(quarto[2][0], id="never"))
    add("Quarto", "options that hide and skip", made, [], "the options say that nothing is shown")

    imports = "import matplotlib.pyplot as plt\nimport pandas as pd"
    kinds = {
        "plots": [imports, "plt.plot([1, 2])\nplt.show()", "fig, ax = plt.subplots()\nax.plot([1, 2]);"],
        "a table": [imports, "df = pd.DataFrame({'a': [1]})\ndf"],
        "loops and blocks": ["with open('a.txt', 'w') as f:\n    print(f.write('a'))", "for i in range(3):\n    print(i)", "def tell(x):\n    print(x)", "tell(3)"],
        "magics": ["%timeit -n 1 -r 1 len('a')", "%%html\n<b>a</b>", "%%time\nx = 1"],
    }
    for kind, cells in kinds.items():
        ran = run(notebook(*cells))
        add("nbclient", f"cells of {kind}", ran, [], "")
        add("nbstripout", f"`--keep-count`, cells of {kind}", tool("nbstripout", "--keep-count", "a.ipynb", source=ran), ["NBK002"], "cells have run, and what they show is gone")
    unseen = ["import matplotlib\nmatplotlib.use('Agg')", imports, "plt.plot([1, 2])\nplt.savefig('a.png')\nplt.show()", "for x in [].copy():\n    print(x)", "try:\n    print(n)\nexcept NameError:\n    pass"]
    add("nbclient", "plots that go to files, loops over nothing", run(notebook(*unseen)), [], "none of the cells shows anything")
    off = run(notebook("print(1)"))
    off.cells += [new_code_cell("%%script false --no-raise-error\ndownload()", id="off"), new_code_cell('"""\ndownload()\n"""', id="old")]
    add("an author", "cells that are turned off: `%%script false`, and quotes around all", off, [], "they are not meant to run")
    for what, text in [("behind another comment", "noqa: B018  # selvedge: ignore NBK003"), ("in other letters", "Selvedge: ignore NBK003")]:
        add("an author", f"`# {text}`", meant(text), [], f"the comment silences the rule, {what}")
    for text in ("selvedge ignore NBK003", "noqa, selvedge: ignore NBK003"):
        add("an author", f"`# {text}`", meant(text), ["NBK003", "NBK010"], "the comment silences nothing")
    typo = run(notebook("print(1)"))
    typo.metadata["selvedge"] = {"ignor": ["NBK003"]}
    add("an author", "`ignor` in the metadata", typo, ["NBK010"], "it silences nothing")


def main():
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    ran = run(notebook(*CELLS))

    def copy():
        return nbformat.reads(nbformat.writes(ran), as_version=4)

    fresh = lambda: notebook(*CELLS)  # noqa: E731

    add("nbformat", "a notebook that was never run", fresh(), ["NBK002"], "there is nothing to see in it")
    add("nbclient", "run from top to bottom", copy(), [], "")
    add("nbclient", "ends with an error, and stops there", run(notebook("x = 1", "x / 0", "print(x)")), ["NBK003", "NBK005"], "the last cell has not run")
    add("nbclient", "goes on behind an error (`allow_errors`)", run(notebook("x = 1", "x / 0", "print(x)"), allow_errors=True), ["NBK003"], "")
    add("nbclient", "an error that is meant (`raises-exception`)", run(notebook("1 / 0", tags=["raises-exception"])), [], "the tag says so")
    add("nbclient", "an error that is meant (`#| error: true`)", run(notebook("#| error: true\n1 / 0"), allow_errors=True), [], "Quarto's option says so")
    skipped = notebook("print(1)", "download()")
    skipped.cells[2].metadata["tags"] = ["skip-execution"]
    add("nbclient", "a cell that is skipped (`skip-execution`)", run(skipped), [], "the tag says so")
    quiet = ["import math", "def show(x):\n    print(x)", "report = lambda x: print(x)", "text = 'print(x)'", "x = 3;", "x;", "if x > 5: print(x)", "%%capture\nprint(x)", "_ = [print]", "None", "for y in []:\n    print(y)", "h = hash('print(x)')"]
    add("nbclient", "cells that show nothing", run(notebook(*quiet)), [], "none of them prints when it runs")
    add("nbclient", "cells of comments and magics", run(notebook("%matplotlib --list\n# a", "# only\n# comments", "%config InlineBackend\n1")), [], "")
    add("nbclient", "`jupyter execute --inplace`", tool("jupyter", "execute", "--inplace", "a.ipynb", source=fresh()), [], "")

    nbformat.write(notebook("n = 3", "print(n)"), "p.ipynb")

    def papermill(*words):
        tool("papermill", "p.ipynb", "a.ipynb", "--no-progress-bar", *words)
        return pathlib.Path("a.ipynb").read_text()

    add("papermill", "run with a parameter", papermill("-p", "n", "4"), [], "")
    add("papermill", "run with a parameter that is NaN", papermill("-y", "n: .nan"), ["NBK008"], "no browser reads the `NaN` in the metadata")
    add("papermill", "only prepared (`--prepare-only`)", papermill("--prepare-only"), ["NBK002"], "it was not run")
    nbformat.write(notebook("n = 3", "n / 0", "print(n)"), "p.ipynb")
    add("papermill", "ends with an error", papermill(), ["NBK003", "NBK005"], "the last cell has not run")

    pathlib.Path("m.py").write_text(
        "import marimo\n\napp = marimo.App()\n\n\n@app.cell\ndef _():\n    n = 3\n    print(n)\n    return (n,)\n\n\n"
        "@app.cell\ndef _(n):\n    n + 1\n    return\n\n\n@app.cell\ndef _(n):\n    m = n\n    return (m,)\n\n\nif __name__ == '__main__':\n    app.run()\n"
    )
    add("marimo", "`export ipynb`", tool("marimo", "export", "ipynb", "m.py", "-o", "a.ipynb", "-f"), ["NBK002"], "it was not run")
    add("marimo", "`export ipynb --include-outputs`", tool("marimo", "export", "ipynb", "m.py", "-o", "a.ipynb", "-f", "--include-outputs"), [], "it has outputs and no counts, and the last cell shows nothing")

    pathlib.Path("a.py").write_text("# %%\nimport math\n\n# %%\nprint(1)\n\n# %%\n3\n")
    add("jupytext", "`--to ipynb` of a script", tool("jupytext", "--to", "ipynb", "a.py"), ["NBK002"], "it was not run")
    add("jupytext", "`--to ipynb --execute`", tool("jupytext", "--to", "ipynb", "--set-kernel", "python3", "--execute", "a.py"), [], "")
    pathlib.Path("a.py").write_text("# %%\nimport math\n\n# %%\nprint(2)\n\n# %%\n3\n")
    add("jupytext", "`--to ipynb --update` after a cell was changed", tool("jupytext", "--to", "ipynb", "--update", "a.py"), [], "jupytext keeps output and count of a cell that was changed, and nothing tells it from one that ran")

    strip = lambda *words, of=copy: tool("nbstripout", *words, "a.ipynb", source=of())  # noqa: E731
    failed = lambda: run(notebook("x = 1", "x / 0"), allow_errors=True)  # noqa: E731
    add("nbstripout", "by default", strip(), ["NBK002"], "")
    add("nbstripout", "`--keep-count`", strip("--keep-count"), ["NBK002"], "cells have run, and what they print is gone")
    add("nbstripout", "`--keep-output`", strip("--keep-output"), [], "the counts are gone, so nobody knows what ran")
    add("nbstripout", "`--keep-output --keep-count`", strip("--keep-output", "--keep-count"), [], "")
    add("nbstripout", "`--keep-count --keep-output-type stream`", strip("--keep-count", "--keep-output-type=stream"), ["NBK002"], "values are gone, printed text is not")
    add("nbstripout", "`--keep-output-type stream`", strip("--keep-output-type=stream"), [], "without counts nobody knows what ran")
    add("nbstripout", "`--keep-output --keep-count --drop-output-type error`", strip("--keep-output", "--keep-count", "--drop-output-type=error", of=failed), ["NBK002"], "a quotient shows something, or an error")
    add("nbstripout", "`--verify`", strip("--verify"), [], "it only looks")

    clean = lambda *words: tool("nb-clean", "clean", *words, "a.ipynb", source=copy())  # noqa: E731
    add("nb-clean", "by default", clean(), ["NBK002"], "")
    add("nb-clean", "`-o`", clean("-o"), [], "the counts are gone, so nobody knows what ran")
    add("nb-clean", "`-co`", clean("-co"), [], "")
    add("nb-clean", "`-c`", clean("-c"), ["NBK002"], "cells have run, and what they print is gone")

    dev = lambda *words: tool("nbdev-clean", "--fname", "a.ipynb", *words, source=copy())  # noqa: E731
    add("nbdev", "`nbdev-clean`", dev(), [], "the counts are gone, so nobody knows what ran")
    add("nbdev", "`nbdev-clean --clear-all`", dev("--clear-all"), ["NBK002"], "")

    wipe = lambda *words: tool("nbwipers", "clean", "--isolated", *words, "a.ipynb", source=copy())  # noqa: E731
    add("nbwipers", "`clean`", wipe(), ["NBK002"], "")
    add("nbwipers", "`clean --keep-output`", wipe("--keep-output"), [], "the counts are gone, so nobody knows what ran")
    add("nbwipers", "`clean --keep-count`", wipe("--keep-count"), ["NBK002"], "cells have run, and what they print is gone")
    add("nbwipers", "`clean --keep-output --keep-count`", wipe("--keep-output", "--keep-count"), [], "")

    books = lambda *words: tool("databooks", "meta", "--yes", *words, "a.ipynb", source=copy())  # noqa: E731
    add("databooks", "`meta`", books(), [], "the counts are gone, so nobody knows what ran")
    add("databooks", "`meta --rm-outs`", books("--rm-outs"), ["NBK002"], "")
    add("databooks", "`meta --rm-outs --no-rm-exec`", books("--rm-outs", "--no-rm-exec"), ["NBK002"], "cells have run, and what they print is gone")

    convert = lambda *words, of=copy: tool("jupyter", "nbconvert", "--to", "notebook", "--inplace", *words, "a.ipynb", source=of())  # noqa: E731
    add("nbconvert", "`--clear-output`", convert("--clear-output"), ["NBK002"], "")
    add("nbconvert", "`--execute`", convert("--execute", of=fresh), [], "")
    hidden = run(notebook("print(1)", "2"))
    hidden.cells[1].metadata["tags"] = ["hide_output"]
    add("nbconvert", "outputs taken out by a tag", convert("--TagRemovePreprocessor.enabled=True", "--TagRemovePreprocessor.remove_all_outputs_tags=hide_output", of=lambda: hidden), [], "the tag of the cell says that its output is not wanted")
    add("nbconvert", "`--nbformat 3`", convert("--nbformat=3"), ["NBK007"], "the format is from before 2015")
    add("nbqa", "`nbqa black`", tool("nbqa", "black", "-q", "a.ipynb", source=copy()), [], "")
    add("nbmake", "`pytest --nbmake --overwrite`", tool("pytest", "-q", "-p", "no:cacheprovider", "--nbmake", "--overwrite", "a.ipynb", source=fresh()), [], "")

    slider = lambda: run(notebook("import ipywidgets", "ipywidgets.IntSlider()"))  # noqa: E731
    add("ipywidgets", "a widget, with its state", slider(), [], "")
    bare = slider()
    widgets = bare.metadata["widgets"]
    widgets["application/vnd.jupyter.widget-state+json"] = widgets["application/vnd.jupyter.widget-state+json"]["state"]
    add("ipywidgets", "a widget, with its state where Colab puts it", bare, ["NBK008"], "GitHub and nbconvert refuse it")

    old = nbformat.convert(copy(), 3)
    add("nbformat", "converted to version 3", nbformat.writes(old, version=3), ["NBK007"], "the format is from before 2015")
    four = copy()
    four.nbformat_minor = 4
    for cell in four.cells:
        del cell["id"]
    add("nbformat", "version 4.4, without ids", four, [], "")

    edited = copy()
    edited.cells[3].execution_count = None
    add("VS Code", "a cell changed after it ran: no count, and the output", edited, ["NBK009"], "the output is not of this code")
    again = copy()
    again.cells[1].execution_count = 9
    add("JupyterLab", "the first cell run again, after the others", again, ["NBK004"], "")
    zeros = copy()
    for cell in zeros.cells:
        if cell.cell_type == "code":
            cell.execution_count = 0
    add("a service", "exported with counts that are all 0", zeros, [], "such counts tell no order")
    foreign = copy()
    foreign.cells.append(new_code_cell("SELECT 1", id="sql", metadata={"vscode": {"languageId": "sql"}}))
    add("VS Code", "a cell of another language", foreign, [], "the kernel does not run it")
    missing = json.loads(nbformat.writes(copy()))
    del missing["cells"][3]["execution_count"]
    add("a script", "a cell without `execution_count`", json.dumps(missing, indent=1), ["NBK008", "NBK009"], "GitHub refuses it; it has an output and no count")
    other = notebook("print(1)", "x <- 3")
    other.metadata["kernelspec"] = {"name": "ir", "language": "R", "display_name": "R"}
    for number, cell in enumerate(other.cells[1:]):
        cell.execution_count = number + 1
    add("IRkernel", "code of R that has run, without outputs", other, [], "nobody reads R here")

    one, two = fresh(), fresh()
    one.cells[1].source, two.cells[1].source = "import cmath", "import random"
    for name, made in (("base", fresh()), ("one", one), ("two", two)):
        nbformat.write(made, f"{name}.ipynb")
    merged = subprocess.run(["git", "merge-file", "-p", "one.ipynb", "base.ipynb", "two.ipynb"], capture_output=True, text=True).stdout
    add("git", "a merge with conflicts", merged, ["NBK001"], "nbformat does not open it")
    subprocess.run([BIN / "nbmerge", "base.ipynb", "one.ipynb", "two.ipynb", "--out", "a.ipynb"], capture_output=True)
    add("nbdime", "`nbmerge` with conflicts", pathlib.Path("a.ipynb").read_text(), ["NBK002"], "it opens; it was not run")
    text = nbformat.writes(copy())
    add("a full disk", "cut off in the middle", text[: len(text) // 2], ["NBK001"], "")
    add("an editor", "with a byte order mark", "\ufeff" + text, ["NBK001"], "nbformat does not open it")
    add("git-lfs", "a pointer that was not fetched", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", ["NBK001"], "")

    more()
    for name in os.listdir("."):
        if name.endswith(".ipynb"):
            os.remove(name)
    text = json.dumps(entries, indent=1, ensure_ascii=False)
    (HERE / "corpus.json").write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(folder)


main()
