"""`FilterWithPrompt`: keep the rows that a model says yes to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from ..rows import Filtered
from .unparsed import UnparsedError, check_choice
from .whole_rows import WholeRowStep

_YES = re.compile(r"\byes\b", re.IGNORECASE)
_NO = re.compile(r"\bno\b", re.IGNORECASE)


def says_yes(answer: Any) -> bool:
    """Whether the word "yes" stands in an answer; with `output_type=bool`, whether it is true."""
    return answer if isinstance(answer, bool) else _YES.search(str(answer)) is not None


class FilterWithPrompt(WholeRowStep):
    """Keep the rows for which the model answers yes; the result has all columns of the step that `inputs` belongs to.

    Source: arXiv 2306.05685, section 3 (a model as the judge).

    Args:
        filter_func: from the text of an answer to whether its row is kept; None for an answer that does not say.
        unparsed: what becomes of a row whose answer says neither yes nor no (or for which `filter_func` gives None):
            `"drop"` leaves it out, `"fail"` counts it as lost, `"keep"` keeps it.
    """

    filter_func: Callable[[str], bool | None] = says_yes
    unparsed: str = "drop"

    counted_when_given: ClassVar[tuple[str, ...]] = ("unparsed",)

    def check(self) -> None:
        check_choice(self.name, self.unparsed)
        super().check()

    def result(self, values: dict[str, Any], answer: Any, position: int) -> Any:
        answers = answer if isinstance(answer, list) else [answer]
        verdicts = [self._verdict(text) for text in answers]
        said = [verdict for verdict in verdicts if verdict is not None]
        if not said:
            if self.unparsed == "fail":
                raise UnparsedError("the answer says neither yes nor no")
            return values if self.unparsed == "keep" else Filtered()
        return values if sum(said) * 2 > len(said) else Filtered()

    def _verdict(self, text: Any) -> bool | None:
        found = self.filter_func(text)
        if found is None:
            return None
        by_word = self.filter_func is says_yes and self.unparsed != "drop"
        return None if by_word and not found and _NO.search(text) is None else bool(found)
