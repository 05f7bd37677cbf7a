"""The public classes: what a script sees of a step's result."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import datasets
from datadreamer.datasets import (
    DatasetWriter,
    OutputDataset,
    OutputDatasetColumn,
    OutputIterableDataset,
    OutputIterableDatasetColumn,
    Rows,
    open_dataset,
)
from datadreamer.errors import InvalidTypeError

ROWS = [{"text": f"t{n}", "n": n, "v": [n, n + 0.5]} for n in range(10)]


class Step:
    name = "Make rows"
    fingerprint = "ddw1:00"


@pytest.fixture(params=["disk", "table", "hf", "hf selection"])
def dataset(request, tmp_path):
    if request.param == "disk":
        writer = DatasetWriter(tmp_path)
        for n, row in enumerate(ROWS):
            writer.append(row)
            if n in (2, 7):
                writer.flush()
        return OutputDataset(Step(), open_dataset(tmp_path, writer.finish()))
    if request.param == "table":
        return OutputDataset(Step(), pa.Table.from_pylist(ROWS))
    if request.param == "hf":
        return OutputDataset(Step(), datasets.Dataset.from_list(ROWS))
    return OutputDataset(Step(), datasets.Dataset.from_list(ROWS[::-1]).select(range(9, -1, -1)))


def test_rows_slices_and_lists(dataset):
    assert dataset[0] == ROWS[0] and dataset[-1] == ROWS[9] and dataset[np.int64(3)] == ROWS[3]
    assert dataset[2:5] == {"text": ["t2", "t3", "t4"], "n": [2, 3, 4], "v": [[2, 2.5], [3, 3.5], [4, 4.5]]}
    assert dataset[::-3]["n"] == [9, 6, 3, 0]
    assert dataset[[8, 1, 1, -1]]["n"] == [8, 1, 1, 9]
    assert dataset[[]] == {"text": [], "n": [], "v": []}
    assert list(dataset) == ROWS == dataset.to_list()
    for wrong in (10, -11, [3, 10]):
        with pytest.raises(IndexError, match="10 rows"):
            dataset[wrong]


def test_columns(dataset):
    column = dataset["text"]
    assert isinstance(column, OutputDatasetColumn)
    assert column[3] == "t3" and column[-1] == "t9" and column[1:3] == ["t1", "t2"] and column[[5, 0]] == ["t5", "t0"]
    assert list(column) == [f"t{n}" for n in range(10)] == column["text"]
    assert len(column) == 10 and column.column_names == ["text"] and column.num_columns == 1
    assert dataset[["n", "text"]].column_names == ["n", "text"]
    assert "text" in dataset and "other" not in dataset
    with pytest.raises(KeyError, match="no column 'txt'"):
        dataset["txt"]


def test_shape_and_words(dataset):
    assert (dataset.num_rows, len(dataset), dataset.num_columns) == (10, 10, 3)
    assert dataset.column_names == ["text", "n", "v"]
    assert repr(dataset) == "OutputDataset(10 rows, columns=['text', 'n', 'v'], step='Make rows')"
    assert isinstance(dataset.step, Step)


def test_the_hugging_face_dataset_has_the_same_rows(dataset):
    hf = dataset.dataset
    assert isinstance(hf, datasets.Dataset) and hf is dataset.dataset is dataset.to_hf()
    assert hf.to_list() == ROWS
    assert dataset["n"].dataset.to_list() == [{"n": n} for n in range(10)]
    assert isinstance(dataset.info, datasets.DatasetInfo)
    part = OutputDataset(None, dataset.rows.select([4, 2]).rename_columns({"n": "m"}).select_columns(["m", "text"]))
    assert part.dataset.to_list() == [{"m": 4, "text": "t4"}, {"m": 2, "text": "t2"}]


def test_head(dataset):
    head = dataset.head(3)
    assert isinstance(head, pd.DataFrame) and list(head["n"]) == [0, 1, 2]
    drawn = dataset.head(4, shuffle=True, seed=1)
    assert list(drawn["n"]) == list(dataset.head(4, shuffle=True, seed=1)["n"]) and len(set(drawn["n"])) == 4
    assert list(dataset.head(100)["n"]) == list(range(10))


def test_conversions(dataset):
    assert dataset.to_arrow().to_pylist() == ROWS
    assert list(dataset.to_pandas()["text"]) == [row["text"] for row in ROWS]
    assert dataset.to_dict()["n"] == list(range(10))
    assert dataset["n"].to_dict() == {"n": list(range(10))} and dataset["n"].to_list() == list(range(10))


def test_equal_rows_have_equal_digests(dataset):
    assert dataset.digest == dataset.fingerprint == Rows.from_list(ROWS).digest()
    assert dataset["n"].digest == OutputDatasetColumn(None, pa.table({"other name": range(10)})).digest


def test_save_to_disk_opens_in_datasets(dataset, tmp_path):
    dataset.save_to_disk(tmp_path / "saved", num_shards=3)
    assert datasets.load_from_disk(str(tmp_path / "saved")).to_list() == ROWS


def test_wrong_kinds_are_refused():
    for wrong in ([1, 2], {"a": [1]}, None, datasets.Dataset.from_list(ROWS).to_iterable_dataset()):
        with pytest.raises(ValueError, match="Expected a Hugging Face Dataset"):
            OutputDataset(None, wrong)
    with pytest.raises(ValueError, match="exactly one column"):
        OutputDatasetColumn(None, pa.table({"a": [1], "b": [2]}))
    with pytest.raises(ValueError, match="Nothing is pickled"):
        OutputDataset(None, pa.table({"a": [1]}), pickled=True)
    with pytest.raises(TypeError, match="chosen by an int"):
        OutputDataset(None, pa.table({"a": [1]}))["a"][1.5]


def test_generated_text_cannot_become_part_of_a_page():
    page = OutputDataset(None, pa.table({"<b>": ["<script>alert(1)</script>"]}))._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page and "<b>" not in page


def test_class_labels_and_dates_stay_what_they_are():
    features = datasets.Features({"label": datasets.ClassLabel(names=["neg", "pos"]), "day": datasets.Value("date32")})
    day = datetime.date(2024, 1, 2)
    hf = datasets.Dataset.from_dict({"label": [1, 0], "day": [day, day]}, features=features)
    rows = OutputDataset(None, hf).rows.select([1]).rename_columns({"label": "sentiment"})
    made = OutputDataset(None, rows)
    assert made.dataset.features["sentiment"].names == ["neg", "pos"]
    assert made[0] == {"sentiment": 0, "day": day}


def test_images_come_back_as_images(tmp_path):
    image = pytest.importorskip("PIL.Image").new("RGB", (2, 3), (255, 0, 0))
    writer = DatasetWriter(tmp_path)
    writer.append({"image": image, "n": 1})
    writer.append({"image": None, "n": 2})
    made = OutputDataset(None, open_dataset(tmp_path, writer.finish()))
    assert made[0]["image"].size == (2, 3) and made[0]["image"].getpixel((0, 0)) == (255, 0, 0)
    assert made["image"][1] is None
    assert isinstance(made.dataset.features["image"], datasets.Image)


# --- lazy -------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["factory", "hf"])
def lazy(request):
    if request.param == "hf":
        hf = datasets.Dataset.from_list(ROWS).to_iterable_dataset()
        return OutputIterableDataset(Step(), hf, total_num_rows=10)
    return OutputIterableDataset(Step(), lambda: iter(ROWS), total_num_rows=10)


def test_lazy_rows_can_be_read_twice(lazy):
    assert list(lazy) == ROWS == list(lazy)
    assert lazy.column_names == ["text", "n", "v"] and lazy.num_columns == 3 and lazy.num_rows == 10
    assert isinstance(lazy.dataset, datasets.IterableDataset) and list(lazy.dataset) == ROWS


def test_lazy_columns(lazy):
    column = lazy["n"]
    assert isinstance(column, OutputIterableDatasetColumn)
    assert list(column) == list(range(10)) == list(column["n"])
    assert column.column_names == ["n"] and column.num_rows == 10
    with pytest.raises(KeyError):
        column["text"]
    with pytest.raises(KeyError):
        lazy["nope"]
    with pytest.raises(InvalidTypeError, match=r"\.save\(\)"):
        lazy[0]


def test_lazy_head_and_words(lazy):
    assert list(lazy.head(2)["n"]) == [0, 1]
    assert sorted(lazy.head(10, shuffle=True, seed=3)["n"]) == list(range(10))
    assert "10 rows" in repr(lazy) and "Make rows" in repr(lazy)
    assert lazy.fingerprint != lazy["n"].fingerprint


def test_lazy_wrong_kinds_are_refused():
    with pytest.raises(ValueError, match="fresh iterator"):
        OutputIterableDataset(None, iter(ROWS))
    with pytest.raises(ValueError, match="fresh iterator"):
        OutputIterableDataset(None, datasets.Dataset.from_list(ROWS))
    with pytest.raises(ValueError, match="exactly one column"):
        OutputIterableDatasetColumn(None, lambda: iter(ROWS))
    unknown = OutputIterableDataset(None, lambda: iter(ROWS))
    assert unknown.num_rows is None and "unknown number of rows" in repr(unknown)
