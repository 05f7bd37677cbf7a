"""Text files: one column, `text`.

Options:
    sample_by: `"line"` (default), `"paragraph"` (blank lines between) or `"document"` (a row is a file).
    keep_linebreaks: keep the line break at the end of each line.
    encoding: default UTF-8, or what a byte order mark says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from ...errors import InvalidArgumentError
from .files import open_text

OPTIONS: dict[str, Any] = {"sample_by": "line", "keep_linebreaks": False, "encoding": None}
ALIASES: dict[str, str] = {}
BATCH_ROWS = 8_192


class TextReader:
    schema = pa.schema([("text", pa.string())])

    def __init__(self, files: Sequence[Path], options: Mapping[str, Any]) -> None:
        self._files, self._options = files, options
        if options["sample_by"] not in _SAMPLES:
            raise InvalidArgumentError(f"sample_by is one of {', '.join(_SAMPLES)}, not {options['sample_by']!r}.")

    def batches(self) -> Iterator[pa.RecordBatch]:
        sample = _SAMPLES[self._options["sample_by"]]
        for file in self._files:
            with open_text(file, self._options["encoding"], newline=None) as text:
                rows = sample(text, self._options["keep_linebreaks"])
                while chunk := list(islice(rows, BATCH_ROWS)):
                    yield pa.RecordBatch.from_arrays([pa.array(chunk, pa.string())], schema=self.schema)


def reader(files: Sequence[Path], options: Mapping[str, Any]) -> TextReader:
    return TextReader(files, options)


def _lines(text: TextIO, keep: bool) -> Iterator[str]:
    return iter(text) if keep else (line.removesuffix("\n") for line in text)


def _paragraphs(text: TextIO, keep: bool) -> Iterator[str]:
    lines: list[str] = []
    for line in text:
        if line.strip():
            lines.append(line)
        elif lines:
            yield _joined(lines, keep)
            lines = []
    if lines:
        yield _joined(lines, keep)


def _joined(lines: list[str], keep: bool) -> str:
    whole = "".join(lines)
    return whole if keep else whole.removesuffix("\n")


def _document(text: TextIO, keep: bool) -> Iterator[str]:
    yield text.read()


_SAMPLES = {"line": _lines, "paragraph": _paragraphs, "document": _document}
