"""`Prompt`: the prompts as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from ...llms.types import Prompt as ModelPrompt
from ..fields import Column, output
from .base import PromptStep


class Prompt(PromptStep):
    """Ask a model every prompt of a column.

    A prompt is a text, or a list of messages (`{"role": ..., "content": ...}`).
    """

    prompts: Column[Any]
    generations: Any = output(help="The answers.")

    origins: ClassVar[dict[str, str]] = {"prompts": "copied:prompts", "generations": "generated"}

    def setup(self) -> None:
        super().setup()
        self.register_output("prompts", help="The prompts, as they were asked.")
        self.order_outputs("prompts", "generations")

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt]]:
        for prompt in self.prompts:
            yield {"prompts": prompt}, prompt
