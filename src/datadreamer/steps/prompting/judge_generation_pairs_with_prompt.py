"""`JudgeGenerationPairsWithPrompt`: which of two answers to a prompt is better, by a model as the judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..fields import Column, output
from .pair_step import PairStep


class JudgeGenerationPairsWithPrompt(PairStep):
    """Ask a model which of two responses to a prompt is better, for every row.

    Source: arXiv 2306.05685, section 3.

    Args:
        prompts: what the two are responses to.
        a, b: the responses.
        prompt_label: what stands before the prompt.
        instruction, judgement_func, randomize_order, a_label, b_label, instruction_label, sep, unparsed, both_orders,
            ties, tie_label, more_judges, overlong: see `JudgePairsWithPrompt`.
    """

    prompts: Column[Any]
    a: Column[Any]
    b: Column[Any]
    prompt_label: str = "Prompt:"
    a_label: str = "Response A:"
    b_label: str = "Response B:"

    copied: ClassVar[tuple[str, ...]] = ("prompts", "a", "b")
    origins: ClassVar[dict[str, str]] = {
        "prompts": "copied:prompts", "a": "copied:a", "b": "copied:b", "judge_prompts": "computed",
        "judge_generations": "generated", "judgements": "judged:a,b",
    }  # fmt: skip

    judge_prompts: str = output(help="The prompts to the judge, as they were asked; a list of two with `both_orders`.")
    judge_generations: Any = output(help="The answers.")
    judgements: Any = output(help="The label of the better one, without its colon.")

    def default_instruction(self, a: str, b: str, tie: str | None = None) -> str:
        if tie is not None:
            return f'Which response answers the prompt better? Answer with "{a}", "{b}" or "{tie}", and nothing else.'
        return f'Which response answers the prompt better? Answer with "{a}" or "{b}", and nothing else.'

    def beginning(self, row: Mapping[str, Any]) -> list[str]:
        return [f"{self.prompt_label} {row['prompts']}"]
