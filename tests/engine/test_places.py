"""No fingerprint depends on where files lie, or on how a system spells paths."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from datadreamer import bundled
from datadreamer.datasets.readers.files import order
from datadreamer.identity import view
from datadreamer.llms import HFTransformers
from datadreamer.steps import (
    CSVDataSource,
    HFDatasetDataSource,
    JSONDataSource,
    ParquetDataSource,
    TextDataSource,
)
from datadreamer.steps.fingerprint import fingerprints

NAMES = ["b/2.csv", "B.csv", "a.csv", "a/1.csv", "a0.csv", "a/Z.csv", "ä.csv", "z/ü/1.csv", "Z/1.csv"]


def test_files_have_the_same_order_on_every_system() -> None:
    posix = sorted(map(PurePosixPath, NAMES), key=order)
    windows = sorted((PureWindowsPath(name.replace("/", "\\")) for name in reversed(NAMES)), key=order)
    decomposed = sorted((PurePosixPath(unicodedata.normalize("NFD", name)) for name in NAMES), key=order)
    assert [path.as_posix() for path in windows] == [str(path) for path in posix]
    assert [unicodedata.normalize("NFC", str(path)) for path in decomposed] == [str(path) for path in posix]
    assert [str(path) for path in posix][:3] == ["B.csv", "Z/1.csv", "a/1.csv"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with data of every kind and a model."""
    datasets, parquet = pytest.importorskip("datasets"), pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "here"
    (folder / "many" / "deeper").mkdir(parents=True)
    for name in ("one.csv", "deeper/two.csv"):
        (folder / "many" / name).write_text("n\n1\n")
    (folder / "rows.json").write_text('[{"n": 1}]')
    (folder / "rows.txt").write_text("1\n")
    rows = datasets.Dataset.from_dict({"n": [1]})
    rows.save_to_disk(str(folder / "saved"))
    parquet.write_table(rows.data.table, folder / "rows.parquet")
    shutil.copytree(bundled.toy_model_path(), folder / "model")
    return folder


def everything(folder: Path) -> dict[str, Any]:
    """Every step and model that reads files, from this folder."""
    return {
        "csv": CSVDataSource("csv", data_files=str(folder / "many" / "one.csv")),
        "csv folder": CSVDataSource("csv folder", data_folder=str(folder / "many")),
        "csv pattern": CSVDataSource("csv pattern", data_files=str(folder / "many" / "**" / "*.csv")),
        "json": JSONDataSource("json", data_files=str(folder / "rows.json")),
        "text": TextDataSource("text", data_files=str(folder / "rows.txt")),
        "parquet": ParquetDataSource("parquet", data_files=str(folder / "rows.parquet")),
        "saved": HFDatasetDataSource("saved", str(folder / "saved")),
        "model": HFTransformers(str(folder / "model"), device="cpu"),
    }


def test_the_same_files_in_another_folder_are_the_same(data: Path) -> None:
    there = data.with_name("there")
    shutil.copytree(data, there)
    first, second = everything(data), everything(there)
    for name, one in first.items():
        if name == "model":
            counted, again = view(one.spec()), view(second[name].spec())
        else:
            counted, again = fingerprints(one).view, fingerprints(second[name]).view
            assert fingerprints(one).key == fingerprints(second[name]).key, name
        assert counted == again, name
        assert str(data) not in json.dumps(counted) and "here" not in json.dumps(counted), name
