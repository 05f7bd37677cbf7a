"""`HFDatasetDataSource`: a folder written by `Dataset.save_to_disk()` of the `datasets` library."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ... import _context, _lazy
from ...errors import SourceError
from .data_source import DataSource, without_self
from .hub_repository import bibtex

_STATE, _INFO, _SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"


class HFDatasetDataSource(DataSource):
    """Rows of a Hugging Face `Dataset` that was saved to a folder.

    The folder is identified by the content of its Arrow files: moving it changes nothing.

    Args:
        name: the step's name.
        dataset_path: the folder.
        progress_interval, force, verbose, log_level, save_num_proc, save_num_shards, background: as for `Step`.

    Raises:
        SourceError: there is no such dataset, it has several splits, or a file is missing or damaged.
    """

    data: Any = None

    kind: ClassVar[str] = "arrow"

    def __init__(
        self,
        name: str,
        dataset_path: str,
        progress_interval: float | None = 60,
        force: bool = False,
        verbose: bool | None = None,
        log_level: int | None = None,
        save_num_proc: int | None = None,
        save_num_shards: int | None = None,
        background: bool = False,
    ) -> None:
        self._start(without_self(locals()))

    def setup(self) -> None:
        # not a field: every step has a `dataset_path`, which says where its own rows are
        self.register_arg("dataset_path", help="the folder")

    def check(self) -> None:
        self._folder = Path(self._args["dataset_path"]).expanduser()
        if (self._folder / _SPLITS).is_file():
            splits = self._json(_SPLITS).get("splits", [])
            raise self._error(
                f"has several splits ({', '.join(splits)}): give the folder of one, "
                f"for example {str(self._folder / splits[0])!r}" if splits else "has no splits"
            )  # fmt: skip
        if not (self._folder / _STATE).is_file():
            what = f"has no {_STATE}" if self._folder.is_dir() else "does not exist"
            raise self._error(f"{what}: give a folder that was written by Dataset.save_to_disk()")

    def _error(self, what: str) -> SourceError:
        return SourceError(f"Step '{self.name}': the dataset folder {self._folder} {what}.")

    def _json(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self._folder / name).read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise self._error(f"cannot be read: {name}: {error}") from None

    @property
    def keeps(self) -> str:  # type: ignore[override]
        return "stored"

    @cached_property
    def _info(self) -> dict[str, Any]:
        return self._json(_INFO) if (self._folder / _INFO).is_file() else {}

    @cached_property
    def _digests(self) -> list[str]:
        from ...ledger import FileDigests

        digests = FileDigests(getattr(_context.session(), "ledger", None))
        files = [self._folder / str(entry["filename"]) for entry in self._json(_STATE).get("_data_files", [])]
        if not files:
            raise self._error("has no rows")
        missing = next((file for file in files if not file.is_file()), None)
        if missing is not None:
            raise self._error(f"lacks the file {missing.name}: it was not copied whole")
        return [digests.digest(file).digest for file in files]

    def content(self) -> Any:
        return {"files": self._digests, "features": self._info.get("features")}

    def identity(self) -> dict[str, Any]:
        return {"content": self.content()}

    def expected_rows(self) -> int | None:
        return None

    def run(self) -> Any:
        from ...datasets import Rows

        datasets = _lazy.require("datasets", extra="hf", needed_for="HFDatasetDataSource")
        try:
            return Rows.from_hf(datasets.load_from_disk(str(self._folder)))  # memory-mapped: nothing is read yet
        except Exception as error:
            raise self._error(f"cannot be read: {type(error).__name__}: {error}") from error

    def card_sources(self) -> list[Any]:
        from ...cards import LicenseFact, SourceUse

        info = self._info
        stated = info.get("license")
        return [
            SourceUse(
                name=str(info.get("dataset_name") or self.name),
                kind=self.kind,
                uri=self._folder.name,
                digest=digest,
                license=LicenseFact(text=str(stated), stated_by=_INFO) if stated else None,
                citations=list(bibtex(info.get("citation") or "")),
                homepage=info.get("homepage") or None,
            )
            for digest in self._digests
        ]
