//! Which files a hook is about, and what decides whether it runs at all.

use std::collections::BTreeMap;

use crate::rules::stripping::in_hook;

/// The notebook of each line; whether the script takes its outputs out.
#[track_caller]
fn check_files(scripts: &[&str], path: &str, expected: bool) {
    let others = [
        (
            "Makefile",
            "strip:\n\tnbstripout docs/*.ipynb\nall: strip\nifdef STRIP\nall: other\nendif\n\
             other:\n\tnbstripout notebooks/*.ipynb\n",
        ),
        (
            "package.json",
            "{\"scripts\": {\"strip\": \"nbstripout docs/*.ipynb\"},\n \
             \"lint-staged\": {\"docs/*.ipynb\": [\"nbstripout\", \"git add\"], \"*.py\": \"ruff\"}}",
        ),
        (
            "tools/strip.sh",
            "#!/bin/sh\n[ \"$1\" = --all ] || exit 0\nshift\nfor f in \"$@\"; do nbstripout \"$f\"; done\n",
        ),
        (
            "tools/some.py",
            "import subprocess, sys\nfor f in sys.argv[1:]:\n    if not f.startswith('docs/'):\n        continue\n    \
             subprocess.run(['nbstripout', f])\n",
        ),
    ];
    let others = others.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let others = BTreeMap::from(others);
    for script in scripts {
        let found = in_hook(script, false, &others);
        let takes =
            found.is_some_and(|found| found.on.is_empty() || found.on.has(path) == Some(true));
        assert_eq!(takes, expected, "{script}");
    }
}

