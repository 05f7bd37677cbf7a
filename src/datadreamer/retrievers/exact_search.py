"""Exact search: the k largest inner products, the same whatever the size of batches (docs/design/retrieval.md)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import InvalidArgumentError

BLOCK_BYTES = 64 << 20  # of float32 scores that are held at once
_GROUP = 64  # columns of which only the largest is looked at to find a bound
_UNIT = 2.0**-24  # rounding error of float32, relative


def nearest(
    queries: np.ndarray,
    vectors: np.ndarray,
    k: int,
    block_bytes: int = BLOCK_BYTES,
    longest: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` vectors with the largest inner product for every query.

    Exact: scores are inner products in float64, rounded to float32; equal scores are ordered by position. Where all
    vectors have length 1, the score is the cosine.

    Args:
        queries: of shape (queries, dims).
        vectors: of shape (vectors, dims), finite; may be memory-mapped.
        k: how many to find; no more than there are vectors are given.
        block_bytes: memory for scores.
        longest: `longest_of(vectors)`, where it is known from an earlier search.

    Returns:
        Scores (float32) and positions (int64), both of shape (queries, min(k, vectors)), best first.

    Raises:
        InvalidArgumentError: the shapes do not fit, k is below 1, or a query is not finite.
    """
    queries, vectors = _checked(queries, vectors)
    if k < 1:
        raise InvalidArgumentError(f"k is {k}: it must be at least 1.")
    if not len(vectors) or not len(queries):
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    k = min(k, len(vectors))
    columns = min(len(vectors), max(4 * k, 65_536))
    rows = max(1, min(len(queries), block_bytes // (4 * columns)))
    longest = longest_of(vectors) if longest is None else longest
    found = [
        _search(queries[start : start + rows], vectors, k, columns, longest) for start in range(0, len(queries), rows)
    ]
    return np.concatenate([scores for scores, _ in found]), np.concatenate([places for _, places in found])


def pairs_above(
    vectors: np.ndarray, threshold: float, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """All pairs of vectors whose inner product is at least `threshold`: what near-duplicates are found by.

    Exact as `nearest` is. Memory is bounded by `block_bytes` and by the pairs of one block.

    Args:
        vectors: of shape (vectors, dims), finite.
        threshold: the least score.
        block_bytes: memory for scores.

    Yields:
        (left, right, scores): positions with left < right, ordered by left and then right within each item, for blocks
        of ascending `left`; every pair once.
    """
    _, vectors = _checked(vectors, vectors)
    if not len(vectors):
        return
    longest = longest_of(vectors)
    columns = min(len(vectors), 65_536)
    rows = max(1, min(len(vectors), block_bytes // (4 * columns)))
    for top in range(0, len(vectors), rows):
        left = vectors[top : top + rows]
        bound = np.float32(threshold) - _margin(left, vectors, longest)
        lefts, rights = [], []
        for start in range(top, len(vectors), columns):
            scores = left @ vectors[start : start + columns].T
            row, column = np.nonzero(scores >= bound[:, None])
            right, own = column + start, row + top
            later = right > own
            lefts.append(own[later])
            rights.append(right[later])
        own, right = np.concatenate(lefts), np.concatenate(rights)
        exact = _exact(vectors, vectors, own, right)
        kept = exact >= np.float32(threshold)
        own, right, exact = own[kept], right[kept], exact[kept]
        order = np.lexsort((right, own))
        if len(order):
            yield own[order], right[order], exact[order]


def _search(
    queries: np.ndarray, vectors: np.ndarray, k: int, columns: int, longest: float
) -> tuple[np.ndarray, np.ndarray]:
    """One block of queries against all vectors."""
    margin = _margin(queries, vectors, longest)
    bound = np.full(len(queries), -np.inf, np.float32)  # below the k-th best score, as far as it is known
    rows, places, scores = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    for start in range(0, len(vectors), columns):
        block = queries @ vectors[start : start + columns].T
        np.maximum(bound, _bound(block, k), out=bound)
        row, place = np.divmod(np.flatnonzero(block >= (bound - margin)[:, None]), block.shape[1])
        rows = np.concatenate([rows, row])
        places = np.concatenate([places, place + start])
        scores = np.concatenate([scores, block[row, place]])
        if start:
            np.maximum(bound, _kth(rows, scores, len(queries), k), out=bound)
            kept = scores >= (bound - margin)[rows]
            rows, places, scores = rows[kept], places[kept], scores[kept]
    exact = _exact(queries, vectors, rows, places)
    order = np.lexsort((places, -exact, rows))
    rows, places, exact = rows[order], places[order], exact[order]
    first = np.searchsorted(rows, np.arange(len(queries)))
    best = first[:, None] + np.arange(k)
    return exact[best], places[best]


def _bound(block: np.ndarray, k: int) -> np.ndarray:
    """A score for every row that at least k of its columns reach."""
    group = max(1, min(_GROUP, block.shape[1] // (4 * k)))
    if block.shape[1] < k:
        return np.full(len(block), -np.inf, np.float32)
    whole = block.shape[1] // group * group
    largest = block[:, :whole].reshape(len(block), group, -1).max(axis=1) if group > 1 else block
    kth = largest.shape[1] - k
    found: np.ndarray = np.partition(largest, kth, axis=1)[:, kth]
    return found


def _kth(rows: np.ndarray, scores: np.ndarray, queries: int, k: int) -> np.ndarray:
    """The k-th best of the scores of each row; minus infinity where there are fewer."""
    order = np.lexsort((-scores, rows))
    first = np.searchsorted(rows[order], np.arange(queries + 1))
    found = np.full(queries, -np.inf, np.float32)
    enough = np.diff(first) >= k
    found[enough] = scores[order][first[:-1][enough] + k - 1]
    return found


def _margin(queries: np.ndarray, vectors: np.ndarray, longest: float) -> np.ndarray:
    """How far two computed scores of equal rank may be apart: twice the bound of the rounding error, and a little."""
    dims = vectors.shape[1] + 2
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries, dtype=np.float64))
    margin: np.ndarray = (3.0 * dims * _UNIT * longest * lengths).astype(np.float32)
    return margin


def longest_of(vectors: np.ndarray) -> float:
    """The length of the longest vector.

    Raises:
        InvalidArgumentError: a vector is not finite.
    """
    squares = [
        np.einsum("ij,ij->i", part, part, dtype=np.float64).max()
        for part in (vectors[start : start + 65_536] for start in range(0, len(vectors), 65_536))
    ]
    longest = float(np.sqrt(max(squares)))
    if not np.isfinite(longest):
        raise InvalidArgumentError("A vector holds values that are not finite numbers, so it cannot be searched.")
    return longest


def _exact(queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Inner products of pairs in float64, each summed in the same order, rounded to float32."""
    found = np.empty(len(rows), np.float32)
    step = max(1, (8 << 20) // (8 * max(1, vectors.shape[1])))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        left = queries[rows[part]].astype(np.float64)
        left *= vectors[places[part]]
        found[part] = left.sum(axis=1)
    return found


def _checked(queries: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    for name, array in (("queries", queries), ("vectors", vectors)):
        if array.ndim != 2:
            raise InvalidArgumentError(f"{name} have the shape {array.shape}: it must be (rows, dims).")
    if queries.shape[1] != vectors.shape[1]:
        raise InvalidArgumentError(
            f"Queries have {queries.shape[1]} dimensions and vectors {vectors.shape[1]}: embed both with one model."
        )
    queries = np.ascontiguousarray(queries, np.float32)
    if not np.isfinite(queries).all():
        raise InvalidArgumentError("A query holds values that are not finite numbers, so nothing can be searched.")
    return queries, vectors if vectors.dtype == np.float32 else np.asarray(vectors, np.float32)
