"""DeepSeek."""

from __future__ import annotations

from collections.abc import Mapping

from ..structured.dialects import JSON_MODE
from ..wire.openai_chat import ChatFormat
from .base import COMMON, NO_LOGIT_BIAS, NO_REPETITION_PENALTY, NO_SEED, ChatProvider, Service


class DeepSeek(ChatProvider):
    """A model of DeepSeek. Arguments as in `Provider`."""

    service = Service(
        name="deepseek",
        base_url="https://api.deepseek.com",
        key_variables=("DEEPSEEK_API_KEY",),
        terms="https://cdn.deepseek.com/policies/en-US/deepseek-open-platform-terms-of-service.html",
        models="https://api-docs.deepseek.com/quick_start/pricing",
    )
    output_dialect = JSON_MODE
    format = ChatFormat(schemas=False)
    extra_parameters = (COMMON - {"parallel_tool_calls", "user"}) | {"reasoning_effort", "thinking"}
    refused_parameters: Mapping[str, str] = {**NO_SEED, **NO_LOGIT_BIAS, **NO_REPETITION_PENALTY}
