"""Files behind an address: object stores through fsspec, a real HTTP server; other shapes of data in memory."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from datadreamer import DataDreamer
from datadreamer.errors import SourceError
from datadreamer.steps import CSVDataSource, DataSource, JSONDataSource

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store() -> Iterator[Any]:
    made = fsspec.filesystem("memory")
    made.pipe("/bucket/part-1.csv", b"id,title\n1,One\n")
    made.pipe("/bucket/part-2.csv.gz", gzip.compress(b"id,title\n2,Two\n"))
    yield made
    made.rm("/bucket", recursive=True)


def test_patterns_and_folders_of_an_object_store_are_read(session: DataDreamer, store: Any) -> None:
    expected = [{"id": 1, "title": "One"}, {"id": 2, "title": "Two"}]
    assert list(CSVDataSource("Pattern", data_files="memory://bucket/part-*").output) == expected
    assert list(CSVDataSource("Folder", data_folder="memory://bucket").output) == expected
    assert list(CSVDataSource("One", data_files=["memory://bucket/part-1.csv"]).output) == expected[:1]


def test_an_object_counts_by_its_content(run: Callable[..., Any], store: Any) -> None:
    def workflow() -> str:
        return CSVDataSource("Rows", data_files="memory://bucket/part-1.csv").fingerprint

    first = run(workflow)
    assert run(workflow) == first
    store.pipe("/bucket/part-1.csv", b"id,title\n1,Uno\n")
    assert run(workflow) != first


def test_what_is_not_there_is_named_without_a_password(session: DataDreamer) -> None:
    with pytest.raises(SourceError, match="memory://bucket/none") as raised:
        CSVDataSource("None", data_files="memory://me:hunter2secret@bucket/none-*.csv")
    assert "hunter2secret" not in str(raised.value)


def test_files_of_a_web_server_are_read(session: DataDreamer, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "rows.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        step = JSONDataSource("Web", data_files=f"http://127.0.0.1:{server.server_port}/rows.jsonl")
        assert step.output["a"].to_list() == [1, 2]
        server.shutdown()


def test_arrow_and_numpy_shapes_are_taken(session: DataDreamer) -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    structured = np.array([(1, 0.5), (2, 1.5)], dtype=[("a", "i4"), ("s", "f4")])
    assert DataSource("Batch", table.to_batches()[0]).output.to_list() == table.to_pylist()
    assert DataSource("Reader", table.to_reader()).output.to_list() == table.to_pylist()
    assert DataSource("Structured", structured).output.to_list() == [{"a": 1, "s": 0.5}, {"a": 2, "s": 1.5}]
    vectors = DataSource("Vectors", {"v": np.arange(6, dtype=np.float32).reshape(2, 3)})
    assert vectors.output["v"].to_list() == [[0, 1, 2], [3, 4, 5]]


def test_a_stream_of_rows_is_stored_without_holding_it(session: DataDreamer) -> None:
    datasets = pytest.importorskip("datasets")

    def rows() -> Iterator[dict[str, int]]:
        yield from ({"n": number} for number in range(3_000))

    step = DataSource("Stream", datasets.IterableDataset.from_generator(rows))
    assert step.output["n"].to_list() == list(range(3_000))
    folder = session.folder
    assert folder is not None
    assert not list(folder.glob("_work/spool-*"))
