"""`EvolInstruct`: instructions that a model makes harder, or more varied, round by round."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ..errors import InvalidArgumentError, nearest
from ..steps import Column, output
from .recipe import Recipe

_DEEPER = (
    "Here is an instruction that somebody gave to an AI assistant. Write a harder version of it: {how} It must still "
    "make sense to a person and be answerable, and be at most twenty words longer. Give the new instruction alone."
)
#: five operations that deepen an instruction, and one that leads elsewhere: what the model is told to do
OPERATIONS: dict[str, str] = {
    "add constraints": _DEEPER.format(how="add one more condition that the answer has to meet."),
    "deepen": _DEEPER.format(how="ask about its subject in more depth and breadth."),
    "make concrete": _DEEPER.format(how="put something more specific in the place of what is general."),
    "more reasoning": _DEEPER.format(how="make it need several steps of thought, if it can be answered in a few."),
    "complicate input": _DEEPER.format(how="add data to work with, such as a table, some code or a text."),
    "new topic": (
        "Here is an instruction that somebody gave to an AI assistant. Write another one from the same field, about as "
        "long and as hard, on something rarer. It must make sense to a person and be answerable. Give the new "
        "instruction alone."
    ),
}
_COPIED = re.compile(r"\b(?:given|rewritten|created|new|harder) (?:prompt|instruction|version)\b", re.IGNORECASE)
_REFUSED = re.compile(r"\b(?:sorry|as an ai)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_SHORT = 80  # words: a refusal is shorter


class EvolInstruct(Recipe):
    """Make instructions harder or more varied, round by round, and answer each.

    Source: Xu et al. 2024 (arXiv 2304.12244), section 3. In each round an instruction is rewritten by one of six
    operations, chosen at random. A rewriting that failed is dropped, and what it began with goes into the next round:
    one that adds no words, that repeats words of our request, or whose answer is a refusal (section 3.3, whose first
    test asks a model; here it compares the words).

    The result has a row for each instruction that was made, and one for each original.

    Args:
        instructions: what to begin with.
        rounds: of rewriting; the paper has 4.
        operations: which to choose from: "add constraints", "deepen", "make concrete", "more reasoning", "complicate
            input", "new topic". None: all.
        keep_originals: answer and give back the originals too, as round 0.

    Raises:
        InvalidArgumentError: an operation is not known, or `rounds` is below 1.
    """

    paper: ClassVar[str | None] = """@inproceedings{xu2024wizardlm,
  title={WizardLM: Empowering Large Pre-Trained Language Models to Follow Complex Instructions},
  author={Xu, Can and Sun, Qingfeng and Zheng, Kai and Geng, Xiubo and Zhao, Pu and Feng, Jiazhan and Tao, Chongyang
    and Lin, Qingwei and Jiang, Daxin},
  booktitle={The Twelfth International Conference on Learning Representations},
  year={2024},
  url={https://arxiv.org/abs/2304.12244}
}"""

    instructions: Column[str]
    rounds: int = 4
    operations: list[str] | None = None
    keep_originals: bool = True

    evolved: str = output(help="The instruction.")
    responses: str = output(help="The model's answer to it.")
    operation: str = output(help="What made it; empty for an original.")
    round: int = output(help="The round it comes from; 0 for an original.")

    origins: ClassVar[dict[str, str]] = {
        "evolved": "generated",
        "responses": "generated",
        "operation": "computed",
        "round": "computed",
    }

    def check(self) -> None:
        self.require_at_least("rounds", 1, self.rounds)
        for name in self.operations or ():
            if name not in OPERATIONS:
                raise InvalidArgumentError(
                    f"Step '{self.name}': there is no operation '{name}'. {nearest(name, OPERATIONS)}"
                )

    async def process(self, instructions: str) -> list[dict[str, Any]]:
        rows = []
        current = instructions
        if self.keep_originals:
            rows.append(_row(current, await self.ask(current), "", 0))
        for number in range(1, self.rounds + 1):
            operation = self.dice(number, current).choice(self.operations or list(OPERATIONS))
            evolved = await self.ask(f"{OPERATIONS[operation]}\n\nInstruction: {current}")
            if not _adds(current, evolved):
                continue
            response = await self.ask(evolved)
            if _is_answer(response):
                rows.append(_row(evolved, response, operation, number))
                current = evolved
        return rows


def _row(instruction: str, response: str, operation: str, number: int) -> dict[str, Any]:
    return {"evolved": instruction, "responses": response, "operation": operation, "round": number}


def _adds(before: str, after: str) -> bool:
    """Whether a rewriting says something else, in words of its own."""
    old, new = (set(_WORD.findall(text.lower())) for text in (before, after))
    return bool(new - old) and not (_COPIED.search(after) and not _COPIED.search(before))


def _is_answer(text: str) -> bool:
    words = _WORD.findall(text)
    return bool(words) and not (len(words) < _SHORT and _REFUSED.search(text))
