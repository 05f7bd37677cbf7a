"""Parquet files and folders of `save_to_disk()` as sources."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import datasets
from datadreamer import DataDreamer
from datadreamer.errors import SourceError
from datadreamer.steps import HFDatasetDataSource, ParquetDataSource


def save(folder: Path, values: list[int]) -> Path:
    features = datasets.Features({"n": datasets.Value("int32"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = {"n": values, "label": [value % 2 for value in values]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(folder, num_shards=2)
    return folder


def test_parquet_files_keep_their_types(session: DataDreamer, tmp_path: Path) -> None:
    for number in range(2):
        pq.write_table(pa.table({"n": pa.array([number], pa.int16()), "t": ["x"]}), tmp_path / f"{number}.parquet")
    step = ParquetDataSource("Rows", data_files=str(tmp_path / "*.parquet"))
    assert step.export_to_dict() == {"n": [0, 1], "t": ["x", "x"]}
    assert step.output.rows.schema.field("n").type == pa.int16()
    assert ParquetDataSource("One", data_folder=str(tmp_path), columns=["t"]).output.column_names == ["t"]


def test_a_saved_dataset_keeps_rows_types_and_labels(session: DataDreamer, tmp_path: Path) -> None:
    step = HFDatasetDataSource("Saved", str(save(tmp_path / "saved", [3, 1, 2])))
    assert step.export_to_dict() == {"n": [3, 1, 2], "label": [1, 1, 0]}
    assert step.output.rows.schema.field("n").type == pa.int32()
    assert step.output.dataset.features["label"].names == ["no", "yes"]
    assert Path(step.dataset_path).is_dir()  # where its own rows are


def test_a_saved_dataset_counts_by_content(run: Callable[..., Any], tmp_path: Path) -> None:
    def read(folder: Path) -> Any:
        step = run(lambda: HFDatasetDataSource("Saved", dataset_path=str(folder)))
        return step.fingerprint

    first = read(save(tmp_path / "one", [1, 2, 3]))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert read(tmp_path / "two") == first
    assert read(save(tmp_path / "three", [1, 2, 4])) != first


def test_an_empty_saved_dataset_has_nothing_to_give(session: DataDreamer, tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"n": []}).save_to_disk(tmp_path / "empty")
    with pytest.raises(SourceError, match="has no rows"):
        HFDatasetDataSource("Empty", str(tmp_path / "empty"))


def test_what_is_no_saved_dataset_is_refused_with_the_cure(session: DataDreamer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist: give a folder that was written by"):
        HFDatasetDataSource("No", str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"has no state\.json"):
        HFDatasetDataSource("No", str(tmp_path / "empty"))
    part = datasets.Dataset.from_dict({"n": [1]})
    datasets.DatasetDict({"train": part, "test": part}).save_to_disk(tmp_path / "both")
    with pytest.raises(ValueError, match=r"several splits \(train, test\): give the folder of one"):
        HFDatasetDataSource("No", str(tmp_path / "both"))
    assert len(HFDatasetDataSource("Yes", str(tmp_path / "both" / "train")).output) == 1


def test_a_missing_or_damaged_part_is_named(session: DataDreamer, tmp_path: Path) -> None:
    folder = save(tmp_path / "saved", [1, 2, 3])
    part = sorted(folder.glob("*.arrow"))[1]
    part.write_bytes(part.read_bytes()[:40])
    with pytest.raises(SourceError, match="cannot be read"):
        HFDatasetDataSource("Damaged", str(folder))
    part.unlink()
    with pytest.raises(SourceError, match=f"lacks the file {part.name}"):
        HFDatasetDataSource("Missing", str(folder))
