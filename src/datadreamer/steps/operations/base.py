"""What every operation shares: its source, its name, and the choice between a view and stored rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from ... import _context
from ...datasets import OutputDataset, OutputIterableDataset, spooled
from ...datasets import Rows as StoredRows
from ...errors import InvalidArgumentError, nearest
from ..fields import Rows, runtime
from ..names import DerivedName, checked_name
from ..rows import Chunk, table_chunks
from ..step import Step
from .methods import DEFAULT

Dataset: TypeAlias = OutputDataset | OutputIterableDataset

_INHERITED = ("progress_interval", "save_num_proc", "save_num_shards")


class Operation(Step):
    """A step that selects, orders or computes from the rows of another.

    Args:
        source: the rows it works on.
        lazy: True for a view, False to store the rows.
        writer_batch_size: accepted for scripts written for the paper; rows are buffered by size.
    """

    source: Rows
    lazy: bool = runtime(default=True)
    writer_batch_size: int | None = runtime(default=1000)

    any_columns: ClassVar[bool] = True
    origins: ClassVar[Mapping[str, str]] = {"*": "copied:source"}

    @property
    def keeps(self) -> str:  # type: ignore[override]
        return "view" if self.lazy else "stored"

    def check(self) -> None:
        if self.lazy and self.background:
            raise InvalidArgumentError(
                f"Step '{self.name}' is a view, which is ready at once: background=True needs lazy=False."
            )

    def view(self) -> Dataset:
        """The result as a selection of the source, or as rows computed when they are read."""
        raise NotImplementedError

    def run(self) -> Iterator[Chunk]:
        yield from self.chunks()

    def chunks(self) -> Iterator[Chunk]:
        """The result for storing."""
        view = self.view()
        yield from table_chunks(view.rows) if isinstance(view, OutputDataset) else in_chunks(iter(view))

    def known_columns(self, names: list[str]) -> None:
        """Refuse a name that the source does not have."""
        have = self.source.column_names if names else []  # lazy rows make one to see their columns
        if not have and not isinstance(self.source, OutputDataset):
            return  # lazy rows of which there are none: their columns cannot be known
        for name in names:
            if name not in have:
                raise InvalidArgumentError(
                    f"Step '{self.name}': there is no column '{name}' in '{_name_of(self.source)}'. "
                    f"{nearest(name, have)}"
                )


def _name_of(dataset: Any) -> str:
    return getattr(getattr(dataset, "step", None), "name", "the source")


def operation_options(source: Step, verb: str, name: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Name and run-time settings of an operation made from `source`."""
    given = {key: value for key, value in options.items() if value is not DEFAULT}
    allowed = {*_INHERITED, "force", "verbose", "log_level", "writer_batch_size", "background"}
    for key in given:
        if key not in allowed:
            known = {*allowed, "name", *signature(getattr(type(source), verb, operation_options)).parameters}
            known -= {"self", "options", "source", "verb"}
            raise InvalidArgumentError(f"{verb}() has no argument '{key}'. {nearest(key, known)}")
    inherited = {key: getattr(source, key) for key in _INHERITED}
    return {"name": _full_name(source, verb, name), **inherited, **given}


def _full_name(source: Step, verb: str, name: str | None) -> str:
    if name is not None:
        return DerivedName(checked_name(name, "step"))
    inner = source.name.rpartition(" / ")[2]  # a parent's name is put in front again when the step is made inside it
    return DerivedName(f"{inner} ({verb})")


def of_rows(step: Step, rows: Any, source: Any) -> OutputDataset:
    """A dataset over `rows`, a view of those of `source`."""
    return OutputDataset(step, rows, memo=getattr(source, "_memo", None))


def stored_rows(source: Any) -> StoredRows:
    """The rows of a source; computed, and put on disk for as long as they are used, where they are lazy."""
    return source.rows if isinstance(source, OutputDataset) else spooled(iter(source), scratch_folder())


def scratch_folder() -> Path | None:
    """Where files may stand that are gone with the process: on the disk of the session, which has room for its rows."""
    folder = getattr(_context.session(), "folder", None)
    return None if folder is None else Path(folder) / "_work"


def refuse_twice(step: Step, names: list[str]) -> list[str]:
    """The names, when no two columns of the result would share one."""
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InvalidArgumentError(f"Step '{step.name}': two columns would be called '{name}'. Rename one of them.")
    return names


def in_chunks(rows: Iterator[dict[str, Any]], size: int = 1000) -> Iterator[Chunk]:
    """Rows as columns, some at a time."""
    while batch := list(islice(rows, size)):
        yield Chunk({name: [row[name] for row in batch] for name in batch[0]})
