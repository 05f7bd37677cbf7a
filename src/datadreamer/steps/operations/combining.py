"""`concat` and `zipped`: several results as one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any, ClassVar

from ...datasets import OutputDataset, OutputIterableDataset, concat_rows, zip_rows
from ...errors import InvalidArgumentError, InvalidTypeError
from ..fields import Field, setting
from ..step import Step
from .base import Dataset, Operation, of_rows, operation_options, refuse_twice


def input_name(number: int) -> str:
    """The name of the first, second, … result."""
    return "source" if number == 1 else f"source{number}"


class _Several(Operation):
    """An operation on several results; `source` is the first of them, the others are inputs of their own."""

    others: list[Any] = setting(default_factory=list)

    def setup(self) -> None:
        self._rest = [getattr(other, "output", other) for other in self._given.pop("others", [])]

    def check(self) -> None:
        for number, other in enumerate(self._rest, 2):
            name = input_name(number)
            self._declaration.add(Field("rows", name))
            self._inputs[name] = other
        self.origins = self.origins_of([input_name(number) for number in range(1, len(self._rest) + 2)])  # type: ignore[misc]
        super().check()

    def origins_of(self, inputs: list[str]) -> dict[str, str]:
        """Where each column comes from, given the names of the inputs."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        settings = super().identity()
        settings.pop("others", None)  # they enter as inputs
        return settings

    def all_sources(self) -> list[Any]:
        return [self.source, *self._rest]

    def view(self) -> Dataset:
        sources = self.all_sources()
        if all(isinstance(source, OutputDataset) for source in sources):
            return of_rows(self, self.stored([source.rows for source in sources]), sources[0])
        return OutputIterableDataset(
            self, self.streamed, total_num_rows=self.total(), column_names=self.streamed_columns
        )

    def stored(self, rows: list[Any]) -> Any:
        raise NotImplementedError

    def streamed(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def streamed_columns(self) -> list[str]:
        raise NotImplementedError

    def total(self) -> int | None:
        raise NotImplementedError

    def _counts(self) -> list[int] | None:
        counts = [source.num_rows for source in self.all_sources()]
        return None if None in counts else counts


class ConcatStep(_Several):
    """The rows of several results, one after the other."""

    one_after_the_other: ClassVar[bool] = True

    def origins_of(self, inputs: list[str]) -> dict[str, str]:
        return {"*": f"copied:{','.join(inputs)}"}

    def stored(self, rows: list[Any]) -> Any:
        return concat_rows(rows)

    def streamed(self) -> Iterator[dict[str, Any]]:
        return chain.from_iterable(self._matching(source) for source in self.all_sources())

    def _matching(self, source: Any) -> Iterator[dict[str, Any]]:
        names = self.streamed_columns()
        for row in source:
            if row.keys() != set(names):
                raise InvalidArgumentError(
                    f"Step '{self.name}': '{source.step.name}' has the columns {', '.join(map(repr, row))}, and the "
                    f"first has {', '.join(map(repr, names))}. Select or rename columns so that all have the same."
                )
            yield {name: row[name] for name in names}

    def streamed_columns(self) -> list[str]:
        return self.source.column_names

    def total(self) -> int | None:
        counts = self._counts()
        return None if counts is None else sum(counts)


class ZippedStep(_Several):
    """The columns of several results, side by side; lazy ones run to the longest."""

    def origins_of(self, inputs: list[str]) -> dict[str, str]:
        return {
            name: f"copied:{read}"
            for read, source in zip(inputs, self.all_sources(), strict=True)
            for name in _known_names(source)
        }

    def stored(self, rows: list[Any]) -> Any:
        return zip_rows(rows)

    def streamed(self) -> Iterator[dict[str, Any]]:
        sources = self.all_sources()
        self.streamed_columns()
        empty = [dict.fromkeys(source.column_names) for source in sources]
        for rows in zip_longest(*sources):
            yield {
                name: value
                for row, missing in zip(rows, empty, strict=True)
                for name, value in (missing if row is None else row).items()
            }

    def streamed_columns(self) -> list[str]:
        return refuse_twice(self, [name for source in self.all_sources() for name in source.column_names])

    def total(self) -> int | None:
        counts = self._counts()
        return None if counts is None else max(counts)


def _known_names(source: Any) -> list[str]:
    """Column names, as far as they are known without computing a lazy row."""
    return source.column_names if isinstance(source, OutputDataset) else source.known_column_names or []


def concat(*steps: Step, name: str | None = None, lazy: bool = True, **options: Any) -> Step:
    """The rows of several steps, one after the other. Options as for `Operations`."""
    return _combined(ConcatStep, "concat", steps, name, lazy, options)


def zipped(*steps: Step, name: str | None = None, lazy: bool = True, **options: Any) -> Step:
    """The columns of several steps, side by side. Options as for `Operations`."""
    return _combined(ZippedStep, "zipped", steps, name, lazy, options)


def _combined(
    kind: type[_Several], verb: str, steps: tuple[Step, ...], name: str | None, lazy: bool, options: dict[str, Any]
) -> Step:
    if not steps:
        raise InvalidArgumentError(f"{verb}() needs at least one step.")
    for step in steps:
        if not isinstance(step, Step):
            raise InvalidTypeError(f"{verb}() takes steps, not {type(step).__name__} {step!r}."[:300])
    if name is None and len(steps) > 1:
        name = f"{verb}({', '.join(step.name.rpartition(' / ')[2] for step in steps)})"[:120]
    made = operation_options(steps[0], verb, name, options)
    return kind(**made, source=steps[0].output, others=list(steps[1:]), lazy=lazy)
