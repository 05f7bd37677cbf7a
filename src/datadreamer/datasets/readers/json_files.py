"""JSON files: one object a line, or one list of objects. Either way each object is a row.

Options:
    field: where the list is, when the file is one object (`{"data": [...]}` → `field="data"`).
    lines: True for one object a line, False for one document; by default the file's beginning tells.
    column_types: column to type, over what would be inferred.
    encoding: default UTF-8, or what a byte order mark says.
Rows may lack keys (null) and numbers may mix (int and float give float); text beside numbers is an error with its line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import msgspec
import pyarrow as pa

from ...errors import SourceError, nearest
from ..convert import CellError, cast, cell_name, to_array
from ..types import fit, parse_type, type_name, widen
from .files import open_text
from .infer_text import to_type
from .two_pass import Piece, TwoPass

OPTIONS: dict[str, Any] = {"field": None, "lines": None, "column_types": None, "encoding": None}
ALIASES = {"dtype": "column_types"}
BATCH_ROWS = 4_096
_CHUNK = 1 << 20

Numbered = tuple[int, Any]  # the line a value starts on, and the value


class JSONReader(TwoPass):
    def __init__(self, files: Sequence[Path], options: Mapping[str, Any]) -> None:
        super().__init__()
        self._files, self._options = files, options
        self._declared = {name: parse_type(type_) for name, type_ in (options["column_types"] or {}).items()}
        self._types: dict[str, pa.DataType] = {}

    def read(self) -> Iterator[Piece]:
        for file in self._files:
            first_row = 0
            rows = self._rows(file)
            while chunk := list(islice(rows, BATCH_ROWS)):
                yield Piece(self._batch(file, chunk), file, first_row)
                first_row += len(chunk)

    def _rows(self, file: Path) -> Iterator[Numbered]:
        for line, row in self._values(file):
            if not isinstance(row, dict):
                raise SourceError(
                    f"{file}, line {line}: {cell_name(row)} is no object. Each row is an object from column name to "
                    'value, such as {"text": "..."}.'
                )
            yield line, row

    def _values(self, file: Path) -> Iterator[Numbered]:
        if self._options["field"] is not None:
            yield from _in_document(file, self._options)
            return
        form = _form(file, self._options)
        if form == "document":
            yield from _in_document(file, self._options)
            return
        with open_text(file, self._options["encoding"]) as text:
            yield from elements(file, text) if form == "list" else _in_lines(file, text)

    def _batch(self, file: Path, chunk: list[Numbered]) -> pa.RecordBatch:
        names = list(dict.fromkeys(name for _, row in chunk for name in row))
        arrays = []
        for name in names:
            try:
                arrays.append(to_array([row.get(name) for _, row in chunk]))
            except CellError as error:
                line = chunk[error.index][0]
                raise SourceError(
                    f"{file}, line {line}: column {name!r} cannot hold {cell_name(error.value)}: {error.reason}."
                ) from None
        if not names:
            return pa.RecordBatch.from_struct_array(pa.array([{}] * len(chunk), pa.struct([])))
        return pa.RecordBatch.from_arrays(arrays, names=names)

    # --- types --------------------------------------------------------------------------------------------------------

    def look(self, piece: Piece) -> None:
        for field in piece.batch.schema:
            known = self._types.get(field.name, pa.null())
            declared = self._declared.get(field.name)
            if declared is None:
                wider = widen(known, field.type)
            else:
                wider = declared if _written_as_text(declared, field.type) else fit(declared, field.type)
            if wider is None:
                expected = type_name(declared if declared is not None else known)
                raise SourceError(
                    f"{piece.file}, line {self._line_of(piece, field.name, declared or known)}: column {field.name!r} "
                    f"{'is to be' if declared is not None else 'held'} {expected}"
                    f"{'' if declared is not None else ' in the rows before'}, and here {type_name(field.type)}. "
                    "Make the values of a column alike, for example all text."
                )
            self._types[field.name] = wider

    def _line_of(self, piece: Piece, name: str, known: pa.DataType) -> int:
        """The line of the first value of a piece that does not go with the type before it."""
        cells = piece.batch.column(name)
        at = next((i for i in range(len(cells)) if cells[i].is_valid and not _goes(known, cells[i].as_py())), 0)
        return next(islice(self._rows(piece.file), piece.first_row + at, None))[0]

    def settle(self) -> pa.Schema:
        unknown = next((name for name in self._declared if name not in self._types), None)
        if unknown is not None:
            raise SourceError(
                f"No row has a column {unknown!r}, which column_types names. {nearest(unknown, self._types)}"
            )
        return pa.schema(list(self._types.items()))

    def finish(self, piece: Piece, schema: pa.Schema) -> pa.RecordBatch:
        if not schema.names:
            return piece.batch
        return pa.RecordBatch.from_arrays([self._finish_column(piece, field) for field in schema], schema=schema)

    def _finish_column(self, piece: Piece, field: pa.Field) -> pa.Array:
        if field.name not in piece.batch.schema.names:
            return pa.nulls(piece.batch.num_rows, field.type)
        cells = piece.batch.column(field.name)
        convert = to_type if _written_as_text(field.type, cells.type) else cast
        try:
            return convert(cells, field.type)
        except pa.ArrowInvalid:
            at = next(at for at in range(len(cells)) if not _converts(convert, cells.slice(at, 1), field.type))
            line = next(islice(self._rows(piece.file), piece.first_row + at, None))[0]
            raise SourceError(
                f"{piece.file}, line {line}: {cell_name(cells[at].as_py())} in column {field.name!r} cannot become "
                f"{type_name(field.type)} without changing it."
            ) from None


def _written_as_text(wanted: pa.DataType, found: pa.DataType) -> bool:
    """JSON has no dates and no decimals: where they are declared, text is read as one."""
    return pa.types.is_string(found) and (pa.types.is_temporal(wanted) or pa.types.is_decimal(wanted))


def _converts(convert: Any, cells: pa.Array, target: pa.DataType) -> bool:
    try:
        convert(cells, target)
    except pa.ArrowInvalid:
        return False
    return True


def reader(files: Sequence[Path], options: Mapping[str, Any]) -> JSONReader:
    return JSONReader(files, options)


def _goes(known: pa.DataType, value: Any) -> bool:
    try:
        return widen(known, to_array([value]).type) is not None
    except CellError:
        return False


def _form(file: Path, options: Mapping[str, Any]) -> str:
    """`lines`, `list` or `document`: by the file's beginning, where the options leave it open."""
    lines = options["lines"]
    with open_text(file, options["encoding"]) as text:
        start = next((c for c in iter(lambda: text.read(1), "") if not c.isspace()), "")
        if start == "":
            raise SourceError(f"{file} has nothing but white space.")
        if lines:
            return "lines"
        if start == "[":
            return "list"
        if lines is None:
            rest = text.readline()
            # an object that goes on over several lines is one document
            over_lines = start == "{" and not rest.rstrip().endswith("}") and _decode(start + rest) is _BROKEN
            return "document" if over_lines else "lines"
    return "document"


