"""`DataFromPrompt`: new data from one instruction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ...errors import InvalidArgumentError
from ...llms.types import Prompt as ModelPrompt
from ..fields import output
from .base import PromptStep


class DrawStep(PromptStep):
    """A prompt step that makes `n` rows from nothing but an instruction.

    Equal prompts are independent draws: draw 0, 1, 2, … of the same request, each remembered as itself.

    Args:
        instruction: what the model shall write.
        n: how many rows to make.
        temperature: 1.0 by default. At 0 every draw of a prompt would be the same answer.
    """

    instruction: str
    n: int
    temperature: float | None = 1.0
    top_p: float | None = 1.0

    def check(self) -> None:
        if self.n < 0:
            raise InvalidArgumentError(f"Step '{self.name}': n must be 0 or more, not {self.n}.")
        if "_seed" in self._args:  # an earlier spelling of `seed`
            self._args["seed"] = self._args.pop("_seed")
        super().check()

    def parameters(self) -> dict[str, Any]:
        given = super().parameters()
        given.pop("n", None)  # rows here, answers per prompt to the model
        return given

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "rows": self.n}

    def expected_rows(self) -> int | None:
        return self.n

    def card_prompts(self) -> list[tuple[str, str]]:
        return [("instruction", self.instruction), *super().card_prompts()]


class DataFromPrompt(DrawStep):
    """Draw n answers to one instruction."""

    prompts: str = output(help="The instruction, in every row.")
    generations: Any = output(help="The answers.")

    origins: ClassVar[dict[str, str]] = {"prompts": "computed", "generations": "generated"}

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt]]:
        for _ in range(self.n):
            yield {"prompts": self.instruction}, self.instruction
