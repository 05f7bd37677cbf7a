"""`CSVDataSource`: rows from CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .data_source import without_self
from .file_source import FileSource


class CSVDataSource(FileSource):
    """Rows from CSV files, with column types found by looking at all rows.

    Args:
        sep: what stands between values, one character.
        **config_kwargs: for example `quotechar`, `column_names`, `encoding`; see `docs/design/datasets.md`.
    """

    sep: str = ","

    kind: ClassVar[str] = "csv"

    def __init__(
        self,
        name: str,
        data_folder: str | None = None,
        data_files: str | Sequence[str] | None = None,
        sep: str = ",",
        progress_interval: float | None = 60,
        force: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        save_num_proc: int | None = None,
        save_num_shards: int | None = None,
        background: bool = False,
        **config_kwargs: Any,
    ) -> None:
        self._start(without_self({**locals(), "kwargs": config_kwargs}))

    def options(self) -> dict[str, Any]:
        return {**super().options(), "sep": self.sep}
