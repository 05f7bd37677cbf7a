"""A row of input and output text, as the token ids of one training example of a causal language model.

The loss is on the output alone: its tokens and the token that ends the turn. The prompt's ids are exactly those that
the model will be given when it is asked, so training and use agree at the boundary between the two.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ...errors import InvalidArgumentError
from ...llms.local.templates import _DATE_MACRO, PromptFormat

_SENTINEL = "datadreamer-answer"
_PLACE = re.compile(r"\{\{\s*(prompt|system_prompt)\s*\}\}")


def to_jinja(template: str, system_prompt: str | None, begins_with_bos: bool) -> str:
    """A plain template such as `"### Question:\\n{{prompt}}\\n### Answer:\\n"` as a Jinja chat template.

    The trained model's tokenizer keeps it, so whoever loads the model prompts it as it was trained. `{{system_prompt}}`
    stands for the conversation's system message, or else `system_prompt`.
    """
    places = {"prompt": "{{ m['content'] }}", "system_prompt": "{{ ns.system }}"}
    parts = _PLACE.split(template)  # text, name, text, name, …, text
    turn = "".join(places[part] if i % 2 else _literal(part) for i, part in enumerate(parts))
    return (
        f"{{% set ns = namespace(system={_quoted(system_prompt or '')}) %}}"
        + "{% for m in messages %}{% if m['role'] == 'system' %}"
        + "{% set ns.system = m['content'] %}{% endif %}{% endfor %}"
        + ("{{ bos_token }}" if begins_with_bos else "")
        + "{% for m in messages %}{% if m['role'] == 'user' %}"
        + turn
        + "{% elif m['role'] == 'assistant' %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    )


def _literal(text: str) -> str:
    return f"{{{{ {_quoted(text)} }}}}" if text else ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def use_template(tokenizer: Any, chat_prompt_template: str | None, system_prompt: str | None) -> str | None:
    """Give the tokenizer the chat template of the training; returns it, or None when rows are plain text.

    Args:
        chat_prompt_template: `"auto"` for the tokenizer's own, None for none, a Jinja template, or a plain text with
            `{{prompt}}`.
    """
    if chat_prompt_template is None:
        tokenizer.chat_template = None  # the model is to be asked as it was trained: without one
    elif chat_prompt_template != "auto":
        bos = tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
        short = PromptFormat(chat_prompt_template).short
        tokenizer.chat_template = to_jinja(chat_prompt_template, system_prompt, bos) if short else chat_prompt_template
    return template_of(tokenizer)


def template_of(tokenizer: Any) -> str | None:
    """The tokenizer's chat template; of several, the default one."""
    template = tokenizer.chat_template
    return template.get("default") if isinstance(template, dict) else template


