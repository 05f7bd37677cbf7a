"""`Prompt`: the prompts as they are, or made of columns by a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ...errors import DataDreamerError
from ...llms.types import Prompt as ModelPrompt
from ..fields import Column, output
from .templated import TemplatedStep


class Prompt(TemplatedStep):
    """Ask a model every prompt of a column, or a template that is filled with the columns of every row.

    A prompt is a text, or a list of messages (`{"role": ..., "content": ...}`). With a template, the inputs are the
    columns that it names:

        Prompt("Ask", inputs={"title": docs["title"], "body": docs["text"]},
               args={"llm": llm, "template": "Summarise {title}:\\n\\n{body}"})

    Args:
        prompts: the prompts; with a template, a column like any other.
        template, template_format, system, overlong: see `TemplatedStep`. Without a template, `overlong="cut"` cuts
            prompts that are texts, and leaves it to the model to refuse messages.
    """

    prompts: Column[Any]
    generations: Any = output(help="The answers.")

    origins: ClassVar[dict[str, str]] = {"prompts": "copied:prompts", "generations": "generated"}
    takes_further: ClassVar[bool] = False

    def setup(self) -> None:
        if self._given.get("template") is not None:
            self._declaration.add(replace(self._declaration.fields["prompts"], default=None))
        super().setup()
        if self._given.get("template") is not None:
            self.origins = {**self.origins, "prompts": "computed"}  # type: ignore[misc]
        self.register_output("prompts", help="The prompts, as they were asked.")
        self.order_outputs(*self.given_back(), "prompts", "generations")

    def requests(self) -> Iterator[tuple[dict[str, Any], ModelPrompt | DataDreamerError]]:
        for row in self.cells():
            yield self.question(row, self._filled)

    def _filled(self, row: Mapping[str, Any]) -> Any:
        template = self._templates.get("template")
        return row["prompts"] if template is None else template.fill(row)
