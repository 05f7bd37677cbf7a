"""From messages to the one text that a local model reads.

In order: the template that the user gave, the tokenizer's own, none. A user's template is either the short form with
`{{prompt}}` (and `{{system_prompt}}`), or a jinja template over `messages`, as tokenizers have them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import BadRequestError, InvalidArgumentError

AUTO = "auto"
"""Take the chat template, or the system prompt, that the model comes with."""

_SHORT = re.compile(r"\{\{\s*(prompt|system_prompt)\s*\}\}")
# Some templates put today's date into the system prompt. A prompt that changes overnight cannot be repeated, so they
# are told the date that the most used of them assumes when it is told none. (A macro, because transformers lets no
# function through to a template.)
_DATE = {"%d": "26", "%b": "Jul", "%B": "July", "%m": "07", "%Y": "2024", "%y": "24", "%A": "Friday", "%a": "Fri"}
_DATE_MACRO = (
    "{%- macro strftime_now(format) -%}{{ format"
    + "".join(f" | replace('{code}', '{value}')" for code, value in _DATE.items())
    + " }}{%- endmacro %}\n"  # transformers trims this line break away with the block
)


@dataclass(frozen=True, slots=True)
class PromptFormat:
    """How messages become text for one model. `template` None: the prompt is the text."""

    template: str | None

    @property
    def short(self) -> bool:
        """Whether the template is of the `{{prompt}}` kind."""
        return self.template is not None and "messages" not in self.template

    @classmethod
    def of(cls, given: str | None, tokenizer: Any) -> PromptFormat:
        """The format for a `chat_prompt_template` argument."""
        if given != AUTO:
            return cls(checked(given))
        own = getattr(tokenizer, "chat_template", None)
        return cls(own.get("default") if isinstance(own, Mapping) else own)

    def render(
        self,
        tokenizer: Any,
        messages: Sequence[Mapping[str, Any]],
        system: str | None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> str:
        """The text to continue.

        Raises:
            BadRequestError: the messages do not fit the template.
        """
        template = self.template
        if template is None or self.short:
            return self._plain(messages, system, tools)
        turns = [{"role": "system", "content": system}] if system is not None else []
        try:
            return tokenizer.apply_chat_template(
                [*turns, *map(dict, messages)],
                chat_template=_DATE_MACRO + template if "strftime_now" in template else template,
                tools=list(tools) if tools else None,
                tokenize=False,
                add_generation_prompt=messages[-1].get("role") != "assistant",
                continue_final_message=messages[-1].get("role") == "assistant",
                **(options or {}),
            )
        except Exception as error:  # jinja errors, and whatever a template raises on purpose
            raise BadRequestError(f"The chat template refuses this conversation: {error}") from error

    def _plain(self, messages: Sequence[Mapping[str, Any]], system: str | None, tools: Any) -> str:
        if len(messages) != 1 or not isinstance(messages[0].get("content"), str) or tools:
            what = "tools" if tools else f"a conversation of {len(messages)} messages"
            raise BadRequestError(
                f"The model has no chat template that could express {what}. Give it one with chat_prompt_template=…, "
                "a jinja template over `messages`."
            )
        prompt = messages[0]["content"]
        if self.template is None:
            return prompt if system is None else f"{system}\n\n{prompt}"
        values = {"prompt": prompt, "system_prompt": system or ""}
        return _SHORT.sub(lambda match: values[match[1]], self.template)


def checked(template: str | None) -> str | None:
    """`template` if it has a place for the prompt, else an error."""
    if template is None or "messages" in template or re.search(r"\{\{\s*prompt\s*\}\}", template):
        return template
    raise InvalidArgumentError(
        f"chat_prompt_template has no place for the prompt: {template!r:.80}. Write {{{{prompt}}}} where it belongs "
        "(and {{system_prompt}} for the system prompt), or give a jinja template over `messages`."
    )


def encode(tokenizer: Any, text: str, formatted: bool, keep_end: bool) -> list[int]:
    """Token ids of a rendered prompt.

    Args:
        formatted: a chat template wrote the text, special tokens included.
        keep_end: the model wants an end-of-text token after its input (encoder-decoders do).
    """
    starts = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
    ids = list(tokenizer(text, add_special_tokens=not (formatted or starts), verbose=False).input_ids)
    if not keep_end and len(ids) > 1 and ids[-1] == tokenizer.eos_token_id and not formatted:
        ids.pop()  # some tokenizers close what should be continued
    return ids
