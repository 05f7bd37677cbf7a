"""`Recipe`: what methods share that ask a model several times for each row."""

from __future__ import annotations

import random
from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..llms import LLM, Chat
from ..steps import DataCardType, Step, runtime


class Recipe(Step):
    """A step whose `process()` asks a model, once or several times, for each row of its input.

    Args:
        llm: the model that is asked.
        temperature: of every request. None leaves it to the model.
        max_new_tokens: most tokens of an answer. None leaves it to the model.
        seed: of what the method chooses at random, and of the requests where the model takes a seed.
        concurrency: rows under way at once. Never counts.
    """

    llm: LLM
    temperature: float | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    concurrency: int = runtime(default=64)

    #: BibTeX of the paper, for the card
    paper: ClassVar[str | None] = None

    def setup(self) -> None:
        self.register_data_card(DataCardType.CITATION, self.paper)

    async def ask(self, prompt: Any, *, sample: int = 0, system: str | None = None, llm: LLM | None = None) -> str:
        """The text of an answer, stripped.

        Args:
            prompt: a text, or a list of messages.
            sample: which draw of this prompt.
            system: system prompt. None: the model's own.
            llm: another model than the recipe's.

        Raises:
            ModelError: there is no answer; the row is lost with its reason.
        """
        if system is not None:
            prompt = Chat([{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt, system=system)
        return (await (llm or self.llm).agenerate(prompt, sample=sample, **self.sampling())).text.strip()

    async def ask_for(self, output_type: Any, prompt: Any, *, sample: int = 0, llm: LLM | None = None) -> Any:
        """An answer of a stated type, for example `list[str]` (see `LLM.agenerate`).

        Raises:
            ModelError: there is no answer, or none of that type; the row is lost with its reason.
        """
        model = llm or self.llm
        answer = await model.agenerate(prompt, sample=sample, output_type=output_type, **self.sampling())
        return answer.value

    def sampling(self) -> dict[str, Any]:
        """The parameters of every request."""
        given = {"temperature": self.temperature, "max_new_tokens": self.max_new_tokens, "seed": self.seed}
        return {name: value for name, value in given.items() if value is not None}

    def dice(self, *content: Any) -> random.Random:
        """A generator for the choices of one row: the same for the same seed and content."""
        return random.Random("\n".join(map(str, (self.seed or 0, *content))))

    def require_at_least(self, name: str, low: float, value: float) -> None:
        """Raise unless a setting is large enough."""
        if value < low:
            raise InvalidArgumentError(f"Step '{self.name}': {name} must be at least {low}, not {value}.")
