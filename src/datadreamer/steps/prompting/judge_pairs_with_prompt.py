"""`JudgePairsWithPrompt`: which of two texts is better, by a model as the judge."""

from __future__ import annotations

from typing import Any, ClassVar

from ..fields import Column, output
from .pair_step import PairStep


class JudgePairsWithPrompt(PairStep):
    """Ask a model which of two texts is better, for every row.

    Source: arXiv 2306.05685, section 3 (a model as the judge; both orders: section 3.4).

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
        both_orders: ask every pair in both orders. A judge that does not name the same text twice has judged a tie; one
            without a judgement in one order has none.
        ties: let the judge answer `tie_label`.
        tie_label: the judgement of a tie.
        more_judges: further models that are asked the same. The judgement is the one that most judges gave, a tie where
            two are given equally often. Columns `votes` and `agreement` are added, and agreement beyond chance is
            in the card.
        overlong: what becomes of a pair that does not fit a judge's context: `"fail"` counts it as lost, with the
            reason `"context_length"`; `"cut"` cuts the texts at their ends until they fit.
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

    judge_prompts: str = output(help="The prompts, as they were asked; a list of two with `both_orders`.")
    judge_generations: Any = output(help="The answers.")
    judgements: Any = output(help="The label of the better one, without its colon.")

    def default_instruction(self, a: str, b: str, tie: str | None = None) -> str:
        if tie is not None:
            return f'Which input is better? Answer with "{a}", "{b}" or "{tie}", and nothing else.'
        return f'Which input is better? Answer with "{a}" or "{b}", and nothing else.'
