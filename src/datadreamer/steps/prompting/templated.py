"""Prompt steps whose prompts are made of any number of columns: templates, system prompts, and what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import msgspec

from ...errors import DataDreamerError, InvalidArgumentError
from ...llms.types import Chat
from ...llms.types import Prompt as ModelPrompt
from ..fields import Column
from . import fitting, text_template
from .base import NoInputError, PromptStep
from .columns import is_column
from .text_template import Template

_OWN = ("prompts", "generations")  # columns of the result that no input may be called


class TemplatedStep(PromptStep):
    """A prompt step that takes further inputs, by any names, for templates that put them into the prompt.

    Columns that a template names come back in the result. See docs/design/prompt-steps.md.

    Args:
        template: what is asked: a text with `{column}` in it, or a list of messages with such contents, in which an
            item `"{column}"` stands for the messages that the column holds. Braces that shall stay are written twice.
        template_format: `"braces"`, or `"jinja"` to read all templates of this step as Jinja (in its sandbox).
        system: the system prompt in place of the model's own: a column with one per row, or a template.
        overlong: what becomes of a row whose prompt does not fit the model's context: `"fail"` counts it as lost, with
            the reason `"context_length"`; `"cut"` cuts the texts of its columns, at their ends, until it fits.
    """

    template: str | list[Any] | None = None
    template_format: str = text_template.FORMATS[0]
    system: Column[str] | str | None = None
    overlong: str = fitting.POLICIES[0]

    counted_when_given: ClassVar[tuple[str, ...]] = ("template", "template_format", "system", "overlong")
    takes_further: ClassVar[bool] = True  # whether inputs of any name are welcome without a template

    def setup(self) -> None:
        super().setup()
        system = self._given_inputs.get("system", self._given.get("system"))
        if isinstance(system, str):  # a text of the script is a setting
            self._declaration.add(replace(self._declaration.fields["system"], role="setting"))
        welcome = self.takes_further or isinstance(system, str) or self._given.get("template") is not None
        self._further = self._register_further() if welcome else []
        self.origins = {  # type: ignore[misc]
            **{name: f"copied:{name}" for name in self._further},
            **({"system": "copied:system" if is_column(system) else "computed"} if system is not None else {}),
            **type(self).origins,
        }
        self._own_system = system is not None

    def _register_further(self) -> list[str]:
        named = [name for name in self._given_inputs if name not in self._declaration.fields]
        named += [
            name for name, value in self._given.items() if name not in self._declaration.fields and is_column(value)
        ]
        fields = self._declaration.fields
        taken = [name for name in self._given_inputs if name in fields and fields[name].role not in ("input", "rows")]
        for name in (*named, *taken):
            if name in taken:
                raise InvalidArgumentError(
                    f"Step '{self.name}': an input cannot be called '{name}', which is a setting. Give it another name."
                )
            if name in _OWN:
                raise InvalidArgumentError(
                    f"Step '{self.name}': an input cannot be called '{name}', as the result has a column of that name."
                )
            self.register_input(name)
        return named

    def given_back(self) -> list[str]:
        """The further columns of the result: registered as outputs, for `order_outputs()`."""
        names = [*self._further, *(["system"] if self._own_system else [])]
        for name in names:
            self.register_output(name, help="As it was read." if name in self._further else "The system prompt.")
        return names

    # --- checking -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        who = f"Step '{self.name}'"
        fitting.check_policy(who, self.overlong)
        self._templates = {
            what: text_template.parse(who, text, self.template_format) for what, text in self.template_texts().items()
        }
        known = [
            name for name, item in self._declaration.fields.items() if item.role == "input" and name in self._inputs
        ]
        for what, template in self._templates.items():
            names = [*known, *self.template_names(what)]
            text_template.check_names(who, {what: template}, names)
        if self._templates:
            text_template.check_names(who, self._templates, [*known, *self.template_names("template")], self._further)
        self._fitted: Counter[str] = Counter()
        super().check()

    def template_texts(self) -> dict[str, Any]:
        """What is to be read as templates, by what each is called."""
        system = self._args.get("system")
        given = {"template": self.template, "system prompt": system}
        return {what: text for what, text in given.items() if text is not None}

    def template_names(self, what: str) -> list[str]:
        """Names that a template may use besides the inputs."""
        return []

    def card_prompts(self) -> list[tuple[str, str]]:
        given = self.template_texts()
        texts = {
            what: text if isinstance(text, str) else msgspec.json.encode(text).decode() for what, text in given.items()
        }
        own = [(role, text) for role, text in super().card_prompts() if role not in texts]
        return [*texts.items(), *own]

    # --- asking -------------------------------------------------------------------------------------------------------

    def cells(self) -> Iterator[dict[str, Any]]:
        """The input rows: every input column that was given, under its name."""
        names = [name for name in self._declaration.of_role("input") if name in self._inputs]
        for values in zip(*(self._inputs[name] for name in names), strict=True):
            yield dict(zip(names, values, strict=True))

    def question(
        self, row: Mapping[str, Any], build: Callable[[Mapping[str, Any]], Any]
    ) -> tuple[dict[str, Any], ModelPrompt | DataDreamerError]:
        """What the result's row starts with (what is given back, and `prompts`), and what is asked.

        Args:
            row: one of `cells()`.
            build: from its values, or shorter ones, to the prompt; raises `ContextLengthError` where it does not fit.
        """
        absent = self._absent(row)
        if absent is not None:
            return {}, NoInputError(f"The row has no value in '{absent}', so there is nothing to ask.")
        try:
            system = self._system_of(row)
        except DataDreamerError as error:
            return {}, error
        prompt, cut = fitting.fitted(lambda values: self._checked(build(values), system), row, self.overlong)
        self._fitted["cut"] += cut
        values = {name: row[name] for name in self._further}
        if self._own_system:
            values["system"] = system
        return {**values, "prompts": prompt}, prompt if isinstance(prompt, DataDreamerError) else _with(system, prompt)

    def empty_input(self, values: Mapping[str, Any]) -> str | None:
        inputs = (name for name in self._declaration.of_role("input") if name not in (*self._further, "system"))
        return next((name for name in inputs if name in values and values[name] is None), None)

    def _absent(self, row: Mapping[str, Any]) -> str | None:
        """A column without a value in this row, where that would put the word "None" into a prompt."""
        if self.template_format == "jinja":  # which can ask whether there is a value
            return None
        used = (name for template in self._templates.values() for name in template.names)
        return next((name for name in used if name in row and row[name] is None), None)

    def _system_of(self, row: Mapping[str, Any]) -> str | None:
        template: Template | None = self._templates.get("system prompt")
        return row.get("system") if template is None else template.fill(row)

    def _checked(self, prompt: Any, system: str | None) -> Any:
        if (self.overlong != "fail" or system is not None or self.template is not None) and prompt is not None:
            fitting.check_fits(self.llm, prompt, self.max_new_tokens, system)
        return prompt

    def sum_up(self) -> None:
        if self._fitted["cut"]:
            self.register_data_card("Prompts that did not fit", f"{self._fitted['cut']:,} had their texts cut")
        super().sum_up()


def _with(system: str | None, prompt: Any) -> ModelPrompt:
    """A prompt with this system prompt; messages that bring one keep theirs."""
    if system is None:
        return prompt
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return prompt if messages and messages[0]["role"] == "system" else Chat(messages, system)