@dataclass(slots=True)
class TurnEncoder:
    """Encodes rows for a causal model.

    `max_length` is the number of tokens an example may have; with `truncate` longer ones are cut, without it they are
    refused. `cut` counts the examples that were.
    """

    tokenizer: Any
    chat: bool
    system_prompt: str | None
    max_length: int
    truncate: bool
    cut: int = 0
    end: str | None = None  # what ends an answer, once known

    def encode(self, prompt: Any, output: str, row: int) -> dict[str, list[int]]:
        """One example: `input_ids`, and `labels` that are -100 wherever there is no loss."""
        if not (self.chat or isinstance(prompt, str)):
            raise InvalidArgumentError(
                f"Row {row} of the input is a conversation, and the model's tokenizer has no chat template to format "
                "it with. Pass chat_prompt_template=…, or text."
            )
        head, tail = self._chat_ids(prompt, output) if self.chat else self._plain_ids(prompt, output)
        head, tail = self._fit(head, tail, row)
        return {"input_ids": head + tail, "labels": [-100] * len(head) + tail}

    def _plain_ids(self, prompt: str, output: str) -> tuple[list[int], list[int]]:
        prompt = self.text(prompt)
        head = list(self.tokenizer(prompt)["input_ids"])
        if head and head[-1] == self.tokenizer.eos_token_id:
            head.pop()  # a few tokenizers end every text; here the output follows
        special = len(head) > 0 and head[0] == self.tokenizer.bos_token_id
        tail = self._split(head, prompt + output, output, add_special_tokens=special)
        return head, [*tail, self.tokenizer.eos_token_id]

    def _chat_ids(self, prompt: Any, output: str) -> tuple[list[int], list[int]]:
        messages = self._messages(prompt)
        start = self._render(messages, add_generation_prompt=True)
        whole = self._render([*messages, {"role": "assistant", "content": output}])
        head = list(self.tokenizer(start, add_special_tokens=False)["input_ids"])
        end = self._turn_end(messages)
        if whole.startswith(start) and output.strip() in whole[len(start) :]:
            answer = whole[len(start) :].rstrip()  # what the template writes after the end of turn is never asked for
        else:
            answer = output + end  # the template rewrites answers, or opens them differently when it asks for one
        tail = self._split(head, start + answer, answer, add_special_tokens=False)
        return head, tail if end else [*tail, self.tokenizer.eos_token_id]

    def _turn_end(self, messages: list[dict[str, str]]) -> str:
        """What the template writes behind an answer, for example `<|im_end|>`; empty when it writes nothing."""
        if self.end is None:
            whole = self._render([*messages, {"role": "assistant", "content": _SENTINEL}])
            self.end = whole.rpartition(_SENTINEL)[2].strip()
        return self.end

    def text(self, prompt: Any) -> str:
        """The prompt as the text that an encoder reads: formatted when there is a template."""
        if not self.chat:
            return PromptFormat(None).render(self.tokenizer, [{"role": "user", "content": prompt}], self.system_prompt)
        return self._render(self._messages(prompt), add_generation_prompt=True)

    def _messages(self, prompt: Any) -> list[dict[str, str]]:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        if self.system_prompt and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": self.system_prompt})
        return messages

    def _render(self, messages: list[dict[str, str]], **kwargs: Any) -> str:
        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, chat_template=self._dated(), **kwargs)
        except Exception as error:  # whatever the template raises: Jinja's errors and its own
            roles = [message["role"] for message in messages]
            raise InvalidArgumentError(
                f"The model's chat template cannot format a conversation with the roles {roles}: {error}. "
                "Pass chat_prompt_template=… of your own, or leave out system_prompt."
            ) from error
        return str(text)

    def _dated(self) -> str | None:
        """The template, told the same date in every training, which is also the date it is told in use."""
        template = template_of(self.tokenizer)
        return _DATE_MACRO + template if template is not None and "strftime_now" in template else template

    def _split(self, head: list[int], whole: str, output: str, add_special_tokens: bool) -> list[int]:
        """The ids of `output` after `head`: as in the whole text where that begins with `head`, else on its own."""
        ids = list(self.tokenizer(whole, add_special_tokens=add_special_tokens)["input_ids"])
        if add_special_tokens and ids and ids[-1] == self.tokenizer.eos_token_id:
            ids.pop()
        return ids[len(head) :] if ids[: len(head)] == head else self._ids(output)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _fit(self, head: list[int], tail: list[int], row: int) -> tuple[list[int], list[int]]:
        length = len(head) + len(tail)
        if length <= self.max_length:
            return head, tail
        if not self.truncate:
            raise InvalidArgumentError(
                f"Row {row} has {length} tokens, and the model takes {self.max_length}. Pass truncate=True to cut such "
                "rows, or filter them out."
            )
        self.cut += 1
        # The output keeps at least half of the room. A prompt loses its beginning (its end holds the turn's header),
        # but not a first token that every text begins with. A cut output does not end with the end of turn.
        tail = tail[: max(self.max_length - len(head), self.max_length - self.max_length // 2)]
        room = self.max_length - len(tail)
        if len(head) > room:
            first = head[:1] if room and head[0] == self.tokenizer.bos_token_id else []
            head = first + head[len(head) - room + len(first) :]
        return head, tail
