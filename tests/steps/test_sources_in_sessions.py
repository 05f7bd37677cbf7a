"""Data sources: what they accept, how it comes back, and what they say about what they cannot read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from datadreamer import DataDreamer
from datadreamer.datasets import OutputDataset, OutputIterableDataset
from datadreamer.errors import CannotIdentifyError, InvalidArgumentError, InvalidTypeError, SourceError
from datadreamer.steps import CSVDataSource, DataSource, JSONDataSource, LazyRows, TextDataSource
from datasets import ClassLabel, Dataset, DatasetDict, Features, IterableDataset, Value

Run = Callable[..., Any]
ROWS = [{"n": 1, "text": "a"}, {"n": 2, "text": None}]


def rows(step: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in step.output]


def made() -> Iterator[dict[str, Any]]:
    yield from (dict(row) for row in ROWS)


# --- what is at hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        {"n": [1, 2], "text": ["a", None]},
        {"n": (1, 2), "text": ("a", None)},
        {"n": range(1, 3), "text": iter(["a", None])},
        {"n": np.array([1, 2]), "text": pd.Series(["a", None], dtype=object)},
        ROWS,
        tuple(ROWS),
        Dataset.from_list(ROWS),
        Dataset.from_list([{"n": 0, "text": "x"}, *ROWS]).select([1, 2]),
        IterableDataset.from_generator(made),
        pa.table({"n": [1, 2], "text": ["a", None]}),
        pd.DataFrame({"n": [1, 2], "text": ["a", None]}, index=[5, 6]),
        made,
        lambda: made(),
        lambda: ROWS,
        LazyRows(made),
    ],
    ids=lambda data: type(data).__name__,
)
def test_everything_that_is_rows_is_accepted(memory: DataDreamer, data: Any) -> None:
    step = DataSource("S", data)
    assert rows(step) == ROWS
    assert step.output.column_names == ["n", "text"]
    assert isinstance(
        step.output, OutputIterableDataset if callable(data) or isinstance(data, LazyRows) else OutputDataset
    )


def test_a_result_of_another_step_is_data_too(memory: DataDreamer) -> None:
    first = DataSource("First", ROWS)
    assert rows(DataSource("Of lazy rows", first.map(lambda row: row))) == ROWS
    assert rows(DataSource("Of a step", first)) == rows(DataSource("Of an output", first.output)) == ROWS


@pytest.mark.parametrize("data", [{"n": [], "text": []}, Dataset.from_dict({"n": [], "text": []})])
def test_empty_data_keeps_its_columns(memory: DataDreamer, data: Any) -> None:
    step = DataSource("S", data)
    assert step.output.column_names == ["n", "text"] and step.output.num_rows == 0
    assert rows(DataSource("Nothing", [])) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"n": [1, 2], "text": ["a"]}, r"different lengths: 'n' has 2, 'text' has 1 values"),
        ({"n": 1}, r"data must be a dict of lists, but 'n' is int 1"),
        ({"n": "abc"}, r"data must be a dict of lists, but 'n' is str 'abc'"),
        ([{"n": 1}, 2], r"item 1 is int 2"),
        ([{"n": 1}, {"m": 2}], r"has no column 'n'"),
        ([{"n": 1}, {"n": "x"}], r"column 'n' holds int"),
        (DatasetDict(train=Dataset.from_list(ROWS), test=Dataset.from_list(ROWS)), r"several splits \(train, test\)"),
        (5, r"must be a dict of lists, .*, not int"),
        ("rows.csv", r"must be a dict of lists, .*, not str"),
        (None, r"must be a dict of lists, .*, not NoneType"),
    ],
)
def test_what_is_no_rows_is_refused(memory: DataDreamer, data: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        DataSource("S", data)


def test_a_function_is_called_whenever_its_rows_are_read(memory: DataDreamer) -> None:
    calls = []

    class Counted:
        def __datadreamer_fingerprint__(self) -> str:
            return "counted"

        def __call__(self) -> Iterator[dict[str, int]]:
            calls.append(1)
            return ({"n": n} for n in range(3))

    step = DataSource("S", Counted(), total_num_rows=3)
    assert calls == [] and step.output.num_rows == 3
    assert [row["n"] for row in step.output] == [row["n"] for row in step.output] == [0, 1, 2]
    assert len(calls) == 2
    stored = DataSource("Stored", Counted(), save=True)
    assert isinstance(stored.output, OutputDataset) and rows(stored) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert len(calls) == 3


def test_a_function_that_gives_no_rows_is_named(memory: DataDreamer) -> None:
    with pytest.raises(InvalidTypeError, match=r"Step 'S': the function must give rows as dictionaries, not int 5"):
        list(DataSource("S", lambda: [5]).output)


def test_a_generator_is_refused(memory: DataDreamer) -> None:
    with pytest.raises(InvalidTypeError, match="Pass the function itself"):
        DataSource("S", made())


def test_rows_are_found_again_by_content(run: Run, tmp_path: Path) -> None:
    stamp = tmp_path / "output" / "s" / "step.json"
    first = run(lambda: DataSource("S", ROWS).fingerprint)
    when = stamp.stat().st_mtime_ns
    assert run(lambda: DataSource("S", {"n": [1, 2], "text": ["a", None]}).fingerprint) == first
    assert stamp.stat().st_mtime_ns == when
    assert run(lambda: DataSource("S", {"n": [1, 3], "text": ["a", None]}).fingerprint) != first
    assert stamp.stat().st_mtime_ns != when


def test_values_come_back_as_they_went(memory: DataDreamer) -> None:
    data = {
        "day": [date(2024, 2, 29), None],
        "deep": [{"a": [1, None], "b": {"c": "x"}}, None],
        "raw": [b"\x00\xff", b""],
        "big": [2**62, -(2**62)],
        "mixed": [1, 2.5],
    }
    assert DataSource("S", data).output.to_dict() == {**data, "mixed": [1.0, 2.5]}  # type: ignore[union-attr]


def test_features_of_a_dataset_are_kept(memory: DataDreamer) -> None:
    features = Features({"y": ClassLabel(names=["no", "yes"]), "n": Value("int32")})
    step = DataSource("S", Dataset.from_dict({"y": [0, 1], "n": [1, 2]}, features=features))
    assert step.output.dataset.features["y"].names == ["no", "yes"]
    assert str(step.output.schema.field("n").type) == "int32"  # type: ignore[union-attr]


def test_a_function_without_identity_is_refused_when_it_matters(memory: DataDreamer) -> None:
    opened = open("/dev/null")  # noqa: PTH123, SIM115 - a value that has no identity

    def reads() -> Iterator[dict[str, Any]]:
        yield {"line": opened.read()}

    step = DataSource("S", reads)
    with pytest.raises(CannotIdentifyError, match="Step 'S"):
        step.save()
    opened.close()


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "more").mkdir(parents=True)
    (folder / "a.csv").write_text('n,text\n1,"a, ""quoted""\nline"\n2,\n')
    (folder / "b.csv").write_text("n,text\n3,ü\n")
    (folder / "a.jsonl").write_text('{"n": 1, "deep": {"x": [1]}}\n\n{"n": 2, "deep": null}\n')
    (folder / "b.json").write_text(json.dumps([{"n": 3, "deep": {"x": []}}]))
    (folder / "a.txt").write_text("one\n\nthree")
    (folder / "b.txt").write_text("four\r\n")
    (folder / "c.csv.gz").write_bytes(gzip.compress(b"n,text\n4,zipped\n"))
    return folder


def test_csv_files(memory: DataDreamer, files: Path) -> None:
    first = [{"n": 1, "text": 'a, "quoted"\nline'}, {"n": 2, "text": ""}]
    assert rows(CSVDataSource("One", data_files=str(files / "a.csv"))) == first
    assert rows(CSVDataSource("Two", data_files=[str(files / "b.csv"), str(files / "a.csv")])) == [
        {"n": 3, "text": "ü"}, *first,
    ]  # fmt: skip
    assert rows(CSVDataSource("Relative", str(files), "a.csv")) == first
    assert [row["n"] for row in rows(CSVDataSource("Pattern", str(files), "?.csv"))] == [1, 2, 3]
    assert [row["n"] for row in rows(CSVDataSource("Folder", data_folder=str(files)))] == [1, 2, 3, 4]
    assert rows(CSVDataSource("Path", data_files=files / "c.csv.gz")) == [{"n": 4, "text": "zipped"}]  # type: ignore[arg-type]


def test_csv_options(memory: DataDreamer, files: Path) -> None:
    (files / "d.csv").write_text("1;'x;y'\n2;z\n")
    step = CSVDataSource("S", data_files=str(files / "d.csv"), sep=";", quotechar="'", column_names=["n", "text"])
    assert rows(step) == [{"n": 1, "text": "x;y"}, {"n": 2, "text": "z"}]


def test_json_files(memory: DataDreamer, files: Path) -> None:
    first = [{"n": 1, "deep": {"x": [1]}}, {"n": 2, "deep": None}]
    assert rows(JSONDataSource("Lines", data_files=str(files / "a.jsonl"))) == first
    assert rows(JSONDataSource("List", data_files=str(files / "b.json"))) == [{"n": 3, "deep": {"x": []}}]
    assert [row["n"] for row in rows(JSONDataSource("Folder", data_folder=str(files)))] == [1, 2, 3]


def test_text_files(memory: DataDreamer, files: Path) -> None:
    assert rows(TextDataSource("S", data_files=str(files / "a.txt"))) == [{"text": t} for t in ("one", "", "three")]
    assert [row["text"] for row in rows(TextDataSource("T", data_folder=str(files)))] == ["one", "", "three", "four"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: CSVDataSource("S", data_files=str(d / "x.csv")), r"Step 'S': .*x\.csv"),
        (lambda d: CSVDataSource("S", data_files=str(d / "x*.csv")), r"Step 'S': .*x\*\.csv"),
        (lambda d: CSVDataSource("S", data_folder=str(d / "none")), r"Step 'S': .*none"),
        (lambda d: CSVDataSource("S", data_folder=str(d / "more")), r"Step 'S': .*more"),
        (lambda d: CSVDataSource("S"), r"Step 'S': .*data_f"),
        (lambda d: CSVDataSource("S", data_files=[]), r"Step 'S': .*data_files"),
        (lambda d: CSVDataSource("S", data_files={"train": "a.csv", "test": "b.csv"}),  # type: ignore[arg-type]
         r"data_files must be a file or a list of files.*'train', 'test'"),
        (lambda d: CSVDataSource("S", data_files=str(d / "empty.csv")), r"empty\.csv"),
        (lambda d: CSVDataSource("S", data_files=str(d / "names.csv")), r"names\.csv has no rows"),
        (lambda d: CSVDataSource("S", data_files=str(d / "open.csv")), r"open\.csv"),
        (lambda d: CSVDataSource("S", data_files=str(d / "wide.csv")), r"wide\.csv.*line 3"),
        (lambda d: CSVDataSource("S", data_files=str(d / "a.csv"), sepp=";"), r"'sepp'.*[Dd]id you mean 'sep'"),
        (lambda d: CSVDataSource("S", data_files=str(d / "a.csv"), sep=";;"), r"sep"),
        (lambda d: JSONDataSource("S", data_files=str(d / "broken.jsonl")), r"broken\.jsonl.*line 2"),
        (lambda d: JSONDataSource("S", data_files=str(d / "scalar.jsonl")), r"scalar\.jsonl.*line 1"),
        (lambda d: JSONDataSource("S", data_files=str(d / "a.jsonl"), fieldd="x"), r"'fieldd'.*mean 'field'"),
        (lambda d: TextDataSource("S", data_files=str(d / "latin.txt")), r"latin\.txt"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_are_named(
    memory: DataDreamer, files: Path, make: Callable[[Path], Any], message: str
) -> None:
    (files / "empty.csv").write_text("")
    (files / "names.csv").write_text("n,text\n")
    (files / "open.csv").write_text('n,text\n1,"never closed\n2,b\n')
    (files / "wide.csv").write_text("n,text\n1,a\n2,b,c\n")
    (files / "broken.jsonl").write_text('{"n": 1}\n{"n": \n')
    (files / "scalar.jsonl").write_text("5\n")
    (files / "latin.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises((SourceError, InvalidTypeError, InvalidArgumentError), match=message):
        make(files)


def test_an_option_of_the_reader_counts_and_the_place_of_the_file_does_not(run: Run, files: Path) -> None:
    def key(path: Path, **options: Any) -> str:
        return run(lambda: CSVDataSource("S", data_files=str(path), **options).fingerprint)

    (files / "copy.csv").write_bytes((files / "b.csv").read_bytes())
    first = key(files / "b.csv")
    assert key(files / "copy.csv") == first
    assert key(files / "b.csv", quotechar="'") != first


def test_files_are_not_read_again_by_a_rerun(run: Run, files: Path, tmp_path: Path) -> None:
    def workflow() -> list[Any]:
        return rows(
            CSVDataSource("S", data_files=str(files / "b.csv")).map(lambda row: {"n": row["n"] * 2}, lazy=False)
        )

    assert run(workflow) == [{"n": 6, "text": "ü"}]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "output").rglob("step.json")}
    assert len(stamps) == 2
    assert run(workflow) == [{"n": 6, "text": "ü"}]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "output").rglob("step.json")} == stamps
