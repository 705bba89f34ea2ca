"""Filters and hooks of git, each with whether it takes outputs out of a notebook that is committed: `filters.json`.

    python -m venv tools && tools/bin/pip install -r requirements.txt && tools/bin/python filters.py

Git runs each of them here, on a notebook of its own, and what is committed decides: never what the checker says. `jq`,
`make`, `perl` and `sed` are those of the system; lint-staged is found in the folder `$LINT_STAGED`, where
`npm install lint-staged@15` has put it.
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

STRIP = "nbstripout $f && git add $f"
IN_PYTHON = "#!/usr/bin/env python\nimport glob, os, shutil, subprocess, sys, tempfile\nimport nbformat\n"
EACH = "for f in glob.glob('**/*.ipynb', recursive=True):\n    nb = nbformat.read(f, 4)\n    for c in nb.cells:\n        {}\n    nbformat.write(nb, f)\nos.system('git add -u')"


def each(condition, of="$(git diff --cached --name-only)"):
    return f"for f in {of}; do\n  {condition}\ndone"


# What is more than a filter or a hook: the files that it calls, where the notebook lies, and what its metadata say.
REPOSITORIES = [
    ("nbstripout", "filter", "nbstripout", {"metadata": {"keep_output": True}}),
    ("nbstripout", "filter", "nbstripout", {"cell": {"tags": ["keep_output"]}}),
    ("nbstripout", "filter", "nbstripout", {"cell": {"keep_output": True}}),
    ("nbstripout", "filter", "nbstripout", {"cell": {"init_cell": True}}),
    ("nbstripout", "filter", "nbstripout", {"cell": {"tags": ["keep_outputs"]}}),
    ("nbstripout", "filter", "nbstripout", {"metadata": {"keep_output": True}, "cell": {"keep_output": False}}),
    ("nbwipers", "filter", "nbwipers clean -", {"metadata": {"keep_output": True}}),
    ("nbwipers", "filter", "nbwipers clean -", {"cell": {"tags": ["keep_output"]}}),
    ("nb-clean", "filter", "nb-clean clean", {"metadata": {"keep_output": True}}),
    ("nbwipers", "filter", "nbwipers clean -", {"files": {"pyproject.toml": "[tool.nbwipers]\ndrop-output = false\n"}}),
    ("nbwipers", "filter", "nbwipers clean -", {"files": {".nbwipers.toml": "drop-output = false\n"}}),
    ("nbwipers", "filter", "nbwipers clean -", {"files": {"pyproject.toml": "[tool.nbwipers]\nkeep-output = true\n"}}),
    ("nbstripout", "filter", "nbstripout --keep-output --drop-output-type stream", {}),
    ("nbstripout", "filter", "nbstripout --keep-output --drop-output-type=error", {}),
    ("nbstripout", "filter", "nbstripout --max-size 1", {}),
    ("perl", "filter", "perl -0777 -pe 's/\"outputs\": \\[.*?\\n   \\]/\"outputs\": []/gs'", {}),
    ("perl", "filter", "perl -pe 's/\"execution_count\": \\d+/\"execution_count\": null/'", {}),
    ("perl", "filter", "perl -MJSON::PP -0777 -ne '$n = decode_json($_); $_->{outputs} = [] for @{$n->{cells}}; print encode_json($n)'", {}),
    ("nbstripout", "filter", "if [ -n \"$STRIP\" ]; then nbstripout; else cat; fi", {}),
    ("nbstripout", "filter", "sh strip.sh %f", {"files": {"strip.sh": "case \"$1\" in docs/*) nbstripout ;; *) cat ;; esac\n"}}),
    ("nbstripout", "filter", "sh strip.sh %f", {"notebook": "docs/a.ipynb", "files": {"strip.sh": "case \"$1\" in docs/*) nbstripout ;; *) cat ;; esac\n"}}),
    *(
        (program, "hook", text, {"notebook": notebook, "files": files})
        for program, text, files in [
            ("nbstripout", each(f"case $f in docs/*.ipynb) {STRIP} ;; esac"), {}),
            ("nbstripout", each(f"case $f in private/*|notebooks/*) continue ;; esac\n  {STRIP}"), {}),
            ("nbstripout", each(f"[[ $f == docs/* ]] || continue\n  {STRIP}"), {}),
            ("nbstripout", each(f"if [[ $f =~ ^docs/.*ipynb$ ]]; then\n    {STRIP}\n  fi"), {}),
            ("nbstripout", each(f"if echo $f | grep -q '^docs/'; then {STRIP}; fi"), {}),
            ("nbstripout", each(STRIP, "$(git diff --cached --name-only | grep '^docs/.*[.]ipynb$')"), {}),
            ("nbstripout", each(STRIP, "$(git diff --cached --name-only -- docs)"), {}),
            ("nbstripout", "shopt -s nullglob\n" + each(STRIP, "docs/*.ipynb"), {}),
            ("nbstripout", "git diff --cached --name-only | grep -v '^notebooks/' | xargs -r nbstripout\ngit add -u", {}),
            ("nbstripout", "git diff --cached --name-only -- ':!notebooks' | while read -r f; do nbstripout $f; done\ngit add -u", {}),
            ("nbstripout", "while read -r f; do nbstripout $f; done < <(git ls-files docs)\ngit add -u", {}),
            ("nbstripout", "find . -name '*.ipynb' -not -path './notebooks/*' -exec nbstripout {} +\ngit add -u", {}),
            ("nbstripout", "[ -d docs ] && cd docs && nbstripout *.ipynb\ngit add -u", {}),
            ("nbstripout", each(f'[ "$(dirname $f)" = docs ] || continue\n  {STRIP}'), {}),
            ("nbstripout", each("case ${f%%/*} in docs|site) " + STRIP + " ;; esac"), {}),
            ("nbstripout", each("case $f in docs/*) ;; *) continue ;; esac\n  " + STRIP), {}),
            ("nbstripout", "strip() {\n  nbstripout $1\n  git add $1\n}\n" + each("strip $f", "$(git ls-files docs)"), {}),
            ("nbstripout", "files=($(git diff --cached --name-only | grep docs/))\n[ ${#files[@]} -eq 0 ] && exit 0\nnbstripout ${files[@]}\ngit add -u", {}),
            ("nbstripout", "shopt -s extglob\n" + each("case $f in @(docs|site)/*.ipynb) " + STRIP + " ;; esac"), {}),
            ("nbstripout", "shopt -s extglob\n" + each("case $f in !(docs/*)) continue ;; esac\n  " + STRIP), {}),
            ("nbstripout", "shopt -s extglob nullglob\n" + each(STRIP, "@(docs|site)/*.ipynb"), {}),
            ("nbstripout", each("[[ $f == @(docs|site)/*.@(ipynb|md) ]] || continue\n  " + STRIP), {}),
            ("nbstripout", each("if [[ $f == !(docs/*) ]]; then continue; fi\n  " + STRIP), {}),
            ("nbstripout", each("if [[ $f == docs/* || $f == site/* ]]; then " + STRIP + "; fi"), {}),
            ("nbstripout", each("if [[ $f == notebooks/* && $f == *.ipynb ]]; then continue; fi\n  " + STRIP), {}),
            ("make", "make -s strip", {"Makefile": "NOTEBOOKS := $(wildcard docs/*.ipynb)\n\nstrip: $(NOTEBOOKS:.ipynb=.stripped)\n\tgit add -u\n\n%.stripped: %.ipynb\n\tnbstripout $<\n"}),
            ("make", "make -s", {"Makefile": "%.html: %.ipynb\n\tjupyter nbconvert $<\n\nstrip: $(shell git ls-files docs)\n\ttest -z '$^' || nbstripout $^\n\tgit add -u\n"}),
            ("make", "make -s strip", {"Makefile": "TOOL ?= nbstripout\n\nstrip: look\n\t-$(TOOL) $(wildcard docs/*.ipynb) </dev/null\n\tgit add -u\n\nlook:\n\t@true\n"}),
            ("lint-staged", "$LINT_STAGED/lint-staged", {"package.json": '{"lint-staged": {"docs/*.ipynb": "nbstripout"}}'}),
            ("python", IN_PYTHON + "for f in glob.glob('docs/*.ipynb'):\n    subprocess.run(['nbstripout', f])\nos.system('git add -u')", {}),
            ("python", IN_PYTHON + "for f in glob.glob('**/*.ipynb', recursive=True):\n    if not f.startswith('docs/'):\n        continue\n    subprocess.run(['nbstripout', f])\nos.system('git add -u')", {}),
        ]
        for notebook in ["docs/a.ipynb", "notebooks/a.ipynb"]
    ),
    *(
        ("nbstripout", "hook", text, {})
        for text in [
            "[ -n \"$STRIP\" ] && nbstripout a.ipynb && git add -u\ntrue",
            "[ \"${STRIP:-no}\" = yes ] || exit 0\nnbstripout a.ipynb && git add -u",
            "[ -n \"$SKIP_STRIP\" ] && exit 0\nnbstripout a.ipynb && git add -u",
            "if [ \"$(git config --bool hooks.strip)\" = true ]; then nbstripout a.ipynb && git add -u; fi",
            "STRIP=yes\nif [ $STRIP = yes ]; then nbstripout a.ipynb && git add -u; fi",
            "case \"$1\" in --strip) nbstripout a.ipynb && git add -u ;; esac",
            "tmp=$(mktemp)\ncp a.ipynb $tmp\nnbstripout -f $tmp\ncmp -s a.ipynb $tmp || echo 'it has outputs'",
            "tmp=$(mktemp)\ncp a.ipynb $tmp\nnbstripout -f $tmp\nmv $tmp a.ipynb\ngit add -u",
            "mkdir -p public\ncp a.ipynb public/b.ipynb\nnbstripout public/b.ipynb",
            "nbstripout -t a.ipynb > b.txt",
            "test -f .strip && nbstripout a.ipynb && git add -u\ntrue",
            "if [[ $STRIP -eq 1 ]]; then nbstripout a.ipynb && git add -u; fi",
            "if (( STRIP )); then nbstripout a.ipynb && git add -u; fi",
            "if (( $# == 0 )); then nbstripout a.ipynb && git add -u; fi",
            "if git config --get hooks.strip > /dev/null; then nbstripout a.ipynb && git add -u; fi",
            "branch=$(git rev-parse --abbrev-ref HEAD 2> /dev/null)\n[ \"$branch\" = release ] && nbstripout a.ipynb && git add -u\ntrue",
            "while getopts s o; do case $o in s) strip=1 ;; esac; done\n[ -n \"$strip\" ] && nbstripout a.ipynb && git add -u\ntrue",
            "main() {\n  [ \"$1\" = --strip ] && nbstripout a.ipynb && git add -u\n}\nmain \"$@\"\ntrue",
        ]
    ),
    ("nbstripout", "hook", ". ./settings.sh\n[ \"$STRIP\" = 1 ] && nbstripout a.ipynb && git add -u\ntrue", {"files": {"settings.sh": "STRIP=0\n"}}),
    ("nbstripout", "hook", ". ./settings.sh\n[ \"$STRIP\" = 1 ] && nbstripout a.ipynb && git add -u\ntrue", {"files": {"settings.sh": "STRIP=1\n"}}),
    ("make", "hook", "make -s STRIP=1", {"files": {"Makefile": "ifeq ($(STRIP),1)\nall: strip\nelse\nall:\n\ttrue\nendif\nstrip:\n\tnbstripout a.ipynb\n\tgit add -u\n"}}),
    ("make", "hook", "make -s", {"files": {"Makefile": "ifeq ($(STRIP),1)\nall: strip\nelse\nall:\n\ttrue\nendif\nstrip:\n\tnbstripout a.ipynb\n\tgit add -u\n"}}),
    ("python", "hook", IN_PYTHON + EACH.format("tags = c.metadata.get('tags', [])\n        if 'strip' in tags or 'private' in tags:\n            c.outputs = []"), {}),
    ("python", "hook", IN_PYTHON + EACH.format("if c.cell_type == 'code':\n            c.outputs = [o for o in c.outputs if o.output_type != 'stream']"), {}),
    ("python", "hook", IN_PYTHON + EACH.format("if 'strip' in c.metadata.get('tags', []):\n            c.outputs = []"), {}),
    ("python", "hook", IN_PYTHON + EACH.format("if 'keep' in c.metadata.get('tags', []):\n            continue\n        c.outputs = []"), {}),
    ("python", "hook", IN_PYTHON + "if os.environ.get('STRIP'):\n    subprocess.run(['nbstripout', 'a.ipynb'])\nos.system('git add -u')", {}),
    ("python", "hook", IN_PYTHON + "with tempfile.TemporaryDirectory() as d:\n    shutil.copy('a.ipynb', d)\n    subprocess.run(['nbstripout', f'{d}/a.ipynb'])", {}),
    ("make", "hook", "make -s", {"files": {"Makefile": "look:\n\ttest -f a.ipynb\nifdef STRIP\nlook: strip\nendif\nstrip:\n\tnbstripout a.ipynb\n\tgit add -u\n"}}),
    ("nbstripout", "hook", "nbstripout docs/*.ipynb < /dev/null\ngit add -u", {"notebook": "docs/old/a.ipynb"}),
    ("nbstripout", "hook", "nbstripout docs/*/*.ipynb < /dev/null\ngit add -u", {"notebook": "docs/old/a.ipynb"}),
    ("nbstripout", "hook", "git ls-files 'docs/*.ipynb' | xargs -r nbstripout\ngit add -u", {"notebook": "docs/old/a.ipynb"}),
    ("nbstripout", "hook", "nbstripout $NOTEBOOKS < /dev/null\ngit add -u", {}),
    ("make", "hook", "make -s strip", {"files": {"Makefile": "strip:\n\tnbstripout $(NOTEBOOKS) < /dev/null || true\n\tgit add -u\n"}}),
    ("perl", "hook", "perl -0777 -pi -e 's/\"outputs\": \\[.*?\\n   \\]/\"outputs\": []/gs' a.ipynb\ngit add -u", {}),
    ("databooks", "hook", "databooks meta a.ipynb --yes && git add -u", {"files": {"pyproject.toml": "[tool.databooks.meta]\nrm-outs = true\n"}}),
    ("databooks", "hook", "databooks meta a.ipynb --yes && git add -u", {"files": {"pyproject.toml": "[tool.databooks.meta]\nrm-outs = false\n"}}),
    ("nbdev", "hook", "nbdev-clean --fname a.ipynb && git add -u", {"files": {"pyproject.toml": "[project]\nname = 'a'\nversion = '0.1'\n[tool.nbdev]\nclear_all = true\n"}}),
    ("nbdev", "hook", "nbdev-clean --fname a.ipynb && git add -u", {"files": {"pyproject.toml": "[project]\nname = 'a'\nversion = '0.1'\n[tool.nbdev]\n"}}),
]  # fmt: skip


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


def takes(kind, text, notebook="a.ipynb", metadata=None, cell=None, files=None):
    """Whether the notebook that is committed lacks an output of the one that is there."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        git("init", "--quiet")
        outputs = [new_output("stream", text="1\n"), new_output("execute_result", data={"text/plain": "2"}, execution_count=1)]
        if kind == "filter":
            outputs.append(new_output("error", ename="E", evalue="x", traceback=[]))
        code = new_code_cell("print(1)\n2", execution_count=1, outputs=outputs, metadata=cell or {})
        for path, content in (files or {}).items():
            pathlib.Path(path).write_text(content)
        pathlib.Path(notebook).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=[code], metadata=metadata or {}), notebook)
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
        added = git("add", notebook)
        done = git("commit", "--quiet", "-m", "a")
        shown = git("show", f"HEAD:{notebook}")
        os.chdir("/")
        if shown.returncode or not shown.stdout:
            raise SystemExit(f"{text}: {added.stderr} {done.stdout} {done.stderr} {shown.stderr}")
        return sum(len(cell.get("outputs", [])) for cell in json.loads(shown.stdout)["cells"]) < len(outputs)


def version_of(program):
    try:
        return importlib.metadata.version(program)
    except importlib.metadata.PackageNotFoundError:
        return {"jq": JQ_VERSION, "lint-staged": "15"}.get(program, "")


def main():
    entries = []
    plain = [("filter", entry) for entry in FILTERS] + [("hook", entry) for entry in HOOKS]
    every = [(program, kind, text, {}) for kind, (program, text) in plain] + REPOSITORIES
    for program, kind, text, more in every:
        entry = {"kind": kind, "tool": program, "version": version_of(program), "text": text}
        entries.append({**entry, **more, "takes": takes(kind, text, **more)})
    text = json.dumps(entries, indent=1, ensure_ascii=False)
    (HERE / "filters.json").write_text(text + "\n", encoding="utf-8")


main()
