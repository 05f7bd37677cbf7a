"""Templates over columns: `"{column}"` in one pass, Jinja where it is asked for, and lists of messages of either.

What is put in is never read again, so braces in the data are data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..._lazy import require
from ...errors import DataDreamerError, InvalidArgumentError, InvalidTypeError, nearest

FORMATS = ("braces", "jinja")

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


class TemplateError(DataDreamerError):
    """The values of a row cannot be put into a template: the row is lost, with the reason `"TemplateError"`."""


class Template(Protocol):
    """A text or messages with places for values."""

    names: list[str]

    def fill(self, values: Mapping[str, Any]) -> Any:
        """The text, or the messages, with the values of a row in their places."""


class Braces:
    """`{name}` is the value of `name`; `{{` and `}}` are braces."""

    def __init__(self, who: str, text: str) -> None:
        self._parts: list[tuple[bool, str]] = []  # whether it is a name, and the name or the text
        end = 0
        for found in _TOKEN.finditer(text):
            self._parts += [(False, text[end : found.start()]), _part(who, text, found)]
            end = found.end()
        self._parts.append((False, text[end:]))
        self.names = list(dict.fromkeys(part for is_name, part in self._parts if is_name))

    def fill(self, values: Mapping[str, Any]) -> str:
        return "".join(str(values[part]) if is_name else part for is_name, part in self._parts)


def _part(who: str, text: str, found: re.Match[str]) -> tuple[bool, str]:
    if found[0] in ("{{", "}}"):
        return False, found[0][0]
    if not found[1]:
        around = text[max(0, found.start() - 20) : found.end() + 20]
        raise InvalidArgumentError(
            f"{who}: the template has a '{found[0]}' that names no column, in {around!r}. "
            "Write {{ and }} for braces that shall stay."
        )
    return True, found[1]


class Jinja:
    """A Jinja template, in the sandbox that keeps it from attributes and methods that could do harm."""

    def __init__(self, who: str, text: str) -> None:
        jinja2 = require("jinja2", extra="templates", needed_for="A Jinja template")
        meta = require("jinja2.meta", extra="templates", needed_for="A Jinja template")
        environment = _jinja_environment()
        try:
            self._template = environment.from_string(text)
            self.names = sorted(meta.find_undeclared_variables(environment.parse(text)) - set(environment.globals))
        except jinja2.TemplateSyntaxError as error:
            raise InvalidArgumentError(
                f"{who}: the Jinja template has a mistake in line {error.lineno}: {error}"
            ) from None

    def fill(self, values: Mapping[str, Any]) -> str:
        try:
            return self._template.render(values)
        except Exception as error:  # what a template does with a value of this row
            raise TemplateError(
                f"The template cannot be filled with this row: {type(error).__name__}: {error}"
            ) from None


def _jinja_environment() -> Any:
    sandbox = require("jinja2.sandbox", extra="templates", needed_for="A Jinja template")
    jinja2 = require("jinja2", extra="templates", needed_for="A Jinja template")
    environment = sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    environment.filters.pop("random")  # what they give differs from run to run
    environment.globals.pop("lipsum")
    return environment


class Messages:
    """Messages whose contents are templates; an item that is a name alone stands for the messages of that column."""

    def __init__(self, who: str, items: Sequence[Any], parse_text: Callable[[str, str], Template]) -> None:
        if not items:
            raise InvalidArgumentError(f"{who}: the template is an empty list: give at least one message.")
        self._items = [_message(who, item, parse_text) for item in items]
        self.names = list(dict.fromkeys(name for _, template in self._items for name in template.names))

    def fill(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        filled: list[dict[str, Any]] = []
        for message, template in self._items:
            if message is None:
                filled.extend(_turns(template.names[0], values[template.names[0]]))
            else:
                filled.append({**message, "content": template.fill(values)})
        return filled


def _message(who: str, item: Any, parse_text: Callable[[str, str], Template]) -> tuple[dict[str, Any] | None, Template]:
    if isinstance(item, str):
        template = parse_text(who, item)
        if len(template.names) != 1 or not re.fullmatch(r"\{+\s*[^{}]+?\s*\}+", item):
            raise InvalidArgumentError(
                f"{who}: the item {item!r} of the template's messages must be a column's name in braces, which stands "
                'for the messages of that column. A message is {"role": ..., "content": ...}.'
            )
        return None, template
    if (
        not isinstance(item, Mapping)
        or not isinstance(item.get("role"), str)
        or not isinstance(item.get("content"), str)
    ):
        raise InvalidTypeError(
            f'{who}: a message of a template is {{"role": "user", "content": "a text"}}, not {item!r:.120}.'
        )
    return dict(item), parse_text(who, item["content"])


def _turns(name: str, cell: Any) -> list[dict[str, Any]]:
    """The messages of a cell, without the fields that other messages of the column have and Arrow gives to all."""
    if not isinstance(cell, list) or not all(isinstance(turn, Mapping) and "role" in turn for turn in cell):
        raise TemplateError(
            f"The column '{name}' stands for messages in the template, so a value must be a list of "
            f'{{"role": ..., "content": ...}}, not {cell!r:.120}.'
        )
    return [{key: value for key, value in turn.items() if value is not None} for turn in cell]


def parse(who: str, template: Any, template_format: str) -> Template:
    """Read a template.

    Args:
        who: the subject of error messages: `"Step 'Ask'"`.
        template: a text, or a list of messages.
        template_format: one of `FORMATS`.

    Raises:
        InvalidArgumentError, InvalidTypeError: it cannot be read; the message says where.
    """
    if template_format not in FORMATS:
        raise InvalidArgumentError(
            f"{who}: template_format={template_format!r} is unknown. {nearest(template_format, FORMATS)}"
        )
    read: Callable[[str, str], Template] = Jinja if template_format == "jinja" else Braces
    return read(who, template) if isinstance(template, str) else Messages(who, template, read)


def check_names(
    who: str, templates: Mapping[str, Template], known: Iterable[str], must_use: Iterable[str] = ()
) -> None:
    """Refuse a name that is no column, and a column that no template uses.

    Args:
        templates: what each is called in an error, for example `"template"`.
        known: names that may be used.
        must_use: those of them that have no other use.
    """
    have = list(known)
    for what, template in templates.items():
        for name in template.names:
            if name not in have:
                raise InvalidArgumentError(
                    f"{who}: the {what} names '{name}', which is not among the inputs. {nearest(name, have)} "
                    "Write {{ and }} for braces that shall stay."
                )
    used = {name for template in templates.values() for name in template.names}
    for name in must_use:
        if name not in used:
            where = " and the ".join(templates)
            raise InvalidArgumentError(
                f"{who}: the {where} does not use the input '{name}'. Write {{{name}}}, or drop it."
            )