_BROKEN = object()
_decoder = msgspec.json.Decoder()


def _decode(line: str) -> Any:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError):
        try:
            return json.loads(line)  # also takes NaN, and numbers of any size
        except ValueError:
            return _BROKEN


def _in_lines(file: Path, text: TextIO) -> Iterator[Numbered]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        value = _decode(line)
        if value is _BROKEN:
            raise _invalid_line(file, number, line)
        yield number, value


def _invalid_line(file: Path, number: int, line: str) -> SourceError:
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return SourceError(
            f"{file}, line {number}, column {error.colno}: not valid JSON: {error.msg}. "
            f"The line is {line.strip()[:80]!r}, and each line must be one whole object."
        )
    raise AssertionError("the line is valid")


def _in_document(file: Path, options: Mapping[str, Any]) -> Iterator[Numbered]:
    """Rows of a file that is one object; the only form that is read whole."""
    with open_text(file, options["encoding"]) as text:
        content = text.read()
    try:
        document = json.loads(content)
    except json.JSONDecodeError as error:
        raise SourceError(f"{file}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}.") from None
    field = options["field"]
    if field is not None:
        document = _field(file, document, field)
    elif not isinstance(document, list):
        lists = (
            [name for name, value in document.items() if isinstance(value, list)] if isinstance(document, dict) else []
        )
        cure = f"If the rows are in {lists[0]!r}, use field={lists[0]!r}." if lists else "Give a list of objects."
        raise SourceError(f"{file}: the top level is {type_of(document)}, neither a list nor one object a line. {cure}")
    if isinstance(document, dict) and field is not None:
        document = _columns_to_rows(file, document)
    if not isinstance(document, list):
        raise SourceError(f"{file}: {field!r} holds {type_of(document)}, not a list of objects.")
    yield from ((1, row) for row in document)


