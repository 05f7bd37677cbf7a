"""The legacy completions format, for models that continue a text instead of answering a chat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...errors import BadRequestError, InvalidArgumentError, TransientModelError
from ..types import Generation, Request
from . import contents
from .base import Wire
from .headers import requested_pause
from .openai_chat import FINISH, OpenAIChat, TokenUsage, usage_of
from .transport import Reply

_encode = msgspec.json.Encoder().encode


class _Choice(msgspec.Struct):
    text: str
    finish_reason: str | None = None
    logprobs: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: str | None = None
    model: str | None = None
    usage: TokenUsage | None = None
    system_fingerprint: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Completion).decode


class OpenAICompletions(Wire):
    """One model behind `/completions`.

    `max_tokens` is sent when a request has no `max_new_tokens`: left out, services end every answer after 16 tokens.
    """

    answer_name = "a completion"
    filtered = OpenAIChat.filtered
    out_of_credit = OpenAIChat.out_of_credit
    statuses = OpenAIChat.statuses
    transient = OpenAIChat.transient

    def __init__(self, *arguments: Any, max_tokens: int, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.max_tokens = max_tokens

    def encode(self, request: Request) -> bytes:
        body: dict[str, Any] = {"model": self.model, "prompt": self._prompt(request)}
        for name, value in (
            ("max_tokens", request.max_new_tokens or self.max_tokens),
            ("temperature", request.temperature),
            ("top_p", request.top_p),
            ("stop", request.stop),
            ("repetition_penalty", request.repetition_penalty),
            ("logit_bias", request.logit_bias),
            ("seed", request.seed),
        ):
            if value is not None:
                body[name] = value
        if request.tools is not None or request.response_format is not None:
            what = "tools" if request.tools is not None else "response_format"
            raise InvalidArgumentError(
                f"'{self.model}' continues a text, and takes no '{what}'. Use a chat model, or the server's own "
                "parameter for it in extra_body={…}."
            )
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None)
        body.update(extra)
        if more:
            body.update(more)
        return _encode(body)

    def _prompt(self, request: Request) -> str:
        [message, *others] = request.messages
        if others or request.system or message["role"] != "user" or not _is_text(message.get("content")):
            raise BadRequestError(
                f"'{self.model}' continues one text. It takes no system prompt, no further turns and no pictures: make "
                "one text of them."
            )
        return contents.as_text(message.get("content"))

    def decode(self, reply: Reply) -> Generation:
        completion = self.read(reply, _decode)
        if completion.error is not None:
            raise self.error(Reply(self.status_in(reply.body), reply.headers, reply.body))
        if not completion.choices:
            raise TransientModelError(f"{self.url} answered without any choice: {self.quote(reply.body)!r}")
        choice = completion.choices[0]
        return Generation(
            text=choice.text,
            finish_reason=FINISH.get(choice.finish_reason or "", choice.finish_reason),
            usage=usage_of(completion.usage),
            model=completion.model,
            response_id=completion.id,
            request_id=reply.headers.get("x-request-id"),
            system_fingerprint=completion.system_fingerprint,
            response=reply.body,
            logprobs=_logprobs(choice.logprobs),
            wait=requested_pause(reply.headers),
        )


def _is_text(content: Any) -> bool:
    if isinstance(content, str):
        return True
    return isinstance(content, Sequence) and all(part.get("type") == "text" for part in content)


def _logprobs(given: Any) -> tuple[dict[str, Any], ...] | None:
    """In the form of chat completions."""
    tokens = given.get("tokens") if isinstance(given, dict) else None
    if not tokens:
        return None
    values = given.get("token_logprobs") or [None] * len(tokens)
    tops = given.get("top_logprobs") or [None] * len(tokens)
    return tuple(
        {
            "token": token,
            "logprob": value,
            "top_logprobs": [{"token": other, "logprob": its} for other, its in (top or {}).items()],
        }
        for token, value, top in zip(tokens, values, tops, strict=False)
    )
