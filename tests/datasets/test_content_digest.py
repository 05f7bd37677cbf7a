"""A content digest depends on the cells and on nothing else."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.datasets import ColumnDigest, DatasetWriter, Rows, column_digest, table_digest
from datadreamer.datasets.digest import BLOCK_ROWS

GOLDEN = Path(__file__).parent.parent / "golden" / "datasets.json"

CELLS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=5),
    pa.binary(): st.binary(max_size=5),
    pa.list_(pa.int64()): st.lists(st.none() | st.integers(-9, 9), max_size=3),
    pa.list_(pa.list_(pa.string())): st.lists(st.none() | st.lists(st.text(max_size=2), max_size=2), max_size=2),
    pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]): st.fixed_dictionaries(
        {"a": st.none() | st.integers(-9, 9), "b": st.none() | st.lists(st.text(max_size=2), max_size=2)}
    ),
    pa.list_(pa.float32(), 2): st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2),
    pa.decimal128(9, 2): st.decimals(-9999, 9999, places=2),
    pa.timestamp("us", tz="UTC"): st.integers(0, 2**50),
}


@st.composite
def columns(draw):
    type_ = draw(st.sampled_from(list(CELLS)))
    values = draw(st.lists(st.none() | CELLS[type_], min_size=1, max_size=30))
    return values, type_


@settings(max_examples=300, deadline=None)
@given(columns(), st.data())
def test_chunking_and_slicing_do_not_matter(column, data):
    values, type_ = column
    whole = pa.array(values, type_)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=5)))
    bounds = [0, *cuts, len(values)]
    pieces = [whole.slice(a, b - a) for a, b in pairwise(bounds)]
    rebuilt = pa.chunked_array([pa.array(piece.to_pylist(), type_) for piece in pieces], type_)
    padded = pa.concat_arrays([pa.nulls(3, type_), whole, pa.nulls(2, type_)]).slice(3, len(values))
    expected = column_digest(whole)
    assert column_digest(pa.chunked_array(pieces, type_)) == expected
    assert column_digest(rebuilt) == expected
    assert column_digest(padded) == expected  # a null buffer, an offset and other bytes around


@settings(max_examples=300, deadline=None)
@given(columns(), st.data())
def test_any_changed_cell_changes_it(column, data):
    values, type_ = column
    at = data.draw(st.integers(0, len(values) - 1))
    changed = list(values)
    changed[at] = data.draw(st.none() | CELLS[type_])
    one, other = pa.array(values, type_), pa.array(changed, type_)
    same = one.equals(other) and repr(one.to_pylist()) == repr(other.to_pylist())  # repr: -0.0 is another cell
    assert (column_digest(one) == column_digest(other)) == same


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=3), min_size=2, max_size=8), st.data())
def test_cell_boundaries_count(values, data):
    """`["ab", "c"]` is not `["a", "bc"]`."""
    other = list(values)
    if values[0]:
        other[0], other[1] = values[0][:-1], values[0][-1] + values[1]
        assert column_digest(pa.array(values)) != column_digest(pa.array(other))
    assert column_digest(pa.array([*values, None])) != column_digest(pa.array([*values, ""]))


def test_equal_cells_in_other_layouts():
    text = pa.array(["a", None, "bb", "a"])
    assert (
        column_digest(text)
        == column_digest(text.cast(pa.large_string()))
        == column_digest(text.dictionary_encode())
        == column_digest(text.cast(pa.string_view()))
    )
    lists = pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2))
    assert column_digest(lists) == column_digest(lists.cast(pa.list_(pa.float32())))


def test_bytes_beneath_nulls_are_not_cells():
    hidden = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(np.array([0, 3, 4], np.int32)), pa.py_buffer(b"abcd")]
    )
    assert hidden.to_pylist() == [None, "d"]
    assert column_digest(hidden) == column_digest(pa.array([None, "d"]))
    number = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x02"), pa.py_buffer(np.array([9, 4]))])
    assert column_digest(number) == column_digest(pa.array([None, 4]))
    struct = pa.StructArray.from_arrays([pa.array([5, 6])], ["a"], mask=pa.array([True, False]))
    assert column_digest(struct) == column_digest(pa.array([None, {"a": 6}]))


def test_there_is_one_nan_and_two_zeros():
    odd_nan = np.array([0x7FF8000000000001], np.uint64).view(np.float64)
    assert column_digest(pa.array(odd_nan)) == column_digest(pa.array([float("nan")]))
    assert column_digest(pa.array([0.0])) != column_digest(pa.array([-0.0]))


def test_types_count():
    digests = {column_digest(pa.array([1], type_)) for type_ in (pa.int64(), pa.int32(), pa.uint64(), pa.float64())}
    digests |= {column_digest(pa.array([], type_)) for type_ in (pa.int64(), pa.string(), pa.list_(pa.string()))}
    assert len(digests) == 7


def test_blocks_close_at_the_same_rows_however_fed():
    values = pa.array(np.arange(BLOCK_ROWS * 2 + 5))
    piecewise = ColumnDigest(values.type)
    for start in range(0, len(values), 10_007):
        piecewise.update(values.slice(start, 10_007))
    assert piecewise.digest() == column_digest(values)


def test_names_and_column_order_count_for_datasets_not_for_columns():
    table = pa.table({"a": [1, 2], "b": ["x", "y"]})
    digest, columns_ = table_digest(table.to_batches(), table.schema)
    renamed = table.rename_columns(["c", "b"])
    assert table_digest(renamed.to_batches(), renamed.schema)[0] != digest
    assert table_digest(renamed.to_batches(), renamed.schema)[1]["c"] == columns_["a"]
    swapped = table.select(["b", "a"])
    assert table_digest(swapped.to_batches(), swapped.schema)[0] != digest


@pytest.mark.parametrize("flush_every", [1, 7, 1000])
def test_the_writer_computes_the_same_digest(tmp_path, flush_every):
    rows = [{"t": f"row {n}", "n": n, "l": [n] * (n % 3), "s": {"k": None if n % 2 else n}} for n in range(100)]
    writer = DatasetWriter(tmp_path)
    for n, row in enumerate(rows):
        writer.append(row)
        if n % flush_every == 0:
            writer.flush()
    assert writer.finish().digest == Rows.from_list(rows).digest()


def golden_columns():
    yield "ints", pa.array([1, None, -3])
    yield "floats", pa.array([0.5, float("nan"), None, -0.0])
    yield "bools", pa.array([True, None, False])
    yield "text", pa.array(["", None, "é", "\U0001f600"])
    yield "bytes", pa.array([b"\0", None])
    yield "nulls", pa.nulls(3)
    yield "lists", pa.array([[1, 2], [], None, [None]])
    yield "structs", pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": []}])
    yield "times", pa.array([0, None], pa.timestamp("us", tz="UTC"))
    yield "decimals", pa.array(["1.50", None]).cast(pa.decimal128(5, 2))
    yield "vectors", pa.array([[0.5, 1.5]], pa.list_(pa.float32()))
    yield "two blocks", pa.array(np.arange(BLOCK_ROWS + 1))


def test_golden_digests():
    found = {name: column_digest(array) for name, array in golden_columns()}
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    found["dataset"] = table_digest(table.to_batches(), table.schema)[0]
    assert found == json.loads(GOLDEN.read_text())
