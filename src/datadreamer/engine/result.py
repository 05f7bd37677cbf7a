"""A finished step's rows, opened when they are first looked at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ..errors import DamagedFileError


class Result:
    """Opens a dataset at first use: a rerun of a finished workflow opens only what the script reads."""

    __slots__ = ("_dataset", "_open")

    def __init__(self, open_: Callable[[], Any]) -> None:
        self._open = open_
        self._dataset: Any = None

    def dataset(self) -> Any:
        if self._dataset is None:
            self._dataset = self._open()
        return self._dataset

    def pin(self) -> None:
        """Map the files now: they are about to move, and whoever holds this result keeps its rows."""
        with suppress(DamagedFileError):
            rows: Any = getattr(self.dataset(), "rows", None)
            if hasattr(rows, "table"):  # lazy rows have no files
                rows.table()  # mapped, not read
