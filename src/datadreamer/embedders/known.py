"""What is known about the embedding models of services without asking anyone.

From https://platform.openai.com/docs/guides/embeddings and https://platform.openai.com/docs/pricing, 2026-06-21.
A model that is not here works; what is not known of it stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

DATE = "2026-06-21"
SOURCE = "https://platform.openai.com/docs/pricing"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """Facts about one model. None: not known."""

    dims: int | None = None
    length: int | None = None  # tokens of a text
    price: str | None = None  # US dollars per million tokens, in decimals


KNOWN = {
    "text-embedding-3-small": KnownModel(1536, 8191, "0.02"),
    "text-embedding-3-large": KnownModel(3072, 8191, "0.13"),
    "text-embedding-ada-002": KnownModel(1536, 8191, "0.10"),
}
