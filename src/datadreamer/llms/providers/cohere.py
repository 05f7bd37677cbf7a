"""Cohere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..structured.dialects import COHERE
from ..wire.cohere_chat import CohereChat
from .base import NO_LOGIT_BIAS, NO_REPETITION_PENALTY, Provider, Service


class Cohere(Provider):
    """A model of Cohere, asked through version 2 of its chat API. Arguments as in `Provider`."""

    service = Service(
        name="cohere",
        base_url="https://api.cohere.com",
        path="/v2/chat",
        key_variables=("CO_API_KEY", "COHERE_API_KEY"),
        terms="https://cohere.com/terms-of-use",
        models="https://docs.cohere.com/docs/models",
    )
    output_dialect = COHERE
    wire_name = "cohere-chat"
    extra_parameters = frozenset(
        {
            "citation_options",
            "documents",
            "extra_body",
            "frequency_penalty",
            "k",
            "logprobs",
            "presence_penalty",
            "priority",
            "safety_mode",
            "strict_tools",
            "thinking",
            "tool_choice",
        }
    )
    refused_parameters: Mapping[str, str] = {**NO_REPETITION_PENALTY, **NO_LOGIT_BIAS}

    def _wire(self, *arguments: Any, **named: Any) -> CohereChat:
        return CohereChat(*arguments, **named)
