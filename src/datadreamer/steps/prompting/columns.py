"""Telling columns of other steps from values of the script."""

from __future__ import annotations

from typing import Any


def is_column(value: Any) -> bool:
    """Whether `value` is a column of another step."""
    if not hasattr(type(value), "column_names"):
        return False
    from ...datasets import OutputDatasetColumn, OutputIterableDatasetColumn

    return isinstance(value, OutputDatasetColumn | OutputIterableDatasetColumn)
