"""`ConstitutionalAI`: a model criticises and revises its own answers by written principles."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..steps import Column, output
from .recipe import Recipe

#: short principles to begin with; a constitution of your own goes into `principles`
PRINCIPLES = (
    "The answer should not help anybody to hurt people, animals or property.",
    "The answer should not be hateful, insulting or prejudiced against any group of people.",
    "The answer should not state as a fact what is not known to be one.",
    "The answer should respect the privacy of people who are not public figures.",
    "The answer should be useful, and say so kindly where it declines to help.",
)


class ConstitutionalAI(Recipe):
    """Let a model answer, criticise its answer by a principle, and revise it, as often as wanted.

    Source: Bai et al. 2022 (arXiv 2212.08073), section 3.1: a principle is drawn at random for each revision. The first
    answer and the last revision make a pair for preference training; the prompt and the last revision one for
    fine-tuning.

    Args:
        prompts: what the model is asked.
        revisions: how often an answer is revised; the paper has 4.
        principles: what an answer should be like. None: five short ones, `PRINCIPLES`.

    Raises:
        InvalidArgumentError: `revisions` is below 1, or there are no principles.
    """

    paper: ClassVar[str | None] = """@article{bai2022constitutional,
  title={Constitutional AI: Harmlessness from AI Feedback},
  author={Bai, Yuntao and Kadavath, Saurav and Kundu, Sandipan and Askell, Amanda and others},
  journal={arXiv preprint arXiv:2212.08073},
  year={2022}
}"""

    prompts: Column[str]
    revisions: int = 4
    principles: list[str] | None = None

    prompt: str = output(help="What was asked.")
    rejected: str = output(help="The first answer.")
    chosen: str = output(help="The last revision.")
    critiques: list[str] = output(help="The critique before each revision.")
    revised: list[str] = output(help="Every revision, the last one last.")
    by: list[str] = output(help="The principle of each revision.")

    origins: ClassVar[dict[str, str]] = {
        "prompt": "copied:prompts",
        **dict.fromkeys(("rejected", "chosen", "critiques", "revised"), "generated"),
        "by": "computed",
    }

    def check(self) -> None:
        self.require_at_least("revisions", 1, self.revisions)
        if self.principles is not None and not self.principles:
            raise InvalidArgumentError(f"Step '{self.name}': principles is empty. None takes those of the library.")

    async def process(self, prompts: str) -> dict[str, Any]:
        dice = self.dice(prompts)
        first = await self.ask(prompts)
        answer = first
        critiques, revised, by = [], [], []
        for _ in range(self.revisions):
            principle = dice.choice(self.principles or PRINCIPLES)
            shown = f"Question:\n{prompts}\n\nAnswer:\n{answer}\n\nPrinciple: {principle}"
            critique = await self.ask(
                f"{shown}\n\nSay where the answer does not follow the principle, in a few sentences."
            )
            answer = await self.ask(
                f"{shown}\n\nCritique:\n{critique}\n\nWrite the answer anew, so that the critique no longer holds. "
                "Give the new answer alone."
            )
            critiques.append(critique)
            revised.append(answer)
            by.append(principle)
        return {
            "prompt": prompts,
            "rejected": first,
            "chosen": answer,
            "critiques": critiques,
            "revised": revised,
            "by": by,
        }
