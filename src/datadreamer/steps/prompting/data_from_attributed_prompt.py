"""`DataFromAttributedPrompt`: new data whose variety is asked for, attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice, product
from typing import Any, ClassVar

from ...errors import InvalidArgumentError, InvalidTypeError
from ...llms.types import Prompt as ModelPrompt
from ..fields import output
from . import templates
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
        attributes: attribute name to its values, of which all combinations are used; or a list of combinations, each a
            dictionary. White space around a value is dropped.
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
        super().check()

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "attributes": self.combinations}

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt]]:
        for combination in islice(cycle(self.combinations), self.n):
            prompt = templates.fill(self.instruction, combination)
            yield {"attributes": combination, "prompts": prompt}, prompt


def _combinations(who: str, attributes: Any) -> list[dict[str, Any]]:
    if isinstance(attributes, Mapping):
        values = {name: _values(who, name, given) for name, given in attributes.items()}
        found = [dict(zip(values, choice, strict=True)) for choice in product(*values.values())]
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


def _values(who: str, name: str, given: Any) -> list[Any]:
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise InvalidTypeError(f"{who}: the attribute '{name}' must be a list of values, not {given!r}.")
    return [_trimmed(value) for value in given]


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value
