"""The ledger: one SQLite file that remembers every call, step event and lost row of a folder."""

from __future__ import annotations

import functools
import json
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import DamagedFileError, InvalidArgumentError, InvalidTypeError, SessionError
from . import rows
from .connection import MEMORY, open_readable, open_writable, plain, rescue_command
from .records import CallRecord, Loss, StepEvent, StepTotals
from .redact import Redactor
from .writer import Put, Writer

logger = logging.getLogger("datadreamer.ledger")

_PUT_CALL = f"INSERT OR REPLACE INTO calls ({rows.CALL_COLUMNS}) VALUES ({rows.marks(rows.CALL_COLUMNS)})"
_PUT_EVENT = f"INSERT INTO events ({rows.EVENT_COLUMNS}) VALUES ({rows.marks(rows.EVENT_COLUMNS)})"
_PUT_LOSS = f"INSERT INTO losses ({rows.LOSS_COLUMNS}) VALUES ({rows.marks(rows.LOSS_COLUMNS)})"
_PUT_MEMO = "INSERT OR REPLACE INTO memo (kind, key, value) VALUES (?, ?, ?)"
_KEYS_PER_QUERY = 256
_PAGE_ROWS = 256


@functools.cache  # as many as _KEYS_PER_QUERY; SQLite's prepared statement is found again by the same string
def _get_calls(keys: int) -> str:
    return f"SELECT {rows.CALL_COLUMNS} FROM calls WHERE key IN ({','.join('?' * keys)})"


_open_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()
_parents_connections: list[Any] = []  # in a forked child: never used and never closed, as SQLite asks


