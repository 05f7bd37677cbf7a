"""The embeddings format of OpenAI: texts to JSON, JSON to vectors. Statuses mean what they mean for every wire."""

from __future__ import annotations

import binascii
from typing import Any

import msgspec
import numpy as np

from ..errors import TransientModelError
from ..llms.types import Generation, Request, Usage
from ..llms.wire.base import Wire
from ..llms.wire.headers import requested_pause
from ..llms.wire.transport import Reply

_encode = msgspec.json.Encoder().encode


class Embedded(Generation, frozen=True, kw_only=True):
    """The vectors of the texts of one request, as the engine passes an answer on."""

    vectors: Any = None  # float32, of shape (texts, dims)


class _Item(msgspec.Struct):
    embedding: str | list[float]
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None
    cost: Any = None


class _Answer(msgspec.Struct):
    data: list[_Item]
    model: str | None = None
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Answer).decode


class EmbeddingsWire(Wire):
    """One model behind one URL of embeddings. `base64`: ask for vectors as bytes; the rest is as in `Wire`."""

    answer_name = "a list of embeddings"
    out_of_credit = frozenset({"insufficient_quota", "billing_hard_limit_reached"})

    def __init__(self, *arguments: Any, base64: bool = False, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.base64 = base64

    def encode(self, request: Request) -> bytes:
        """The body: the text of every message is one input."""
        extra = dict(request.extra or {})
        more = extra.pop("extra_body", None) or {}
        body: dict[str, Any] = {"model": self.model, "input": [message["content"] for message in request.messages]}
        if self.base64:
            body["encoding_format"] = "base64"
        return _encode({**body, **extra, **more})

    async def ask(self, request: Request) -> Embedded:
        """One request; vectors in the order of its messages."""
        answer = await super().ask(request)
        assert isinstance(answer, Embedded)
        if len(answer.vectors) != len(request.messages):
            raise TransientModelError(
                f"{self.url} gave {len(answer.vectors)} vectors for {len(request.messages)} texts."
            )
        return answer

    def decode(self, reply: Reply) -> Embedded:
        answer = self.read(reply, _decode)
        usage = answer.usage or _Usage()
        return Embedded(
            text="",
            finish_reason="stop",
            usage=Usage(input_tokens=usage.prompt_tokens or usage.total_tokens or 0),
            model=answer.model,
            request_id=reply.headers.get("x-request-id"),
            vectors=self._matrix(answer.data),
            wait=requested_pause(reply.headers),
        )

    def _matrix(self, items: list[_Item]) -> np.ndarray:
        order = [place if item.index is None else item.index for place, item in enumerate(items)]
        if sorted(order) != list(range(len(items))):
            raise TransientModelError(f"{self.url} numbered its vectors {order[:10]}…, not 0 to {len(items) - 1}.")
        rows = [_vector(item.embedding) for item in items]
        if len({len(row) for row in rows}) > 1:
            raise TransientModelError(f"{self.url} gave vectors of different lengths.")
        matrix = np.empty((len(rows), len(rows[0]) if rows else 0), np.float32)
        matrix[order] = rows
        if not np.isfinite(matrix).all():
            raise TransientModelError(f"{self.url} gave a vector that has values other than numbers.")
        return matrix


def _vector(embedding: str | list[float]) -> np.ndarray:
    if isinstance(embedding, str):
        try:
            return np.frombuffer(binascii.a2b_base64(embedding), "<f4")
        except ValueError as error:
            raise TransientModelError(f"An embedding is not base64 of float32: {embedding[:40]!r}") from error
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused with its matrix
        return np.asarray(embedding, np.float32)
