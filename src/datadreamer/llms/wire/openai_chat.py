"""The chat completions format: request to JSON, JSON to generation, status to error. Neither waits nor asks again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...errors import (
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    ModelError,
    ModelNotFoundError,
    PermanentModelError,
    RateLimitError,
    TransientModelError,
)
from ..types import Generation, Request, Usage
from .headers import requested_pause, retry_after
from .transport import Post, Reply, Timeouts, post

_encode = msgspec.json.Encoder().encode
_SNIPPET = 300  # characters of an answer that an error quotes


class _Message(msgspec.Struct):
    content: Any = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _AnswerDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _AnswerDetails | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] | None = None
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    system_fingerprint: str | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Completion).decode


class ChatFormat(msgspec.Struct, frozen=True, kw_only=True):
    """How one service, and one model of it, wants a request written."""

    limit_name: str = "max_tokens"  # "max_completion_tokens" for OpenAI's own service
    strict_schema: bool = False  # whether the service has strict structured outputs
    leave_out: frozenset[str] = frozenset()  # parameters that are not sent when they have their neutral value


class OpenAIChat:
    """One model behind one URL.

    Args:
        url: of the completions endpoint, whole.
        model: name that is sent.
        headers: with the key.
        key_name: what an error calls the key, for example "OPENAI_API_KEY"; never its value.
        secret: the key itself, so that no error repeats it.
        format: how this service wants it.
        timeouts: seconds to connect and to answer.
        send: the transport.
    """

    def __init__(
        self,
        url: str,
        model: str,
        headers: Mapping[str, str],
        *,
        key_name: str,
        secret: str | None = None,
        format: ChatFormat | None = None,
        timeouts: Timeouts | None = None,
        send: Post = post,
    ) -> None:
        self.url = url
        self.model = model
        self.key_name = key_name
        self.format = format or ChatFormat()
        self.timeouts = timeouts or Timeouts()
        self._headers = {**headers, "Content-Type": "application/json", "Accept": "application/json"}
        self._secret = secret
        self._send = send

    async def ask(self, request: Request) -> Generation:
        """One request, one answer, or one error of `datadreamer.errors`."""
        reply = await self._send(self.url, self._headers, self.encode(request), self.timeouts)
        return self.decode(reply)

    # --- request to JSON --------------------------------------------------------------------------------------------

    def encode(self, request: Request) -> bytes:
        """The body of the request, byte for byte."""
        format = self.format
        messages: list[Any] = list(request.messages)
        if request.system is not None:
            messages.insert(0, {"role": "system", "content": request.system})
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        for name, value in (
            (format.limit_name, request.max_new_tokens),
            ("temperature", request.temperature),
            ("top_p", request.top_p),
            ("stop", request.stop),
            ("repetition_penalty", request.repetition_penalty),
            ("logit_bias", request.logit_bias),
            ("seed", request.seed),
            ("tools", request.tools),
        ):
            if value is not None and name not in format.leave_out:
                body[name] = value
        if request.response_format is not None:
            body["response_format"] = self._response_format(request.response_format)
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None)
        body.update(extra)
        if more:
            body.update(more)
        return _encode(body)

    def _response_format(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        if wanted["type"] != "json_schema":
            return dict(wanted)
        schema: dict[str, Any] = {"name": wanted["name"], "schema": wanted["schema"]}
        if self.format.strict_schema and _closed(wanted["schema"]):
            schema["strict"] = True
        return {"type": "json_schema", "json_schema": schema}

    # --- JSON to generation -----------------------------------------------------------------------------------------

    def decode(self, reply: Reply) -> Generation:
        """The answer in `reply`; raises what its status, or what is wrong with it, means."""
        if reply.status != 200:
            raise self.error(reply)
        try:
            completion = _decode(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            kind = reply.headers.get("Content-Type", "no content type")
            raise TransientModelError(
                f"{self.url} answered 200, but not with a chat completion ({kind}): {error}. "
                f"It begins with: {self._quote(reply.body)!r}"
            ) from error
        if completion.error is not None:  # some gateways say 200 and mean 429
            raise self.error(Reply(_code(completion.error) or 502, reply.headers, reply.body))
        if not completion.choices:
            raise TransientModelError(f"{self.url} answered without any choice: {self._quote(reply.body)!r}")
        return self._generation(completion, completion.choices[0], reply)

    def _generation(self, completion: _Completion, choice: _Choice, reply: Reply) -> Generation:
        message = choice.message
        finish = choice.finish_reason
        text = _content(message.content)
        if message.refusal and not text:
            text, finish = message.refusal, "refusal"
        return Generation(
            text=text,
            finish_reason=finish,
            usage=_usage(completion.usage),
            model=completion.model,
            response_id=completion.id,
            request_id=reply.headers.get("x-request-id"),
            system_fingerprint=completion.system_fingerprint,
            response=reply.body,
            tool_calls=tuple(message.tool_calls) if message.tool_calls else None,
            wait=requested_pause(reply.headers),
        )

    # --- status to error --------------------------------------------------------------------------------------------

    def error(self, reply: Reply) -> ModelError:
        """What a status other than 200 means."""
        status, code, said = reply.status, *self._said(reply)
        where = f"{self.url} answered {status}: {said}"
        if status in (401, 403):
            return AuthenticationError(f"{where}. The key that was used: {self.key_name}.")
        if status == 404:
            return ModelNotFoundError(
                f"{where}. Model asked for: '{self.model}'. Check its name, and that base_url has the path of the API "
                "(often ending in /v1)."
            )
        if status == 402 or code in ("insufficient_quota", "billing_hard_limit_reached"):
            return PermanentModelError(f"{where}. The account of this key is out of credit: {self.key_name}.")
        if status == 429:
            return RateLimitError(where, retry_after(reply.headers))
        if status in (408, 409, 425) or status >= 500:
            error = TransientModelError(where)
            error.retry_after = retry_after(reply.headers)  # type: ignore[attr-defined]
            return error
        if 300 <= status < 400:
            target = reply.headers.get("Location", "nowhere")
            return PermanentModelError(f"{self.url} redirects to {target}. Use that address as base_url.")
        if code in _FILTERED:
            return ContentFilterError(where)
        if code == "context_length_exceeded" or _TOO_LONG.search(said):
            return ContextLengthError(where)
        return BadRequestError(where)

    def _said(self, reply: Reply) -> tuple[str | None, str]:
        """The error code and the message in the body of an error."""
        try:
            body = msgspec.json.decode(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None, self._quote(reply.body) or "nothing"
        inner = body.get("error", body) if isinstance(body, dict) else body
        if not isinstance(inner, dict):
            return None, self._quote(str(inner).encode())
        message = inner.get("message") or inner.get("detail") or reply.body.decode("utf-8", "replace")
        code = inner.get("code") or inner.get("type")
        return (str(code) if code else None), self._quote(str(message).encode()).rstrip(".")

    def _quote(self, body: bytes) -> str:
        text = body[: 4 * _SNIPPET].decode("utf-8", "replace").strip()
        if self._secret:
            text = text.replace(self._secret, "***")
        return text[:_SNIPPET]


_FILTERED = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_TOO_LONG = re.compile(
    r"maximum context length|context (length|window|size)|max(imum)?_?(model|seq\w*)_len|prompt is too long"
    r"|too many tokens",
    re.IGNORECASE,
)


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # content parts
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _usage(usage: _Usage | None) -> Usage:
    if usage is None:
        return Usage()
    prompt, answer = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=(prompt.cached_tokens or 0) if prompt else 0,
        reasoning_tokens=(answer.reasoning_tokens or 0) if answer else 0,
    )


def _code(error: Any) -> int | None:
    code = error.get("code") if isinstance(error, dict) else None
    try:
        status = int(code)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return status if 400 <= status < 600 else None


def _closed(schema: Any) -> bool:
    """Whether a schema meets the conditions of strict mode: every object closed, every property required."""
    if isinstance(schema, dict):
        if "properties" in schema and (
            schema.get("additionalProperties") is not False
            or set(schema.get("required", ())) != set(schema["properties"])
        ):
            return False
        return all(_closed(value) for value in schema.values())
    return all(_closed(value) for value in schema) if isinstance(schema, list) else True
