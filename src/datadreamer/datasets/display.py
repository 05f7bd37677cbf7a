"""How datasets show themselves: one line in a shell, a small escaped table in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

_CELL = 200


def line(kind: str, columns: Sequence[str], rows: int | None, step: Any) -> str:
    """The `repr` of a dataset."""
    count = "unknown number of rows" if rows is None else f"{rows:,} row" + "s" * (rows != 1)
    name = getattr(step, "name", None)
    of_step = f", step={name!r}" if name else ""
    return f"{kind}({count}, columns=[{', '.join(map(repr, columns))}]{of_step})"


def table(title: str, types: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> str:
    """The first rows as HTML. Every cell is escaped: generated text must not become part of the page."""
    head = "".join(f"<th>{escape(name)}<br><small>{escape(word)}</small></th>" for name, word in types.items())
    body = "".join("<tr>" + "".join(f"<td>{escape(_short(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<p>{escape(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _short(cell: Any) -> str:
    text = cell if isinstance(cell, str) else repr(cell)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