/// Hooks that a script narrowed down to a folder were said to take outputs out of all notebooks.
#[test]
fn files_that_a_script_singles_out_are_told() {
    const OF_DOCS: &[&str] = &[
        "nbstripout docs/*.ipynb",
        "cd docs && nbstripout *.ipynb",
        "(cd docs; nbstripout a.ipynb)",
        "nbstripout $(git diff --cached --name-only | grep '^docs/')",
        "git diff --cached --name-only -- docs | xargs nbstripout",
        "git diff --cached --name-only -- '*.ipynb' ':!notebooks' | xargs -r nbstripout",
        "git ls-files 'docs/*.ipynb' | xargs nbstripout",
        "git diff --cached --name-only | grep -E '^(docs|site)/.*[.]ipynb$' | xargs nbstripout",
        "git diff --cached --name-only | grep ipynb | grep -v '^notebooks/' | xargs nbstripout",
        "find docs -name '*.ipynb' -exec nbstripout {} +",
        "find . -name '*.ipynb' -not -path './notebooks/*' | xargs nbstripout",
        "find . -path ./notebooks -prune -o -name '*.ipynb' -print0 | xargs -0 nbstripout",
        "for f in docs/*.ipynb; do nbstripout \"$f\"; git add \"$f\"; done",
        "for f in $(git diff --cached --name-only -- docs/); do nbstripout \"$f\"; done",
        "FILES=$(git ls-files | grep '^docs/.*\\.ipynb$')\n[ -z \"$FILES\" ] && exit 0\nnbstripout $FILES",
        "git diff --cached --name-only | grep '^docs/' | while read -r f; do nbstripout \"$f\"; done",
        "while read -r f; do nbstripout \"$f\"; done < <(git ls-files docs/)",
        "FILES=$(git ls-files docs/)\nwhile read -r f; do nbstripout \"$f\"; done <<< \"$FILES\"",
        "mapfile -t files < <(git ls-files docs/)\nnbstripout \"${files[@]}\"",
        "for f in $(git ls-files); do case \"$f\" in docs/*.ipynb) nbstripout \"$f\" ;; esac; done",
        "for f in $(git ls-files); do case $f in notebooks/*) ;; *.ipynb) nbstripout $f;; esac; done",
        "for f in $(git ls-files); do case $f in notebooks/*) continue;; esac; nbstripout $f; done",
        "for f in $(git ls-files); do case $f in docs/*) ;; *) continue;; esac; nbstripout $f; done",
        "for f in $(git ls-files); do [ \"$(dirname \"$f\")\" = docs ] && nbstripout \"$f\"; done",
        "for f in $(git ls-files); do case ${f%%/*} in docs|site) nbstripout \"$f\";; esac; done",
        "for f in $(git ls-files); do [ \"${f%/*}\" != docs ] && continue; nbstripout \"$f\"; done",
        "for f in $(git ls-files); do [[ $f == docs/* ]] && nbstripout \"$f\"; done",
        "for f in $(git ls-files); do [[ $f == docs/* ]] || continue; nbstripout \"$f\"; done",
        "for f in $(git ls-files); do\n  if [[ \"$f\" =~ ^docs/ ]]; then\n    nbstripout \"$f\"\n  fi\ndone",
        "for f in $(git ls-files); do if [[ $f == notebooks/* ]]; then continue; fi; nbstripout $f; done",
        "for f in $(git ls-files); do if echo \"$f\" | grep -q '^docs/'; then nbstripout $f; fi; done",
        "is_doc() { [[ $1 == docs/* ]]; }\nfor f in $(git ls-files); do is_doc $f || continue; nbstripout $f; done",
        "skip() { case $1 in notebooks/*) return 0;; *) return 1;; esac; }\nfor f in $(git ls-files); do skip $f && continue; nbstripout $f; done",
        "for d in docs examples; do for f in $d/*.ipynb; do nbstripout $f; done; done",
        "DIRS='docs site'; for d in $DIRS; do find $d -name '*.ipynb' | xargs nbstripout; done",
        "git ls-files | xargs -I{} sh -c 'case {} in docs/*) nbstripout {};; esac'",
        "git ls-files | xargs -n1 bash -c '[[ $0 == docs/* ]] && nbstripout \"$0\"'",
        "find . -type d -name notebooks -prune -o -name '*.ipynb' -print | xargs nbstripout",
        "git ls-files | awk '/^docs\\//' | xargs nbstripout",
        "git ls-files | sed -n '/^docs\\//p' | xargs nbstripout",
        "git ls-files | sed '/^notebooks\\//d' | xargs nbstripout",
        "for f in $(git ls-files docs); do git show \":$f\" | nbstripout | git hash-object -w --stdin; done",
        "run() { echo \"$@\"; \"$@\"; }\nrun nbstripout docs/*.ipynb",
        "strip() { nbstripout \"$1\"; }\nfor f in docs/*.ipynb; do strip \"$f\"; done",
        "f=docs/a.ipynb; nbstripout -t \"$f\" > \"$f.new\" && mv \"$f.new\" docs/a.ipynb",
        "nbstripout -t docs/a.ipynb | sponge docs/a.ipynb",
        "tools/strip.sh --all docs/*.ipynb",
        "python tools/some.py $(git ls-files)",
        "python3 -c 'import subprocess as s\nfor f in s.check_output([\"git\", \"ls-files\", \"docs\"]).split(): s.run([\"nbstripout\", f])'",
        "python3 -c 'import subprocess as s\nfs = [f for f in s.check_output([\"git\", \"ls-files\"]).split() if f.startswith(\"docs/\")]\nfor f in fs: s.run([\"nbstripout\", f])'",
        "python3 -c 'import subprocess as s, pathlib\nfor f in all:\n  if pathlib.Path(f).parts[0] == \"docs\": s.run([\"nbstripout\", f])'",
        "python3 -c 'import subprocess as s\nfor f in all:\n  if \"notebooks\" in f.parts: continue\n  s.run([\"nbstripout\", f])'",
        "python3 -c 'import subprocess as s\ndef one(f): s.run([\"nbstripout\", f])\ndef main():\n  for f in Path(\"docs\").glob(\"*.ipynb\"): one(f)\nmain()'",
        "make strip",
        "make all",
        "npm run strip",
        "npx lint-staged",
        "yarn lint-staged",
    ];
    // What comes back from elsewhere may be of any file.
    let moved = "f=docs/a.ipynb; nbstripout -t \"$f\" > \"$f.new\" && mv \"$f.new\" docs/a.ipynb";
    let narrow: Vec<&str> = OF_DOCS
        .iter()
        .copied()
        .filter(|text| *text != moved)
        .collect();
    check_files(OF_DOCS, "docs/a.ipynb", true);
    check_files(&narrow, "notebooks/a.ipynb", false);
}

