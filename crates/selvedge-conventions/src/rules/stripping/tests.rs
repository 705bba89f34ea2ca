use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{by_name, in_filter, in_hook};

mod files;

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

#[track_caller]
fn check_filter(commands: &[&str], expected: Option<&str>) {
    for command in commands {
        let found = in_filter(command, &none());
        assert_eq!(found.map(|found| found.tool), expected, "{command}");
    }
}

#[track_caller]
fn check_hook(scripts: &[&str], expected: Option<&str>) {
    for script in scripts {
        let found = in_hook(script, false, &none());
        assert_eq!(found.map(|found| found.tool), expected, "{script}");
    }
}

#[test]
fn tools_are_known_and_may_be_told_to_keep_outputs() {
    for (command, expected) in [
        ("nbstripout", Some("nbstripout")),
        ("\"python\" -m nbstripout", Some("nbstripout")),
        (
            "'C:\\Python\\Scripts\\nbstripout.exe' -t",
            Some("nbstripout"),
        ),
        ("uvx nbstripout@0.9.1", Some("nbstripout")),
        ("sh -c 'nbstripout \"$@\"'", Some("nbstripout")),
        (
            "cat a && nbstripout --keep-count a.ipynb",
            Some("nbstripout"),
        ),
        ("nbstripout notebooks", None),
        ("nbstripout -f a.bak", Some("nbstripout")),
        ("nbstripout --keep-output", None),
        ("nbstripout --keep-output-type stream", Some("nbstripout")),
        (
            "nbstripout --keep-output --drop-output-type error",
            Some("nbstripout"),
        ),
        ("nbstripout --verify a", None),
        ("nb-clean clean", Some("nb-clean")),
        ("nb-clean", Some("nb-clean")),
        ("nb-clean clean --preserve-cell-outputs", None),
        ("nb-clean -o", None),
        ("nb-clean -co", None),
        ("nb-clean -c -n", Some("nb-clean")),
        ("nb-clean check a", None),
        ("nbdev_clean", None),
        ("nbdev-clean --clear-all", Some("nbdev")),
        ("nbdev_clean --clear_all", Some("nbdev")),
        ("nbwipers clean -", Some("nbwipers")),
        ("nbwipers clean-all --keep-output .", None),
        ("nbwipers check-all .", None),
        ("nbwipers-clean", Some("nbwipers")),
        (
            "jupyter-notebook-cleanup --pin-patterns '[pin]'",
            Some("jupyter-notebook-cleanup"),
        ),
        ("databooks meta --overwrite", None),
        ("databooks meta --rm-outs a", Some("databooks")),
        ("databooks meta --rm-outs --prefix clean_ a", None),
        ("databooks-meta --rm-outs", Some("databooks")),
        (
            "jupyter nbconvert --clear-output --inplace",
            Some("nbconvert"),
        ),
        (
            "jupyter nbconvert --ClearOutputPreprocessor.enabled=True",
            Some("nbconvert"),
        ),
        (
            "jupyter-nbconvert --ClearOutputPreprocessor.enabled true --to notebook",
            Some("nbconvert"),
        ),
        (
            "python3 -m nbconvert --to=notebook --clear-output",
            Some("nbconvert"),
        ),
        (
            "jupyter nbconvert --ClearOutputPreprocessor.enabled=False",
            None,
        ),
        ("jupyter nbconvert --clear-output --execute --inplace", None),
        ("jupyter nbconvert --clear-output --to html", None),
        ("jq '.cells[].outputs = []'", Some("jq")),
        (
            "jq --indent 1 '(.cells[] | .outputs) |= []' \"$1\"",
            Some("jq"),
        ),
        ("jq --arg a '.outputs = []' .", None),
        ("git lfs clean -- %f", None),
        ("ruff format", None),
    ] {
        check_filter(&[command], expected);
    }
    assert_eq!(by_name("nbstripout"), Some("nbstripout"));
    assert_eq!(by_name("ruff"), None);
}

