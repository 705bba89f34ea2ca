"""Filters and hooks of git, each with whether it takes outputs out of a notebook that is committed: `filters.json`.

    python -m venv tools && tools/bin/pip install -r requirements.txt && tools/bin/python filters.py

Git runs each of them here, on a notebook of its own, and what is committed decides: never what the checker says. `jq` is
that of the system.
"""

import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

HERE = pathlib.Path(__file__).resolve().parent
BIN = pathlib.Path(sys.executable).parent
JQ_VERSION = subprocess.run(["jq", "--version"], capture_output=True, text=True).stdout.strip().removeprefix("jq-")

JQ = [
    ".cells[].outputs = []",
    '(.cells[] | select(has("outputs")) | .outputs) = [] | (.cells[] | select(has("execution_count")) | .execution_count) = null',
    '(.cells[] | select(.cell_type == "code")) |= (.outputs = [] | .execution_count = null)',
    '.cells |= map(if .cell_type == "code" then .outputs = [] else . end)',
    '.cells |= map(if .cell_type == "code" then . + {outputs: [], execution_count: null} else . end)',
    'walk(if type == "object" and has("outputs") then .outputs = [] else . end)',
    'walk(if type == "object" then with_entries(select(.key != "outputs")) else . end)',
    "del(.cells[].outputs)",
    "del(.cells[].outputs[]?)",
    "reduce range(0; .cells | length) as $i (.; .cells[$i].outputs = [])",
    ".cells |= map({cell_type, source, metadata, id})",
    ".",
    '(.cells[] | select(has("execution_count")) | .execution_count) = null',
    "del(.cells[].outputs[]?.execution_count)",
    ".cells[].metadata = {}",
    ".cells |= map(select(.outputs != []))",
]


def python(change):
    return f"python -c 'import json, sys; nb = json.load(sys.stdin); {change}; json.dump(nb, sys.stdout, indent=1)'"


FILTERS = [
    ("nbstripout", "nbstripout"),
    ("nbstripout", "python -m nbstripout"),
    ("nbstripout", "python -m nbstripout --keep-count"),
    ("nbstripout", "nbstripout --keep-output"),
    ("nbstripout", "nbstripout --keep-output-type stream"),
    ("nbstripout", "nbstripout --keep-metadata-keys cell.metadata.tags"),
    ("nbstripout", "sh -c 'nbstripout -t'"),
    ("nb-clean", "nb-clean clean"),
    ("nb-clean", "nb-clean clean --preserve-cell-outputs"),
    ("nb-clean", "nb-clean clean -o"),
    ("nbwipers", "nbwipers clean -"),
    ("nbwipers", "nbwipers clean --keep-output -"),
    ("nbconvert", "jupyter nbconvert --clear-output --stdin --stdout --to notebook --log-level ERROR"),
    ("nbconvert", "jupyter nbconvert --ClearOutputPreprocessor.enabled=True --stdin --stdout --to notebook --log-level ERROR"),
    ("nbconvert", "jupyter nbconvert --ClearMetadataPreprocessor.enabled=True --stdin --stdout --to notebook --log-level ERROR"),
    *(("jq", f"jq '{program}'") for program in JQ),
    ("python", python('[c.update(outputs=[]) for c in nb["cells"] if c["cell_type"] == "code"]')),
    ("python", python('[c.pop("outputs", None) for c in nb["cells"]]')),
    ("python", python('[c.update(execution_count=None) for c in nb["cells"] if c["cell_type"] == "code"]')),
    ("git", "cat"),
]

