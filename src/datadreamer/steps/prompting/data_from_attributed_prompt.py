"""`DataFromAttributedPrompt`: new data whose variety is asked for, attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle, product
from typing import Any, ClassVar

from ...errors import InvalidArgumentError, InvalidTypeError
from ..fields import Field, output
from . import templates
from .columns import is_column
from .data_from_prompt import DrawStep

CITATION = """@article{yu2023large,
  title={Large Language Model as Attributed Training Data Generator: A Tale of Diversity and Bias},
  author={Yu, Yue and Zhuang, Yuchen and Zhang, Jieyu and Meng, Yu and Ratner, Alexander and Krishna, Ranjay and
    Shen, Jiaming and Zhang, Chao},
  journal={arXiv preprint arXiv:2306.15895},
  year={2023}
}"""


class DataFromAttributedPrompt(DrawStep):
    """Draw n answers to an instruction with attributes in braces, cycling through their combinations.

    Source: arXiv 2306.15895, section 3.

    Args:
        attributes: attribute name to its values (a list, or a column of another step), of which all combinations are
            used; or the combinations themselves, each a dictionary: a list of them, or a column. White space around a
            value is dropped, and so are cells without a value.
    """

    attributes: Any

    prompts: str = output(help="The instruction, filled in.")
    generations: Any = output(help="The answers.")

    origins: ClassVar[dict[str, str]] = {"attributes": "computed", "prompts": "computed", "generations": "generated"}

    def setup(self) -> None:
        super().setup()
        self.register_output("attributes", help="The combination that was asked for.")
        self.order_outputs("attributes", "prompts", "generations")
        self.register_data_card("Citation Information", CITATION)

    def check(self) -> None:
        self.combinations = _combinations(f"Step '{self.name}'", self.attributes)
        named = set(self.combinations[0])
        unknown = templates.missing(self.instruction, named)
        unused = sorted(named - set(templates.names_in(self.instruction)))
        if unknown or unused:
            which = f"{{{unknown[0]}}} is not among the attributes" if unknown else f"it has no {{{unused[0]}}}"
            raise InvalidArgumentError(
                f"Step '{self.name}': the instruction {self.instruction!r} and the attributes do not fit: {which}. "
                f"Attributes: {', '.join(sorted(named))}."
            )
        self._read_columns()
        super().check()

    def _read_columns(self) -> None:
        """Columns among the attributes are inputs: the cards say where their values came from."""
        for attribute, column in _columns(self.attributes).items():
            name = f"attributes.{attribute}"  # an attribute may be called as a setting is
            self._declaration.add(Field("rows", name, help="Values of an attribute."))
            self._inputs[name] = column

    def identity(self) -> dict[str, Any]:
        if is_column(self.attributes):
            attributes: Any = "a column"  # which counts as an input
        elif _columns(self.attributes):
            attributes = {
                name: "a column" if is_column(given) else _values("", name, given)
                for name, given in self.attributes.items()
            }
        else:
            attributes = self.combinations
        return {**super().identity(), "attributes": attributes}

    def draws(self) -> Iterator[tuple[dict[str, Any], str]]:
        for combination in cycle(self.combinations):
            prompt = templates.fill(self.instruction, combination)
            yield {"attributes": combination, "prompts": prompt}, prompt

    def parent_of(self, values: Mapping[str, Any], position: int) -> int | None:
        return self._origins()[position % len(self.combinations)] if self._inputs else None

    def _origins(self) -> list[int]:
        """For every combination, the row that its value comes from in the first column among the attributes."""
        known: list[int] | None = getattr(self, "_origin_rows", None)
        if known is None:
            name, column = next(iter(_columns(self.attributes).items()))
            rows = [row for row, cell in enumerate(column) if cell is not None]
            if not is_column(self.attributes):
                rows = [choice[name] for choice in _product({**self._counted(), name: rows})]
            known = self._origin_rows = rows
        return known

    def _counted(self) -> dict[str, list[Any]]:
        return {name: _values("", name, given) for name, given in self.attributes.items()}


def _columns(attributes: Any) -> dict[str, Any]:
    """The columns among the attributes, by the name of their attribute."""
    if is_column(attributes):
        return {"rows": attributes}
    given = attributes if isinstance(attributes, Mapping) else {}
    return {name: value for name, value in given.items() if is_column(value)}


def _combinations(who: str, attributes: Any) -> list[dict[str, Any]]:
    if is_column(attributes):
        attributes = [cell for cell in attributes if cell is not None]
    if isinstance(attributes, Mapping):
        found = _product({name: _values(who, name, given) for name, given in attributes.items()})
    elif isinstance(attributes, Sequence) and all(isinstance(item, Mapping) for item in attributes):
        found = [{name: _trimmed(value) for name, value in item.items()} for item in attributes]
        if any(set(item) != set(found[0]) for item in found):
            raise InvalidArgumentError(f"{who}: every combination in attributes must have the same names.")
    else:
        raise InvalidTypeError(
            f"{who}: attributes must be a dictionary of lists or a list of dictionaries, "
            f"not {type(attributes).__name__}."
        )
    if not found or not found[0]:
        raise InvalidArgumentError(f"{who}: attributes are empty: give at least one value for at least one attribute.")
    return found


def _product(values: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(values, choice, strict=True)) for choice in product(*values.values())]


def _values(who: str, name: str, given: Any) -> list[Any]:
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise InvalidTypeError(f"{who}: the attribute '{name}' must be a list of values, not {given!r}.")
    return [_trimmed(value) for value in given if value is not None or not is_column(given)]


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value
