"""Every hosted service that is known by name: what the contract tests run over, and what the documents list."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from .base import Provider

#: class to its file. A new service is one row here, and one in `llms/__init__.py`.
MODULES = {
    "Anthropic": "anthropic",
    "Bedrock": "bedrock",
    "Cohere": "cohere",
    "DeepSeek": "deepseek",
    "Fireworks": "fireworks",
    "GoogleAIStudio": "google_ai_studio",
    "Groq": "groq",
    "HFAPIEndpoint": "hf_api_endpoint",
    "MistralAI": "mistral_ai",
    "OpenRouter": "openrouter",
    "Together": "together",
    "VertexAI": "vertex_ai",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One service."""

    name: str  # of the class
    wire: str
    base_url: str
    key_variables: tuple[str, ...]
    terms: str
    citation: tuple[str, ...]


def provider(name: str) -> type[Provider]:
    """The class of a service. Raises `KeyError` for a name that is not in the table."""
    module = importlib.import_module(f"{__package__}.{MODULES[name]}")
    found: type[Provider] = getattr(module, name)
    return found


def table() -> list[Row]:
    """All services, by name."""
    rows = []
    for name in sorted(MODULES):
        kind = provider(name)
        service = kind.service
        rows.append(Row(name, kind.wire_name, service.base_url, service.key_variables, service.terms, service.citation))
    return rows
