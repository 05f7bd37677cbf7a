"""Whether two datasets hold the same rows: in another order, and where they first differ."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import msgspec

from .columns import Column
from .digest import canonical_type, column_digest
from .rows import BATCH_ROWS, Rows

MULTISET_PREFIX = "ddm1:"
_MODULUS = 1 << 256


def multiset_digest(rows: Rows) -> str:
    """A digest (`"ddm1:..."`) that counts names, types and every row, but not the order of the rows.

    It is the sum of the SHA-256 of all rows, so a row that is there twice counts twice.
    """
    kinds = [[field.name, canonical_type(field.type)] for field in rows.schema]
    head = hashlib.sha256(b"datadreamer.multiset.1\0" + json.dumps(kinds, separators=(",", ":")).encode())
    total = 0
    for batch in rows.batches():
        for cells in zip(*rows.to_lists(batch, decode=False), strict=True):
            total += int.from_bytes(hashlib.sha256(_row_bytes(cells)).digest(), "big")
    head.update((total % _MODULUS).to_bytes(32, "big") + rows.num_rows.to_bytes(8, "big"))
    return MULTISET_PREFIX + head.hexdigest()


def _row_bytes(cells: tuple[Any, ...]) -> bytes:
    if any(type(cell) is float and math.isnan(cell) for cell in cells):
        cells = tuple(math.nan if type(cell) is float and math.isnan(cell) else cell for cell in cells)
    return _encoder.encode(cells)


_encoder = msgspec.msgpack.Encoder(order=None, enc_hook=str)  # what MessagePack has no word for: durations, times


def first_difference(a: Rows, b: Rows) -> tuple[int, str | None] | None:
    """The first row in which two datasets differ, and the column; None when they are equal.

    The column is None where one dataset ends before the other, or where columns or types differ (row 0).
    """
    if [(f.name, canonical_type(f.type)) for f in a.schema] != [(f.name, canonical_type(f.type)) for f in b.schema]:
        return 0, None
    common = min(a.num_rows, b.num_rows)
    for start in range(0, common, BATCH_ROWS):
        stop = min(start + BATCH_ROWS, common)
        found = [
            (at, name)
            for name in a.column_names
            if (at := _differs(a.column(name), b.column(name), start, stop)) is not None
        ]
        if found:
            return min(found, key=lambda place: place[0])
    return None if a.num_rows == b.num_rows else (common, None)


def _differs(a: Column, b: Column, start: int, stop: int) -> int | None:
    """The first row from `start` to `stop` in which two columns differ, found by halving."""
    if column_digest(a.read(start, stop)) == column_digest(b.read(start, stop)):
        return None
    while stop - start > 1:
        middle = (start + stop) // 2
        if column_digest(a.read(start, middle)) == column_digest(b.read(start, middle)):
            start = middle
        else:
            stop = middle
    return start
