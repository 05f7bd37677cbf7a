"""`JudgePairsWithPrompt`: which of two texts is better, by a model as the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, ClassVar

from ...errors import ContextLengthError, DataDreamerError
from ...llms.types import Prompt as ModelPrompt
from ..fields import Column, output
from ..rows import Filtered
from .base import PromptStep
from .unparsed import CHOICES, UnparsedError, check_choice
from .verdict import named, verdict
from .whole_rows import CITATION


class PairStep(PromptStep):
    """A model as the judge of pairs. A prompt is the two texts under their labels, then the instruction.

    Which of the two comes first, under the first label, is drawn for every row with a fixed seed, as judges prefer
    places. A judgement names the column, not the place: it is the label of `a` or of `b`, without its colon.
    """

    instruction: str | None = None
    judgement_func: Callable[[str, bool], Any] | None = None
    randomize_order: bool = True
    instruction_label: str = "Instruction:"
    sep: str = "\n"
    unparsed: str = CHOICES[0]

    model_role: ClassVar[str] = "judged-by"
    copied: ClassVar[tuple[str, ...]]  # the inputs, which are given back unchanged

    def setup(self) -> None:
        super().setup()
        for name in self.copied:
            self.register_output(name, help="As it was read.")
        self.order_outputs(*self.copied, "judge_prompts", "judge_generations", "judgements")
        self.register_data_card("Citation Information", CITATION)

    def labels(self) -> tuple[str, str]:
        """What stands before the first and before the second text."""
        return self._args["a_label"], self._args["b_label"]

    def check(self) -> None:
        check_choice(self.name, self.unparsed)
        self._names = named(*self.labels())
        if self.instruction is None:
            self.instruction = self._args["instruction"] = self.default_instruction(*self._names)
        super().check()

    def default_instruction(self, a: str, b: str) -> str:
        """What the judge is asked to do when nothing else is said."""
        raise NotImplementedError

    def beginning(self, row: Mapping[str, Any]) -> list[str]:
        """What stands before the two texts."""
        return []

    def card_prompts(self) -> list[tuple[str, str]]:
        return [("instruction", self.instruction or ""), *super().card_prompts()]

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        random = Random(1)
        for cells in zip(*(self._inputs[name] for name in self.copied), strict=True):
            row = dict(zip(self.copied, cells, strict=True))
            swapped = random.random() < 0.5 and self.randomize_order
            prompt = self._prompt(row, swapped)
            yield {**row, "judge_prompts": prompt, "swapped": swapped}, prompt

    def _prompt(self, row: Mapping[str, Any], swapped: bool) -> str | DataDreamerError:
        first, second = (row["b"], row["a"]) if swapped else (row["a"], row["b"])
        a_label, b_label = self.labels()
        parts = [*self.beginning(row), f"{a_label} {first}", f"{b_label} {second}"]
        try:
            return self.llm.format_prompt(
                max_new_tokens=self.max_new_tokens,
                beg_instruction=self.sep.join(parts),
                end_instruction=f"{self.instruction_label} {self.instruction}",
                sep=self.sep,
            )
        except ContextLengthError as error:
            return error

    def result(self, values: dict[str, Any], answer: Any, position: int) -> Any:
        swapped = values["swapped"]
        votes = Counter(self._judgement(text, swapped) for text in (answer if isinstance(answer, list) else [answer]))
        votes.pop(None, None)
        best = votes.most_common(2)
        judgement = best[0][0] if len(best) == 1 or (best and best[0][1] > best[1][1]) else None
        if judgement is None and self.unparsed == "drop":
            return Filtered()
        if judgement is None and self.unparsed == "fail":
            raise UnparsedError(f"the answer names neither '{self._names[0]}' nor '{self._names[1]}' alone")
        row = {name: values[name] for name in (*self.copied, "judge_prompts")}
        return {**row, "judge_generations": answer, "judgements": judgement}

    def _judgement(self, generation: Any, swapped: bool) -> Any:
        if self.judgement_func is not None:
            return self.judgement_func(generation, swapped)
        place = verdict(str(generation), *self._names)
        return None if place is None else self._names[1 - place if swapped else place]


class JudgePairsWithPrompt(PairStep):
    """Ask a model which of two texts is better, for every row.

    Source: arXiv 2306.05685, section 3.

    Args:
        a, b: the texts.
        instruction: what the judge shall do; asks for the better input when None.
        judgement_func: from the text of an answer, and whether `b` was shown first, to the judgement; None for an
            answer that has none. When it is not given, an answer has to name one label.
        randomize_order: draw which text is shown first, with a fixed seed; False shows `a` first.
        a_label, b_label, instruction_label: what stands before each part.
        sep: what stands between the parts.
        unparsed: what becomes of a row whose answer names no label, or both: `"fail"` counts it as lost, `"drop"`
            leaves it out, `"keep"` gives it the judgement None.
    """

    a: Column[Any]
    b: Column[Any]
    a_label: str = "Input A:"
    b_label: str = "Input B:"

    copied: ClassVar[tuple[str, ...]] = ("a", "b")
    origins: ClassVar[dict[str, str]] = {
        "a": "copied:a", "b": "copied:b", "judge_prompts": "computed", "judge_generations": "generated",
        "judgements": "judged:a,b",
    }  # fmt: skip

    judge_prompts: str = output(help="The prompts, as they were asked.")
    judge_generations: Any = output(help="The answers.")
    judgements: Any = output(help="The label of the better one, without its colon.")

    def default_instruction(self, a: str, b: str) -> str:
        return f'Which input is better? Answer with "{a}" or "{b}", and nothing else.'
