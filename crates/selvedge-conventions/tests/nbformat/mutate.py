"""Notebooks that are changed at random, each with whether nbformat opens it: `verdicts.jsonl`.

    python mutate.py 400 1 > verdicts.jsonl        # what the tests read
    python mutate.py 100000 2 > /tmp/many.jsonl    # SELVEDGE_VERDICTS=/tmp/many.jsonl cargo test --test nbformat

Made with nbformat 5.11.1, Python 3.13.
"""

import copy
import json
import logging
import random
import sys
import warnings

import nbformat

logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

VERSION_4 = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {
        "kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"},
        "widgets": {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}},
    },
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# A\n", "b"], "attachments": {"a.png": {"image/png": "aGk="}}},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"tags": ["x"], "trusted": True},
            "execution_count": 1,
            "source": "1/0",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
                {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": ["1"], "application/json": [1]}},
                {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": ["<svg/>"]}},
                {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["t"]},
            ],
        },
        {"cell_type": "raw", "id": "c", "metadata": {}, "source": ""},
    ],
}

VERSION_3 = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {"name": "a"},
    "worksheets": [
        {
            "metadata": {},
            "cells": [
                {"cell_type": "heading", "level": 1, "metadata": {}, "source": ["A"]},
                {"cell_type": "markdown", "metadata": {}, "source": "b", "rendered": ["c"]},
                {
                    "cell_type": "code",
                    "language": "python",
                    "collapsed": False,
                    "metadata": {},
                    "input": ["1/0\n", "2"],
                    "prompt_number": 1,
                    "outputs": [
                        {"output_type": "stream", "stream": "stdout", "text": ["a"]},
                        {"output_type": "pyout", "prompt_number": 1, "metadata": {}, "text": ["1"], "json": "[1]", "html": "<b/>"},
                        {"output_type": "display_data", "metadata": {}, "png": "aGk="},
                        {"output_type": "pyerr", "ename": "E", "evalue": "x", "traceback": ["t"]},
                    ],
                },
            ],
        }
    ],
}

BASES = [VERSION_4, VERSION_4, VERSION_4, {**VERSION_4, "nbformat_minor": 4}, VERSION_3, {**VERSION_3, "nbformat": 2, "nbformat_minor": 0}]

VALUES = [
    None, True, False, 0, 1, 3, 4, 5, 6, -1, 2.5, 4.0, 10**30, "", "x", "code", "markdown", "heading", "stream", "error", "pyout",
    "display_data", [], ["a"], ["a", "b\n"], [1], ["a", None], [[]], [{}], {}, {"a": 1}, {"a": {}}, {"a": "b"}, {"cell_type": "code"},
]  # fmt: skip
KEYS = [
    "nbformat", "nbformat_minor", "metadata", "cells", "worksheets", "cell_type", "source", "outputs", "output_type", "data", "text",
    "attachments", "id", "input", "level", "json", "collapsed", "orig_nbformat", "rendered", "execution_count",
]  # fmt: skip


def places(node, found):
    """All places in a tree: what holds a value, and its key or index."""
    entries = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in entries:
        found.append((node, key))
        if isinstance(value, (dict, list)):
            places(value, found)
    return found


def change_tree(root, at_random):
    """Changes one place of the tree."""
    holder, key = at_random.choice(places(root, []) or [(root, None)])
    kind = at_random.randrange(6)
    if key is None:
        root["cells"] = []
    elif kind <= 1:
        del holder[key]
    elif kind <= 3:
        holder[key] = copy.deepcopy(at_random.choice(VALUES))
    elif kind == 4 and isinstance(holder[key], dict):
        holder[key][at_random.choice(KEYS)] = copy.deepcopy(at_random.choice(VALUES))
    elif isinstance(holder, list):
        holder.insert(key, copy.deepcopy(at_random.choice(VALUES)))
    else:
        holder[at_random.choice(KEYS)] = copy.deepcopy(at_random.choice(VALUES))


def change_text(text, at_random):
    """Changes the text in one place."""
    at = at_random.randrange(len(text) + 1)
    numbers = [i for i, c in enumerate(text) if c.isdigit()] or [0]
    number_at = at_random.choice(numbers)
    kind = at_random.randrange(16)
    if kind == 14:
        # How deep Python goes depends on who calls it, a little.
        depth = at_random.choice([100, 900, 1100, 5000])
        nested = at_random.choice(["[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth])
        return text.replace('"metadata": {', f'"metadata": {{"deep": {nested}, ', 1)
    if kind == 15:
        digits = at_random.choice([30, 400, 4300, 4301, 5001])
        number = at_random.choice(["", "-"]) + "7" * digits + at_random.choice(["", "", ".5", "e1"])
        return text[:number_at] + number + text[number_at + 1 :]
    if kind == 0:
        return text[:at]
    if kind == 1:
        return "\ufeff" + text
    if kind == 2:
        word = at_random.choice(["NaN", "Infinity", "-Infinity", "1e999", "-0", "01", "1.", ".5", "+1", "1E5", "nan", "1" * 400, "0x1", "1_0"])
        return text[:number_at] + word + text[number_at + 1 :]
    if kind == 3:
        return text.replace("\\n", at_random.choice(["\\ud83d", "\\ude00", "\\ud83d\\ude00", "\\x", "\\u12", "\\/", "\\ud83d\\n"]), 1)
    if kind == 4:
        return text + at_random.choice(["\n", " ", "\x00", "{}", ",", "\u00a0", "\r\n"])
    if kind == 5:
        return text[:at] + at_random.choice(["\t", "\n", "\x01", "\x7f", "\u2028", "é", "\\", '"', ",", "}", "]", " ", "//", "'"]) + text[at:]
    if kind == 6:
        return at_random.choice(["", " ", "\n", "null", "[]", "{}", '"a"', "3"])
    if kind == 7:
        return text.replace('"source":', at_random.choice(['"source": 3, "source":', '"source":"x","source":']), 1)
    if kind == 8:
        return text.replace('"metadata": {', '"metadata": {"metadata": 1, "metadata": {}, ', 1)
    if kind == 9:
        return text.replace('"nbformat":', '"nbformat": 9, "nbformat":', 1)
    if kind == 10:
        return text[:at] + text[at + 1 :]
    if kind == 11:
        return text.replace(", ", ",\r\n\t")
    if kind == 12:
        return text.replace('"metadata": {}', '"metadata": {"a": [1, {"b": [[[[[[[[[[[[3]]]]]]]]]]]]}]}')
    return text.replace("}", "},", 1) if at_random.random() < 0.5 else text


def opens(data):
    """Whether nbformat opens the bytes of a file."""
    try:
        nbformat.reads(data.decode("utf-8"), as_version=4)
    except Exception:
        return False
    return True


def main():
    count, at_random = int(sys.argv[1]), random.Random(int(sys.argv[2]))
    for _ in range(count):
        root = copy.deepcopy(at_random.choice(BASES))
        for _ in range(at_random.choice([0, 1, 1, 1, 2, 3])):
            change_tree(root, at_random)
        text = json.dumps(root, ensure_ascii=False)
        if at_random.random() < 0.35:
            text = change_text(text, at_random)
        data = text.encode("utf-8")
        if at_random.random() < 0.01:
            at = at_random.randrange(len(data) + 1)
            data = data[:at] + bytes([at_random.choice([0xFF, 0xC0, 0xE2, 0x80])]) + data[at:]
        try:
            written = {"text": data.decode("utf-8")}
        except UnicodeDecodeError:
            written = {"bytes": list(data)}
        print(json.dumps({"opens": opens(data), **written}, ensure_ascii=True))


main()
