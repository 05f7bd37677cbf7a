"""`ProcessWithPrompt`: one instruction over every value of a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ...errors import ContextLengthError, DataDreamerError
from ...llms.types import Prompt as ModelPrompt
from ..fields import Column, output
from .base import PromptStep


class InstructionStep(PromptStep):
    """A prompt step whose prompt is `{input_label} {value}`, then `{instruction_label} {instruction}`.

    Args:
        instruction: what the model shall do with each value.
        input_label, instruction_label: what stands before the value and the instruction.
        sep: what stands between the two.
    """

    inputs: Column[Any] | Mapping[str, Any]
    instruction: str
    input_label: str = "Input:"
    instruction_label: str = "Instruction:"
    sep: str = "\n\n"

    def card_prompts(self) -> list[tuple[str, str]]:
        layout = f"{self.input_label} {{inputs}}{self.sep}{self.instruction_label} {{instruction}}"
        return [("instruction", self.instruction), ("layout", layout), *super().card_prompts()]

    def prompt_for(self, value: Any) -> str | DataDreamerError:
        """The prompt for one value, or why it does not fit the model's context."""
        try:
            return self.llm.format_prompt(
                max_new_tokens=self.max_new_tokens,
                beg_instruction=f"{self.input_label} {value}",
                end_instruction=f"{self.instruction_label} {self.instruction}",
                sep=self.sep,
            )
        except ContextLengthError as error:
            return error


class ProcessWithPrompt(InstructionStep):
    """Ask a model to follow one instruction for every value of a column."""

    origins: ClassVar[dict[str, str]] = {"inputs": "copied:inputs", "prompts": "computed", "generations": "generated"}

    prompts: str = output(help="The prompts, as they were asked.")
    generations: Any = output(help="The answers.")

    def setup(self) -> None:
        super().setup()
        self.register_output("inputs", help="The values, unchanged.")
        self.order_outputs("inputs", "prompts", "generations")

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        for value in self.inputs:
            prompt = self.prompt_for(value)
            yield {"inputs": value, "prompts": prompt}, prompt
