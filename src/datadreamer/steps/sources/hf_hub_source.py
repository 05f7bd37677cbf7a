"""`HFHubDataSource`: a dataset on the Hugging Face Hub, at a known commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

from ...errors import SourceError
from ..rows import Chunk
from .data_source import DataSource, without_self
from .hub_files import Part, choose
from .hub_repository import HubRepository, bibtex, resolve

_NOT_FOR_READERS = ("data_files", "data_dir", "token")
_HOMEPAGE = re.compile(r"home\s*page[^\n]*?(https?://[^\s)>\]\"']+)", re.IGNORECASE)


class HFHubDataSource(DataSource):
    """Rows of a dataset on the Hugging Face Hub.

    The revision is resolved to a commit, which is what counts: when the branch moves, the step runs again. Parquet,
    JSON, CSV and text files are read; code in a repository is never run.

    Args:
        name: the step's name.
        path: the repository, `"user/name"`.
        config_name: which configuration (subset); None when there is one, or the card names a default.
        split: which split; None when there is only one.
        revision: a branch, a tag or a commit; the main branch when None.
        trust_remote_code: accepted for scripts written for the paper; nothing remote is run.
        streaming: give lazy rows, which are downloaded file by file as they are read, and stored by no one.
        progress_interval, force, verbose, log_level, save_num_proc, save_num_shards, background: as for `Step`.
        **config_kwargs: `data_files` and `data_dir` choose files of the repository, `token` is an access token (it is
            written nowhere); all others are options of the reader, for example `columns=[...]` or `sep=";"`.

    Raises:
        SourceError: there is no such dataset, revision, configuration or split, several splits and none was named, or
            no way to the Hub (also a `ValueError`).
    """

    path: str
    config_name: str | None = None
    split: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    streaming: bool = False
    data: Any = None

    kind: ClassVar[str] = "huggingface"

    def __init__(
        self,
        name: str,
        path: str,
        config_name: str | None = None,
        split: str | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        streaming: bool = False,
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
        self.path = self.path.removeprefix("hf://").removeprefix("datasets/").strip("/")
        self._readme = ""  # read when the step runs
        self._token = self._args.pop("token", None)
        if self._token:
            from ...ledger import Redactor

            Redactor.default().add(self._token)

    def options(self) -> dict[str, Any]:
        """How the files are read."""
        uncounted = (*self._declaration.fields, *_NOT_FOR_READERS)
        return {name: value for name, value in self._args.items() if name not in uncounted}

    @property
    def keeps(self) -> str:  # type: ignore[override]
        return "view" if self.streaming else "stored"

    @cached_property
    def _repository(self) -> HubRepository:
        try:
            return resolve(self.path, self.revision, self._token)
        except SourceError as error:
            raise SourceError(f"Step '{self.name}': {error}") from error.__cause__

    @cached_property
    def _part(self) -> Part:
        repository, given = self._repository, self._args
        try:
            return choose(
                repository.files, repository.card, self.config_name, self.split,
                given.get("data_files"), given.get("data_dir"),
            )  # fmt: skip
        except SourceError as error:
            raise SourceError(
                f"Step '{self.name}': the dataset '{self.path}' (commit {repository.commit[:12]}): {error}"
                f"{self._advice(repository)}"
            ) from None

    def _advice(self, repository: HubRepository) -> str:
        script = self.path.rpartition("/")[2] + ".py"
        if script not in repository.files:
            return ""
        return (
            f" Its rows are made by a script ({script}), and code from the Hub is never run. The Hub keeps Parquet "
            "copies of most such datasets: pass revision='refs/convert/parquet'."
        )

    def content(self) -> Any:
        part = self._part
        return {
            "repository": self.path, "commit": self._repository.commit, "config": part.config, "split": part.split,
            "files": part.files, "options": self.options(),
        }  # fmt: skip

    def identity(self) -> dict[str, Any]:
        return {"content": self.content()}

    def expected_rows(self) -> int | None:
        return None

    def run(self) -> Iterator[Chunk]:
        names = self._part.files
        self._readme = self._repository.readme(self._token)
        self.register_data_card("Dataset Card", f"https://huggingface.co/datasets/{self.path}")
        return self._chunks(names)

    def _chunks(self, names: list[str]) -> Iterator[Chunk]:
        from ...datasets.readers import open_source

        files = self._repository.fetch_all(names, self._token)
        try:
            for batch in open_source(self._part.kind, data_files=list(files), **self.options()).batches():
                yield Chunk(batch)
        except SourceError as error:
            raise SourceError(f"Step '{self.name}': the dataset '{self.path}': {error}") from None

    def view(self) -> Any:
        from ...datasets import OutputIterableDataset

        _ = self._part  # what can be seen to be wrong is said now
        return OutputIterableDataset(self, self._streamed)

    def _streamed(self) -> Iterator[dict[str, Any]]:
        import pyarrow as pa

        from ...datasets import Rows

        for name in self._part.files:
            for chunk in self._chunks([name]):
                yield from Rows.from_table(pa.Table.from_batches([chunk.columns])).iterate()

    def card_sources(self) -> list[Any]:
        from ...cards import SourceUse

        part, repository = self._part, self._repository
        readme = self._readme
        homepage = repository.card.get("homepage") or next(iter(_HOMEPAGE.findall(readme)), None)
        return [
            SourceUse(
                name=self.path,
                kind=self.kind,
                uri=self.path,
                config=part.config,
                split=part.split,
                revision=repository.commit,
                synthetic=_says_synthetic(repository.card),
                license=_license(repository.card),
                citations=list(dict.fromkeys(bibtex(readme))),
                homepage=homepage or f"https://huggingface.co/datasets/{self.path}",
            )
        ]


def _says_synthetic(card: dict[str, Any]) -> bool | None:
    return True if "synthetic" in (card.get("tags") or []) else None


def _license(card: dict[str, Any]) -> Any:
    """The licence that the card states, in its words."""
    from ...cards import LicenseFact

    stated = card.get("license")
    names = [str(name) for name in (stated if isinstance(stated, list) else [stated]) if name]
    if not names:
        return None
    vague = len(names) > 1 or names[0] in ("other", "unknown", "cc")
    words = str(card.get("license_name") or ", ".join(names)) if vague else None
    return LicenseFact(
        id=None if vague else names[0], text=words, url=card.get("license_link"), stated_by="dataset README"
    )
