"""`FewShotPrompt`: examples of what is wanted, then every value of a column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ...errors import DataDreamerError, InvalidArgumentError, StepError
from ...llms.types import Prompt as ModelPrompt
from ..fields import Column, output
from . import fitting
from .base import PromptStep
from .columns import is_column

CITATION = """@article{radford2019language,
  title={Language Models are Unsupervised Multitask Learners},
  author={Radford, Alec and Wu, Jeffrey and Child, Rewon and Luan, David and Amodei, Dario and Sutskever, Ilya},
  journal={OpenAI blog},
  volume={1},
  number={8},
  year={2019}
}"""

_EXAMPLES = ("input_examples", "output_examples")
OVERLONG = ("drop_examples", "fail", "cut")


class FewShotPrompt(PromptStep):
    """Show a model pairs of input and output, and ask for the output of every value of a column.

    A prompt is the instruction, the examples, then `{input_label} {value}` and `{output_label}`. Examples are taken in
    order, as many as the model's context has room for. Source: Radford et al. 2019.

    Args:
        inputs: values to answer for.
        input_examples, output_examples: columns of another step, or lists; the two equally long.
        input_label, output_label: what stands before an input and an output.
        instruction: what stands at the beginning.
        sep: what stands between all parts; twice behind the instruction.
        min_in_context_examples: a row is lost when fewer fit into the context; 1 when None.
        max_in_context_examples: use no more than these; None for all.
        overlong: what becomes of a row whose prompt does not fit the model's context: `"drop_examples"` leaves out as
            many as must be; `"fail"` counts it as lost at once, with the reason `"context_length"`; `"cut"` leaves out
            examples and, where the fewest are still too much, cuts the end of the row's value.
    """

    inputs: Column[Any] | Mapping[str, Any]
    input_examples: Column[Any] | list[Any]
    output_examples: Column[Any] | list[Any]
    input_label: str = "Input:"
    output_label: str = "Output:"
    instruction: str | None = None
    sep: str = "\n"
    min_in_context_examples: int | None = None
    max_in_context_examples: int | None = None
    overlong: str = OVERLONG[0]

    counted_when_given: ClassVar[tuple[str, ...]] = ("overlong",)
    origins: ClassVar[dict[str, str]] = {"inputs": "copied:inputs", "prompts": "computed", "generations": "generated"}

    prompts: str = output(help="The prompts, as they were asked.")
    generations: Any = output(help="The answers.")

    def setup(self) -> None:
        super().setup()
        for name in _EXAMPLES:
            # a list of the script is a setting; a column is read whole, not side by side with `inputs`
            declared = self._declaration.fields[name]
            if isinstance(self._given.get(name), list):
                self._declaration.add(replace(declared, role="setting"))
            elif is_column(self._given_inputs.get(name, self._given.get(name))):
                self._declaration.add(replace(declared, role="rows"))
        self.register_output("inputs", help="The values, unchanged.")
        self.order_outputs("inputs", "prompts", "generations")
        self.register_data_card("Citation Information", CITATION)

    def check(self) -> None:
        fitting.check_policy(f"Step '{self.name}'", self.overlong, OVERLONG)
        self._fitted: Counter[str] = Counter()
        self._left_out = False  # whether the prompt that was made last lacks examples
        super().check()
        counts = [_count(getattr(self, name)) for name in _EXAMPLES]
        if None not in counts and counts[0] != counts[1]:
            raise InvalidArgumentError(self._unequal(*counts))

    def _unequal(self, inputs: int | None, outputs: int | None) -> str:
        return (
            f"Step '{self.name}': input_examples has {inputs} values and output_examples has {outputs}. "
            "Give one output for each input."
        )

    def card_prompts(self) -> list[tuple[str, str]]:
        own = [("instruction", self.instruction)] if self.instruction is not None else []
        return [*own, *super().card_prompts()]

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        examples = self._examples()
        for value in self.inputs:
            prompt = self.prompt_for(value, examples)
            yield {"inputs": value, "prompts": prompt}, prompt

    def _examples(self) -> list[str]:
        inputs, outputs = list(self.input_examples), list(self.output_examples)
        if len(inputs) != len(outputs):  # lazy columns: seen only now
            raise StepError(self._unequal(len(inputs), len(outputs)))
        return [
            f"{self.input_label} {question}{self.sep}{self.output_label} {answer}"
            for question, answer in zip(inputs, outputs, strict=True)
        ]

    def prompt_for(self, value: Any, examples: list[str]) -> str | DataDreamerError:
        """The prompt for one value, or why it does not fit the model's context."""
        prompt, cut = fitting.fitted(lambda row: self._joined(row["value"], examples), {"value": value}, self.overlong)
        self._fitted["cut"] += cut
        self._fitted["examples"] += self._left_out and not isinstance(prompt, DataDreamerError)
        return prompt

    def _joined(self, value: Any, examples: list[str]) -> str:
        most = len(examples) if self.max_in_context_examples is None else self.max_in_context_examples
        before = None if self.instruction is None else self.instruction + self.sep
        after = f"{self.input_label} {value}{self.sep}{self.output_label}"
        prompt = self.llm.format_prompt(
            max_new_tokens=self.max_new_tokens,
            beg_instruction=before,
            in_context_examples=examples,
            end_instruction=after,
            sep=self.sep,
            min_in_context_examples=min(most, len(examples))
            if self.overlong == "fail"
            else self.min_in_context_examples,
            max_in_context_examples=self.max_in_context_examples,
        )
        whole = self.sep.join(part for part in (before, *examples[:most], after) if part is not None)
        self._left_out = prompt != whole
        return prompt

    def sum_up(self) -> None:
        done = {"examples": "had examples left out", "cut": "had their value cut"}
        counted = [f"{self._fitted[kind]:,} {what}" for kind, what in done.items() if self._fitted[kind]]
        self.register_data_card("Prompts that did not fit", ", ".join(counted) or None)
        super().sum_up()


def _count(examples: Any) -> int | None:
    return len(examples) if isinstance(examples, list) else examples.num_rows
