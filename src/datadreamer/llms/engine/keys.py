"""Request keys: what was asked, as 32 bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import identity

if TYPE_CHECKING:
    from ..llm import LLM
    from ..types import Request


class Keyer:
    """Makes the keys of one model's requests. The model's spec is asked for once."""

    def __init__(self, llm: LLM) -> None:
        self._spec = llm.request_spec()
        self.digest = identity.request_key

    def parts(self, request: Request) -> dict[str, Any]:
        """Everything that the key is the digest of: also what the record keeps as the request."""
        return {"model": self._spec, "request": request.parts()}
