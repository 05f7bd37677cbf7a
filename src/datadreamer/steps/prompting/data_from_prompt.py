"""`DataFromPrompt`: new data from one instruction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, ClassVar

from ...errors import InvalidArgumentError, StepError
from ...llms.types import Chat
from ...llms.types import Prompt as ModelPrompt
from ..curation.seen import Seen
from ..fields import output, runtime
from ..rows import Filtered, Loss, Row
from .base import PromptStep
from .candidates import Candidates

_BUDGET = 10  # candidates for every wanted row, where the script does not say


class DrawStep(PromptStep):
    """A prompt step that makes `n` rows from nothing but an instruction.

    Equal prompts are independent draws: draw 0, 1, 2, … of the same request, each remembered as itself. With `accept`
    or `distinct`, candidates are drawn until `n` are accepted: the rows are the first `n` acceptable draws, in order.

    Args:
        instruction: what the model shall write.
        n: how many rows to make.
        temperature: 1.0 by default. At 0 every draw of a prompt would be the same answer.
        accept: a function of a row (a dictionary of its columns) to whether it is kept.
        distinct: True keeps no answer that equals an accepted one (apart from case and white space); a number between 0
            and 1 keeps none whose set of word 3-grams has at least that Jaccard similarity to an accepted one.
        max_candidates: with `accept` or `distinct`, most answers to ask for; None for ten times `n`. Never counts.

    Raises:
        StepError: fewer than `n` of `max_candidates` answers were accepted. What was answered is remembered.
    """

    instruction: str
    n: int
    temperature: float | None = 1.0
    top_p: float | None = 1.0
    accept: Callable[..., Any] | None = None
    distinct: bool | float = False
    max_candidates: int | None = runtime(default=None)

    counted_when_given: ClassVar[tuple[str, ...]] = ("accept", "distinct")

    def check(self) -> None:
        if self.n < 0:
            raise InvalidArgumentError(f"Step '{self.name}': n must be 0 or more, not {self.n}.")
        if "_seed" in self._args:  # an earlier spelling of `seed`
            self._args["seed"] = self._args.pop("_seed")
        self._check_choosing()
        super().check()

    def _check_choosing(self) -> None:
        who, budget = f"Step '{self.name}'", self.max_candidates
        distinct = self.distinct
        if distinct is not False and distinct is not True and not 0 < distinct <= 1:
            raise InvalidArgumentError(
                f"{who}: distinct is True, False or a similarity above 0 up to 1, not {distinct!r}."
            )
        if budget is not None and not self._chooses():
            raise InvalidArgumentError(f"{who}: max_candidates means something only together with accept or distinct.")
        if budget is not None and budget < self.n:
            raise InvalidArgumentError(f"{who}: max_candidates={budget} is less than n={self.n}: no run could succeed.")

    def _chooses(self) -> bool:
        return self.accept is not None or self.distinct is not False

    def parameters(self) -> dict[str, Any]:
        given = super().parameters()
        given.pop("n", None)  # rows here, answers per prompt to the model
        return given

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "rows": self.n}

    def expected_rows(self) -> int | None:
        return self.n

    def card_prompts(self) -> list[tuple[str, str]]:
        return [("instruction", self.instruction), *super().card_prompts()]

    # --- drawing ------------------------------------------------------------------------------------------------------

    def draws(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Without end: what the row of each draw starts with, and its prompt."""
        raise NotImplementedError

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt]]:
        return islice(self.draws(), self.n)

    def run(self) -> Iterator[Row | Loss | Filtered]:
        return self._chosen() if self._chooses() else super().run()

    def _chosen(self) -> Iterator[Row | Loss | Filtered]:
        budget = _BUDGET * self.n if self.max_candidates is None else self.max_candidates
        candidates, rejected = Candidates(self.n, budget), Counter[str]()
        seen = None if self.distinct is False else Seen(self.distinct)
        draws = _numbered(self.draws())
        while size := candidates.next_wave():
            for values, outcome in self.asked(self.llm, islice(draws, size)):
                piece = self._settle(candidates.tried, values, outcome)
                candidates.tried += 1
                if isinstance(piece, Row):
                    piece = self._judged(piece, candidates.tried - 1, seen, rejected)
                candidates.accepted += isinstance(piece, Row)
                yield piece
                if not candidates.missing:
                    break
        self._sum_up_choosing(candidates, rejected)
        self.sum_up()

    def _judged(self, row: Row, position: int, seen: Seen | None, rejected: Counter[str]) -> Row | Loss | Filtered:
        """The row, where it is accepted."""
        try:
            accepted = self.accept is None or self.accept(dict(row.values))
        except Exception as error:
            return Loss(position, "accept", f"{type(error).__name__}: {error}", calls=row.calls)
        text = _as_text(row.values["generations" if "generations" in row.values else "raw_generations"])  # unpack
        repeated = bool(accepted) and seen is not None and seen.has(text)
        if not accepted or repeated:
            rejected["like an accepted one" if repeated else "refused by accept"] += 1
            return Filtered()
        if seen is not None:
            seen.add(text)
        return row

    def _sum_up_choosing(self, candidates: Candidates, rejected: Counter[str]) -> None:
        why = "".join(f", {count:,} {reason}" for reason, count in sorted(rejected.items()))
        counted = f"{candidates.accepted:,} accepted of {candidates.tried:,}{why}"
        if candidates.missing:
            raise StepError(
                f"Step '{self.name}' has not found n={self.n:,} acceptable rows: {counted} candidates. Raise "
                "max_candidates, accept more, or ask for fewer; the answers so far are kept and not asked for again."
            )
        self.register_data_card("Candidates", counted)


def _numbered(draws: Iterator[tuple[dict[str, Any], str]]) -> Iterator[tuple[dict[str, Any], ModelPrompt]]:
    """Every prompt as the draw that it is among equal ones: a wave does not know what earlier ones asked."""
    counts: Counter[str] = Counter()
    for values, prompt in draws:
        yield values, Chat([{"role": "user", "content": prompt}], sample=counts[prompt])
        counts[prompt] += 1


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


class DataFromPrompt(DrawStep):
    """Draw n answers to one instruction."""

    prompts: str = output(help="The instruction, in every row.")
    generations: Any = output(help="The answers.")

    origins: ClassVar[dict[str, str]] = {"prompts": "computed", "generations": "generated"}

    def draws(self) -> Iterator[tuple[dict[str, Any], str]]:
        while True:
            yield {"prompts": self.instruction}, self.instruction
