"""Rows go in, typed columns come out; what does not fit is an error that names row and column."""

import datetime
import decimal
import threading

import numpy as np
import pyarrow as pa
import pytest

from datadreamer.datasets import DatasetInfo, DatasetWriter, OutputDataset, open_dataset
from datadreamer.errors import DamagedFileError, StepOutputError, StepOutputTypeError


def write(folder, rows, **options):
    writer = DatasetWriter(folder, **options)
    for row in rows:
        writer.append(row)
    info = writer.finish()
    return open_dataset(folder, info), info


def test_rows_come_back_as_they_were(tmp_path):
    rows = [
        {
            "text": f"row {n}",
            "n": n,
            "x": n / 3,
            "ok": n % 2 == 0,
            "raw": bytes([n]),
            "tags": ["a"] * (n % 3),
            "meta": {"k": n, "inner": {"z": None if n % 2 else "z"}},
            "none": None,
            "day": datetime.date(2024, 1, 1 + n),
            "when": datetime.datetime(2024, 1, 1, 12, n, tzinfo=datetime.UTC),
            "price": decimal.Decimal("1.50") + n,
        }
        for n in range(20)
    ]
    dataset, info = write(tmp_path, rows)
    assert list(dataset.iterate()) == rows
    assert info.rows == 20 and dataset.row(-1) == rows[-1]
    assert {c.name: c.type for c in info.columns} == {
        "text": "str", "n": "int", "x": "float", "ok": "bool", "raw": "bytes", "tags": "list[str]", "meta": "dict",
        "none": "None", "day": "date", "when": "datetime", "price": "Decimal",
    }  # fmt: skip


def test_manifest_survives_json(tmp_path):
    import json

    _, info = write(tmp_path, [{"a": 1, "b": ["x"]}])
    again = DatasetInfo.from_json(json.loads(json.dumps(info.to_json())))
    assert again == info
    assert list(open_dataset(tmp_path, again).iterate()) == [{"a": 1, "b": ["x"]}]


def test_int_widens_to_float_and_null_to_anything_across_parts(tmp_path):
    writer = DatasetWriter(tmp_path)
    for row in ({"x": None, "y": []}, {"x": 1, "y": [1]}, {"x": 2.5, "y": [None, 0.5]}):
        writer.append(row)
        writer.flush()
    info = writer.finish()
    dataset = open_dataset(tmp_path, info)
    assert len(info.parts) == 3
    assert dataset.schema.field("x").type == pa.float64() and dataset.schema.field("y").type == pa.list_(pa.float64())
    assert list(dataset.iterate()) == [{"x": None, "y": []}, {"x": 1.0, "y": [1.0]}, {"x": 2.5, "y": [None, 0.5]}]
    assert dataset.digest() == OutputDataset(None, dataset.table()).digest == info.digest


def test_dicts_with_different_keys_become_one_struct(tmp_path):
    dataset, _ = write(tmp_path, [{"d": {"a": 1}}, {"d": {"b": "x"}}, {"d": None}])
    assert [row["d"] for row in dataset.iterate()] == [{"a": 1, "b": None}, {"a": None, "b": "x"}, None]


def test_a_wrong_cell_names_row_step_column_and_types(tmp_path):
    writer = DatasetWriter(tmp_path, step="Score answers", declared={"score": "float"})
    for _ in range(412):
        writer.append({"score": 1})
    writer.append({"score": "n/a"})
    with pytest.raises(StepOutputTypeError) as error:
        writer.finish()
    assert str(error.value) == (
        "Row 412 of step 'Score answers': column 'score' is declared float, but process() returned str 'n/a'."
    )


