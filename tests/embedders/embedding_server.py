"""What an embeddings server answers: for `chat_server.Server`, which does what its behaviour says."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import numpy as np
from aiohttp import web
from chat_server import Server

DIMS = 6


def vector_of(text: str, dims: int = DIMS) -> np.ndarray:
    """A vector of length 1 that depends on the text alone."""
    digest = hashlib.sha512(text.encode()).digest()
    raw = np.frombuffer((digest * 50)[: 4 * dims], "<u4").astype(np.float64) - 2**31
    return (raw / np.linalg.norm(raw)).astype(np.float32)


def embeddings(body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The JSON of an answer, its items in reverse: `index` says which is which."""
    dims = body.get("dimensions") or DIMS
    items = []
    for place, text in enumerate(body["input"]):
        vector: Any = vector_of(text, dims)
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(vector.astype("<f4").tobytes()).decode()
        else:
            vector = vector.tolist()
        items.append({"object": "embedding", "index": place, "embedding": vector})
    tokens = sum(len(text.split()) for text in body["input"])
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": items[::-1], "model": "served-embedder-1", "usage": usage, **more}


async def embed(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
    """Answers every request."""
    return web.json_response(embeddings(body))
