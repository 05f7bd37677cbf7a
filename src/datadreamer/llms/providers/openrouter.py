"""OpenRouter."""

from __future__ import annotations

from ..structured.dialects import STRICT
from ..wire.openai_chat import ChatFormat
from .base import COMMON, ChatProvider, Service


class OpenRouter(ChatProvider):
    """A model of any vendor, asked through OpenRouter, which says what each call cost. Arguments as in `Provider`.

    Who serves the model may change from call to call; `provider={"only": ["…"]}` in a call fixes it.
    """

    service = Service(
        name="openrouter",
        base_url="https://openrouter.ai/api/v1",
        key_variables=("OPENROUTER_API_KEY",),
        terms="https://openrouter.ai/terms",
        models="https://openrouter.ai/{model}",
    )
    output_dialect = STRICT
    format = ChatFormat(says_cost=True, strict_schema=True)
    extra_parameters = COMMON | {
        "cache_control",
        "metadata",
        "min_p",
        "modalities",
        "models",
        "plugins",
        "prediction",
        "provider",
        "reasoning",
        "reasoning_effort",
        "service_tier",
        "top_a",
        "top_k",
    }
