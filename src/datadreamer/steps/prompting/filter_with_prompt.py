"""`FilterWithPrompt`: keep the rows that a model says yes to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..rows import Filtered
from .whole_rows import WholeRowStep

_YES = re.compile(r"\byes\b", re.IGNORECASE)


def says_yes(answer: str) -> bool:
    """Whether the word "yes" stands in an answer."""
    return _YES.search(answer) is not None


class FilterWithPrompt(WholeRowStep):
    """Keep the rows for which the model answers yes; the result has all columns of the step that `inputs` belongs to.

    Source: arXiv 2306.05685, section 3 (a model as the judge).

    Args:
        filter_func: from the text of an answer to whether its row is kept.
    """

    filter_func: Callable[[str], bool] = says_yes

    def result(self, values: dict[str, Any], answer: Any, position: int) -> Any:
        answers = answer if isinstance(answer, list) else [answer]
        kept = sum(bool(self.filter_func(text)) for text in answers) * 2 > len(answers)
        return values if kept else Filtered()
