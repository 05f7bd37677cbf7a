"""`Genstruct`: grounded questions and answers about passages."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..steps import Column, output
from ..steps.prompting.unparsed import UnparsedError
from .recipe import Recipe

FORMATS = ("chat", "genstruct")
_CHAT = (
    "Write an exchange between a person and an AI assistant about the passage below. The person asks a hard question "
    "that takes several steps of reasoning over what the passage says, and gives in the question all that is needed "
    "to answer it. The assistant reasons step by step to the answer.\n\n"
    "Title: {title}\n\nPassage:\n{passage}\n\n"
    "Write it in this form, and nothing else:\n[[[User]]] the question\n[[[Assistant]]] the answer"
)
# The form that the published model was trained on (NousResearch/Genstruct-7B).
_TRAINED = (
    "[[[Title]]] {title}\n[[[Content]]] {passage}\n\nThe following is an interaction between a user and an AI "
    "assistant that is related to the above text.\n\n[[[User]]] "
)
_MARKS = re.compile(r"\[\[\[(User|Assistant)\]\]\]", re.IGNORECASE)


class Genstruct(Recipe):
    """Make a hard question and its reasoned answer out of each passage.

    Sources: the model Genstruct 7B (NousResearch, 2024), which does this alone, and Ada-Instruct (Cui and Wang 2023,
    arXiv 2310.04484), which it follows.

    Args:
        passages: raw text.
        titles: of each passage. None: untitled.
        per_passage: how many exchanges for each.
        format: "chat" asks any model in words; "genstruct" is the form that the published model was trained on, for
            `HFTransformers("NousResearch/Genstruct-7B", chat_prompt_template=None)`.

    Raises:
        InvalidArgumentError: the format is not known, or `per_passage` is below 1.
    """

    paper: ClassVar[str | None] = """@article{cui2023ada,
  title={Ada-Instruct: Adapting Instruction Generators for Complex Reasoning},
  author={Cui, Wanyun and Wang, Qianle},
  journal={arXiv preprint arXiv:2310.04484},
  year={2023}
}"""

    passages: Column[str]
    titles: Column[str] | None = None
    per_passage: int = 1
    format: str = FORMATS[0]
    temperature: float | None = 1.0

    passage: str = output(help="The passage.")
    question: str = output(help="What the person asks.")
    answer: str = output(help="What the assistant answers.")

    origins: ClassVar[dict[str, str]] = {"passage": "copied:passages", "question": "generated", "answer": "generated"}

    def check(self) -> None:
        self.require_at_least("per_passage", 1, self.per_passage)
        if self.format not in FORMATS:
            raise InvalidArgumentError(f"Step '{self.name}': format is 'chat' or 'genstruct', not {self.format!r}.")

    async def process(self, passages: str, titles: str | None = None) -> list[dict[str, Any]]:
        form = _CHAT if self.format == "chat" else _TRAINED
        prompt = form.format(title=titles or "Untitled", passage=passages)
        rows = []
        for draw in range(self.per_passage):
            said = await self.ask(prompt, sample=draw)
            question, answer = _parted(said if self.format == "chat" else f"[[[User]]] {said}")
            rows.append({"passage": passages, "question": question, "answer": answer})
        return rows


def _parted(said: str) -> tuple[str, str]:
    """The first question and the first answer of an exchange."""
    parts = _MARKS.split(said)  # text, who, text, who, text, …
    turns = [(who.lower(), text.strip()) for who, text in zip(parts[1::2], parts[2::2], strict=True)]
    found = dict(reversed(turns))
    if not found.get("user") or not found.get("assistant"):
        raise UnparsedError(f"no question and answer with the marks [[[User]]] and [[[Assistant]]] in {said!r:.200}")
    return found["user"], found["assistant"]
