"""CSV, as pandas writes it: header, no index, quotes where needed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from ...errors import InvalidArgumentError, nearest
from ..rows import Rows
from .json_export import to_json_text
from .target import writing_file

_IGNORED = ("batch_size", "num_proc")
_KNOWN = ("sep", "header", "index", "columns", "na_rep", "quoting", "quotechar", "lineterminator", "encoding")


def export_csv(
    rows: Rows,
    path: str | Path,
    *,
    sep: str = ",",
    header: bool | Sequence[str] = True,
    index: bool = False,
    columns: Sequence[str] | None = None,
    na_rep: str = "",
    quoting: int = csv.QUOTE_MINIMAL,
    quotechar: str = '"',
    lineterminator: str = "\n",
    encoding: str = "utf-8",
    **options: Any,
) -> Path:
    """Write rows as CSV; lists and dicts as JSON text, bytes as base64.

    Args:
        rows: what to write.
        path: the file; an earlier text file there is replaced.
        sep: one character between cells.
        header: write the column names, or other names for them.
        index: a first column with row numbers.
        columns: which columns, all by default.
        na_rep: what stands for None.
        quoting: one of the `csv.QUOTE_...` constants.
        quotechar: the quote.
        lineterminator: the end of a row.
        encoding: of the file.
        options: `batch_size` and `num_proc` of old scripts change nothing.

    Returns:
        The path written.
    """
    for name in options:
        if name not in _IGNORED:
            raise InvalidArgumentError(f"export_csv has no option {name!r}. {nearest(name, [*_KNOWN, *_IGNORED])}")
    chosen = rows if columns is None else rows.select_columns(columns)
    shape = {"delimiter": sep, "quoting": quoting, "quotechar": quotechar, "lineterminator": lineterminator}
    with writing_file(path, "csv") as temporary, temporary.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, **shape)  # type: ignore[arg-type]
        if header is not False:
            names = chosen.column_names if header is True else list(header)
            writer.writerow([""] * index + names)
        start = 0
        for batch in chosen.batches():
            lists = [_cells(array, na_rep) for array in batch.columns]
            numbers = [range(start, start + batch.num_rows)] if index else []
            writer.writerows(zip(*numbers, *lists, strict=True))
            start += batch.num_rows
    return Path(path)


def _cells(array: pa.Array, na_rep: str) -> list[Any]:
    convert = _converter(array.type)
    cells = array.to_pylist()
    if convert is None and not array.null_count:
        return cells
    return [na_rep if cell is None else convert(cell) if convert else cell for cell in cells]


def _converter(type_: pa.DataType) -> Callable[[Any], Any] | None:
    if pt.is_nested(type_):
        return to_json_text
    if pt.is_binary(type_) or pt.is_large_binary(type_) or pt.is_fixed_size_binary(type_):
        return lambda cell: to_json_text(cell)[1:-1]
    return None
