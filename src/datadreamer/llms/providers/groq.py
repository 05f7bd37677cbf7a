"""Groq."""

from __future__ import annotations

from collections.abc import Mapping

from ..wire.openai_chat import ChatFormat
from .base import ChatProvider, Service

_NONE = "No model of the service supports it."


class Groq(ChatProvider):
    """A model served by Groq. Arguments as in `Provider`."""

    service = Service(
        name="groq",
        base_url="https://api.groq.com/openai/v1",
        key_variables=("GROQ_API_KEY",),
        terms="https://groq.com/terms-of-use",
        models="https://console.groq.com/docs/models",
    )
    format = ChatFormat(limit_name="max_completion_tokens")  # max_tokens is deprecated there
    extra_parameters = frozenset(
        {
            "citation_options",
            "documents",
            "extra_body",
            "include_reasoning",
            "metadata",
            "parallel_tool_calls",
            "reasoning_effort",
            "reasoning_format",
            "search_settings",
            "service_tier",
            "tool_choice",
            "user",
        }
    )
    refused_parameters: Mapping[str, str] = {"logit_bias": _NONE, "repetition_penalty": _NONE}
