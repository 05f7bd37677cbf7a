"""What every wire does alike: send, read, say what a status means. It neither waits nor asks again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, TypeVar

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
from ..types import Generation, Request
from .headers import retry_after
from .streams import StreamedError
from .transport import Post, Reply, Timeouts, post

_SNIPPET = 300  # characters of an answer that an error quotes
_TOO_LONG = re.compile(
    r"maximum context length|context (length|window|size)|max(imum)?_?(model|seq\w*)_len|prompt is too long"
    r"|too many tokens|token count .{0,40}exceeds",
    re.IGNORECASE,
)
Answer = TypeVar("Answer")
Sign = Callable[[bytes], Awaitable[Mapping[str, str]]]


class Wire:
    """One model behind one URL. A subclass says how a request is written and an answer is read.

    Args:
        url: of the endpoint that answers, whole.
        model: name that is sent.
        headers: with the key.
        key_name: what an error calls the key, for example "OPENAI_API_KEY"; never its value.
        secret: the key itself, so that no error repeats it.
        timeouts: seconds to connect and to answer.
        sign: for a service whose key does not last: further headers of a request, from its body.
        send: the transport.
    """

    #: what an answer is called where one cannot be read
    answer_name: ClassVar[str] = "an answer of this kind"
    #: codes in the body of an error, beside the status, by what they mean
    filtered: ClassVar[frozenset[str]] = frozenset()
    out_of_credit: ClassVar[frozenset[str]] = frozenset()
    wrong_key: ClassVar[frozenset[str]] = frozenset()
    #: statuses that are no fault of the request, beside those from 500 on
    transient: ClassVar[frozenset[int]] = frozenset({408, 409, 425, 499})

    #: what an error would have had as its status, where it came with status 200, by its code
    statuses: ClassVar[Mapping[str, int]] = {}

    def __init__(
        self,
        url: str,
        model: str,
        headers: Mapping[str, str],
        *,
        key_name: str,
        secret: str | None = None,
        timeouts: Timeouts | None = None,
        sign: Sign | None = None,
        send: Post = post,
    ) -> None:
        self.url = url
        self.model = model
        self.key_name = key_name
        self.timeouts = timeouts or Timeouts()
        self._headers = {**headers, "Content-Type": "application/json", "Accept": "application/json"}
        self._secret = secret
        self._sign = sign
        self._send = send

    async def ask(self, request: Request) -> Generation:
        """One request, one answer, or one error of `datadreamer.errors`."""
        body = self.encode(request)
        headers = self._headers if self._sign is None else {**self._headers, **await self._sign(body)}
        return self.decode(await self._send(self.url, headers, body, self.timeouts))

    def encode(self, request: Request) -> bytes:
        """The body of the request, byte for byte."""
        raise NotImplementedError

    def decode(self, reply: Reply) -> Generation:
        """The answer in `reply`; raises what its status, or what is wrong with it, means."""
        raise NotImplementedError

    def whole(self, reply: Reply, assemble: Callable[[bytes], bytes | None]) -> Reply:
        """The answer that a stream brought, as if it had come whole.

        Raises:
            TransientModelError: the stream broke off, or cannot be read.
            ModelError: what the error means that came in the middle of it.
        """
        if reply.status != 200 or "event-stream" not in reply.headers.get("Content-Type", ""):
            return reply  # an error, or a server that knows no streams
        try:
            body = assemble(reply.body)
        except StreamedError as error:
            raise self.error(Reply(self.status_in(error.body), reply.headers, error.body)) from None
        except (msgspec.MsgspecError, LookupError, TypeError, AttributeError, ValueError) as error:
            raise self.unreadable(reply, error) from error
        if body is None:
            raise TransientModelError(f"{self.url} broke off its answer: the stream has no end.")
        return Reply(200, reply.headers, body)

    def status_in(self, body: bytes) -> int:
        """The status that an error would have had that came with status 200."""
        code, _ = self.said(Reply(200, {}, body))
        if code is not None and code.isdecimal() and 400 <= int(code) < 600:
            return int(code)
        return self.statuses.get(code or "", 502)

    # --- what goes wrong --------------------------------------------------------------------------------------------

    def read(self, reply: Reply, decoder: Callable[[bytes], Answer]) -> Answer:
        """The body of an answer with status 200; any other status, and a body that is no answer, raises."""
        if reply.status != 200:
            raise self.error(reply)
        try:
            return decoder(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self.unreadable(reply, error) from error

    def unreadable(self, reply: Reply, error: Exception) -> TransientModelError:
        """An answer with status 200 is none."""
        kind = reply.headers.get("Content-Type", "no content type")
        return TransientModelError(
            f"{self.url} answered 200, but not with {self.answer_name} ({kind}): {error}. "
            f"It begins with: {self.quote(reply.body)!r}"
        )

    def error(self, reply: Reply) -> ModelError:
        """What a status other than 200 means."""
        status, code, said = reply.status, *self.said(reply)
        where = f"{self.url} answered {status}: {said}"
        if code in self.filtered:
            return ContentFilterError(where)
        if status in (401, 403) or code in self.wrong_key:
            return AuthenticationError(f"{where}. The key that was used: {self.key_name}.")
        if status == 404:
            return ModelNotFoundError(
                f"{where}. Model asked for: '{self.model}'. Check its name, and that base_url has the path of the API "
                "(often ending in /v1)."
            )
        if status == 402 or code in self.out_of_credit:
            return PermanentModelError(f"{where}. The account of this key is out of credit: {self.key_name}.")
        if status == 429:
            return RateLimitError(where, self.pause(reply))
        if status in self.transient or status >= 500:
            error = TransientModelError(where)
            error.retry_after = self.pause(reply)  # type: ignore[attr-defined]
            return error
        if 300 <= status < 400:
            target = reply.headers.get("Location", "nowhere")
            return PermanentModelError(f"{self.url} redirects to {target}. Use that address as base_url.")
        if code == "context_length_exceeded" or _TOO_LONG.search(said):
            return ContextLengthError(where)
        return BadRequestError(where)

    def pause(self, reply: Reply) -> float | None:
        """Seconds to wait that an error names."""
        return retry_after(reply.headers)

    def said(self, reply: Reply) -> tuple[str | None, str]:
        """The error code and the message in the body of an error."""
        try:
            body = msgspec.json.decode(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None, self.quote(reply.body) or "nothing"
        inner = body.get("error", body) if isinstance(body, dict) else body
        if not isinstance(inner, dict):
            return None, self.quote(str(inner).encode())
        message = inner.get("message") or inner.get("detail") or reply.body.decode("utf-8", "replace")
        code = self.code(inner)
        return (str(code) if code else None), self.quote(str(message).encode()).rstrip(".")

    def code(self, error: dict[str, Any]) -> Any:
        """What the body of an error calls itself."""
        return error.get("code") or error.get("type")

    def quote(self, body: bytes) -> str:
        """The beginning of `body`, without the key."""
        text = body[: 4 * _SNIPPET].decode("utf-8", "replace").strip()
        if self._secret:
            text = text.replace(self._secret, "***")
        return text[:_SNIPPET]
