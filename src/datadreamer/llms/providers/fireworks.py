"""Fireworks AI."""

from __future__ import annotations

from ..structured.dialects import FIREWORKS
from .base import COMMON, ChatProvider, Service


class Fireworks(ChatProvider):
    """A model served by Fireworks AI. Arguments as in `Provider`."""

    service = Service(
        name="fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        key_variables=("FIREWORKS_API_KEY",),
        terms="https://fireworks.ai/terms-of-service",
        models="https://fireworks.ai/models",
    )
    output_dialect = FIREWORKS
    extra_parameters = COMMON | {"min_p", "reasoning_effort", "top_k"}
