"""`RankWithPrompt`: score every row by a model, and order the rows by their scores."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, ClassVar

from ...datasets import OutputDataset
from ...errors import InvalidArgumentError
from ..fields import Field
from ..rows import Filtered, Loss, Row
from .unparsed import CHOICES, UnparsedError, check_choice
from .whole_rows import WholeRowStep

# Not the tail of a word or of another number: in "GPT4 says 8/10" it is 8.
_NUMBER = re.compile(
    r"""(?<![\w.])
    [-\u2212]?
    (?: (?: \d{1,3}(?:,\d{3})+(?!\d) | \d+ ) (?:\.\d+)? | \.\d+ )   # 1,000.5 or 12.5 or .5
    (?: e[-+]?\d+ )?""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)


def first_number(answer: Any) -> int | float | None:
    """The first number of an answer, an int where it is written as one; None when there is none."""
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        return answer if math.isfinite(answer) else None
    found = _NUMBER.search(str(answer))
    if found is None:
        return None
    text = found[0].replace(",", "").replace("\u2212", "-")
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(text) if text.lstrip("-").isdigit() and abs(number) < 2**63 else number


class RankWithPrompt(WholeRowStep):
    """Ask a model to score every value of a column, and order the rows of the step that it belongs to by the scores.

    The result has all columns of that step, and `scores`: the first number of each answer. With `n` above 1 it is the
    mean of the numbers. Source: arXiv 2306.05685, section 3 (a model as the judge).

    Args:
        sort: order the rows by score; rows of equal score keep their order. (Every step has methods `sort` and
            `reverse`, so a type checker knows these two settings in `args={...}` only.)
        reverse: the highest score first.
        score_threshold: leave out rows that score lower.
        unparsed: what becomes of a row whose answer has no number: `"fail"` counts it as lost, `"drop"` leaves it out,
            `"keep"` gives it the score None, behind all others.
    """

    score_threshold: float | None = None
    unparsed: str = CHOICES[0]

    origins: ClassVar[dict[str, str]] = {"*": "copied:rows", "scores": "judged:inputs"}

    def setup(self) -> None:
        super().setup()
        for name, what in (("sort", "order the rows by score"), ("reverse", "the highest score first")):
            self._declaration.add(Field("setting", name, default=True, annotation=bool, help=what))
        if "scores" in getattr(self._owner, "column_names", ()):
            raise InvalidArgumentError(
                f"Step '{self.name}': the step that inputs belongs to has a column 'scores' already. "
                "Give it another name first, with rename_column()."
            )
        self.register_output("scores", help="The first number of each answer.")

    def check(self) -> None:
        check_choice(self.name, self.unparsed)
        super().check()

    def result(self, values: dict[str, Any], answer: Any, position: int) -> Any:
        found = [first_number(text) for text in (answer if isinstance(answer, list) else [answer])]
        numbers = [number for number in found if number is not None]
        if not numbers:
            return self._without_number(values)
        score = numbers[0] if len(numbers) == 1 else math.fsum(numbers) / len(numbers)
        low = self.score_threshold is not None and score < self.score_threshold
        return Filtered() if low else {**values, "scores": score}

    def _without_number(self, values: dict[str, Any]) -> Any:
        if self.unparsed == "fail":
            raise UnparsedError("no number in the answer")
        return Filtered() if self.unparsed == "drop" else {**values, "scores": None}

    def run(self) -> Iterator[Row | Loss | Filtered]:
        return self._ranked() if self._args["sort"] else super().run()

    def _ranked(self) -> Iterator[Row | Loss | Filtered]:
        rows: list[Row] = []
        lost: list[Loss] = []
        stored = isinstance(self._owner, OutputDataset)
        for piece in super().run():
            if isinstance(piece, Row):
                # the other columns of a stored row are read again in the end, so that not all are held in memory
                rows.append(Row({"scores": piece.values["scores"]}, piece.parents, piece.calls) if stored else piece)
                continue
            if not isinstance(piece, Loss):
                yield piece
                continue
            lost.append(piece)
            if not rows or self._too_many(lost):
                yield from lost  # else kept back: before the first row is given, it looks as if none had succeeded
                lost.clear()
        ranked = self._in_order(rows)
        yield from self._completed(ranked) if stored else ranked
        yield from lost

    def _too_many(self, lost: list[Loss]) -> bool:
        """Whether so many rows are lost that the step stops as soon as it hears of them."""
        bound, total = self.max_failures, self._owner.num_rows
        return bound is not None and len(lost) > (bound * total if bound < 1 and total is not None else bound)

    def _in_order(self, rows: list[Row]) -> list[Row]:
        scored = [row for row in rows if row.values["scores"] is not None]
        scored.sort(key=lambda row: row.values["scores"], reverse=self._args["reverse"])
        return [*scored, *(row for row in rows if row.values["scores"] is None)]

    def _completed(self, ranked: list[Row]) -> Iterator[Row]:
        chosen = self._owner.rows.select([row.parents for row in ranked])
        for row, values in zip(ranked, chosen.iterate(), strict=True):
            yield Row({**values, **row.values}, row.parents, row.calls)