/// Whoever runs the tool, and whatever the script calls it.
#[test]
fn a_tool_that_is_run_by_another_program_is_found() {
    check_hook(
        &[
            "nbstripout a.ipynb",
            "TOOL=nbstripout; $TOOL \"$f\"",
            "TOOL=\"nbstripout --keep-count\"\n$TOOL \"$f\"",
            "TOOL=${TOOL:-nbstripout}\n\"${TOOL}\" \"$f\"",
            "TOOL=$(command -v nbstripout) && \"$TOOL\" \"$f\"",
            "TOOL=`which nbstripout`; \"$TOOL\" \"$f\"",
            "export TOOL=nbstripout\n$TOOL a.ipynb",
            "STRIP=(python -m nbstripout)\n\"${STRIP[@]}\" \"$f\"",
            "\"$VENV/bin/nbstripout\" \"$f\"",
            "exec nbstripout \"$f\"",
            "command nbstripout \"$f\"",
            "eval \"nbstripout $f\"",
            "env PYTHONUTF8=1 nbstripout \"$f\"",
            "PYTHONUTF8=1 nbstripout \"$f\"",
            "time -f %e nice -n 10 timeout -k 5 30 nbstripout \"$f\"",
            "git diff --cached --name-only -- '*.ipynb' | xargs nbstripout",
            "git diff --cached -z --name-only | xargs -0 -r -n 1 -I {} sh -c 'nbstripout {}'",
            "find . -name '*.ipynb' -exec nbstripout {} +",
            "python -m nbstripout \"$f\"",
            "python -mnbstripout \"$f\"",
            "python3.13 -W ignore -m nbstripout \"$f\"",
            "uv run nbstripout \"$f\"",
            "uv run --with nb-clean -- nbstripout \"$f\"",
            "uv run -m nbstripout \"$f\"",
            "uv tool run nbstripout \"$f\"",
            "uvx --from nbstripout==0.9.1 nbstripout \"$f\"",
            "pipx run nbstripout \"$f\"",
            "poetry run nbstripout \"$f\"",
            "poetry run python -m nbstripout \"$f\"",
            "conda run -n base --no-capture-output nbstripout \"$f\"",
            "nix-shell -p nbstripout --run 'nbstripout a.ipynb'",
            "if command -v nbstripout >/dev/null 2>&1; then\n  nbstripout \"$f\"\nfi",
            "for f in $(git ls-files '*.ipynb'); do nbstripout \"$f\" && git add \"$f\"; done",
            "git ls-files | while read -r f; do nbstripout \"$f\"; done",
            "case \"$f\" in\n  *.ipynb) nbstripout \"$f\" ;;\nesac",
            "strip() {\n  nbstripout \"$1\"\n}\nstrip a.ipynb",
            "function strip { nbstripout \"$1\"; }\ngit ls-files | xargs -I{} bash -c 'strip {}'",
            "git show \":$f\" | nbstripout | git hash-object -w --stdin",
            "nbstripout -t \"$f\" > \"$f.new\" && mv \"$f.new\" \"$f\"",
            "bash <<'END'\nnbstripout a.ipynb\nEND",
            "[ -z \"$f\" ] && exit 0\nnbstripout \"$f\"",
            "nbstripout \\\n  \"$f\"",
        ],
        Some("nbstripout"),
    );
    check_hook(
        &[
            "jq '.cells[].outputs = []' \"$f\" > \"$f.new\" && mv \"$f.new\" \"$f\"",
            "jq '.cells[].outputs = []' \"$f\" | sponge \"$f\"",
            "gojq 'del(.cells[].outputs)' \"$f\" | tee \"$f\"",
            "yq -i -o json '.cells[].outputs = []' \"$f\"",
        ],
        Some("jq"),
    );
}

