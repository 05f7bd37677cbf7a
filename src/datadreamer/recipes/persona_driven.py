"""`PersonaDriven` and `PersonasFromTexts`: varied data, because varied people ask for it."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..steps import Column, output
from .recipe import Recipe

_PAPER = """@article{ge2024scaling,
  title={Scaling Synthetic Data Creation with 1,000,000,000 Personas},
  author={Ge, Tao and Chan, Xin and Wang, Xiaoyang and Yu, Dian and Mi, Haitao and Yu, Dong},
  journal={arXiv preprint arXiv:2406.20094},
  year={2024}
}"""

#: what a person is asked to come up with
REQUESTS = {
    "instruction": "Write an instruction that this person would give an AI assistant. Give the instruction alone.",
    "math problem": "Write a hard mathematical problem that this person could meet. Give the problem alone.",
    "reasoning problem": "Write a hard problem of logical reasoning about this person's world. Give the problem alone.",
    "text": "Write a text, full of knowledge, that this person would write or read.",
    "tool": "Specify a function, with arguments and what it returns, that would help this person. Give that alone.",
}
_FROM_TEXT = (
    "Who would write, read, like or dislike the text below? Describe one such person in a sentence or two, as "
    "precisely as the text allows. Give the description alone."
)
_RELATED = (
    "Here is a description of a person. Describe somebody who is close to them: a relative, a colleague, a customer, a "
    "patient. Give that description alone, in a sentence or two."
)


class PersonaDriven(Recipe):
    """Ask a model for data from the point of view of a person, once or several times for each person, and answer it.

    Source: Ge et al. 2024 (arXiv 2406.20094), section 3 (without examples in the prompt).

    Args:
        personas: descriptions of people.
        request: "instruction", "math problem", "reasoning problem", "text", "tool"; or words of your own, which say
            what to write.
        per_persona: how many for each person.
        answer: whether the model answers what was written.

    Raises:
        InvalidArgumentError: `per_persona` is below 1, or `request` is empty.
    """

    paper: ClassVar[str | None] = _PAPER

    personas: Column[str]
    request: str = "instruction"
    per_persona: int = 1
    answer: bool = True
    temperature: float | None = 1.0

    persona: str = output(help="The person.")
    generations: str = output(help="What was written for them.")
    responses: str | None = output(help="The model's answer to it; None without `answer`.")

    origins: ClassVar[dict[str, str]] = {
        "persona": "copied:personas",
        "generations": "generated",
        "responses": "generated",
    }

    def check(self) -> None:
        self.require_at_least("per_persona", 1, self.per_persona)
        if not self.request.strip():
            raise InvalidArgumentError(f"Step '{self.name}': request is empty. Known: {', '.join(REQUESTS)}.")

    async def process(self, personas: str) -> list[dict[str, Any]]:
        prompt = f"{REQUESTS.get(self.request, self.request)}\n\nThe person: {personas}"
        rows = []
        for draw in range(self.per_persona):
            written = await self.ask(prompt, sample=draw)
            response = await self.ask(written, sample=draw) if self.answer else None
            rows.append({"persona": personas, "generations": written, "responses": response})
        return rows


class PersonasFromTexts(Recipe):
    """Imagine the people behind texts, and people close to them.

    Source: Ge et al. 2024 (arXiv 2406.20094), sections 2.1 (text to persona) and 2.2 (persona to persona). Remove near
    duplicates afterwards, as section 2.3 does.

    Args:
        texts: any texts, for example web pages.
        per_text: how many people for each text.
        related: how many people close to each of them.

    Raises:
        InvalidArgumentError: a number is too small.
    """

    paper: ClassVar[str | None] = _PAPER

    texts: Column[str]
    per_text: int = 1
    related: int = 0
    temperature: float | None = 1.0

    persona: str = output(help="The description of a person.")
    relation: str = output(help='"text", or "related" to the person before.')

    origins: ClassVar[dict[str, str]] = {"persona": "generated", "relation": "computed"}

    def check(self) -> None:
        self.require_at_least("per_text", 1, self.per_text)
        self.require_at_least("related", 0, self.related)

    async def process(self, texts: str) -> list[dict[str, Any]]:
        rows = []
        for draw in range(self.per_text):
            persona = await self.ask(f"{_FROM_TEXT}\n\nText:\n{texts}", sample=draw)
            rows.append({"persona": persona, "relation": "text"})
            for further in range(self.related):
                close = await self.ask(f"{_RELATED}\n\n{persona}", sample=further)
                rows.append({"persona": close, "relation": "related"})
        return rows