/// What a variable, a setting or an argument decides that nobody sets does not run, and a copy is another
/// file.
#[test]
fn what_runs_only_where_somebody_wants_it_is_left_alone() {
    check_files(
        &[
            "[ -n \"$STRIP\" ] && nbstripout a.ipynb",
            "if [ \"$STRIP_NOTEBOOKS\" = 1 ]; then nbstripout a.ipynb; fi",
            "if [ \"${STRIP:-false}\" = true ]; then\n  nbstripout a.ipynb\nfi",
            "[ -z \"$STRIP\" ] && exit 0\nnbstripout a.ipynb",
            "[[ -n $STRIP ]] || exit 0\nnbstripout a.ipynb",
            "test \"$STRIP\" || exit 0; nbstripout a.ipynb",
            "if [[ \"$STRIP\" != yes ]]; then exit 0; fi\nnbstripout a.ipynb",
            "STRIP=no\nif [ $STRIP = yes ]; then nbstripout a.ipynb; fi",
            "if [ \"$(git config --bool hooks.strip)\" = true ]; then nbstripout a.ipynb; fi",
            "case \"$STRIP\" in 1|true) nbstripout a.ipynb ;; esac",
            "case \"${MODE:-keep}\" in strip) nbstripout a.ipynb;; *) true;; esac",
            "STRIP=0\nfor a in \"$@\"; do [ \"$a\" = --strip ] && STRIP=1; done\ntrue",
            "[ \"$1\" = --strip ] && nbstripout a.ipynb",
            "if [ $# -gt 0 ]; then nbstripout a.ipynb; fi",
            "if true; then exit 0; fi\nnbstripout a.ipynb",
            "[ -f .strip ] && nbstripout a.ipynb",
            "[ -e conf/strip.toml ] || exit 0\nnbstripout a.ipynb",
            "if [[ $STRIP -eq 1 ]]; then nbstripout a.ipynb; fi",
            "case \"${STRIP,,}\" in 1|true) nbstripout a.ipynb ;; esac",
            "[[ \"${STRIP:-}\" =~ ^(1|true)$ ]] && nbstripout a.ipynb",
            "if [ -v STRIP ]; then nbstripout a.ipynb; fi",
            "if [ \"$(git config --default false hooks.strip)\" = true ]; then nbstripout a.ipynb; fi",
            "DRY=1\nrun() { if [ $DRY = 1 ]; then echo \"$@\"; else \"$@\"; fi; }\nrun nbstripout a.ipynb",
            "if (( STRIP )); then nbstripout a.ipynb; fi",
            "if git config --get hooks.strip > /dev/null; then nbstripout a.ipynb; fi",
            "read -p 'strip? ' yn; case $yn in [Yy]*) nbstripout a.ipynb ;; esac",
            "read -r answer; [ \"$answer\" = y ] && nbstripout a.ipynb",
            "branch=$(git rev-parse --abbrev-ref HEAD)\n[ $branch = release ] && nbstripout a.ipynb",
            "while getopts s o; do case $o in s) strip=1;; esac; done\n[ -n \"$strip\" ] && nbstripout a.ipynb",
            "main() { [ \"$1\" = --strip ] && nbstripout a.ipynb; }; main \"$@\"",
            "make",
            "make look",
            "tools/strip.sh a.ipynb",
            "cp a.ipynb \"$TMPDIR/a.ipynb\" && nbstripout \"$TMPDIR/a.ipynb\"",
            "tmp=$(mktemp)\ncp a.ipynb \"$tmp\"\nnbstripout -f \"$tmp\"\ndiff \"$tmp\" a.ipynb",
            "tmp=$(mktemp -d)\ngit ls-files | cpio -p $tmp\ncd $tmp && nbstripout *.ipynb",
            "cp a.ipynb public/a.ipynb; nbstripout public/a.ipynb",
            "nbstripout -t a.ipynb > public/a.ipynb",
            "jq '.cells[].outputs = []' a.ipynb > \"$f.clean\"",
            "nbstripout --keep-output $(git diff --name-only)",
            "#!/usr/bin/env python3\nimport os, subprocess\nif os.environ.get('STRIP'):\n    \
             subprocess.run(['nbstripout', 'a.ipynb'])\n",
            "#!/usr/bin/env python3\nimport sys, subprocess\nif '--strip' in sys.argv:\n    \
             subprocess.run(['nbstripout', 'a.ipynb'])\n",
            "#!/usr/bin/env python3\nimport argparse, subprocess\np = argparse.ArgumentParser()\n\
             p.add_argument('--strip', action='store_true')\nargs = p.parse_args()\nif args.strip:\n    \
             subprocess.run(['nbstripout', 'a.ipynb'])\n",
            "#!/usr/bin/env python3\nimport os\nSTRIP = os.environ.get('STRIP', '0') == '1'\nif STRIP: os.system('nbstripout a.ipynb')\n",
            "#!/usr/bin/env python3\nimport os\nif os.getenv('STRIP', 'no').lower() in ('1', 'yes'):\n    os.system('nbstripout a.ipynb')\n",
            "#!/usr/bin/env python3\nimport os\ndef on():\n    return os.environ.get('STRIP') == '1'\nif on(): os.system('nbstripout a.ipynb')\n",
            "#!/usr/bin/env python3\nimport os\nSTRIP = False\nif STRIP: os.system('nbstripout a.ipynb')\n",
            "#!/usr/bin/env python3\nimport os\np.add_argument('--mode', default='check')\nargs = p.parse_args()\n\
             if args.mode == 'strip': os.system('nbstripout a.ipynb')\n",
            "#!/usr/bin/env python3\nimport tempfile, shutil, subprocess\n\
             with tempfile.TemporaryDirectory() as d:\n    shutil.copy('a.ipynb', d)\n    \
             subprocess.run(['nbstripout', f'{d}/a.ipynb'])\n",
            "#!/usr/bin/env python3\nimport nbformat\nnb = nbformat.read('a.ipynb', 4)\nfor c in nb.cells:\n    \
             if 'strip' in c.metadata.get('tags', []):\n        c.outputs = []\nnbformat.write(nb, 'a.ipynb')\n",
            "#!/usr/bin/env python3\nimport nbformat\nnb = nbformat.read('a.ipynb', 4)\nfor c in nb.cells:\n    \
             if 'strip' not in c.metadata.get('tags', []):\n        continue\n    c.outputs = []\n\
             nbformat.write(nb, 'a.ipynb')\n",
            "#!/usr/bin/env python3\nimport glob, subprocess\nfor f in glob.glob('docs/*.ipynb'):\n    \
             subprocess.run(['nbstripout', f])\n",
            "#!/usr/bin/env python3\nimport subprocess\nfrom pathlib import Path\n\
             for f in sorted(Path('docs').rglob('*.ipynb')):\n    subprocess.run(['nbstripout', str(f)])\n",
        ],
        "a.ipynb",
        false,
    );
    check_files(
        &[
            "[ -z \"$SKIP\" ] && nbstripout a.ipynb",
            "[ -n \"$SKIP\" ] && exit 0\nnbstripout a.ipynb",
            "if [ \"${STRIP:-1}\" = 1 ]; then nbstripout a.ipynb; fi",
            "STRIP=yes\n[ $STRIP = yes ] && nbstripout a.ipynb",
            "[ -d notebooks ] && nbstripout a.ipynb",
            "[ -f tools/strip.sh ] || exit 0\nnbstripout a.ipynb",
            "[ -f STRIP ] && nbstripout a.ipynb",
            "if command -v nbstripout; then nbstripout a.ipynb; else exit 1; fi",
            "which nbstripout || { echo none; exit 0; }\nnbstripout a.ipynb",
            "case \"$1\" in --check) exit 0 ;; esac\nnbstripout a.ipynb",
            "case \"$(uname)\" in Darwin) T=nbstripout;; *) T=nbstripout;; esac\n$T a.ipynb",
            "tools/strip.sh --all a.ipynb",
            "if [ \"${f##*.}\" = ipynb ]; then nbstripout a.ipynb; fi",
            "if [ \"$(git diff --cached --name-only | wc -l)\" -gt 0 ]; then nbstripout a.ipynb; fi",
            "if [ \"$(git config --default true hooks.strip)\" = true ]; then nbstripout a.ipynb; fi",
            "if (( $# == 0 )); then nbstripout a.ipynb; fi",
            "tmp=$(mktemp)\ncp a.ipynb $tmp\nnbstripout -f $tmp\nmv $tmp a.ipynb",
            "#!/usr/bin/env python3\nimport nbformat\nnb = nbformat.read('a.ipynb', 4)\nfor c in nb.cells:\n    \
             if 'keep' in c.metadata.get('tags', []):\n        continue\n    c.outputs = []\n\
             nbformat.write(nb, 'a.ipynb')\n",
            "#!/usr/bin/env python3\nimport tempfile, shutil, subprocess\n\
             with tempfile.TemporaryDirectory() as d:\n    shutil.copy('a.ipynb', d)\n    \
             subprocess.run(['nbstripout', f'{d}/a.ipynb'])\n    shutil.move(f'{d}/a.ipynb', 'a.ipynb')\n",
        ],
        "a.ipynb",
        true,
    );
}

/// What a file of settings says counts where the command line says nothing.
#[test]
fn settings_of_tools_are_read() {
    for (file, text, command, expected) in [
        (
            "pyproject.toml",
            "[tool.databooks.meta]\nrm-outs = true\n",
            "databooks meta .",
            Some("databooks"),
        ),
        (
            "pyproject.toml",
            "[tool.databooks.meta]\nrm_outs = false\n",
            "databooks meta .",
            None,
        ),
        (
            "pyproject.toml",
            "[tool.nbwipers]\ndrop-output = false\n",
            "nbwipers clean-all .",
            None,
        ),
        (
            "pyproject.toml",
            "[tool.ruff]\n",
            "nbwipers clean-all .",
            Some("nbwipers"),
        ),
        (
            "settings.ini",
            "[DEFAULT]\nclear_all = True\n",
            "nbdev_clean",
            Some("nbdev"),
        ),
        (
            "settings.ini",
            "[DEFAULT]\nclear_all = False\n",
            "nbdev_clean",
            None,
        ),
    ] {
        let scripts = BTreeMap::from([(file.to_owned(), text.to_owned())]);
        let found = in_hook(command, false, &scripts);
        assert_eq!(found.map(|found| found.tool), expected, "{text}");
    }
}
