"""`SQLDataSource`: rows of a query, from any database that Python can talk to."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ... import _context, _lazy
from ...errors import DataDreamerError, InvalidArgumentError, InvalidTypeError, SourceError
from ..fields import runtime
from ..operations.base import scratch_folder
from ..rows import Chunk, table_chunks
from .data_source import Source, without_self

_FETCH = 2_000  # rows asked of the database at a time


class SQLDataSource(Source):
    """The rows that a query gives, in the order in which it gives them: write `ORDER BY` where that should not vary.

    The rows are identified by the query with its parameters, and by their content: for a file of SQLite that of the
    file, for a server that of the rows, for which the query runs each time that the script does. The address of the
    database, its user and its password never count and are never written down.

    Args:
        name: the step's name.
        query: a `SELECT`, with placeholders as the database wants them.
        connection: where to ask: the path of a SQLite file (`"papers.db"`), a SQLAlchemy URL
            (`"postgresql+psycopg://user@host/db"`, which needs the `sql` extra), or a function without arguments that
            returns a DB-API connection, which is closed afterwards.
        parameters: values for the placeholders: a list, or a mapping for named ones.
        progress_interval, force, verbose, log_level, save_num_proc, save_num_shards, background: as for `Step`.

    Raises:
        SourceError: the database cannot be reached, or refuses the query.
        MissingDependencyError: the URL needs SQLAlchemy, which is not installed.
    """

    query: str
    connection: Any = runtime()
    parameters: Any = None

    def __init__(
        self,
        name: str,
        query: str,
        connection: str | Path | Callable[[], Any],
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        progress_interval: float | None = 60,
        force: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        save_num_proc: int | None = None,
        save_num_shards: int | None = None,
        background: bool = False,
    ) -> None:
        self._start(without_self(locals()))

    def check(self) -> None:
        if not isinstance(self.query, str) or not self.query.strip():
            raise InvalidTypeError(f"Step '{self.name}': query must be a SELECT as text, not {self.query!r:.80}.")
        if isinstance(self.parameters, str | bytes):
            raise InvalidTypeError(f"Step '{self.name}': parameters must be a list or a mapping, not text.")
        asks = callable(self.connection) and not hasattr(
            self.connection, "cursor"
        )  # a connection of sqlite3 is callable
        if not asks and not isinstance(self.connection, str | Path):
            kind = type(self.connection).__name__
            raise InvalidTypeError(
                f"Step '{self.name}': connection must be a path, a URL or a function that connects, not {kind}. "
                "Pass the function itself, for example lambda: psycopg.connect(...)."
            )
        self._file = _sqlite_file(self.connection)
        if self._file is not None and not self._file.is_file():
            raise SourceError(f"Step '{self.name}': there is no database {self._file}.")

    def identity(self) -> dict[str, Any]:
        return {"query": self.query.strip(), "parameters": self.parameters, "content": self.content()}

    def content(self) -> Any:
        return {"rows": self._rows.digest()} if self._file_digest is None else {"file": self._file_digest}

    @cached_property
    def _file_digest(self) -> str | None:
        """The content of a SQLite file, unless a part of it is in a log beside it."""
        log = None if self._file is None else self._file.with_name(self._file.name + "-wal")
        if self._file is None or log is None or (log.exists() and log.stat().st_size):
            return None
        from ...ledger import FileDigests

        return FileDigests(getattr(_context.session(), "ledger", None)).digest(self._file).digest

    @cached_property
    def _rows(self) -> Any:
        from ...datasets import spooled

        return spooled(self._asked(), scratch_folder())

    def run(self) -> Iterator[Chunk]:
        if self._file_digest is None:
            yield from table_chunks(self._rows)
            return
        rows, some = self._asked(), 0
        while batch := list(islice(rows, _FETCH)):
            some += len(batch)
            yield Chunk({name: [row[name] for row in batch] for name in batch[0]})
        if not some:
            raise SourceError(f"Step '{self.name}': the query gives no rows.")

    # --- asking -------------------------------------------------------------------------------------------------------

    def _asked(self) -> Iterator[dict[str, Any]]:
        with self._connected() as connection, closing(connection.cursor()) as cursor:
            given = () if self.parameters is None else (self.parameters,)
            try:
                cursor.execute(self.query, *given)
            except Exception as error:
                raise self._refused(error) from None
            names = self._columns(cursor.description)
            while rows := cursor.fetchmany(_FETCH):
                for row in rows:
                    yield dict(zip(names, map(_plain, row), strict=True))

    def _columns(self, description: Any) -> list[str]:
        if not description:
            raise SourceError(f"Step '{self.name}': the query gives no rows: it must be a SELECT.")
        names = [column[0] for column in description]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InvalidArgumentError(
                f"Step '{self.name}': the query gives two columns called '{twice}'. Name one of them: … AS other."
            )
        return names

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            connection = self._connect()
        except DataDreamerError:
            raise
        except Exception as error:
            raise self._refused(error) from None
        try:
            yield connection
        finally:
            connection.close()

    def _connect(self) -> Any:
        if callable(self.connection):
            return self.connection()
        if self._file is not None:
            import sqlite3

            return sqlite3.connect(f"{self._file.absolute().as_uri()}?mode=ro", uri=True)
        sqlalchemy = _lazy.require("sqlalchemy", extra="sql", needed_for="A database URL")
        return sqlalchemy.create_engine(str(self.connection), poolclass=sqlalchemy.pool.NullPool).raw_connection()

    def _refused(self, error: Exception) -> SourceError:
        """What the database says, without the password that it may repeat."""
        said = f"{type(error).__name__}: {error}"
        for secret in _secrets(self.connection):
            said = said.replace(secret, "***")
        return SourceError(f"Step '{self.name}': {said}")

    def card_sources(self) -> list[Any]:
        from ...cards import SourceUse

        digest = self._file_digest or self._rows.digest()
        return [SourceUse(name=self.name, kind="sql", uri=_place(self.connection, self._file), digest=digest)]


def _sqlite_file(connection: Any) -> Path | None:
    if isinstance(connection, Path):
        return connection.expanduser()
    if not isinstance(connection, str):
        return None
    if connection.startswith("sqlite:///"):
        return Path(unquote(connection.removeprefix("sqlite:///").partition("?")[0]))
    return None if "://" in connection else Path(connection).expanduser()


def _secrets(connection: Any) -> list[str]:
    if not isinstance(connection, str) or "://" not in connection:
        return []
    password = urlsplit(connection).password
    return [] if not password else sorted({password, unquote(password)}, key=len, reverse=True)


def _place(connection: Any, file: Path | None) -> str | None:
    """Which database, for the card: no user, no password, no options, no folder."""
    if file is not None:
        return file.name
    if not isinstance(connection, str):
        return None
    parts = urlsplit(connection)
    return f"{parts.scheme.partition('+')[0]}://{parts.hostname or ''}/{parts.path.rpartition('/')[2]}"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value
