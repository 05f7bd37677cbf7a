"""Rows that are equal in some columns, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ...datasets import Rows
from ...datasets.operations import group_codes


@dataclass(frozen=True)
class Groups:
    """Groups of equal rows, numbered in the order in which they appear.

    Attributes:
        codes: the group of every row.
        first: the first row of every group.
        order: all rows, group by group.
        offsets: where each group begins in `order`, and its end.
    """

    codes: np.ndarray
    first: np.ndarray
    order: np.ndarray
    offsets: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.offsets)

    def members(self) -> Any:
        """For every group the numbers of its rows, as an Arrow list array."""
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), pa.array(self.order))


def row_codes(rows: Rows, names: Sequence[str]) -> np.ndarray:
    """A number for every row, equal where the rows are equal in these columns; None is equal to None."""
    codes = np.zeros(rows.num_rows, np.int64)
    for name in names:
        own = group_codes(rows, name)
        # numbered anew after each column, so that the product cannot overflow
        codes = np.unique(codes * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1].astype(np.int64)
    return codes


def group_rows(rows: Rows, names: Sequence[str]) -> Groups:
    """The groups of rows that are equal in these columns."""
    sorted_codes, first, codes = np.unique(row_codes(rows, names), return_index=True, return_inverse=True)
    rank = np.empty(len(sorted_codes), np.int64)
    rank[np.argsort(first)] = np.arange(len(sorted_codes))  # in the order of appearance
    codes = rank[codes]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(rank)))]).astype(np.int64)
    return Groups(codes, np.sort(first), np.argsort(codes, kind="stable"), offsets)