@pytest.mark.parametrize(
    ("first", "later", "words"),
    [
        (1, "a", "column 'c' holds int in the rows before it, but process() returned str 'a'"),
        (True, 1, "holds bool in the rows before it, but process() returned int 1"),
        (1, True, "holds int in the rows before it, but process() returned bool True"),
        ("a", b"a", "holds str in the rows before it, but process() returned bytes b'a'"),
        ([1], ["a"], "cannot hold str 'a': in a list: int and str do not go together"),
        ({"k": 1}, {"k": "v"}, "cannot hold str 'v': in key 'k': int and str do not go together"),
        (datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), "holds date in the rows before it"),
    ],
)
@pytest.mark.parametrize("gap", [0, 100])
def test_kinds_never_mix(tmp_path, first, later, words, gap):
    writer = DatasetWriter(tmp_path, step="S")
    with pytest.raises(StepOutputTypeError) as error:
        for _ in range(1 + gap):
            writer.append({"c": first})
        writer.append({"c": later})
        writer.finish()
    assert f"Row {1 + gap} of step 'S'" in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2**63, "does not fit 64 bits"),
        ("\ud800", "surrogate"),
        ({1, 2}, "sorted(...)"),
        ({1: 2}, "keys are text"),
        (object(), "cannot hold object"),
        ({str(n): n for n in range(1001)}, "1,000 different keys"),
        (decimal.Decimal("NaN"), "finite"),
    ],
)
def test_what_cannot_be_stored_says_what_to_do(tmp_path, value, words):
    writer = DatasetWriter(tmp_path)
    writer.append({"c": None})
    writer.append({"c": value})
    with pytest.raises(StepOutputTypeError, match="Row 1: column 'c'") as error:
        writer.finish()
    assert words in str(error.value)


def test_a_column_name_that_is_not_unicode_is_refused(tmp_path):
    with pytest.raises(StepOutputError, match=r"Row 0 of step 'S': the column name .* surrogate"):
        DatasetWriter(tmp_path, step="S").append({"\ud800": 1})


def test_an_int_that_a_float_cannot_hold_is_not_rounded(tmp_path):
    writer = DatasetWriter(tmp_path)
    writer.append({"x": 2**60 + 1})
    writer.append({"x": 0.5})
    with pytest.raises(StepOutputTypeError, match="Row 0: column 'x'"):
        writer.finish()


def test_rows_need_the_same_columns(tmp_path):
    writer = DatasetWriter(tmp_path, step="S")
    writer.append({"a": 1, "b": 2})
    with pytest.raises(StepOutputError, match=r"Row 1 of step 'S' has no column 'b'"):
        writer.append({"a": 1})
    with pytest.raises(StepOutputError, match=r"has a column 'bb' .* Did you mean 'b'\?"):
        writer.append({"a": 1, "b": 2, "bb": 3})
    with pytest.raises(StepOutputError, match="a row is a dict"):
        writer.append(["a", "b"])


def test_declared_types_hold(tmp_path):
    declared = {"f": float, "i": int, "l": list[str], "o": str | None, "any": list, "s": pa.float32()}
    rows = [{"f": 1, "i": 1, "l": [], "o": None, "any": [1], "s": 1.5}]
    dataset, _ = write(tmp_path, rows, declared=declared)
    types = {field.name: str(field.type) for field in dataset.schema}
    assert types["f"] == "double" and types["l"].startswith("list") and types["o"] == "string" and types["s"] == "float"
    writer = DatasetWriter(tmp_path, declared={"i": int})
    writer.append({"i": 1.0})
    with pytest.raises(StepOutputTypeError, match=r"declared int, but process\(\) returned float 1.0"):
        writer.finish()


def test_no_rows_still_have_declared_columns(tmp_path):
    dataset, info = write(tmp_path, [], declared={"a": int, "b": str})
    assert dataset.column_names == ["a", "b"] and info.rows == 0 and list(dataset.iterate()) == []


def test_vectors_keep_their_dtype(tmp_path):
    rows = [{"v": np.arange(4, dtype="float32") + n, "m": np.ones((2, 2)), "i": np.int16(n)} for n in range(3)]
    dataset, _ = write(tmp_path, rows)
    assert dataset.schema.field("v").type == pa.list_(pa.float32())
    assert dataset.schema.field("i").type == pa.int16()
    assert dataset.row(2) == {"v": [2.0, 3.0, 4.0, 5.0], "m": [[1.0, 1.0], [1.0, 1.0]], "i": 2}


