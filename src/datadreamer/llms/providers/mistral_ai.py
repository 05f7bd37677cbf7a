"""Mistral AI."""

from __future__ import annotations

from collections.abc import Mapping

from ..structured.dialects import STRICT
from ..wire.openai_chat import ChatFormat
from .base import COMMON, NO_LOGIT_BIAS, ChatProvider, Service


class MistralAI(ChatProvider):
    """A model of Mistral AI. Arguments as in `Provider`."""

    service = Service(
        name="mistral",
        base_url="https://api.mistral.ai/v1",
        key_variables=("MISTRAL_API_KEY",),
        terms="https://mistral.ai/terms",
        models="https://docs.mistral.ai/getting-started/models/",
    )
    output_dialect = STRICT
    format = ChatFormat(seed_name="random_seed", strict_schema=True)
    extra_parameters = (COMMON - {"user"}) | {
        "guardrails",
        "metadata",
        "min_tokens",
        "prediction",
        "prompt_cache_key",
        "prompt_mode",
        "reasoning_effort",
        "safe_prompt",
        "service_tier",
        "top_k",
    }
    refused_parameters: Mapping[str, str] = NO_LOGIT_BIAS