/// A hook that asked whether there is a tool, or spoke of one, was said to run it.
#[test]
fn a_tool_that_is_only_named_or_looked_for_is_none() {
    check_hook(
        &[
            "# nbstripout a.ipynb",
            "echo 'run nbstripout a.ipynb'",
            "echo nbstripout a; # nbstripout a",
            "printf 'nbstripout %s\\n' \"$f\"",
            "cat <<END\nnbstripout a.ipynb\nEND",
            ": <<'END'\nnbstripout a.ipynb\nEND",
            "command -v nbstripout",
            "command -v nbstripout >/dev/null || { echo 'no nbstripout'; exit 1; }",
            "hash nbstripout",
            "which nbstripout",
            "type nbstripout",
            "[ -x \"$(command -v nbstripout)\" ] || exit 1",
            "if ! which nbstripout; then\n  pip install nbstripout\nfi",
            "pip show nbstripout",
            "python -m pip install nbstripout",
            "conda list | grep nbstripout",
            "grep -q nbstripout .gitattributes",
            "git config filter.nbstripout.clean nbstripout",
            "nbstripout --install",
            "TOOL=nbstripout",
            "uv run --with nbstripout python check.py",
            "uvx --from nbstripout ruff check",
            "strip() {\n  nbstripout \"$1\"\n}",
            "exit 0\nnbstripout a.ipynb",
            "if false; then\n  nbstripout a.ipynb\nelse\n  true\nfi",
            "case \"$1\" in nbstripout) echo yes ;; esac",
            "[[ $TOOL == x && nbstripout ]]",
            "for tool in nbstripout ruff; do echo $tool; done",
            "nbstripout $NBSTRIPOUT_OPTIONS a.ipynb",
            "OPTIONS=--keep-output\nnbstripout $OPTIONS a.ipynb",
            "TOOL=nbstripout\nread -r TOOL\n$TOOL a.ipynb",
            "nbstripout -t a.ipynb",
            "nbstripout < a.ipynb | diff - a.ipynb",
            "nbstripout -t a.ipynb > /dev/null",
            "jq '.cells[].outputs = []' a.ipynb | cmp - a.ipynb",
            "jq '.outputs = {}' terraform.tfstate > a",
            "#!/usr/bin/env node\nnbstripout a.ipynb",
        ],
        None,
    );
}

#[test]
fn scripts_in_python_are_read() {
    let head = "#!/usr/bin/env python3\nimport json, os, shutil, subprocess, sys\n";
    let all = |bodies: &[&str], expected: Option<&str>| {
        for body in bodies {
            check_hook(&[&format!("{head}{body}")], expected);
        }
    };
    all(
        &[
            "subprocess.run(['nbstripout', f], check=True)",
            "subprocess.check_call([sys.executable, '-m', 'nbstripout', *files])",
            "TOOL = 'nbstripout'\nsubprocess.call([TOOL] + files)",
            "cmd = ['nbstripout']\ncmd.append(f)\nsubprocess.Popen(cmd)",
            "subprocess.run(f'nbstripout {f}', shell=True)",
            "subprocess.run('nbstripout %s' % f, shell=True)",
            "subprocess.run('nbstripout a.ipynb'.split())",
            "os.system('nbstripout ' + f)",
            "os.execvp('nbstripout', ['nbstripout', *sys.argv[1:]])",
            "tool = shutil.which('nbstripout')\nif tool: subprocess.run([tool, f])",
            "def main():\n    subprocess.run(['nbstripout', f])\nmain()",
            "def sh(command):\n    subprocess.run(command)\nsh(['nbstripout', f])",
        ],
        Some("nbstripout"),
    );
    all(
        &[
            "for f in files:\n    nb = json.load(open(f))\n    for c in nb['cells']:\n        c['outputs'] = []\n    json.dump(nb, open(f, 'w'))",
            "nb = nbformat.read(path, 4)\nfor c in nb.cells:\n    c.outputs = []\nnbformat.write(nb, path)",
            "nb = json.loads(p.read_text())\nfor c in nb['cells']:\n    c.update(outputs=[])\np.write_text(json.dumps(nb))",
            "nb = nbformat.read(path, 4)\nnbstripout.strip_output(nb, False, False)\nnbformat.write(nb, path)",
        ],
        Some("a script"),
    );
    all(
        &[
            "# subprocess.run(['nbstripout', f])",
            "print('nbstripout', f)",
            "if not shutil.which('nbstripout'): sys.exit('no nbstripout')",
            "subprocess.run(['nbstripout', '--verify', f])",
            "subprocess.run(['pip', 'install', 'nbstripout'])",
            "def main():\n    subprocess.run(['nbstripout', f])",
            "nb = json.load(open(f))\nif any(c['outputs'] != [] for c in nb['cells']): print('outputs', f)",
            "nb = json.load(open(f))\nfor c in nb['cells']: c['outputs'] = []\nassert nb == json.load(open(g))",
            "nb = json.load(open(f))\nfor c in nb['cells']: c['outputs'] = []\njson.dump(nb, open('docs/a.ipynb', 'w'))",
            "subprocess.run([tool, f])",
        ],
        None,
    );
}

