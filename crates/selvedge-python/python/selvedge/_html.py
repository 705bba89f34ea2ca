"""What a notebook shows of a run and of a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape

from selvedge._arguments import is_url

_TABLE = "border-collapse:collapse;margin:.3em 0;font-variant-numeric:tabular-nums"
_CELL = "text-align:left;padding:.15em .9em .15em 0;border:0"


def card(title: str, lines: Iterable[str], head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A title, some lines, and a table. All of it is text, and is escaped."""

    def cells(tag: str, values: Sequence[object]) -> str:
        return "".join(f'<{tag} style="{_CELL}">{escape(str(value))}</{tag}>' for value in values)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    said = "".join(f"<div>{escape(line)}</div>" for line in lines)
    table = f'<table style="{_TABLE}"><thead><tr>{cells("th", head)}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div><div><b>{escape(title)}</b></div>{said}{table if body else ""}</div>'


def frame(page: str) -> str:
    """A whole page within another, whose scripts have no part in that one."""
    style = "width:100%;height:85vh;border:1px solid #8886"
    return f'<iframe sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{escape(page)}"></iframe>'


def short(path: str) -> str:
    """A path as people would say it here: relative to the working folder where that is shorter."""
    if is_url(path):
        return path
    relative = os.path.relpath(path)
    return relative if len(relative) < len(path) else path


def shape(axes: Sequence[int]) -> str:
    """A shape as NumPy writes it."""
    return f"({', '.join(map(str, axes))}{',' if len(axes) == 1 else ''})"
