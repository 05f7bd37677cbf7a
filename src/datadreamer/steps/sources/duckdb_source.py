"""`DuckDBDataSource`: a DuckDB query over files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ... import _context, _lazy
from ...errors import InvalidArgumentError, InvalidTypeError, SourceError
from ..rows import Chunk
from .data_source import Source, without_self

_BATCH_ROWS = 8_192
_READERS = {"csv": "read_csv_auto", "json": "read_json_auto", "parquet": "read_parquet"}


class DuckDBDataSource(Source):
    """The rows of a DuckDB query over CSV, JSON and Parquet files, which may be larger than memory.

    The rows are identified by the query and the content of the files. The query can read these files and nothing else,
    so nothing that is not counted can come in.

    Args:
        name: the step's name.
        query: SQL over the names in `tables`, for example `"SELECT title FROM papers WHERE year > 2020"`.
        tables: name to files: a path, a pattern such as `"part-*.parquet"`, a folder, or a list of them. All files of
            a table are of one kind.
        progress_interval, force, verbose, log_level, save_num_proc, save_num_shards, background: as for `Step`.

    Raises:
        SourceError: a file is missing, or DuckDB refuses the query.
        MissingDependencyError: duckdb is not installed: `pip install "datadreamer[sql]"`.
    """

    query: str
    tables: dict[str, Any]

    def __init__(
        self,
        name: str,
        query: str,
        tables: Mapping[str, str | Path | Sequence[str | Path]],
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
        if not isinstance(self.tables, Mapping) or not self.tables:
            raise InvalidTypeError(
                f'Step \'{self.name}\': tables must map names to files, for example {{"papers": "papers.parquet"}}.'
            )
        self._files = {table: self._resolved(table, given) for table, given in self.tables.items()}

    def _resolved(self, table: str, given: Any) -> tuple[str, list[Path]]:
        """The kind of the files, and the files."""
        from ...datasets.readers.files import SUFFIXES, resolve_files

        entries = [given] if isinstance(given, str | Path) else list(given)
        kind = next((kind for kind in _READERS if any(_ends(entry, SUFFIXES[kind]) for entry in entries)), "parquet")
        try:
            files = resolve_files(kind, None, entries)
        except SourceError as error:
            raise SourceError(f"Step '{self.name}', table '{table}': {error}") from None
        return kind, [file.absolute() for file in files]

    @cached_property
    def _digests(self) -> dict[str, list[str]]:
        from ...ledger import FileDigests

        digests = FileDigests(getattr(_context.session(), "ledger", None))
        return {table: [digests.digest(file).digest for file in files] for table, (_, files) in self._files.items()}

    def content(self) -> Any:
        return {table: [kind, *self._digests[table]] for table, (kind, _) in self._files.items()}

    def identity(self) -> dict[str, Any]:
        return {"query": self.query.strip(), "content": self.content()}

    def run(self) -> Iterator[Chunk]:
        duckdb: Any = _lazy.require("duckdb", extra="sql", needed_for="DuckDBDataSource")
        connection = duckdb.connect(":memory:")
        try:
            self._restrict(connection)
            result = connection.sql(self.query)
            if result is None:
                raise InvalidArgumentError(f"Step '{self.name}': the query gives no rows: it must be a SELECT.")
            for batch in result.to_arrow_reader(_BATCH_ROWS):
                yield Chunk(batch)
        except duckdb.Error as error:
            raise SourceError(f"Step '{self.name}': {error}") from None
        finally:
            connection.close()

    def _restrict(self, connection: Any) -> None:
        """A view for each table, and no way to anything but its files."""
        every = [str(file) for _, files in self._files.values() for file in files]
        connection.execute(f"SET allowed_paths=[{', '.join(map(_text, every))}]")
        connection.execute("SET enable_external_access=false")
        for table, (kind, files) in self._files.items():
            listed = ", ".join(_text(str(file)) for file in files)
            name = '"' + table.replace('"', '""') + '"'
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {_READERS[kind]}([{listed}])")
        connection.execute("SET lock_configuration=true")

    def card_sources(self) -> list[Any]:
        from ...cards import SourceUse

        return [
            SourceUse(name=self.name, kind=kind, uri=file.name, digest=digest)
            for table, (kind, files) in self._files.items()
            for file, digest in zip(files, self._digests[table], strict=True)
        ]


def _ends(entry: str | Path, endings: tuple[str, ...]) -> bool:
    return str(entry).lower().removesuffix(".gz").removesuffix(".zst").endswith(endings)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
