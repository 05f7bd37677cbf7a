"""Markdown out of untrusted text: names, prompts and generations may contain anything and must never become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

# C0 and C1 controls but tab and newline, and the bidirectional controls that can make text read as something else.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")

UNKNOWN = "unknown"


def clean(text: object) -> str:
    """Text with line ends as `\\n` and control characters shown as their code, so that none of them acts."""
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(lambda match: f"\\u{{{ord(match.group()):x}}}", lines)


def one_line(text: object, limit: int = 300) -> str:
    """Cleaned text on one line, cut at `limit` characters."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def inline(text: object, limit: int = 300) -> str:
    """Text inside a sentence, a heading or a table cell: shown as it is, never as markup or HTML."""
    escaped = one_line(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", escaped)


def code(text: object, limit: int = 300) -> str:
    """A code span, also for a table cell."""
    line = one_line(text, limit)
    if not line:
        return ""
    ticks = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    # inside a table a bar ends the cell even in a code span, unless it has a backslash
    return f"{ticks}{space}{line}{space}{ticks}".replace("|", "\\|")


def block(text: object, language: str = "text") -> str:
    """A fenced block whose fence is longer than any run of backticks in the text."""
    cleaned = clean(text).strip("\n")
    fence = "`" * max(3, _longest_run(cleaned) + 1)
    return f"{fence}{language}\n{cleaned}\n{fence}"


def link(text: object, url: str | None) -> str:
    """A link when `url` is http(s), else the text alone."""
    shown = inline(text)
    if url is None or not re.fullmatch(r"https?://[^\s<>()\"'`|\\]+", url):
        return shown
    return f"[{shown}]({url})"


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already (from `inline`, `code` or `link`). Empty when there are no rows."""
    body = ["| " + " | ".join(cell or " " for cell in row) + " |" for row in rows]
    if not body:
        return ""
    return "\n".join(["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers), *body])


def sections(*parts: str) -> str:
    """Non-empty parts with an empty line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def section(title: str, *parts: str) -> str:
    """A second-level heading and what is under it; nothing when there is nothing under it."""
    body = sections(*parts)
    return f"## {title}\n\n{body}" if body else ""


def number(value: float | None) -> str:
    """`1,234` or `unknown`."""
    return UNKNOWN if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def dollars(value: float | None) -> str:
    """US dollars, to the cent from one dollar on, finer below."""
    if value is None:
        return UNKNOWN
    return f"US$ {value:,.2f}" if value >= 1 or value == 0 else f"US$ {value:.4g}"


def percent(fraction: float | None) -> str:
    return UNKNOWN if fraction is None else f"{100 * fraction:.4g} %"


def when(seconds: float | None) -> str:
    """A UTC time to the second."""
    return UNKNOWN if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def settings_text(settings: dict[str, Any]) -> str:
    """`temperature=1.0, top_p=0.9` as a code span."""
    return code(", ".join(f"{key}={_plain(value)}" for key, value in settings.items() if value is not None))


def _plain(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
