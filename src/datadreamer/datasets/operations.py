"""What looks across rows: order, duplicates, samples, lists spread over rows. Each gives row numbers for `Rows.select`.

Row numbers are also the lineage of what comes out. Random ones come from NumPy's PCG64 generator, so a seed gives the
same rows on every machine (and the same order as Hugging Face `Dataset.shuffle`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from ..errors import InvalidArgumentError, InvalidTypeError
from .arrays import array, list_lengths
from .rows import Rows, concat_rows, zip_rows
from .types import is_list, type_name

_PLACEMENTS = ("at_end", "at_start")


def shuffle_indices(num_rows: int, seed: int) -> np.ndarray:
    """A random order of `num_rows` rows."""
    return np.random.Generator(np.random.PCG64(seed)).permutation(num_rows)


def sample_indices(num_rows: int, size: int | float, seed: int) -> np.ndarray:
    """`size` different rows (a count, or a fraction below 1.0) drawn at random; they keep their order."""
    count = round(size * num_rows) if isinstance(size, float) else size
    if not 0 <= count <= num_rows or (isinstance(size, float) and size > 1.0):
        raise InvalidArgumentError(f"A sample of {size} cannot be drawn from {num_rows:,} rows without repeats.")
    return np.sort(shuffle_indices(num_rows, seed)[:count])


def reverse_indices(num_rows: int) -> np.ndarray:
    """Last row first."""
    return np.arange(num_rows - 1, -1, -1)


def sort_indices(
    rows: Rows,
    column_names: str | Sequence[str],
    reverse: bool | Sequence[bool] = False,
    null_placement: str | Sequence[str] = "at_end",
) -> np.ndarray:
    """The order that sorts `rows`; rows that compare equal keep theirs.

    Args:
        rows: what to sort.
        column_names: the first decides, the next ones break ties. Text sorts by code point, NaN beside null.
        reverse: descending, for all columns or for each.
        null_placement: `"at_end"` or `"at_start"`, for all columns or for each.
    """
    names = [column_names] if isinstance(column_names, str) else list(column_names)
    if not names:
        raise InvalidArgumentError("sort needs at least one column name.")
    descending = _for_each(reverse, names, "reverse")
    placements = _for_each(null_placement, names, "null_placement")
    for placement in placements:
        if placement not in _PLACEMENTS:
            raise InvalidArgumentError(f"null_placement is 'at_end' or 'at_start', not {placement!r}.")
    keys = rows.select_columns(list(dict.fromkeys(names))).table()
    for name in names:
        _check_sortable(name, keys.schema.field(name).type)
    order = np.arange(rows.num_rows)
    for name, down, placement in reversed(list(zip(names, descending, placements, strict=True))):
        # one stable sort per key, the last key first: older Arrow takes one null placement for all keys
        column = keys.column(name) if name == names[-1] else keys.column(name).take(array(order))
        order = order[_order(column, "descending" if down else "ascending", placement)]
    return order


def _order(column: pa.ChunkedArray, direction: str, placement: str) -> np.ndarray:
    table = pa.table({"key": column})
    try:
        found = pc.sort_indices(table, sort_keys=[("key", direction, placement)])
    except ValueError:  # before Arrow 25 a key is a pair
        found = pc.sort_indices(table, sort_keys=[("key", direction)], null_placement=placement)
    return np.from_dlpack(found)  # to_numpy() would import pandas


def _for_each(value: Any, names: list[str], what: str) -> list[Any]:
    if isinstance(value, (bool, str)):
        return [value] * len(names)
    values = list(value)
    if len(values) != len(names):
        raise InvalidArgumentError(f"{what} has {len(values)} entries for {len(names)} columns.")
    return values


def _check_sortable(name: str, type_: pa.DataType) -> None:
    if pt.is_nested(type_):
        raise InvalidTypeError(
            f"Column {name!r} holds {type_name(type_)}, which has no order. Sort by a column of numbers, text or dates."
        )


def unique_indices(rows: Rows, column_names: str | Sequence[str] | None = None) -> np.ndarray:
    """The first row of every group of rows that are equal in `column_names` (all columns by default)."""
    keys = rows if column_names is None else rows.select_columns(column_names)
    codes = np.zeros(rows.num_rows, np.int64)
    for name in keys.column_names:
        own = group_codes(keys, name)
        # fold one column after the other into group numbers, kept small so that their product cannot overflow
        codes = np.unique(codes * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1].astype(np.int64)
    return np.sort(np.unique(codes, return_index=True)[1])


def group_codes(rows: Rows, name: str) -> np.ndarray:
    """A number for every row of a column, equal where the cells are."""
    column = rows.select_columns(name).table().column(0)
    if pt.is_nested(column.type):
        seen: dict[bytes, int] = {}
        cells = (msgspec.msgpack.encode(cell, order="sorted") for cell in column.to_pylist())
        return np.fromiter((seen.setdefault(cell, len(seen)) for cell in cells), np.int64, len(column))
    if pt.is_null(column.type):
        return np.zeros(len(column), np.int64)
    encoded = column.dictionary_encode(null_encoding="encode").combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], column.type).dictionary_encode()
    return np.from_dlpack(encoded.indices).astype(np.int64)


def explode(rows: Rows, column_name: str, keep_empty: bool = True) -> tuple[Rows, np.ndarray]:
    """One row for every item of a list column; the other columns repeat.

    Args:
        rows: what to explode.
        column_name: a column of lists.
        keep_empty: a row whose list is empty or missing stays, with None; otherwise it goes.

    Returns:
        The rows, and for each the number of the row it comes from.
    """
    lists = rows.select_columns(column_name).table().column(0)
    if not is_list(lists.type):
        raise InvalidTypeError(f"Column {column_name!r} holds {type_name(lists.type)}, and only lists can be exploded.")
    items, counts = [], []
    for chunk in lists.chunks:
        lengths = list_lengths(chunk)
        flat = chunk.flatten()
        if keep_empty and (lengths == 0).any():
            flat, lengths = _with_gaps(flat, lengths)
        items.append(flat)
        counts.append(lengths)
    every = np.concatenate(counts) if counts else np.empty(0, np.int64)
    parents = np.repeat(np.arange(rows.num_rows), every)
    flat_rows = Rows.from_table(pa.table({column_name: pa.chunked_array(items, type=lists.type.value_type)}))
    others = rows.remove_columns(column_name)
    if not others.column_names:
        return flat_rows, parents
    return zip_rows([others.select(parents), flat_rows]).select_columns(rows.column_names), parents


def _with_gaps(flat: pa.Array, lengths: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    """The items with a null where a list was empty."""
    counts = np.maximum(lengths, 1)
    empty = np.repeat(lengths == 0, counts)
    at = np.cumsum(~empty) - 1
    return flat.take(pa.array(np.where(empty, 0, at), mask=empty)), counts


def add_rows(rows: Rows, items: Sequence[Mapping[str, Any]]) -> Rows:
    """`rows` with `items` (dicts with the same columns) after them."""
    return concat_rows([rows, Rows.from_list(items)]) if items else rows
