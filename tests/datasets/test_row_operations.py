"""Order, duplicates, samples, lists spread over rows, splits."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datasets
from datadreamer.datasets import (
    Rows,
    add_rows,
    explode,
    reverse_indices,
    sample_indices,
    shuffle_indices,
    sort_indices,
    split_indices,
    unique_indices,
)
from datadreamer.errors import InvalidArgumentError, InvalidTypeError


def rows_of(**columns):
    return Rows.from_table(pa.table(columns))


def test_a_seed_gives_one_order_and_it_is_that_of_hugging_face():
    hf = datasets.Dataset.from_dict({"n": list(range(50))}).shuffle(seed=7)
    assert shuffle_indices(50, 7).tolist() == list(hf["n"])
    assert shuffle_indices(50, 7).tolist() != shuffle_indices(50, 8).tolist()
    assert reverse_indices(3).tolist() == [2, 1, 0]


def test_samples_have_no_repeats_and_keep_order():
    drawn = sample_indices(100, 10, seed=1)
    assert len(set(drawn.tolist())) == 10 and sorted(drawn.tolist()) == drawn.tolist()
    assert len(sample_indices(100, 0.25, seed=1)) == 25
    with pytest.raises(InvalidArgumentError, match="cannot be drawn from 5 rows"):
        sample_indices(5, 6, seed=1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.text("ab", max_size=2)), max_size=20), st.booleans())
def test_sorting_is_what_python_sorts(pairs, down):
    rows = rows_of(a=pa.array([a for a, _ in pairs], pa.int64()), b=pa.array([b for _, b in pairs], pa.string()))
    order = sort_indices(rows, ["a", "b"], reverse=[False, down], null_placement=["at_end", "at_start"]).tolist()
    nulls = [at for at in range(len(pairs)) if pairs[at][1] is None]
    texts = sorted((at for at in range(len(pairs)) if at not in nulls), key=lambda at: pairs[at][1], reverse=down)
    assert order == sorted(nulls + texts, key=lambda at: pairs[at][0])


def test_sorting_says_what_it_cannot_do():
    rows = rows_of(a=[1], l=[[1]])
    with pytest.raises(InvalidTypeError, match=r"'l' holds list\[int\], which has no order"):
        sort_indices(rows, "l")
    with pytest.raises(InvalidArgumentError, match="null_placement is"):
        sort_indices(rows, "a", null_placement="first")
    with pytest.raises(InvalidArgumentError, match="reverse has 2 entries for 1"):
        sort_indices(rows, "a", reverse=[True, False])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.none() | st.integers(0, 2), st.none() | st.lists(st.integers(0, 1), max_size=2))))
def test_unique_keeps_the_first_of_equal_rows(pairs):
    rows = rows_of(
        a=pa.array([a for a, _ in pairs], pa.int64()), l=pa.array([b for _, b in pairs], pa.list_(pa.int64()))
    )
    firsts: dict[str, int] = {}
    for at, pair in enumerate(pairs):
        firsts.setdefault(repr(pair), at)
    assert unique_indices(rows).tolist() == sorted(firsts.values())
    assert len(unique_indices(rows, "a")) == len({a for a, _ in pairs})


def test_explode_repeats_the_other_columns_and_knows_the_parents():
    rows = rows_of(id=[1, 2, 3, 4], l=[["a", "b"], [], None, ["c"]])
    made, parents = explode(rows, "l")
    assert [tuple(row.values()) for row in made.iterate()] == [(1, "a"), (1, "b"), (2, None), (3, None), (4, "c")]
    assert parents.tolist() == [0, 0, 1, 2, 3]
    made, parents = explode(rows, "l", keep_empty=False)
    assert list(made.values("l")) == ["a", "b", "c"] and parents.tolist() == [0, 0, 3]
    assert list(explode(rows.select_columns("l").take(1), "l")[0].iterate()) == [{"l": "a"}, {"l": "b"}]
    with pytest.raises(InvalidTypeError, match="only lists can be exploded"):
        explode(rows, "id")


def test_added_rows_come_last_and_fit():
    rows = add_rows(rows_of(a=[1], b=["x"]), [{"b": None, "a": 2.5}])
    assert list(rows.iterate()) == [{"a": 1.0, "b": "x"}, {"a": 2.5, "b": None}]
    with pytest.raises(InvalidArgumentError, match="'a' holds int at first and str"):
        add_rows(rows_of(a=[1]), [{"a": "x"}])


def sizes(splits):
    return {name: len(rows) for name, rows in splits.items()}


def test_splits_are_contiguous_and_add_up():
    rows = rows_of(n=range(10))
    splits = split_indices(rows, 0.7, 0.2, 0.1)
    assert sizes(splits) == {"train": 7, "validation": 2, "test": 1}
    assert np.concatenate(list(splits.values())).tolist() == list(range(10))
    assert sizes(split_indices(rows, train_size=8, test_size=2)) == {"train": 8, "test": 2}
    assert sizes(split_indices(rows, train_size=1.0)) == {"train": 10}
    assert sizes(split_indices(rows_of(n=range(3)), 1 / 3, 1 / 3, 1 / 3)) == {"train": 1, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "at least one"),
        ({"train_size": 0.9, "test_size": 0.2}, "sum to 1.0, and these to 1.1"),
        ({"train_size": 9, "test_size": 2}, "sum to 11, and there are 10 rows"),
        ({"train_size": 0.9, "test_size": 1}, "either fractions or numbers"),
        ({"train_size": -1, "test_size": 11}, "Sizes of splits are"),
        ({"train_size": 0.999, "test_size": 0.001}, "'test' would be empty"),
    ],
)
def test_splits_that_do_not_add_up_are_refused(given, words):
    with pytest.raises(InvalidArgumentError, match=words):
        split_indices(rows_of(n=range(10)), **given)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=30, max_size=80))
def test_stratified_splits_share_every_label(labels):
    labels = labels + [0, 1, 2] * 3
    splits = split_indices(rows_of(y=labels), 0.6, 0.2, 0.2, stratify_by_column="y")
    whole = np.concatenate(list(splits.values()))
    assert sorted(whole.tolist()) == list(range(len(labels)))
    for name, fraction in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert sorted(splits[name].tolist()) == splits[name].tolist()
        for label in range(3):
            share = sum(labels[at] == label for at in splits[name])
            assert abs(share - fraction * labels.count(label)) <= 2


def test_a_label_too_rare_to_be_in_every_split_is_named():
    with pytest.raises(InvalidArgumentError, match=r"value 'rare' in only 1 row\(s\), too few for 2 splits"):
        split_indices(rows_of(y=["a"] * 9 + ["rare"]), 0.5, 0.5, stratify_by_column="y")
