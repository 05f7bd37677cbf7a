"""Same rows in another order, and the first row that differs."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.datasets import Rows, first_difference, multiset_digest

ROW = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(-3, 3),
        "x": st.floats(width=16),
        "l": st.lists(st.text("ab", max_size=1), max_size=2),
    }
)
SCHEMA = pa.schema([("n", pa.int64()), ("x", pa.float64()), ("l", pa.list_(pa.string()))])


def rows_of(values):
    return Rows.from_table(pa.Table.from_pylist(values, schema=SCHEMA))


@settings(max_examples=100, deadline=None)
@given(st.lists(ROW, max_size=12), st.randoms())
def test_order_does_not_count_and_repeats_do(values, random):
    shuffled = random.sample(values, len(values))
    assert multiset_digest(rows_of(values)) == multiset_digest(rows_of(shuffled))
    if values:
        assert multiset_digest(rows_of(values)) != multiset_digest(rows_of([*values, values[0]]))
        assert multiset_digest(rows_of(values)) != multiset_digest(rows_of(values[1:]))


def test_names_types_and_odd_cells_count():
    one = Rows.from_list([{"a": 1}])
    assert multiset_digest(one) != multiset_digest(one.rename_columns({"a": "b"}))
    assert multiset_digest(one) != multiset_digest(Rows.from_list([{"a": 1.0}]))
    day = {"d": datetime.date(2024, 1, 1), "t": datetime.timedelta(1), "p": decimal.Decimal("1.5"), "b": b"\0"}
    assert multiset_digest(Rows.from_list([day])) != multiset_digest(Rows.from_list([day | {"b": b"\1"}]))


def test_the_first_differing_row_is_found():
    numbers = np.arange(30_000)
    one = Rows.from_table(pa.table({"a": numbers, "t": numbers.astype(str)}))
    assert first_difference(one, Rows.from_table(one.table())) is None
    changed = numbers.copy()
    changed[[20_011, 25_000]] = -1
    other = Rows.from_table(pa.table({"a": changed, "t": numbers.astype(str)}))
    assert first_difference(one, other) == (20_011, "a")
    assert first_difference(one, one.take(9)) == (9, None)
    assert first_difference(one, one.rename_columns({"a": "b"})) == (0, None)
