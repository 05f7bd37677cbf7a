"""Views keep order, copy nothing, and have the identity of what they show."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.datasets import DatasetWriter, Rows, concat_rows, open_dataset, zip_rows
from datadreamer.errors import InvalidArgumentError, InvalidTypeError

ROWS = [{"n": n, "text": f"t{n}", "l": [n] * (n % 3)} for n in range(20)]


@pytest.fixture
def stored(tmp_path):
    writer = DatasetWriter(tmp_path)
    for n, row in enumerate(ROWS):
        writer.append(row)
        if n % 6 == 5:
            writer.flush()
    return open_dataset(tmp_path, writer.finish())


def test_columns_are_chosen_dropped_and_renamed(stored):
    assert stored.select_columns("n").column_names == ["n"]
    assert stored.select_columns(["l", "n"]).row(4) == {"l": [4], "n": 4}
    assert stored.remove_columns(["l"]).column_names == ["n", "text"]
    assert stored.rename_columns({"n": "m"}).row(0) == {"m": 0, "text": "t0", "l": []}
    assert stored.rename_columns({"n": "text", "text": "n"}).row(1) == {"text": 1, "n": "t1", "l": [1]}
    with pytest.raises(InvalidArgumentError, match=r"no column 'txt'. Did you mean 'text'\?"):
        stored.select_columns(["txt"])
    with pytest.raises(InvalidArgumentError, match="two columns would be called 'n'"):
        stored.rename_columns({"text": "n"})


def test_rows_are_taken_skipped_and_sharded(stored):
    def numbers(rows):
        return list(rows.values("n"))

    assert numbers(stored.take(3)) == [0, 1, 2] and numbers(stored.skip(17)) == [17, 18, 19]
    assert numbers(stored.take(99)) == list(range(20)) and numbers(stored.skip(99)) == []
    assert numbers(stored.skip(5).take(3)) == [5, 6, 7]
    assert numbers(stored.shard(3, 1)) == list(range(1, 20, 3))
    contiguous = [numbers(stored.shard(3, at, contiguous=True)) for at in range(3)]
    assert contiguous == [list(range(7)), list(range(7, 14)), list(range(14, 20))]
    with pytest.raises(InvalidArgumentError, match="index counts from 0"):
        stored.shard(3, 3)


def test_selection(stored):
    assert list(stored.select([19, 0, 0, -2]).values("n")) == [19, 0, 0, 18]
    assert list(stored.select(np.array([], int)).values("n")) == []
    assert list(stored.select(range(3)).values("n")) == [0, 1, 2]
    assert stored.select(iter([7])).row(0) == ROWS[7]
    with pytest.raises(IndexError, match="Row 20 is out of range"):
        stored.select([1, 20])
    with pytest.raises(InvalidTypeError, match="whole numbers"):
        stored.select([0.5])


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 25)),
        st.tuples(st.just("skip"), st.integers(0, 25)),
        st.tuples(st.just("select"), st.lists(st.integers(0, 1000), max_size=30)),
        st.tuples(st.just("double"), st.just(0)),
        st.tuples(st.just("reverse"), st.just(0)),
    ),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(OPERATIONS, st.integers(1, 9))
def test_any_chain_of_views_shows_what_lists_would(operations, chunk):
    whole = pa.Table.from_pylist(ROWS)
    table = pa.concat_tables(whole.slice(at, chunk) for at in range(0, 20, chunk))
    rows, expected = Rows.from_table(table), list(ROWS)
    for name, value in operations:
        if name == "take":
            rows, expected = rows.take(value), expected[:value]
        elif name == "skip":
            rows, expected = rows.skip(value), expected[value:]
        elif name == "double":
            rows, expected = concat_rows([rows, rows]), expected + expected
        elif name == "reverse":
            rows, expected = rows.select(np.arange(len(expected))[::-1]), expected[::-1]
        elif expected:
            at = [number % len(expected) for number in value]
            rows, expected = rows.select(at), [expected[number] for number in at]
    assert list(rows.iterate(batch_rows=7)) == expected
    assert rows.table().to_pylist() == expected
    assert [rows.row(at) for at in range(0, len(expected), 5)] == expected[::5]
    if expected:
        assert rows.digest() == Rows.from_table(pa.Table.from_pylist(expected, schema=table.schema)).digest()


def test_a_view_of_a_contiguous_stretch_shares_the_memory(stored):
    whole, part = stored.table().column("n").chunk(0), stored.skip(2).take(3).table().column("n").chunk(0)
    assert part.buffers()[1].address == whole.buffers()[1].address


def test_concat_widens_or_says_why_not(stored):
    floats = Rows.from_list([{"n": 0.5, "text": None, "l": None}])
    both = concat_rows([stored.take(1), floats])
    assert list(both.iterate()) == [{"n": 0.0, "text": "t0", "l": []}, {"n": 0.5, "text": None, "l": None}]
    with pytest.raises(InvalidArgumentError, match="Column 'n' holds int at first and str in dataset 2"):
        concat_rows([stored, stored.rename_columns({"n": "text", "text": "n"})])
    with pytest.raises(InvalidArgumentError, match="Dataset 2 has no column 'l'"):
        concat_rows([stored, stored.remove_columns("l")])
    with pytest.raises(InvalidArgumentError, match="column 'l' that the first has not"):
        concat_rows([stored.remove_columns("l"), stored])


def test_class_labels_with_other_names_do_not_concatenate():
    import datasets

    def labelled(names):
        features = datasets.Features({"label": datasets.ClassLabel(names=names)})
        return Rows.from_hf(datasets.Dataset.from_dict({"label": [0, 1]}, features=features))

    assert concat_rows([labelled(["a", "b"]), labelled(["a", "b"])]).num_rows == 4
    with pytest.raises(InvalidArgumentError, match="other features"):
        concat_rows([labelled(["a", "b"]), labelled(["b", "a"])])


def test_zip_puts_columns_side_by_side(stored):
    left, right = stored.select_columns("n"), stored.select_columns("text").select(range(19, -1, -1))
    assert zip_rows([left, right]).row(2) == {"n": 2, "text": "t17"}
    with pytest.raises(InvalidArgumentError, match="19 rows and the first has 20"):
        zip_rows([left, right.skip(1)])
    with pytest.raises(InvalidArgumentError, match="have a column 'n'"):
        zip_rows([left, left])


def test_whole_columns_are_identified_without_reading(stored, tmp_path):
    expected = stored.rename_columns({"n": "m"}).column_digest("m")
    for part in stored.info.parts:
        (tmp_path / part.file).unlink()
    # opened earlier or not, the manifest knows
    assert stored.column_digest("n") == expected
    assert stored.select_columns(["n"]).digest() == stored.select_columns(["n"]).digest()


def test_digests_of_views_are_remembered_by_what_they_select(stored):
    remembered: dict[str, str] = {}
    computed: list[str] = []

    def memo(kind, key, compute):
        if key not in remembered:
            computed.append(kind)
            remembered[key] = compute()
        return remembered[key]

    first = stored.take(5).column_digest("n", memo)
    again = stored.slice(0, 5).column_digest("n", memo)
    assert first == again == Rows.from_list(ROWS[:5]).column_digest("n") and len(computed) == 1
    stored.select([3, 1]).digest(memo)
    stored.select([3, 1]).digest(memo)
    assert len(computed) == 4
    assert stored.select([1, 3]).column_digest("n", memo) != stored.select([3, 1]).column_digest("n", memo)
