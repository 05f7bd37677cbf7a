"""Which files a source means; packed files; text and Parquet."""

import bz2
import gzip
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datadreamer.datasets import open_source
from datadreamer.errors import InvalidArgumentError, SourceError


def rows(kind, **where):
    return pa.Table.from_batches(open_source(kind, **where).batches()).to_pylist()


def test_folders_globs_and_lists(tmp_path):
    for name in ("b.txt", "a.txt", "sub/c.txt", ".hidden.txt", "d.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    assert [row["text"] for row in rows("text", data_folder=tmp_path)] == ["a.txt", "b.txt", "sub/c.txt"]
    assert [row["text"] for row in rows("text", data_files=str(tmp_path / "*.txt"))] == ["a.txt", "b.txt"]
    assert [row["text"] for row in rows("text", data_folder=tmp_path, data_files=["b.txt", "a.txt"])] == [
        "b.txt", "a.txt",
    ]  # fmt: skip
    assert len(rows("text", data_files=[tmp_path / "a.txt", tmp_path / "a.txt"])) == 1


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({}, "Give data_files"),
        ({"data_files": "tweets.txt"}, r"tweets.txt does not exist. Did you mean 'tweet.txt'\?"),
        ({"data_files": "*.md"}, r"No file matches .*\*.md"),
        ({"data_files": []}, "empty list"),
        ({"data_files": 3}, "a path, a glob or a list of them, not int 3"),
        ({"data_files": ["a.txt", None]}, "a path, a glob or a list of them, not list"),
        ({"data_files": {"train": "x"}}, "by split is not supported"),
        ({"data_files": "memory://nowhere/a.txt"}, "cannot be read"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, where, words):
    (tmp_path / "tweet.txt").write_text("x")
    if isinstance(where.get("data_files"), str) and "://" not in where["data_files"]:
        where = {"data_files": str(tmp_path / where["data_files"])}
    with pytest.raises(SourceError, match=words):
        open_source("text", **where)


def test_folders_without_files_of_the_kind_are_named(tmp_path):
    with pytest.raises(SourceError, match=r"no file ending in .csv, .tsv"):
        open_source("csv", data_folder=tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        open_source("csv", data_folder=tmp_path / "nope")
    with pytest.raises(InvalidArgumentError, match=r"no source kind 'cvs'. Did you mean 'csv'\?"):
        open_source("cvs", data_folder=tmp_path)


PACKERS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize(
    ("name", "content"), [("data.csv", b"a\n1\n"), ("data.jsonl", b'{"a": 1}\n'), ("data.json", b'[{"a": 1}]')]
)
def test_packed_files_are_unpacked_by_their_ending(tmp_path, ending, name, content):
    (tmp_path / (name + ending)).write_bytes(PACKERS[ending](content))
    assert rows("csv" if "csv" in name else "json", data_folder=tmp_path) == [{"a": 1}]


@pytest.mark.parametrize("ending", PACKERS)
def test_damaged_packed_files_are_named(tmp_path, ending):
    path = tmp_path / ("data.csv" + ending)
    path.write_bytes(b"a,b\n1,2\n" * 10)
    with pytest.raises(SourceError, match=r"data.csv.* cannot be"):
        rows("csv", data_files=path)


def test_text_by_line_paragraph_and_document(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\r\ntwo\n\n\nthree")
    assert [row["text"] for row in rows("text", data_files=path)] == ["one", "two", "", "", "three"]
    assert [row["text"] for row in rows("text", data_files=path, sample_by="paragraph")] == ["one\ntwo", "three"]
    assert [row["text"] for row in rows("text", data_files=path, sample_by="document")] == ["one\ntwo\n\n\nthree"]
    assert rows("text", data_files=path, keep_linebreaks=True)[0] == {"text": "one\n"}
    with pytest.raises(InvalidArgumentError, match="sample_by is one of"):
        rows("text", data_files=path, sample_by="word")


def test_parquet_files_share_one_schema(tmp_path):
    pq.write_table(pa.table({"a": [1], "t": pa.array(["x"]).dictionary_encode()}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"t": ["y"], "a": [0.5]}), tmp_path / "2.parquet")
    assert rows("parquet", data_folder=tmp_path) == [{"a": 1.0, "t": "x"}, {"a": 0.5, "t": "y"}]
    assert rows("parquet", data_folder=tmp_path, columns="t") == [{"t": "x"}, {"t": "y"}]
    with pytest.raises(SourceError, match="no column 'b'"):
        rows("parquet", data_folder=tmp_path, columns=["b"])
    pq.write_table(pa.table({"a": ["text"], "t": ["z"]}), tmp_path / "3.parquet")
    with pytest.raises(SourceError, match="column 'a' holds str, and float in the files before it"):
        rows("parquet", data_folder=tmp_path)
    (tmp_path / "4.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(SourceError, match=r"4\.parquet is not a Parquet file, or was cut off"):
        rows("parquet", data_folder=tmp_path)
