"""`FilterByLength`: keep rows whose texts are neither too short nor too long."""

from __future__ import annotations

from collections.abc import Callable

from ...errors import InvalidArgumentError
from ...llms.llm import LLM
from .text_filter import TextFilter

_UNITS = ("characters", "words", "tokens")


class FilterByLength(TextFilter):
    """Keep the rows whose texts have a length within bounds, with all columns of the texts' step.

    Reasons are `too_few_…` and `too_many_…` characters, words or tokens.

    Args:
        texts: what is measured.
        min_characters, max_characters: Unicode code points.
        min_words, max_words: stretches without white space.
        min_tokens, max_tokens: tokens of `llm`, as its `count_tokens()` gives them.
        llm: whose tokens are counted. Nothing is asked of it.
        mark: keep every row, and add a column `reasons`.
    """

    min_characters: int | None = None
    max_characters: int | None = None
    min_words: int | None = None
    max_words: int | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None
    llm: LLM | None = None

    def check(self) -> None:
        who = f"Step '{self.name}'"
        bounds = {unit: (self._args[f"min_{unit}"], self._args[f"max_{unit}"]) for unit in _UNITS}
        self._bounds = {unit: pair for unit, pair in bounds.items() if pair != (None, None)}
        if not self._bounds:
            raise InvalidArgumentError(f"{who} has no bound: give at least one, for example max_words=500.")
        for unit, (low, high) in self._bounds.items():
            if low is not None and high is not None and low > high:
                raise InvalidArgumentError(f"{who}: min_{unit}={low} is above max_{unit}={high}: no text could pass.")
        if "tokens" in self._bounds and self.llm is None:
            raise InvalidArgumentError(f"{who}: tokens are those of a model: give llm=… beside the bounds on tokens.")
        super().check()

    def reasons(self, text: str) -> list[str]:
        found = []
        for unit, (low, high) in self._bounds.items():
            length = self._measures()[unit](text)
            if low is not None and length < low:
                found.append(f"too_few_{unit}")
            if high is not None and length > high:
                found.append(f"too_many_{unit}")
        return found

    def _measures(self) -> dict[str, Callable[[str], int]]:
        count = len if self.llm is None else self.llm.count_tokens
        return {"characters": len, "words": lambda text: len(text.split()), "tokens": count}
