"""What is known about a model without asking anyone: lengths, prices, quirks. Read from `facts.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ..ledger import Usage


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one model. None: not known."""

    context: int | None = None  # tokens of prompt and answer together
    output: int | None = None  # most tokens of an answer
    input_price: float | None = None  # US dollars per million tokens
    cached_price: float | None = None  # of a prompt token that came from the service's cache
    output_price: float | None = None
    reasoning: bool | None = None

    def cost(self, usage: Usage) -> float | None:
        """US dollars that a call cost; None when a price is not known."""
        if self.input_price is None or self.output_price is None:
            return None
        if usage.cached_tokens and self.cached_price is None:
            return None
        cached_price = self.cached_price or 0.0
        fresh = usage.input_tokens - usage.cached_tokens
        total = fresh * self.input_price + usage.cached_tokens * cached_price + usage.output_tokens * self.output_price
        return total / 1_000_000


UNKNOWN = ModelFacts()
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|latest)$")


def facts_of(model: str, service: str = "openai") -> ModelFacts:
    """The facts about `model` at `service`, or about the model that it is a dated snapshot of."""
    table = _table().get(service, {})
    found = table.get(model) or table.get(_SNAPSHOT.sub("", model))
    return found or UNKNOWN


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, ModelFacts]]:
    content: dict[str, Any] = tomllib.loads(Path(__file__).with_name("facts.toml").read_text("utf-8"))
    services = {"openai": content, **content.get("services", {})}
    return {
        service: {name: msgspec.convert(entry, ModelFacts) for name, entry in facts["models"].items()}
        for service, facts in services.items()
    }
