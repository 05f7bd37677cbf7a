"""`InstructionBacktranslation`: instructions for texts that people have written, and only the good pairs."""

from __future__ import annotations

from typing import Any, ClassVar

from ..llms import LLM
from ..steps import Column, output
from ..steps.prompting.rank_with_prompt import first_number
from ..steps.prompting.unparsed import UnparsedError
from .recipe import Recipe

_INSTRUCTION = (
    "Below is a text. Write the instruction to which it would be an excellent answer, as a person would give it to an "
    "AI assistant. Give the instruction alone."
)
_SCORE = (
    "Below is an instruction and an answer to it. How good an example for an AI assistant is this answer? Give a "
    "number from 1 to 5.\n"
    "1: incomplete, vague, off the topic, or not written as an answer at all\n"
    "2: about the topic, but does not do what was asked\n"
    "3: does what was asked, but is not written from the view of an assistant\n"
    "4: a good answer of an assistant, complete and clear, with small faults\n"
    "5: a perfect answer of an expert: well founded, well ordered, nothing beside the point\n"
    "Begin with the number."
)


class InstructionBacktranslation(Recipe):
    """Write the instruction to which a text is the answer, score the pair, and keep the good ones.

    Source: Li et al. 2023 (arXiv 2308.06259), sections 2.2 (self-augmentation) and 2.3 (self-curation). A pair that
    scores too low is a filtered row.

    Args:
        texts: texts of people: they become the answers.
        judge: the model that scores. None: `llm`.
        threshold: lowest score, from 1 to 5, that is kept; the paper has 5 for its best and 4 for its larger set.

    Raises:
        InvalidArgumentError: `threshold` is below 1.
    """

    paper: ClassVar[str | None] = """@inproceedings{li2024selfalignment,
  title={Self-Alignment with Instruction Backtranslation},
  author={Li, Xian and Yu, Ping and Zhou, Chunting and Schick, Timo and Levy, Omer and Zettlemoyer, Luke and Weston,
    Jason and Lewis, Mike},
  booktitle={The Twelfth International Conference on Learning Representations},
  year={2024},
  url={https://arxiv.org/abs/2308.06259}
}"""

    texts: Column[str]
    judge: LLM | None = None
    threshold: float = 4

    instructions: str = output(help="The instruction.")
    answers: str = output(help="The text.")
    scores: float = output(help="How good the pair is, from 1 to 5.")

    origins: ClassVar[dict[str, str]] = {
        "instructions": "generated",
        "answers": "copied:texts",
        "scores": "judged:texts",
    }

    def check(self) -> None:
        self.require_at_least("threshold", 1, self.threshold)

    async def process(self, texts: str) -> Any:
        instruction = await self.ask(f"{_INSTRUCTION}\n\nText:\n{texts}")
        said = await self.ask(f"{_SCORE}\n\nInstruction:\n{instruction}\n\nAnswer:\n{texts}", llm=self.judge)
        score = first_number(said)
        if score is None:
            raise UnparsedError(f"no score in the answer of the judge: {said!r:.200}")
        if score < self.threshold:
            return []
        return {"instructions": instruction, "answers": texts, "scores": float(score)}