/// A filter is given the notebook, and prints what is committed.
#[test]
fn filters_in_python_are_read() {
    let head = "import json, sys; nb = json.load(sys.stdin);";
    for (body, expected) in [
        (
            "[c.update(outputs=[]) for c in nb[\"cells\"] if c[\"cell_type\"] == \"code\"]; json.dump(nb, sys.stdout)",
            Some("a script"),
        ),
        (
            "[c.pop(\"outputs\", None) for c in nb[\"cells\"]]; print(json.dumps(nb))",
            Some("a script"),
        ),
        (
            "nb[\"cells\"] = [{**c, \"outputs\": []} for c in nb[\"cells\"]]; json.dump(nb, sys.stdout)",
            Some("a script"),
        ),
        (
            "[c.update(execution_count=None) for c in nb[\"cells\"]]; json.dump(nb, sys.stdout)",
            None,
        ),
    ] {
        check_filter(&[&format!("python3 -c '{head} {body}'")], expected);
    }
}

#[test]
fn scripts_of_the_repository_are_looked_into() {
    let scripts = [
        (
            "tools/strip.sh",
            "#!/bin/sh\nexec python tools/strip.py \"$1\"\n",
        ),
        (
            "tools/strip.py",
            "import os, sys\nos.system('nbstripout ' + sys.argv[1])\n",
        ),
        ("tools/strip.jq", ".cells[].outputs = []"),
        ("circle.sh", "./circle.sh\n"),
    ];
    let scripts = scripts.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let scripts = BTreeMap::from(scripts);
    for (hook, expected) in [
        ("tools/strip.sh a.ipynb", Some("nbstripout")),
        (
            "\"$(git rev-parse --show-toplevel)/tools/strip.sh\" a.ipynb",
            Some("nbstripout"),
        ),
        (". ./tools/strip.sh", Some("nbstripout")),
        (
            "git ls-files | xargs python tools/strip.py",
            Some("nbstripout"),
        ),
        (
            "jq -f tools/strip.jq a.ipynb > b && mv b a.ipynb",
            Some("jq"),
        ),
        ("echo tools/strip.sh", None),
        ("tools/strip.sh --check", None),
        ("./circle.sh", None),
    ] {
        let found = in_hook(hook, false, &scripts);
        assert_eq!(found.map(|found| found.tool), expected, "{hook}");
    }
    let found = in_hook(
        "#!/bin/sh\n\n# a\ntrue \\\n  a\n  nbstripout a.ipynb\n",
        false,
        &scripts,
    );
    assert_eq!(found.unwrap().line, 6);
}

/// Variables that double themselves, and words in words, are as cheap as others.
#[test]
fn texts_that_grow_are_read_in_bounded_time_and_memory() {
    for text in [
        format!("A=aaaaaaaa\n{}", "A=$A$A\n".repeat(100_000)),
        format!(
            "A=({})\n{}",
            "a ".repeat(1000),
            "B=(\"${A[@]}\")\n$A \"${A[@]}\"\n".repeat(2_000)
        ),
        "$(".repeat(100_000),
        "`".repeat(100_001),
        "\"${".repeat(100_000),
        "a (".repeat(100_000),
        "f() {\n".repeat(50_000),
        "case a in ".repeat(50_000),
        "cat <<A\n".repeat(50_000),
        (0..20_000)
            .map(|n| format!("f{n}() {{ f{}; }}\n", n + 1))
            .collect::<String>()
            + "f0",
        format!(
            "#!/usr/bin/python\nx = 'a'\n{}",
            "x = x + x\n".repeat(3_000)
        ),
    ] {
        assert_eq!(in_hook(&text, false, &none()), None);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        text in "(if|then|fi|for|in|do|done|case|esac|f\\(\\)|[-a-cA=$`'\"(){}\\[\\]<>;&|#!\\\\ \n\té@*:]){0,60}"
    ) {
        let _ = in_hook(&text, false, &none());
        let _ = in_hook(&format!("#!python\n{text}"), false, &none());
        let _ = in_filter(&text, &none());
    }
}
