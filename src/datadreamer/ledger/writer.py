"""One thread that writes, many records to a commit.

Callers hand over a record in about a microsecond; it is on disk one `GROUP_SECONDS` and one commit later. SQLite's
write-ahead log is read back after a crash, so what was committed outlives `kill -9`.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ..errors import DataDreamerError, InvalidTypeError
from .connection import plain

GROUP_SECONDS = 0.01
GROUP_RECORDS = 256
_VARIABLES = 16_000  # in one statement; SQLite's own bound is 32,766
QUEUE_BYTES = 32 * 2**20  # records waiting for the disk; beyond it, callers wait

# What a record of wrong types, or one beyond SQLite's 1 GB, makes: the record's fault, not the file's.
_DATA_ERRORS = (
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    struct.error,
    sqlite3.ProgrammingError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
)


@dataclass(slots=True)
class Put:
    """One change. `row` makes the values of the statement, on the writer's thread."""

    sql: str
    row: Callable[[], tuple[Any, ...]]
    size: int  # bytes, roughly
    slot: Hashable = None  # where `Writer.pending` shows `value` until it is on disk
    value: Any = None


class Writer:
    """Writes what it is given, in order. Errors are kept and raised to whoever calls next, on any thread."""

    def __init__(self, connection: sqlite3.Connection, lock: threading.RLock, path: str) -> None:
        self.pending: dict[Hashable, Put] = {}
        self._connection, self._connection_lock, self._path = connection, lock, path
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)  # for the writer: something to do
        self._moved = threading.Condition(self._lock)  # for callers: something was written, or failed
        self._queue: list[Put] = []
        self._queued_bytes = 0
        self._submitted = self._written = 0
        self._urgent = self._closing = self._closed = False
        self._stuck: DataDreamerError | None = None  # nothing can be written until the cause is gone
        self._refused: DataDreamerError | None = None  # one record could not be written; told once
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def submit(self, item: Put) -> None:
        """Queue one item; waits only while `QUEUE_BYTES` are waiting already."""
        with self._lock:
            self._raise_failure()
            while self._queued_bytes > QUEUE_BYTES:
                self._moved.wait()
                self._raise_failure()
            if self._closing:
                raise DataDreamerError(
                    f"The session of {self._path} is over: its ledger is closed. Do this inside the session."
                )
            if item.slot is not None:
                self.pending[item.slot] = item
            self._queue.append(item)
            self._queued_bytes += item.size
            self._submitted += 1
            if len(self._queue) == 1:
                self._start()
                self._wake.notify()
            elif len(self._queue) == GROUP_RECORDS:
                self._hurry()

    def flush(self) -> None:
        """Return when everything submitted so far is on disk; raise if it cannot be written."""
        with self._lock:
            target, self._stuck = self._submitted, None  # try again: the disk may have space by now
            if self._written < target:
                self._hurry()
            while self._written < target and self._stuck is None:
                self._moved.wait()
            self._raise_failure()

    def close(self) -> None:
        """Flush and end the thread. Safe to call twice; in a forked child it does nothing."""
        if self._closed or os.getpid() != self._pid:
            return
        try:
            self.flush()
        finally:
            with self._lock:
                self._closing = self._closed = True
                self._wake.notify()
                self._moved.notify_all()
            if self._thread is not None:
                self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="datadreamer-ledger", daemon=True)
            self._thread.start()

    def _hurry(self) -> None:
        self._urgent = True
        self._wake.notify()

    def _raise_failure(self) -> None:
        refused, self._refused = self._refused, None
        failure = self._stuck or refused
        if failure is not None:
            raise type(failure)(*failure.args) from failure.__cause__

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._closing and (not self._queue or self._stuck is not None):
                    self._wake.wait()
                if self._closing:
                    return
                if not self._urgent:
                    self._wake.wait(GROUP_SECONDS)  # let others join this commit
                self._urgent = False
                group, self._queue = self._queue, []
            try:
                refused = self._write(group)
            except BaseException as error:
                self._put_back(group, error)
            else:
                self._settle(group, refused)

    def _settle(self, group: list[Put], refused: DataDreamerError | None) -> None:
        with self._lock:
            for item in group:
                if self.pending.get(item.slot) is item:
                    del self.pending[item.slot]
            self._queued_bytes -= sum(item.size for item in group)
            self._written += len(group)
            self._refused = refused or self._refused
            self._moved.notify_all()

    def _put_back(self, group: list[Put], error: BaseException) -> None:
        failure = plain(error, self._path, waiting=len(group))
        failure.__cause__ = error
        with self._lock:
            self._queue[:0] = group
            self._stuck = failure
            self._moved.notify_all()

    def _write(self, group: list[Put]) -> DataDreamerError | None:
        """Write the group; return an error about records that can never be written, which are left out."""
        statements, refused = self._statements(group)
        try:
            self._commit(statements)
        except _DATA_ERRORS:
            for item in group:  # one of them cannot be stored: find it, keep the others
                single, error = self._statements([item])
                try:
                    self._commit(single)
                except _DATA_ERRORS as cause:
                    error = _refusal(cause, self._path)
                refused = error or refused
        return refused

    def _commit(self, statements: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
        with self._connection_lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for sql, rows in statements:
                    self._insert(sql, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _insert(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """All rows by as few statements as possible: each gives up the interpreter lock, and beside a thread that
        computes it comes back 5 ms later. By `executemany`, 25 rows took 135 ms.
        """
        into, values, marks = sql.partition(" VALUES ")
        if not values or len(rows) == 1:
            self._connection.executemany(sql, rows)
            return
        most = max(1, _VARIABLES // len(rows[0]))
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            statement = f"{into} VALUES {','.join([marks] * len(some))}"
            self._connection.execute(statement, list(chain.from_iterable(some)))

    def _statements(self, group: list[Put]) -> tuple[list[tuple[str, list[tuple[Any, ...]]]], DataDreamerError | None]:
        """The group in order, neighbours with the same SQL together; and an error if a record has no row."""
        statements: list[tuple[str, list[tuple[Any, ...]]]] = []
        refused: DataDreamerError | None = None
        for item in group:
            try:
                row = item.row()
            except _DATA_ERRORS as error:
                refused = _refusal(error, self._path)
                continue
            if not statements or statements[-1][0] != item.sql:
                statements.append((item.sql, []))
            statements[-1][1].append(row)
        return statements, refused


def _refusal(error: BaseException, path: str) -> DataDreamerError:
    refusal = InvalidTypeError(
        f"A record could not be written to {path}: {error}. Its fields must have the types that its class declares; "
        "the other records were written."
    )
    refusal.__cause__ = error
    return refusal
