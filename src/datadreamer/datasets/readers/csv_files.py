"""CSV files, strictly: a stray quote or a row of another width is an error with its line, never a silently wrong row.

Options:
    sep: one character between cells (also `delimiter`). Default a comma.
    quotechar, escapechar, doublequote, skipinitialspace: as in Python's `csv`.
    header: True (or `"infer"`, 0): the first row has the names; False (or None): it is data already.
    names: names of the columns (also `column_names`); without `header`, the first row is then data.
    column_types: column to type (also `dtype`), over what would be inferred: `{"zip": str, "day": "date"}`.
    na_values: texts that mean null, besides the empty cell.
    encoding: default UTF-8, or what a byte order mark says.
    skiprows: lines to leave out at the top.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...errors import InvalidArgumentError, SourceError, nearest
from ..types import parse_type, type_name
from .files import open_text
from .infer_text import TextColumn, to_type
from .two_pass import KEEP_BYTES, Piece, TwoPass

OPTIONS: dict[str, Any] = {
    "sep": ",",
    "quotechar": '"',
    "escapechar": None,
    "doublequote": True,
    "skipinitialspace": False,
    "header": "infer",
    "names": None,
    "column_types": None,
    "na_values": (),
    "encoding": None,
    "skiprows": 0,
}
ALIASES = {"delimiter": "sep", "column_names": "names", "dtype": "column_types"}
BATCH_ROWS = 4_096
_LONGEST_CELL = 1 << 28  # a quote that never closes must not swallow a whole disk
_OTHER_SEPARATORS = (";", "\t", "|", ",")


class CSVReader(TwoPass):
    def __init__(self, files: Sequence[Path], options: Mapping[str, Any], keep_bytes: int = KEEP_BYTES) -> None:
        super().__init__(keep_bytes)
        self._files, self._options = files, options
        self._format = _format(options)
        self._header = _has_header(options)
        self._names: list[str] | None = None
        self._declared = {name: parse_type(type_) for name, type_ in (options["column_types"] or {}).items()}
        self._columns: dict[str, TextColumn] = {}

    def read(self) -> Iterator[Piece]:
        for file in self._files:
            with open_text(file, self._options["encoding"]) as text:
                yield from self._read_file(file, text)

    def _read_file(self, file: Path, text: Any) -> Iterator[Piece]:
        for _ in range(self._options["skiprows"]):
            text.readline()
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
        rows = csv.reader(text, **self._format)
        first_row, names = 0, None
        while chunk := self._next(file, rows):
            if names is None:
                names, chunk = self._name_columns(file, chunk)
            self._check_widths(file, names, chunk, first_row)
            if chunk:
                yield Piece(self._batch(names, chunk), file, first_row)
            first_row += len(chunk)
        if names is None:
            raise SourceError(f"{file} is empty.")

    def _next(self, file: Path, rows: Any) -> list[list[str]]:
        """The next rows, blank lines left out."""
        while True:
            try:
                chunk = list(islice(rows, BATCH_ROWS))
            except csv.Error as error:
                raise self._broken(file, error) from None
            kept = [row for row in chunk if row] if [] in chunk else chunk
            if kept or not chunk:
                return kept

    def _name_columns(self, file: Path, chunk: list[list[str]]) -> tuple[list[str], list[list[str]]]:
        given = self._options["names"]
        if given is not None:
            names = list(given)
        elif self._header:
            names = [name.strip() or f"Unnamed: {at}" for at, name in enumerate(chunk[0])]
            if len(names) == 1:
                self._check_separator(file, chunk)
        else:
            names = [str(at) for at in range(len(chunk[0]))]
        self._check_names(file, names)
        return names, chunk[1:] if self._header else chunk

    def _check_names(self, file: Path, names: list[str]) -> None:
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SourceError(
                f"{file}: two columns are called {twice!r}. Rename one, or give names=[...] and header=True."
            )
        unknown = next((name for name in self._declared if name not in names), None)
        if unknown is not None:
            raise SourceError(f"{file} has no column {unknown!r}, which column_types names. {nearest(unknown, names)}")
        if self._names is None:
            self._names = names
            self._columns = {name: TextColumn() for name in names}
        elif set(names) != set(self._names):
            odd = sorted(set(names) ^ set(self._names))[0]
            where = "has a column" if odd in names else "lacks the column"
            raise SourceError(f"{file} {where} {odd!r}, unlike {self._files[0]}. All files of a source need the same.")

    def _check_separator(self, file: Path, chunk: list[list[str]]) -> None:
        """One column is fine, unless its rows all split evenly at another separator."""
        cells = [row[0] for row in chunk[:20]]
        for other in _OTHER_SEPARATORS:
            counts = {cell.count(other) for cell in cells}
            if other != self._options["sep"] and len(counts) == 1 and counts != {0} and len(cells) > 1:
                raise SourceError(
                    f"{file} has one column when split at {self._options['sep']!r}: {cells[0][:60]!r}. "
                    f"Its cells seem to be separated by {other!r}: use sep={other!r}."
                )

    def _check_widths(self, file: Path, names: list[str], chunk: list[list[str]], first_row: int) -> None:
        if set(map(len, chunk)) <= {len(names)}:
            return
        at = next(at for at, row in enumerate(chunk) if len(row) != len(names))
        line = self._line(file, first_row + at)
        raise SourceError(
            f"{file}, line {line}: {len(chunk[at])} cells, and there are {len(names)} columns ({_some(names)}). A cell "
            f"with a {self._options['sep']!r} or a line break in it must be in {self._options['quotechar']} quotes."
        )

    def _batch(self, names: list[str], chunk: list[list[str]]) -> pa.RecordBatch:
        assert self._names is not None
        cells = dict(zip(names, zip(*chunk, strict=True), strict=True))
        return pa.RecordBatch.from_arrays([pa.array(cells[n], pa.string()) for n in self._names], names=self._names)

    # --- types --------------------------------------------------------------------------------------------------------

    def look(self, piece: Piece) -> None:
        for name, column in self._columns.items():
            if self._declared.get(name) is None:
                column.look(self._without_missing(piece.batch.column(name)))

    def settle(self) -> pa.Schema:
        return pa.schema([(name, self._declared.get(name) or column.type) for name, column in self._columns.items()])

    def finish(self, piece: Piece, schema: pa.Schema) -> pa.RecordBatch:
        arrays = []
        for field in schema:
            cells = self._without_missing(piece.batch.column(field.name))
            try:
                arrays.append(to_type(cells, field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                raise self._wrong_type(piece, field, cells) from None
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _without_missing(self, cells: pa.Array) -> pa.Array:
        missing = self._options["na_values"]
        if not missing:
            return cells
        gone = pc.is_in(cells, value_set=pa.array([missing] if isinstance(missing, str) else list(missing)))
        return pc.if_else(gone, pa.scalar(None, pa.string()), cells)

    # --- errors -------------------------------------------------------------------------------------------------------

    def _wrong_type(self, piece: Piece, field: pa.Field, cells: pa.Array) -> SourceError:
        for at in range(len(cells)):
            try:
                to_type(cells.slice(at, 1), field.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                line, cell = self._line(piece.file, piece.first_row + at), cells[at].as_py()
                return SourceError(
                    f"{piece.file}, line {line}: column {field.name!r} is to be {type_name(field.type)}, and {cell!r} "
                    f"is not. Leave it out of column_types, or add na_values=[{cell!r}]."
                )
        raise AssertionError("no cell is wrong")

    def _scan(self, file: Path) -> Iterator[tuple[int, int]]:
        """First and last line of every data row: read again, only to say where something is."""
        with open_text(file, self._options["encoding"]) as text:
            skipped = self._options["skiprows"]
            for _ in range(skipped):
                text.readline()
            rows = csv.reader(text, **self._format)
            before, header = skipped, self._header
            for row in rows:
                start, before = before + 1, skipped + rows.line_num
                if row and not header:
                    yield start, before
                header = header and not row

    def _last_line(self, file: Path) -> int:
        """The last line of the last row that can be read."""
        last = self._options["skiprows"] + self._header
        try:
            for _, end in self._scan(file):
                last = end
        except csv.Error:
            pass
        return last

    def _line(self, file: Path, row: int) -> int:
        return next(islice(self._scan(file), row, None))[0]

    def _broken(self, file: Path, error: csv.Error) -> SourceError:
        line, quote = self._last_line(file) + 1, self._options["quotechar"]
        if "expected after" in str(error):
            problem = f"a cell in {quote} goes on after the {quote} that closes it, or is not closed on its line"
        else:
            problem = f"a {quote} opens a cell that is never closed"
        return SourceError(
            f"{file}, line {line}: {problem}. Double a {quote} that belongs to the text ({quote}{quote}), put the "
            f"whole cell in {quote} quotes, or use quotechar= for another character."
        )


def reader(files: Sequence[Path], options: Mapping[str, Any]) -> CSVReader:
    return CSVReader(files, options)


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


def _format(options: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("sep", "quotechar", "escapechar"):
        value = options[name]
        if value is not None and (not isinstance(value, str) or len(value) != 1):
            raise InvalidArgumentError(f"{name} is one character, not {value!r}.")
    return {
        "delimiter": options["sep"],
        "quotechar": options["quotechar"],
        "escapechar": options["escapechar"],
        "doublequote": options["doublequote"],
        "skipinitialspace": options["skipinitialspace"],
        "quoting": csv.QUOTE_MINIMAL if options["quotechar"] is not None else csv.QUOTE_NONE,
        "strict": True,
    }


def _has_header(options: Mapping[str, Any]) -> bool:
    header = options["header"]
    if header == "infer":
        return options["names"] is None
    if header is None or header is False:
        return False
    if header is True or header == 0:
        return True
    raise InvalidArgumentError(f"header is True or False, not {header!r}; use skiprows to leave out lines at the top.")