def _field(file: Path, document: Any, field: str) -> Any:
    if not isinstance(document, dict) or field not in document:
        hint = nearest(field, document) if isinstance(document, dict) else "The top level is no object."
        raise SourceError(f"{file} has no field {field!r}. {hint}")
    return document[field]


def _columns_to_rows(file: Path, columns: dict[str, Any]) -> list[dict[str, Any]]:
    lengths = {len(values) if isinstance(values, list) else -1 for values in columns.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise SourceError(f"{file}: an object of columns needs lists of one length.")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def type_of(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def elements(file: Path, text: TextIO, chunk: int = _CHUNK) -> Iterator[Numbered]:
    """The elements of one top-level list, decoded one by one from a window of the text."""
    window = _Window(file, text, chunk)
    window.skip_space()
    window.at += 1  # the opening bracket
    window.skip_space()
    if window.peek() == "]":
        window.close()
        return
    while True:
        line = window.line
        yield line, window.value()
        window.skip_space()
        mark = window.peek()
        if mark == "]":
            window.close()
            return
        if mark != ",":
            raise window.error("expected ',' or ']' after an element")
        window.at += 1
        window.skip_space()


class _Window:
    """A stretch of text that moves over the file; positions are within the stretch, lines within the file."""

    def __init__(self, file: Path, text: TextIO, chunk: int) -> None:
        self._file, self._text, self._chunk = file, text, chunk
        self._buffer, self.at, self._done = "", 0, False
        self._decoder = json.JSONDecoder()
        self._counted = 0  # how far line breaks of the buffer were counted
        self._counted_lines = 0

    @property
    def line(self) -> int:
        self._counted_lines += self._buffer.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._counted_lines + 1

    def _more(self) -> bool:
        if self._done:
            return False
        _ = self.line
        piece = self._text.read(max(self._chunk, len(self._buffer) - self.at))
        if not piece:
            self._done = True
            return False
        self._buffer = self._buffer[self.at :] + piece
        self.at = self._counted = 0
        return True

    def skip_space(self) -> None:
        while True:
            while self.at < len(self._buffer) and self._buffer[self.at] in " \t\r\n\ufeff":
                self.at += 1
            if self.at < len(self._buffer) or not self._more():
                return

    def peek(self) -> str:
        return self._buffer[self.at] if self.at < len(self._buffer) else ""

    def value(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self.at)
            except json.JSONDecodeError as error:
                # near the window's end it may only be cut off; further inside it is wrong
                cut_off = error.msg.startswith("Unterminated") or error.pos > len(self._buffer) - 64
                if cut_off and self._more():
                    continue
                raise self._invalid(error) from None
            if end >= len(self._buffer) - 1 and self._more():
                continue
            self.at = end
            return value

    def close(self) -> None:
        self.at += 1
        self.skip_space()
        if self.at < len(self._buffer):
            raise self.error("there is more after the closing ']'")

    def error(self, problem: str) -> SourceError:
        if not self.peek():
            problem = "the list is not closed: the file ends early"
        return SourceError(f"{self._file}, line {self.line}: not valid JSON: {problem}.")

    def _invalid(self, error: json.JSONDecodeError) -> SourceError:
        line = self.line + self._buffer.count("\n", self.at, error.pos)
        what = error.msg
        before, found = self._buffer[: error.pos].rstrip()[-1:], self._buffer[error.pos : error.pos + 1]
        if before == "," and found in ("]", "}"):
            what = f"a comma stands before the closing '{found}': remove it"
        return SourceError(f"{self._file}, line {line}: not valid JSON: {what}.")
