"""`ProcessWithPrompt`: one instruction over every value of a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ...errors import DataDreamerError
from ...llms.types import Prompt as ModelPrompt
from ..fields import Column, output
from .templated import TemplatedStep


class InstructionStep(TemplatedStep):
    """A prompt step whose prompt is `{input_label} {value}`, then `{instruction_label} {instruction}`.

    Args:
        instruction: what the model shall do with each value. With further inputs it is a template over them; without
            any, its braces are braces.
        input_label, instruction_label: what stands before the value and the instruction.
        sep: what stands between the two.
        template: another layout for the whole prompt. It may name `{inputs}`, `{instruction}` and further inputs.
        template_format, system, overlong: see `TemplatedStep`.
    """

    inputs: Column[Any] | Mapping[str, Any]
    instruction: str
    input_label: str = "Input:"
    instruction_label: str = "Instruction:"
    sep: str = "\n\n"

    def template_texts(self) -> dict[str, Any]:
        return {**super().template_texts(), **({"instruction": self.instruction} if self._further else {})}

    def template_names(self, what: str) -> list[str]:
        return ["instruction"] if what == "template" else []

    def card_prompts(self) -> list[tuple[str, str]]:
        layout = f"{self.input_label} {{inputs}}{self.sep}{self.instruction_label} {{instruction}}"
        own = [("instruction", self.instruction), *([("layout", layout)] if self.template is None else [])]
        return [*own, *(pair for pair in super().card_prompts() if pair[0] != "instruction")]

    def whole_instruction(self, instruction: str) -> str:
        """The instruction with what the step itself has to add."""
        return instruction

    def layout(self, row: Mapping[str, Any]) -> Any:
        """The prompt for a row of `cells()`, or for one with shorter values.

        Raises:
            ContextLengthError: it does not fit the model's context.
        """
        templates = self._templates
        filled = templates["instruction"].fill(row) if "instruction" in templates else self.instruction
        instruction = self.whole_instruction(filled)
        if "template" in templates:
            return templates["template"].fill({**row, "instruction": instruction})
        return self.llm.format_prompt(
            max_new_tokens=self.max_new_tokens,
            beg_instruction=f"{self.input_label} {row['inputs']}",
            end_instruction=f"{self.instruction_label} {instruction}",
            sep=self.sep,
        )


class ProcessWithPrompt(InstructionStep):
    """Ask a model to follow one instruction for every value of a column."""

    origins: ClassVar[dict[str, str]] = {"inputs": "copied:inputs", "prompts": "computed", "generations": "generated"}

    prompts: str = output(help="The prompts, as they were asked.")
    generations: Any = output(help="The answers.")

    def setup(self) -> None:
        super().setup()
        self.register_output("inputs", help="The values, unchanged.")
        self.order_outputs("inputs", *self.given_back(), "prompts", "generations")

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        for row in self.cells():
            values, prompt = self.question(row, self.layout)
            yield {"inputs": row["inputs"], **values}, prompt