def test_columns_and_batches_mix_with_rows(tmp_path):
    writer = DatasetWriter(tmp_path)
    writer.append({"a": 1, "b": "x"})
    writer.append_columns({"b": ["y", None], "a": [2, 3]})
    writer.append_columns(pa.table({"a": [4], "b": ["z"]}))
    writer.append_columns(pa.record_batch({"a": np.array([5]), "b": pa.array(["w"]).dictionary_encode()}))
    writer.append_columns({"a": np.array([6, 7]), "b": np.array(["p", "q"])})
    dataset = open_dataset(tmp_path, writer.finish())
    assert list(dataset.values("a")) == [1, 2, 3, 4, 5, 6, 7]
    assert list(dataset.values("b")) == ["x", "y", None, "z", "w", "p", "q"]
    with pytest.raises(StepOutputError, match="'a' has 2, 'b' has 1"):
        DatasetWriter(tmp_path).append_columns({"a": [1, 2], "b": ["x"]})


def test_a_row_dict_that_is_used_again_is_not_aliased(tmp_path):
    writer, row = DatasetWriter(tmp_path), {}
    for n in range(3):
        row["n"] = n
        writer.append(row)
    assert list(open_dataset(tmp_path, writer.finish()).values("n")) == [0, 1, 2]


def test_parts_are_cut_by_size(tmp_path):
    writer = DatasetWriter(tmp_path, part_bytes=1 << 20)
    for n in range(4000):
        writer.append({"text": "x" * 1000, "n": n})
    info = writer.finish()
    assert 3 <= len(info.parts) <= 5 and sum(part.rows for part in info.parts) == 4000
    assert list(open_dataset(tmp_path, info).values("n")) == list(range(4000))


def test_parts_stay_few_however_long_it_takes(tmp_path):
    now = [0.0]
    writer = DatasetWriter(tmp_path, clock=lambda: now[0])
    for n in range(20_000):
        now[0] += 1.0
        writer.append({"n": n})
        writer.mark(n + 1)
    parts = writer.finish().parts
    assert 15 <= len(parts) <= 30
    assert parts[0].rows <= 3


def test_large_rows_do_not_pile_up_in_memory(tmp_path):
    """A hundred megabytes go through a process that may only use a fraction of that."""
    import tracemalloc

    tracemalloc.start()
    writer = DatasetWriter(tmp_path)
    for n in range(800):
        writer.append({"text": str(n % 10) * 131_072})
    info = writer.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert info.rows == 800 and peak < 40 << 20


def test_missing_and_truncated_parts_are_named(tmp_path):
    _, info = write(tmp_path, [{"a": n} for n in range(100)])
    path = tmp_path / info.parts[0].file
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(DamagedFileError, match=r"part-00000.arrow has .* bytes, and its manifest says"):
        open_dataset(tmp_path, info)
    path.write_bytes(b"\1" * len(whole))
    with pytest.raises(DamagedFileError, match="cannot be read as an Arrow stream"):
        open_dataset(tmp_path, info).row(0)
    path.unlink()
    with pytest.raises(DamagedFileError, match="is missing"):
        open_dataset(tmp_path, info)


def test_lineage_is_stored_only_when_there_is_some(tmp_path):
    plain, info = write(tmp_path / "plain", [{"a": 1}])
    assert plain.lineage() is None and info.parts[0].lineage is None

    writer = DatasetWriter(tmp_path / "filtered")
    for n in range(0, 40_000, 2):
        writer.append({"a": n}, parents=n)
    dataset = open_dataset(writer.folder, writer.finish())
    assert dataset.lineage().column("parents").to_pylist() == list(range(0, 40_000, 2))


def test_lineage_follows_rows_through_parts_and_kinds(tmp_path):
    writer = DatasetWriter(tmp_path)
    key = bytes(range(32))
    writer.append({"a": 0})
    writer.flush()
    writer.append({"a": 1}, parents=7, calls=[key])
    writer.append({"a": 2})
    writer.flush()
    writer.append({"a": 3.5}, parents=[4, 5])
    writer.append_columns({"a": [4, 5]}, parents=np.array([8, 9]))
    lineage = open_dataset(tmp_path, writer.finish()).lineage()
    assert lineage.column("parents").to_pylist() == [None, [7], None, [4, 5], [8], [9]]
    assert lineage.column("calls").to_pylist() == [None, [key], None, None, None, None]


def test_writing_from_another_thread_than_reading(tmp_path):
    dataset, _ = write(tmp_path, [{"a": n} for n in range(1000)])
    found = []
    thread = threading.Thread(target=lambda: found.extend(dataset.values("a")))
    thread.start()
    thread.join()
    assert found == list(range(1000))
