"""JSON: one object a line, or one list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from ...errors import InvalidArgumentError, nearest
from ..rows import Rows
from .target import writing_file

_OPTIONS = ("orient", "lines", "force_ascii", "indent", "index", "batch_size", "num_proc")
_WIDE = re.compile(r"[^\x00-\x7f]")


def export_json(
    rows: Rows,
    path: str | Path,
    *,
    orient: str = "records",
    lines: bool | None = None,
    force_ascii: bool = True,
    indent: int | None = None,
    **options: Any,
) -> Path:
    """Write rows as JSON; datetimes as ISO 8601, Decimals as text, bytes as base64, NaN as null.

    Args:
        rows: what to write.
        path: the file; an earlier JSON file there is replaced.
        orient: `"records"`, which streams, or another orientation of pandas, which needs all rows in memory.
        lines: one object a line (the default for records), or one list.
        force_ascii: write non-ASCII characters as `\\uXXXX`.
        indent: spaces by which the objects of a list are indented.
        options: `index` for other orientations; `batch_size` and `num_proc` of old scripts change nothing.

    Returns:
        The path written.
    """
    for name in options:
        if name not in _OPTIONS:
            raise InvalidArgumentError(f"export_json has no option {name!r}. {nearest(name, _OPTIONS)}")
    if orient != "records":
        return _with_pandas(rows, path, orient, bool(lines), force_ascii, indent, options)
    lines = True if lines is None else lines
    if lines and indent:
        raise InvalidArgumentError("indent would break objects over several lines: use lines=False with it.")
    with writing_file(path, "json") as temporary, temporary.open("wb") as file:
        encoded = (_encode(row, force_ascii, indent) for row in rows.iterate(decode=False))
        _write_lines(file, encoded) if lines else _write_list(file, encoded)
    return Path(path)


def _write_lines(file: IO[bytes], encoded: Iterable[bytes]) -> None:
    for row in encoded:
        file.write(row)
        file.write(b"\n")


def _write_list(file: IO[bytes], encoded: Iterable[bytes]) -> None:
    separator = b"[\n"
    for row in encoded:
        file.write(separator + row)
        separator = b",\n"
    file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def _encode(row: dict[str, Any], force_ascii: bool, indent: int | None) -> bytes:
    encoded = _encoder.encode(row)
    if indent:
        encoded = msgspec.json.format(encoded, indent=indent)
    return encoded if not force_ascii or encoded.isascii() else _ascii(encoded)


def _ascii(encoded: bytes) -> bytes:
    return _WIDE.sub(_escape, encoded.decode()).encode()


def _escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _odd(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


_encoder = msgspec.json.Encoder(enc_hook=_odd)


def to_json_text(value: Any) -> str:
    """A nested cell as JSON text, for formats that have no nesting."""
    return _encoder.encode(value).decode()


def _with_pandas(
    rows: Rows,
    path: str | Path,
    orient: str,
    lines: bool,
    force_ascii: bool,
    indent: int | None,
    options: dict[str, Any],
) -> Path:
    kept = {name: value for name, value in options.items() if name == "index"}
    with writing_file(path, "json") as temporary:
        frame = rows.table().to_pandas()
        frame.to_json(temporary, orient=orient, lines=lines, force_ascii=force_ascii, indent=indent, **kept)
    return Path(path)
