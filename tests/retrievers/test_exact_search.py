"""Exact search against the simplest there is: every score in float64, sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datadreamer.errors import InvalidArgumentError
from datadreamer.retrievers import nearest, pairs_above


def scores_of(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.array([[np.float32((a.astype(np.float64) * b).sum()) for b in vectors] for a in queries], np.float32)


def simplest(queries: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    scores = scores_of(queries, vectors)
    places = np.array([sorted(range(len(vectors)), key=lambda at: (-row[at], at))[:k] for row in scores], np.int64)
    return np.take_along_axis(scores, places, 1), places


@st.composite
def searches(draw: Any) -> tuple[np.ndarray, np.ndarray, int, int]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dims, size, queries = draw(st.integers(1, 24)), draw(st.integers(1, 150)), draw(st.integers(1, 6))
    if draw(st.booleans()):  # small whole numbers: many equal scores
        vectors = rng.integers(-1, 2, (size, dims)).astype(np.float32)
    else:
        vectors = (rng.standard_normal((size, dims)) * 10.0 ** rng.integers(-3, 4)).astype(np.float32)
    if draw(st.booleans()):  # equal texts
        vectors = vectors[rng.integers(0, max(1, size // 5), size)]
    asked = rng.standard_normal((queries, dims)).astype(np.float32)
    if draw(st.booleans()):
        asked[0] = vectors[0]
    return asked, vectors, draw(st.integers(1, 40)), draw(st.integers(1, 4000))


@settings(max_examples=150, deadline=None)
@given(searches())
def test_search_gives_what_the_simplest_search_gives(search: tuple[np.ndarray, np.ndarray, int, int]) -> None:
    queries, vectors, k, block = search
    scores, places = nearest(queries, vectors, k, block_bytes=block)
    wanted_scores, wanted_places = simplest(queries, vectors, k)
    assert (places == wanted_places).all()
    assert (scores == wanted_scores).all()


def test_many_blocks_of_a_large_corpus_give_what_one_gives() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((150_000, 4)).astype(np.float32)
    vectors[140_000:] = vectors[:10_000]  # equal texts in different blocks
    queries = rng.standard_normal((3, 4)).astype(np.float32)
    scores, places = nearest(queries, vectors, 50)
    exact = (queries.astype(np.float64) @ vectors.T.astype(np.float64)).astype(np.float32)
    for row in range(3):
        order = np.lexsort((np.arange(len(vectors)), -exact[row]))[:50]
        assert np.allclose(scores[row], exact[row][order], rtol=1e-6)
        assert (places[row] == order).all()


def test_equal_texts_keep_their_order_whatever_lies_around_them() -> None:
    rng = np.random.default_rng(2)
    one = rng.standard_normal(384).astype(np.float32)
    for size in (10, 77, 1000):
        vectors = rng.standard_normal((size, 384)).astype(np.float32) * 0.01
        equal = [1, size // 2, size - 1]
        vectors[equal] = one
        for queries in (1, 2, 9):
            _, places = nearest(np.repeat(one[None], queries, 0), vectors, 3)
            assert places.tolist() == [equal] * queries


def test_k_is_bounded_by_the_corpus_and_shapes_are_checked() -> None:
    vectors = np.eye(3, dtype=np.float32)
    scores, places = nearest(vectors[:1], vectors, 10)
    assert places.tolist() == [[0, 1, 2]] and scores.tolist() == [[1.0, 0.0, 0.0]]
    assert nearest(np.empty((0, 3)), vectors, 2)[0].shape == (0, 0)
    assert nearest(vectors, np.empty((0, 3), np.float32), 2)[1].shape == (3, 0)
    with pytest.raises(InvalidArgumentError, match="k is 0"):
        nearest(vectors, vectors, 0)
    with pytest.raises(InvalidArgumentError, match="2 dimensions and vectors 3"):
        nearest(np.ones((1, 2)), vectors, 1)
    with pytest.raises(InvalidArgumentError, match="not finite"):
        nearest(vectors, np.full((1, 3), np.nan, np.float32), 1)
    with pytest.raises(InvalidArgumentError, match="not finite"):
        nearest(np.full((1, 3), np.inf), vectors, 1)


@settings(max_examples=60, deadline=None)
@given(searches(), st.floats(-1, 1, width=32))
def test_pairs_are_those_that_reach_the_threshold(search: Any, threshold: float) -> None:
    _, vectors, _, block = search
    scores = scores_of(vectors, vectors)
    wanted = [
        (left, right)
        for left in range(len(vectors))
        for right in range(left + 1, len(vectors))
        if scores[left, right] >= np.float32(threshold)
    ]
    found = [
        pair
        for left, right, _ in pairs_above(vectors, threshold, block_bytes=block)
        for pair in zip(left.tolist(), right.tolist(), strict=True)
    ]
    assert found == wanted