class Ledger:
    """The durable record. Every method may be called from any thread; a forked child has to open its own.

    What is put is visible to all readers of this object at once, and on disk at most 20 ms later (longer only while
    the disk itself is slower). Errors of the background writer are raised by the next call, by `flush` and `close`.
    """

    def __init__(
        self, path: str, *, readonly: bool, redactor: Redactor, shared: list[Ledger], copy_shared: bool
    ) -> None:
        self.path = path
        self.readonly = readonly
        self.redactor = redactor
        self._shared, self._copy_shared = shared, copy_shared
        self._pid = os.getpid()
        self._closed = False
        self._read_lock = threading.RLock()
        self._writer: Writer | None = None
        self._write_connection: sqlite3.Connection | None = None
        self._read_connection: sqlite3.Connection | None = None
        if readonly:
            self._read_connection = open_readable(path)
        else:
            self._write_connection = open_writable(path)
            lock = self._read_lock if path == MEMORY else threading.RLock()
            self._writer = Writer(self._write_connection, lock, path)
            # Without close(): at garbage collection, and when Python ends.
            weakref.finalize(self, self._writer.close)
        _open_ledgers.add(self)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        readonly: bool = False,
        *,
        shared: Sequence[str | os.PathLike[str]] = (),
        copy_shared: bool = False,
        redactor: Redactor | None = None,
    ) -> Ledger:
        """Open a ledger, and create it if it is missing and not `readonly`.

        Args:
            path: the file, or `":memory:"` for a ledger that nothing outlives.
            readonly: only read; works in folders that cannot be written.
            shared: other ledgers, read only, in which `get_calls` looks for what this one does not have.
            copy_shared: also write what was found there into this ledger.
            redactor: what takes secrets out before anything is written; by default, that of the process.

        Raises:
            SourceError: `readonly`, or `shared`, and there is no such file.
            DamagedFileError, NewerVersionError: the file cannot be read as a ledger; the message has the cure.
            FolderNotWritableError: the file or its folder cannot be created or written.
        """
        others = [cls.open(other, readonly=True) for other in shared]
        try:
            return cls(
                os.fspath(path),
                readonly=readonly,
                redactor=redactor or Redactor.default(),
                shared=others,
                copy_shared=copy_shared and not readonly,
            )
        except BaseException:
            for other in others:
                other.close()
            raise

    # --- calls --------------------------------------------------------------------------------------------------------

    def put_call(self, key: bytes, record: CallRecord) -> None:
        """Remember the answer to the request with this key (32 bytes). A later answer replaces an earlier one."""
        writer = self._writing()
        try:
            size = len(record.request) + len(record.response) + len(record.text) + 512
        except TypeError as error:
            raise InvalidTypeError(
                f"A call of step {record.step!r} has text of type {type(record.text).__name__}, a request of type "
                f"{type(record.request).__name__} and a response of type {type(record.response).__name__}; they must "
                "be str, bytes and bytes."
            ) from error
        writer.submit(
            Put(_PUT_CALL, functools.partial(rows.call_row, key, record, self.redactor), size, slot=key, value=record)
        )

    def get_calls(self, keys: Sequence[bytes]) -> dict[bytes, CallRecord]:
        """The remembered answers among `keys`, redacted as stored; absent keys are absent.

        An answer whose bytes are not those that were written counts as absent, and is named in the log.
        """
        self._check()
        found, missing = self._pending_calls(keys)
        for start in range(0, len(missing), _KEYS_PER_QUERY):
            chunk = missing[start : start + _KEYS_PER_QUERY]
            found.update(map(rows.call_of, self._whole(self._query(_get_calls(len(chunk)), chunk))))
        if self._shared and len(found) < len(keys):
            found.update(self._shared_calls([key for key in missing if key not in found]))
        return found

    def get_call(self, printed: str) -> CallRecord | None:
        """One call by its printed key, `"ddr1:..."`."""
        prefix, _, digits = printed.partition(":")
        try:
            key = bytes.fromhex(digits)
        except ValueError:
            key = b""
        if prefix != "ddr1" or len(key) != 32:
            raise InvalidArgumentError(
                f"{printed!r} is not a request key. It should be 'ddr1:' and 64 hexadecimal digits, as `datadreamer "
                "trace` prints them."
            )
        return self.get_calls([key]).get(key)

    def calls(self, step: str | None = None) -> Iterator[tuple[bytes, CallRecord]]:
        """Keys and records, in the order in which they arrived; of one step, or all. Memory stays constant."""
        where, values = ("", []) if step is None else ("AND step = ?", [step])
        last = 0
        while True:
            page = self._settled(
                f"SELECT id, {rows.CALL_COLUMNS} FROM calls WHERE id > ? {where} ORDER BY id LIMIT {_PAGE_ROWS}",
                [last, *values],
            )
            yield from map(rows.call_of, self._whole([row[1:] for row in page]))
            if len(page) < _PAGE_ROWS:
                return
            last = page[-1][0]

    def count_calls(self, step: str | None = None) -> int:
        """How many answers are remembered, of one step or in all."""
        if step is None:
            return int(self._settled("SELECT count(*) FROM calls")[0][0])
        return int(self._settled("SELECT count(*) FROM calls WHERE step = ?", [step])[0][0])

    def totals(self) -> dict[str, StepTotals]:
        """Tokens (counts), cost (US dollars), times (seconds since the epoch, UTC) of the recorded calls, by step."""
        found = self._settled(
            "SELECT step, count(*), sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(reasoning_tokens), "
            "sum(cost_usd), sum(cost_usd IS NULL), min(started), max(ended) FROM calls GROUP BY step ORDER BY min(id)"
        )
        return {row[0]: StepTotals(**dict(zip(StepTotals.__struct_fields__, row, strict=True))) for row in found}

    # --- steps and losses ---------------------------------------------------------------------------------------------

    def put_step(self, event: StepEvent) -> None:
        """Remember that a step started, was found finished, finished or failed."""
        self._put(_PUT_EVENT, rows.event_row(event, self.redactor))

    def steps(self, step: str | None = None, kind: str | None = None) -> Iterator[StepEvent]:
        """Step events in the order in which they happened; of one step, of one kind, or all."""
        found = self._settled(
            f"SELECT {rows.EVENT_COLUMNS} FROM events WHERE (?1 IS NULL OR step = ?1) AND (?2 IS NULL OR kind = ?2) "
            "ORDER BY id",
            [step, kind],
        )
        return map(rows.event_of, found)

    def last_step(self, step: str, kind: str = "finished") -> StepEvent | None:
        """The latest event of this kind of a step, or None."""
        found = self._settled(
            f"SELECT {rows.EVENT_COLUMNS} FROM events WHERE step = ? AND kind = ? ORDER BY id DESC LIMIT 1",
            [step, kind],
        )
        return rows.event_of(found[0]) if found else None

    def put_loss(self, loss: Loss) -> None:
        """Remember that a row went into a step and will not come out."""
        self._put(_PUT_LOSS, rows.loss_row(loss, self.redactor))

    def losses(self, step: str | None = None) -> Iterator[Loss]:
        """Lost rows, in the order in which they were lost; of one step, or all."""
        where, values = ("", []) if step is None else ("WHERE step = ?", [step])
        return map(rows.loss_of, self._settled(f"SELECT {rows.LOSS_COLUMNS} FROM losses {where} ORDER BY id", values))

    def count_losses(self, step: str) -> dict[str, int]:
        """How many rows of a step were lost, by reason."""
        return dict(self._settled("SELECT reason, count(*) FROM losses WHERE step = ? GROUP BY reason", [step]))

    def clear_losses(self, step: str, from_row: int | None = None) -> None:
        """Forget the losses of a step that is run again; with `from_row`, only those of rows it will meet again."""
        if from_row is None:
            self._put("DELETE FROM losses WHERE step = ?", (step,))
        else:
            self._put("DELETE FROM losses WHERE step = ? AND row >= ?", (step, from_row))

    def replace_losses(self, step: str, by: str) -> None:
        """Put the losses noted under `by` in the place of those of `step`: a result has taken that of another."""
        self._put("DELETE FROM losses WHERE step = ?", (step,))
        self._put("UPDATE losses SET step = ? WHERE step = ?", (step, by))

    # --- derived values -----------------------------------------------------------------------------------------------

    def memo_get(self, kind: str, key: str) -> Any:
        """A JSON value that was derived before and kept by `memo_put`, or None."""
        self._check()
        put = self._writer.pending.get(("memo", kind, key)) if self._writer else None
        if put is not None:
            return json.loads(put.value)
        found = self._query("SELECT value FROM memo WHERE kind = ? AND key = ?", [kind, key])
        try:
            return json.loads(found[0][0]) if found else None
        except ValueError:  # damaged: it is derived again
            return None

    def memo_put(self, kind: str, key: str, value: Any) -> None:
        """Keep a JSON-able value that would be dear to derive again (a digest). It is not redacted: no user's text."""
        text = json.dumps(value)
        slot = ("memo", kind, key)
        self._writing().submit(Put(_PUT_MEMO, lambda: (kind, key, text), len(text) + 64, slot=slot, value=text))

    # --- the file -----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Return when all that was put is on disk. After an error (a full disk), tries again and raises if in vain."""
        self._check()
        if self._writer is not None:
            self._writer.flush()

    def check(self) -> None:
        """Read the whole file for damage (seconds per GB); raise `DamagedFileError` with what was found."""
        problems = [row[0] for row in self._settled("PRAGMA quick_check(5)") if row[0] != "ok"]
        problems = problems or list(islice(self._changed(), 5))
        if problems:
            raise DamagedFileError(
                f"The ledger {self.path} is damaged: {'; '.join(problems)}. Close it and save what can still be read "
                f"with: {rescue_command(self.path)}"
            )

    def _changed(self) -> Iterator[str]:
        """What SQLite does not see: cells that hold other bytes than were written."""
        last = 0
        while page := self._query(
            f"SELECT id, {rows.CALL_COLUMNS} FROM calls WHERE id > ? ORDER BY id LIMIT {_PAGE_ROWS}", [last]
        ):
            for row in page:
                if not rows.is_whole(row[1:]):
                    yield f"answer ddr1:{_hex(row[1])} of step {row[2]!r} is not what was written"
            last = page[-1][0]
        for table, columns in (("events", ("view", "data")), ("losses", ("data",)), ("memo", ("value",))):
            broken = " OR ".join(f"NOT json_valid({column})" for column in columns)
            for found in self._query(f"SELECT id FROM {table} WHERE {broken} LIMIT 5"):
                yield f"row {found[0]} of table {table} is not what was written"

    def close(self) -> None:
        """Flush and let go of the file. Safe to call twice."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            for connection in (self._read_connection, self._write_connection):
                if connection is not None:
                    connection.close()
            for other in self._shared:
                other.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise SessionError(
                f"This process ({os.getpid()}) is a fork of process {self._pid}, whose session works in "
                f"{_folder(self.path)}. A fork cannot run steps of that session: run them in the parent, start workers "
                "by 'spawn' instead of 'fork' (multiprocessing.set_start_method), or give the worker a session of its "
                "own with another folder."
            )
        if self._closed:
            raise SessionError(
                f"The session of {_folder(self.path)} is over: its ledger is closed. Do this inside the session, or "
                "start a new one with the same folder."
            )

    def _writing(self) -> Writer:
        self._check()
        if self._writer is None:
            raise SessionError(f"The ledger {self.path} was opened with readonly=True, so nothing can be put into it.")
        return self._writer

    def _put(self, sql: str, row: tuple[Any, ...]) -> None:
        self._writing().submit(Put(sql, lambda: row, 128 + sum(len(item) for item in row if isinstance(item, str))))

    def _whole(self, found: list[Any]) -> list[Any]:
        """The rows that hold what was written; the others are named in the log and left out."""
        whole = [row for row in found if rows.is_whole(row)]
        if len(whole) < len(found):
            for row in found:
                if not rows.is_whole(row):
                    logger.warning(
                        "The answer ddr1:%s of step %r in %s is damaged and not used. It is asked again when it is "
                        "needed; %s drops it.",
                        _hex(row[0]),
                        row[1],
                        self.path,
                        rescue_command(self.path),
                    )
        return whole

    def _pending_calls(self, keys: Sequence[bytes]) -> tuple[dict[bytes, CallRecord], list[bytes]]:
        # Before the file is asked: a record leaves the pending ones only after its commit, so none slips between.
        pending = self._writer.pending if self._writer is not None else {}
        if not pending:
            return {}, list(keys)
        found: dict[bytes, CallRecord] = {}
        missing = []
        for key in keys:
            put = pending.get(key)
            if put is None:
                missing.append(key)
            else:
                found[key] = rows.clean_call(put.value, self.redactor)
        return found, missing

    def _shared_calls(self, keys: list[bytes]) -> dict[bytes, CallRecord]:
        found: dict[bytes, CallRecord] = {}
        for other in self._shared:
            found.update(other.get_calls([key for key in keys if key not in found]))
        if self._copy_shared:
            for key, record in found.items():
                self.put_call(key, record)
        return found

    def _settled(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        self.flush()
        return self._query(sql, values)

    def _query(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._read_lock:
            if self._closed:
                self._check()
            try:
                return self._reading().execute(sql, values).fetchall()
            except sqlite3.Error as error:
                if "decode to UTF-8" in str(error):
                    return self._broken_texts(sql, values)
                raise plain(error, self.path) from error

    def _broken_texts(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The rows of a query, although some of their texts are damaged; sums over the content tell which."""
        connection = self._reading()
        connection.text_factory = lambda content: content.decode("utf-8", "replace")
        try:
            return connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise plain(error, self.path) from error
        finally:
            connection.text_factory = str

    def _reading(self) -> sqlite3.Connection:
        if self._read_connection is None:
            # In memory there is one connection; in a file, readers have their own and never wait for a commit.
            self._read_connection = self._write_connection if self.path == MEMORY else open_readable(self.path)
        assert self._read_connection is not None
        return self._read_connection

    def __repr__(self) -> str:
        return f"Ledger({str(Path(self.path))!r}{', readonly=True' if self.readonly else ''})"


def _folder(path: str) -> str:
    return os.path.dirname(path) or path  # noqa: PTH120 - ":memory:" has no folder


def _hex(key: object) -> str:
    return key.hex() if isinstance(key, bytes) else "?"


def _leave_parents_connections() -> None:
    for ledger in list(_open_ledgers):
        _parents_connections.extend((ledger._read_connection, ledger._write_connection))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_parents_connections)
