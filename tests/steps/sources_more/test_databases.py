"""SQL sources: any DB-API connection, SQLAlchemy URLs, files of SQLite, DuckDB over files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datadreamer import DataDreamer
from datadreamer.errors import InvalidArgumentError, InvalidTypeError, SourceError
from datadreamer.steps import DuckDBDataSource, SQLDataSource

SELECT = "SELECT id, title, score FROM papers ORDER BY id"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "papers.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE papers (id INTEGER, title TEXT, score REAL, data BLOB)")
        rows = [(number, f"Paper {number}", None if number == 2 else number / 2, b"\x00") for number in range(5_000)]
        connection.executemany("INSERT INTO papers VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return path


def test_rows_come_from_a_file_of_sqlite_without_any_extra(session: DataDreamer, database: Path) -> None:
    for number, place in enumerate((database, str(database), f"sqlite:///{database}")):
        step = SQLDataSource(f"Papers {number}", SELECT, place)
        assert step.output.num_rows == 5_000
        assert step.output[2] == {"id": 2, "title": "Paper 2", "score": None}


def test_a_file_counts_by_its_content_and_not_by_its_place(
    run: Callable[..., Any], database: Path, tmp_path: Path
) -> None:
    first = run(lambda: SQLDataSource("Papers", SELECT, database)).fingerprint
    moved = database.rename(tmp_path / "moved.db")
    assert run(lambda: SQLDataSource("Papers", SELECT, moved)).fingerprint == first
    assert run(lambda: SQLDataSource("Papers", SELECT + " LIMIT 3", moved)).fingerprint != first
    with sqlite3.connect(moved) as connection:
        connection.execute("UPDATE papers SET title = 'Another' WHERE id = 7")
    connection.close()
    step = run(lambda: SQLDataSource("Papers", SELECT, moved))
    assert step.fingerprint != first
    assert step._result.dataset()[7]["title"] == "Another"


def test_any_connection_is_identified_by_its_rows(run: Callable[..., Any], database: Path) -> None:
    def workflow() -> Any:
        query = "SELECT id FROM papers WHERE id < ? ORDER BY id"
        return SQLDataSource("Papers", query, lambda: sqlite3.connect(database), parameters=[3])

    first = run(workflow)
    assert [row["id"] for row in first._result.dataset()] == [0, 1, 2]
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO papers VALUES (9000, '', 0, NULL)")  # no row of the query
    assert run(workflow).fingerprint == first.fingerprint
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM papers WHERE id = 1")
    assert run(workflow).fingerprint != first.fingerprint


def test_a_password_is_in_no_file_and_in_no_message(tmp_path: Path, database: Path) -> None:
    pytest.importorskip("sqlalchemy")
    with DataDreamer(tmp_path / "output", verbose=False):
        with pytest.raises(SourceError) as raised:
            SQLDataSource("Server", SELECT, "nosuch://me:hunter2secret@localhost/db")
        assert SQLDataSource("Papers", SELECT, f"sqlite+pysqlite:///{database}").output.num_rows == 5_000
    assert "hunter2secret" not in str(raised.value)
    for path in (tmp_path / "output").rglob("*"):
        assert not path.is_file() or b"hunter2secret" not in path.read_bytes()
    record = json.loads((tmp_path / "output" / "papers" / "step.json").read_bytes())
    assert str(tmp_path) not in json.dumps(record["sources"])


@pytest.mark.parametrize(
    ("query", "error", "words"),
    [
        ("SELECT missing FROM papers", SourceError, "no such column"),
        ("SELECT id, id FROM papers", InvalidArgumentError, "two columns called 'id'"),
        ("SELECT id FROM papers WHERE id < 0", SourceError, "no rows"),
        ("DELETE FROM papers", SourceError, "readonly"),
        ("", InvalidTypeError, "query must be"),
    ],
)
def test_mistakes_in_a_query_are_named(
    session: DataDreamer, database: Path, query: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        SQLDataSource("Papers", query, database)


def test_a_connection_that_is_open_already_is_refused(session: DataDreamer, database: Path) -> None:
    with pytest.raises(InvalidTypeError, match="function that connects"):
        SQLDataSource("Papers", SELECT, sqlite3.connect(database))  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="no database"):
        SQLDataSource("Papers", SELECT, database.with_name("none.db"))


def test_duckdb_joins_files_of_several_kinds(session: DataDreamer, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    (tmp_path / "a-1.csv").write_text("id,title\n1,One\n2,Two\n")
    (tmp_path / "a-2.csv").write_text("id,title\n3,Three\n")
    (tmp_path / "scores.jsonl").write_text('{"id": 2, "score": 0.5}\n{"id": 3, "score": 1.5}\n')
    step = DuckDBDataSource(
        "Joined",
        "SELECT title, score FROM papers JOIN scores USING (id) ORDER BY id",
        {"papers": str(tmp_path / "a-*.csv"), "scores": tmp_path / "scores.jsonl"},
    )
    assert list(step.output) == [{"title": "Two", "score": 0.5}, {"title": "Three", "score": 1.5}]


def test_duckdb_reads_no_file_that_does_not_count(session: DataDreamer, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "other.csv").write_text("id\n2\n")
    with pytest.raises(SourceError):
        DuckDBDataSource("Other", f"SELECT * FROM '{tmp_path}/other.csv'", {"a": tmp_path / "a.csv"})
    with pytest.raises(SourceError, match="table 'a'"):
        DuckDBDataSource("None", "SELECT 1", {"a": tmp_path / "none.csv"})


def test_a_duckdb_query_counts_with_the_content_of_its_files(run: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")

    def workflow() -> Any:
        return DuckDBDataSource("Rows", "SELECT id + 1 AS next FROM a", {"a": path})

    first = run(workflow).fingerprint
    assert run(workflow).fingerprint == first
    path.write_text("id\n2\n")
    assert run(workflow).fingerprint != first
