"""What the sources that read files share: which files, their content as identity, their rows streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ... import _context
from ...errors import InvalidTypeError, SourceError
from ..operations.base import scratch_folder
from ..rows import Chunk
from .data_source import DataSource, without_self


class FileSource(DataSource):
    """Rows from files.

    The files are identified by their content: moving or renaming them changes nothing, changing a byte does.

    Args:
        name: the step's name.
        data_folder: a folder, all of whose files of this kind are read, in the order of their names; with `data_files`,
            the folder that these names start from.
        data_files: a file, a pattern such as `"part-*.jsonl"`, an address that fsspec understands such as
            `"s3://bucket/part-*.jsonl"`, or a list of them; compressed ones by their ending. What has an address is
            copied beside the rows, once as long as it does not change.
        progress_interval, force, verbose, log_level, save_num_proc, save_num_shards, background: as for `Step`.
        **config_kwargs: how the files are read; an unknown option raises.

    Raises:
        SourceError: no file is there, or one cannot be read: names the file, the line, and what to do.
    """

    data_folder: str | None = None
    data_files: Any = None
    data: Any = None

    kind: ClassVar[str]

    def __init__(
        self,
        name: str,
        data_folder: str | None = None,
        data_files: str | Sequence[str] | None = None,
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

    def setup(self) -> None:
        self.register_arg("**kwargs")

    def check(self) -> None:
        if isinstance(self.data_files, Mapping):
            raise InvalidTypeError(
                f"Step '{self.name}': data_files must be a file or a list of files. For several splits, make a "
                f"step for each: {', '.join(map(repr, self.data_files))}."
            )
        try:
            self._source = self._open()
        except SourceError as error:
            raise SourceError(f"Step '{self.name}': {error}") from None

    def options(self) -> dict[str, Any]:
        """How the files are read."""
        fields = self._declaration.fields
        return {name: value for name, value in self._args.items() if name not in fields}

    def _open(self) -> Any:
        from ...datasets.readers import open_source

        scratch = scratch_folder()
        downloads = None if scratch is None else scratch / "downloads"
        return open_source(self.kind, self.data_folder, self.data_files, downloads, **self.options())

    @property
    def keeps(self) -> str:  # type: ignore[override]
        return "stored"

    @cached_property
    def _digests(self) -> list[str]:
        from ...ledger import FileDigests

        digests = FileDigests(getattr(_context.session(), "ledger", None))
        return [digests.digest(file).digest for file in self._source.files]

    def content(self) -> Any:
        return {"files": self._digests, "options": self._source.options}

    def identity(self) -> dict[str, Any]:
        return {"content": self.content()}

    def expected_rows(self) -> int | None:
        return None

    def run(self) -> Iterator[Chunk]:
        try:
            for batch in self._source.batches():
                yield Chunk(batch)
        except SourceError as error:
            raise SourceError(f"Step '{self.name}': {error}") from None

    def card_sources(self) -> list[Any]:
        from ...cards import SourceUse

        return [
            SourceUse(name=self.name, kind=self.kind, uri=Path(file).name, digest=digest)
            for file, digest in zip(self._source.files, self._digests, strict=True)
        ]
