"""Exports are read back by the programs they are for, and never replace what is not theirs."""

import csv
import datetime
import decimal
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import datasets
from datadreamer.datasets import (
    DatasetWriter,
    OutputDataset,
    Rows,
    export_csv,
    export_hf_dataset,
    export_json,
    export_parquet,
    open_dataset,
    split_paths,
)
from datadreamer.errors import InvalidArgumentError

ROWS = [{"n": n, "t": f'é "{n}", \U0001f600\n', "l": [n, None], "d": {"k": None, "s": "x"}} for n in range(5)]


@pytest.fixture
def rows():
    return Rows.from_list(ROWS)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_json_lines_by_default_under_a_bare_name(rows, here):
    export_json(rows, "data.json")
    text = (here / "data.json").read_text()
    assert text.isascii() and [json.loads(line) for line in text.splitlines()] == ROWS
    assert datasets.Dataset.from_json("data.json", cache_dir=str(here / "cache")).to_list() == ROWS


def test_json_forms(rows, here):
    export_json(rows, "a.json", lines=False, force_ascii=False)
    assert json.loads((here / "a.json").read_text()) == ROWS and "é" in (here / "a.json").read_text()
    export_json(rows, "b.json", lines=False, indent=2)
    assert json.loads((here / "b.json").read_text()) == ROWS
    export_json(rows.take(0), "c.json", lines=False)
    assert json.loads((here / "c.json").read_text()) == []
    export_json(rows.select_columns("n"), "d.json", orient="split")
    assert json.loads((here / "d.json").read_text())["columns"] == ["n"]
    with pytest.raises(InvalidArgumentError, match="no option 'force_asci'"):
        export_json(rows, "e.json", force_asci=False)


def test_json_of_what_json_has_no_word_for(here):
    export_json(
        Rows.from_list(
            [{"b": b"\0", "p": decimal.Decimal("1.50"), "w": datetime.datetime(2024, 1, 1), "x": float("nan")}]
        ),
        "a.json",
    )
    assert json.loads((here / "a.json").read_text()) == {
        "b": "AA==",
        "p": "1.50",
        "w": "2024-01-01T00:00:00",
        "x": None,
    }


def test_csv_as_pandas_reads_it(rows, here):
    export_csv(rows, "data.csv")
    frame = pd.read_csv("data.csv")
    assert list(frame["n"]) == list(range(5)) and list(frame["t"]) == [row["t"] for row in ROWS]
    assert json.loads(frame["l"][1]) == [1, None] and json.loads(frame["d"][0]) == ROWS[0]["d"]
    export_csv(rows, "b.csv", sep=";", index=True, columns=["n"], header=["number"])
    with (here / "b.csv").open() as file:
        assert list(csv.reader(file, delimiter=";"))[:2] == [["", "number"], ["0", "0"]]
    with pytest.raises(InvalidArgumentError, match=r"no option 'spe'. Did you mean 'sep'"):
        export_csv(rows, "c.csv", spe=";")


def test_parquet_keeps_rows_and_features(rows, here):
    export_parquet(rows, "data.parquet")
    assert pq.read_table("data.parquet").to_pylist() == ROWS
    features = datasets.Features({"y": datasets.ClassLabel(names=["a", "b"])})
    export_parquet(Rows.from_hf(datasets.Dataset.from_dict({"y": [1]}, features=features)), "label.parquet")
    loaded = datasets.Dataset.from_parquet("label.parquet", cache_dir=str(here / "cache"))
    assert loaded.features == features
    with pytest.raises(InvalidArgumentError, match="only empty dicts"):
        export_parquet(Rows.from_list([{"d": {}}]), "empty.parquet")


def test_large_parquet_has_row_groups(here):
    export_parquet(Rows.from_table(pa.table({"n": np.arange(1_200_000)})), "data.parquet")
    assert pq.ParquetFile("data.parquet").num_row_groups == 2


def test_dataset_folders_load_whole_and_with_splits(rows, here):
    export_hf_dataset(rows, "folder", num_shards=2)
    assert datasets.load_from_disk("folder").to_list() == ROWS
    export_hf_dataset({"train": rows.take(3), "validation": rows.skip(3)}, "folder")
    loaded = datasets.load_from_disk("folder")
    assert {name: len(part) for name, part in loaded.items()} == {"train": 3, "validation": 2}
    export_hf_dataset(rows.take(0), "folder")
    assert len(datasets.load_from_disk("folder")) == 0
    assert sorted(path.name for path in here.iterdir()) == ["folder"]


def test_what_is_not_an_earlier_export_is_left_alone(rows, here):
    export_parquet(rows, "data.parquet")
    export_json(rows, "data.json")
    (here / "folder").mkdir()
    (here / "folder" / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidArgumentError, match=r"data\.parquet exists and is not a json file"):
        export_json(rows, "data.parquet")
    with pytest.raises(InvalidArgumentError, match=r"data\.json exists and is not a csv file"):
        export_csv(rows, "data.json")
    with pytest.raises(InvalidArgumentError, match="not a dataset folder"):
        export_hf_dataset(rows, "folder")
    with pytest.raises(InvalidArgumentError, match="is a folder: give a file name"):
        export_csv(rows, "folder")
    export_parquet(rows.take(1), "data.parquet")
    export_json(rows.take(1), "data.json")
    assert pq.read_table("data.parquet").num_rows == 1 and len((here / "data.json").read_text().splitlines()) == 1


def test_a_failed_export_leaves_the_earlier_one(rows, here):
    export_csv(rows, "data.csv")
    before = (here / "data.csv").read_bytes()
    with pytest.raises(UnicodeEncodeError):
        export_csv(rows, "data.csv", encoding="ascii")
    assert (here / "data.csv").read_bytes() == before and len(list(here.iterdir())) == 1


def test_split_file_names():
    paths = split_paths("out/tweets.json", ["train", "validation", "test"])
    assert [path.as_posix() for path in paths.values()] == [
        "out/tweets.train.json", "out/tweets.val.json", "out/tweets.test.json",
    ]  # fmt: skip


def test_parts_on_disk_open_in_datasets_without_a_copy(here):
    writer = DatasetWriter(here / "parts")
    for row in ROWS:
        writer.append(row)
        writer.flush()
    made = OutputDataset(None, open_dataset(writer.folder, writer.finish()))
    assert len(made.dataset.cache_files) == 5 and made.dataset.to_list() == ROWS
    assert datasets.Dataset.from_file(str(here / "parts" / "part-00001.arrow")).to_list() == [ROWS[1]]
