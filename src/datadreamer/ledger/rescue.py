"""Saves what can still be read of a damaged ledger."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..errors import SourceError
from . import rows, schema
from .connection import open_writable

_SMALLEST_ROW_BYTES = 64


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What `recover` did: rows saved by table, and where the damaged file was put."""

    kept: dict[str, int]
    damaged_file: str


def recover(path: str | os.PathLike[str]) -> Recovered:
    """Write what can still be read of the ledger at `path` into a fresh file there; keep the damaged one beside it.

    No process may have the ledger open meanwhile. Rows in damaged pages are lost; the calls among them are asked again
    when the workflow runs.

    Raises:
        SourceError: there is no file at `path`.
        FolderNotWritableError: the folder cannot be written.
    """
    original = Path(path)
    if not original.is_file():
        raise SourceError(f"There is no file at {original}. Check the path.")
    aside = _move_aside(original)
    fresh = original.with_name(f".{original.name}.recovering")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{fresh}{suffix}").unlink(missing_ok=True)
    target = open_writable(str(fresh))
    try:
        kept = _copy_all(aside, target)
    finally:
        target.close()
    fresh.replace(original)
    return Recovered(kept=kept, damaged_file=str(aside))


def _move_aside(original: Path) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside, number = original.with_name(f"{original.name}.damaged-{stamp}"), 1
    while aside.exists():
        aside, number = original.with_name(f"{original.name}.damaged-{stamp}-{number}"), number + 1
    original.replace(aside)
    log = Path(f"{original}-wal")
    if log.exists():  # its commits belong to the file
        log.replace(f"{aside}-wal")
    Path(f"{original}-shm").unlink(missing_ok=True)
    return aside


def _copy_all(aside: Path, target: sqlite3.Connection) -> dict[str, int]:
    source = sqlite3.connect(f"{aside.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        try:
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.DatabaseError:
            source.close()
            source = _with_fresh_first_page(aside)
        return {table: _copy_table(source, target, table, aside.stat().st_size) for table in schema.TABLES}
    finally:
        source.close()


def _with_fresh_first_page(aside: Path) -> sqlite3.Connection:
    """A copy in memory with the first page of a new ledger, where every ledger of one version has its tables."""
    template = sqlite3.connect(":memory:", isolation_level=None)
    template.execute(f"PRAGMA page_size = {schema.PAGE_BYTES}")
    schema.upgrade(template, "template")
    first = bytearray(template.serialize()[: schema.PAGE_BYTES])
    template.close()
    pages = aside.stat().st_size // schema.PAGE_BYTES
    first[28:32] = pages.to_bytes(4, "big")  # the database size in the header; SQLite reads no page beyond it
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.deserialize(bytes(first) + aside.read_bytes()[schema.PAGE_BYTES : pages * schema.PAGE_BYTES])
    return copy


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str, file_bytes: int) -> int:
    columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    insert = f"INSERT OR IGNORE INTO {table} ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})"
    target.execute("BEGIN IMMEDIATE")
    for row in _readable_rows(source, f"SELECT {','.join(columns)} FROM {table}", table, file_bytes):
        if table == "calls" and not rows.is_whole(row[1:]):
            continue
        try:
            target.execute(insert, row)
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError, UnicodeError):
            continue  # the damage reached into the values
    target.execute("COMMIT")
    return int(target.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _readable_rows(
    source: sqlite3.Connection, select: str, table: str, file_bytes: int
) -> Iterator[tuple[object, ...]]:
    """All rows that can be read: a range that fails is halved until only the damaged rows are left out."""
    ranges = [(1, _highest_id(source, table, file_bytes))]
    while ranges:
        low, high = ranges.pop()
        try:
            cursor = source.execute(f"{select} WHERE id BETWEEN ? AND ? ORDER BY id", (low, high))
            for row in cursor:
                yield row
                low = int(row[0]) + 1
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            if low < high:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]


def _highest_id(source: sqlite3.Connection, table: str, file_bytes: int) -> int:
    for order in (f"SELECT max(id) FROM {table}", f"SELECT max(id) FROM {table} INDEXED BY {table}_by_step"):
        try:
            return int(source.execute(order).fetchone()[0] or 0)
        except sqlite3.DatabaseError:
            continue
    return file_bytes // _SMALLEST_ROW_BYTES
