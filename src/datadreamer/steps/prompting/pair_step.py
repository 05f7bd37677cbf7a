"""What the two judges of pairs share: prompts in one order or both, one judge or several, votes and agreement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any, ClassVar

from ...errors import DataDreamerError, InvalidArgumentError
from ...llms import params
from ...llms.llm import LLM
from ...llms.types import Prompt as ModelPrompt
from ..rows import Filtered, Loss, Row
from . import agreement, fitting
from .base import PromptStep
from .unparsed import CHOICES, UnparsedError, check_choice
from .verdict import named, verdict
from .whole_rows import CITATION


class PairStep(PromptStep):
    """A model, or several, as the judge of pairs. A prompt is the two texts under their labels, then the instruction.

    Which of the two comes first, under the first label, is drawn for every row with a fixed seed, as judges prefer
    places. A judgement names the column, not the place: it is the label of `a` or of `b`, without its colon.

    Where there can be ties (`ties`, `both_orders` or `more_judges`), a judgement may also be `tie_label`. Shape of
    `judge_generations`: judges, orders, `n` answers, each level only where there is more than one.
    """

    instruction: str | None = None
    judgement_func: Callable[[str, bool], Any] | None = None
    randomize_order: bool = True
    instruction_label: str = "Instruction:"
    sep: str = "\n"
    unparsed: str = CHOICES[0]
    both_orders: bool = False
    ties: bool = False
    tie_label: str = "Tie"
    more_judges: list[LLM] | None = None
    overlong: str = fitting.POLICIES[0]

    model_role: ClassVar[str] = "judged-by"
    copied: ClassVar[tuple[str, ...]]  # the inputs, which are given back unchanged
    counted_when_given: ClassVar[tuple[str, ...]] = ("both_orders", "ties", "tie_label", "more_judges", "overlong")

    def setup(self) -> None:
        super().setup()
        for name in self.copied:
            self.register_output(name, help="As it was read.")
        if self._given.get("both_orders"):
            prompts = self._declaration.outputs["judge_prompts"]
            self._declaration.add(replace(prompts, annotation=list[str]))
        order = [*self.copied, "judge_prompts", "judge_generations", "judgements"]
        if self._given.get("more_judges"):
            self.register_output("votes", help="The judgement of each judge, `llm` first; None where it gave none.")
            self.register_output("agreement", help="The share of the judges with a judgement that gave the one stored.")
            order += ["votes", "agreement"]
            judged = dict.fromkeys(("votes", "agreement"), "judged:a,b")
            self.origins = {**type(self).origins, **judged}  # type: ignore[misc]
            for citation in agreement.CITATIONS:
                self.register_data_card("Citation Information", citation)
        self.order_outputs(*order)
        self.register_data_card("Citation Information", CITATION)

    def labels(self) -> tuple[str, str]:
        """What stands before the first and before the second text."""
        return self._args["a_label"], self._args["b_label"]

    def check(self) -> None:
        who = f"Step '{self.name}'"
        check_choice(self.name, self.unparsed)
        fitting.check_policy(who, self.overlong)
        self._names = named(*self.labels(), *([self.tie_label] if self.ties else []))
        if len(set(self._names)) < len(self._names):
            raise InvalidArgumentError(f"{who}: the labels {', '.join(map(repr, self._names))} are not different.")
        self._tie = named(self.tie_label)[0]
        if self.instruction is None:
            self.instruction = self._args["instruction"] = self.default_instruction(*self._names)
        self._judges = [self.llm, *(self.more_judges or [])]
        self._orders = 2 if self.both_orders else 1
        self._can_tie = self.ties or self.both_orders or len(self._judges) > 1
        self._patterns: Counter[tuple[Any, ...]] = Counter()
        self._places = [Counter[str]() for _ in self._judges]
        super().check()
        for judge in self._judges[1:]:
            params.parse(judge, self.parameters())

    def identity(self) -> dict[str, Any]:
        settings = super().identity()
        settings.pop("more_judges", None)
        # each by itself, as the cards tell models by the settings that hold them
        return {**settings, **{f"judge {number}": judge for number, judge in enumerate(self._judges[1:], 2)}}

    def _room(self) -> dict[str, Any]:
        rooms = {}
        for number, judge in enumerate(self._judges[1:], 2):
            given = getattr(judge, "_max_context_length", None) or getattr(judge, "max_context_length", None)
            rooms.update({f"max_context_length {number}": given} if given else {})
        return {**super()._room(), **rooms}

    def default_instruction(self, a: str, b: str, tie: str | None = None) -> str:
        """What the judge is asked to do when nothing else is said."""
        raise NotImplementedError

    def beginning(self, row: Mapping[str, Any]) -> list[str]:
        """What stands before the two texts."""
        return []

    def card_prompts(self) -> list[tuple[str, str]]:
        return [("instruction", self.instruction or ""), *super().card_prompts()]

    # --- asking -------------------------------------------------------------------------------------------------------

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        return self._requests_to(self.llm)

    def _requests_to(self, judge: LLM) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        random = Random(1)
        for cells in zip(*(self._inputs[name] for name in self.copied), strict=True):
            row = dict(zip(self.copied, cells, strict=True))
            drawn = random.random() < 0.5 and self.randomize_order
            for swapped in (False, True) if self.both_orders else (drawn,):
                prompt = self._prompt(judge, row, swapped)
                yield {**row, "judge_prompts": prompt, "swapped": swapped}, prompt

    def _prompt(self, judge: LLM, row: Mapping[str, Any], swapped: bool) -> str | DataDreamerError:
        a_label, b_label = self.labels()

        def build(values: Mapping[str, Any]) -> str:
            first, second = (values["b"], values["a"]) if swapped else (values["a"], values["b"])
            parts = [*self.beginning(values), f"{a_label} {first}", f"{b_label} {second}"]
            return judge.format_prompt(
                max_new_tokens=self.max_new_tokens,
                beg_instruction=self.sep.join(parts),
                end_instruction=f"{self.instruction_label} {self.instruction}",
                sep=self.sep,
            )

        return fitting.fitted(build, row, self.overlong)[0]

    def run(self) -> Iterator[Row | Loss | Filtered]:
        by_judge = [self._by_row(judge) for judge in self._judges]
        for position, of_row in enumerate(zip(*by_judge, strict=True)):
            pieces = [self._settle(position, values, outcome) for judge in of_row for values, outcome in judge]
            lost = next((piece for piece in pieces if isinstance(piece, Loss)), None)
            yield self._decided(position, pieces) if lost is None else lost
        self.sum_up()

    def _by_row(self, judge: LLM) -> Iterator[tuple[Any, ...]]:
        """What became of the questions about each row: one, or one for each order."""
        asked = self.asked(judge, self._requests_to(judge))
        return zip(*[asked] * self._orders, strict=True)

    def result(self, values: dict[str, Any], answer: Any, position: int) -> Any:
        """One judge's vote in one order, on its way to the row."""
        texts = answer if isinstance(answer, list) else [answer]
        votes = Counter(self._vote(text, values["swapped"]) for text in texts)
        votes.pop(None, None)
        return {**values, "answer": answer, "vote": self._majority(votes)}

    def _vote(self, generation: Any, swapped: bool) -> Any:
        if self.judgement_func is not None:
            return self.judgement_func(generation, swapped)
        place = verdict(str(generation), *self._names)
        if place is None or place == 2:
            return None if place is None else self._tie
        return self._names[1 - place if swapped else place]

    def _majority(self, votes: Counter[Any]) -> Any:
        best = votes.most_common(2)
        if not best:
            return None
        if len(best) == 1 or best[0][1] > best[1][1]:
            return best[0][0]
        return self._tie if self._can_tie else None

    # --- deciding -----------------------------------------------------------------------------------------------------

    def _decided(self, position: int, pieces: list[Row]) -> Row | Loss | Filtered:
        """The row, from the votes of every judge in every order."""
        calls = [key for piece in pieces for key in piece.calls]
        by_judge = [pieces[start : start + self._orders] for start in range(0, len(pieces), self._orders)]
        votes = [self._of_orders([piece.values["vote"] for piece in judge]) for judge in by_judge]
        self._count(by_judge, votes)
        judgement = self._majority(Counter(vote for vote in votes if vote is not None))
        answers = _flattened([_flattened([piece.values["answer"] for piece in judge]) for judge in by_judge])
        if judgement is None and self.unparsed == "drop":
            return Filtered()
        if judgement is None and self.unparsed == "fail":
            error = UnparsedError(
                f"no judgement in the answer: it names none of {', '.join(map(repr, self._names))} alone"
            )
            return Loss(position, "unparsed", f"{error} (the answer was {answers!r:.200})", calls=calls)
        first = pieces[0].values
        row = {name: first[name] for name in self.copied}
        row["judge_prompts"] = _flattened([piece.values["judge_prompts"] for piece in by_judge[0]])
        row |= {"judge_generations": answers, "judgements": judgement}
        if "raw_judge_generations" in first:
            texts = [_flattened([piece.values["raw_judge_generations"] for piece in judge]) for judge in by_judge]
            row["raw_judge_generations"] = _flattened(texts)
        if len(votes) > 1:
            given = [vote for vote in votes if vote is not None]
            row |= {"votes": votes, "agreement": given.count(judgement) / len(given) if given else None}
        return Row(row, position, calls)

    def _of_orders(self, votes: list[Any]) -> Any:
        """One judge's judgement: what it said in both orders, a tie where it said different things."""
        if None in votes:
            return None
        return votes[0] if len(set(votes)) == 1 else self._tie

    def _count(self, by_judge: list[list[Row]], votes: list[Any]) -> None:
        self._patterns[tuple(votes)] += 1
        if self._orders == 1:
            return
        for places, judge in zip(self._places, by_judge, strict=True):
            straight, swapped = (piece.values["vote"] for piece in judge)
            if straight is None or swapped is None:
                places["without a judgement"] += 1
            elif straight == swapped:
                places["the same in both orders"] += 1
            elif (straight, swapped) == self._names[:2]:
                places["for the first place twice"] += 1
            elif (swapped, straight) == self._names[:2]:
                places["for the second place twice"] += 1
            else:
                places["a tie in one order only"] += 1

    def sum_up(self) -> None:
        names = [judge.display_name for judge in self._judges]
        if self._orders == 2:
            for name, places in zip(names, self._places, strict=True):
                self.register_data_card("Judgements by order", {"judge": name, **dict(sorted(places.items()))})
        if len(names) > 1:
            self.register_data_card("Judge agreement", agreement.summary(self._patterns, names))
        super().sum_up()


def _flattened(items: list[Any]) -> Any:
    """The only item, or all."""
    return items[0] if len(items) == 1 else items