STAGED = "for f in $(git diff --cached --name-only -- '*.ipynb'); do\n  {}\n  git add \"$f\"\ndone"
HOOKS = [
    ("nbstripout", STAGED.format('nbstripout "$f"')),
    ("nbstripout", STAGED.format('nbstripout --keep-output "$f"')),
    ("nbstripout", STAGED.format('nbstripout -t "$f" > /dev/null')),
    ("nbstripout", STAGED.format('nbstripout -t "$f" > "$f.new" && mv "$f.new" "$f"')),
    ("nbstripout", "TOOL=nbstripout\n" + STAGED.format('$TOOL "$f"')),
    ("nbstripout", 'TOOL=$(command -v nbstripout) || exit 0\n' + STAGED.format('"$TOOL" "$f"')),
    ("nbstripout", STAGED.format('command nbstripout "$f"')),
    ("nbstripout", STAGED.format('env PYTHONUTF8=1 nbstripout "$f"')),
    ("nbstripout", STAGED.format('python -m nbstripout "$f"')),
    ("nbstripout", STAGED.format('bash -c "nbstripout $f"')),
    ("nbstripout", "git diff --cached --name-only -- '*.ipynb' | xargs -r nbstripout\ngit add -u"),
    ("nbstripout", "find . -name '*.ipynb' -exec nbstripout {} +\ngit add -u"),
    ("nbstripout", "strip() {\n  nbstripout \"$1\"\n}\n" + STAGED.format('strip "$f"')),
    ("nbstripout", "strip() {\n  nbstripout \"$1\"\n}\ntrue"),
    ("nbstripout", "command -v nbstripout"),
    ("nbstripout", "command -v nbstripout > /dev/null || { echo 'no nbstripout'; exit 1; }"),
    ("nbstripout", "echo nbstripout a.ipynb # nbstripout a.ipynb"),
    ("nbstripout", ": <<'END'\nnbstripout a.ipynb\nEND\ntrue"),
    ("nbstripout", "exit 0\nnbstripout a.ipynb && git add -u"),
    ("nbstripout", "if false; then\n  nbstripout a.ipynb && git add -u\nfi"),
    ("nbstripout", "nbstripout --verify a.ipynb || true"),
    ("nbstripout", "nbstripout < a.ipynb | cmp -s - a.ipynb || echo 'it has outputs'"),
    ("nb-clean", "nb-clean clean a.ipynb && git add -u"),
    ("nb-clean", "nb-clean check a.ipynb || true"),
    ("nbconvert", "jupyter nbconvert --clear-output --inplace --log-level ERROR a.ipynb && git add -u"),
    ("nbconvert", "jupyter nbconvert --to notebook --ClearOutputPreprocessor.enabled=True --inplace --log-level ERROR a.ipynb && git add -u"),
    ("nbconvert", "jupyter nbconvert --to script --ClearOutputPreprocessor.enabled=True --log-level ERROR a.ipynb && git add -u"),
    ("jq", "jq '.cells[].outputs = []' a.ipynb > b && mv b a.ipynb && git add -u"),
    ("jq", "jq '.cells[].outputs = []' a.ipynb > /dev/null"),
    ("python", "#!/usr/bin/env python\nimport subprocess\nsubprocess.run(['nbstripout', 'a.ipynb'], check=True)\nsubprocess.run(['git', 'add', '-u'])"),
    ("python", "#!/usr/bin/env python\nimport os, sys\nTOOL = 'nbstripout'\nos.system(f'{TOOL} a.ipynb && git add -u')"),
    ("python", "#!/usr/bin/env python\nimport shutil, sys\nif not shutil.which('nbstripout'):\n    sys.exit('no nbstripout')"),
    ("python", "#!/usr/bin/env python\nimport json, os\nf = 'a.ipynb'\nnb = json.load(open(f))\nfor c in nb['cells']:\n    c['outputs'] = []\njson.dump(nb, open(f, 'w'))\nos.system('git add -u')"),
    ("python", "#!/usr/bin/env python\nimport json\nnb = json.load(open('a.ipynb'))\nif any(c['outputs'] != [] for c in nb['cells']):\n    print('it has outputs')"),
]


def git(*words):
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    name = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *name, *words], env=environment, capture_output=True, text=True)


def takes(kind, text):
    """Whether the notebook that is committed lacks an output of the one that is there."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        git("init", "--quiet")
        outputs = [new_output("stream", text="1\n"), new_output("execute_result", data={"text/plain": "2"}, execution_count=1)]
        nbformat.write(new_notebook(cells=[new_code_cell("print(1)\n2", execution_count=1, outputs=outputs)]), "a.ipynb")
        if kind == "filter":
            git("config", "filter.f.clean", text)
            git("config", "filter.f.required", "true")
            pathlib.Path(".gitattributes").write_text("*.ipynb filter=f\n")
        else:
            if not text.startswith("#!"):
                text = f"#!/bin/bash\n{text}"
            hook = pathlib.Path(".git/hooks/pre-commit")
            hook.parent.mkdir(exist_ok=True)
            hook.write_text(text + "\n")
            hook.chmod(0o755)
        added = git("add", "a.ipynb")
        done = git("commit", "--quiet", "-m", "a")
        shown = git("show", "HEAD:a.ipynb")
        os.chdir("/")
        if shown.returncode or not shown.stdout:
            raise SystemExit(f"{text}: {added.stderr} {done.stderr} {shown.stderr}")
        return sum(len(cell.get("outputs", [])) for cell in json.loads(shown.stdout)["cells"]) < len(outputs)


def main():
    entries = []
    for kind, all_of_kind in (("filter", FILTERS), ("hook", HOOKS)):
        for program, text in all_of_kind:
            try:
                version = importlib.metadata.version(program)
            except importlib.metadata.PackageNotFoundError:
                version = JQ_VERSION if program == "jq" else ""
            entries.append({"kind": kind, "tool": program, "version": version, "text": text, "takes": takes(kind, text)})
    text = json.dumps(entries, indent=1, ensure_ascii=False)
    (HERE / "filters.json").write_text(text + "\n", encoding="utf-8")


main()
