"""The dialect of a model of which only the spec is left: a recording's requests were written in it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from .dialects import ANTHROPIC, ANY, COHERE, GEMINI, STRICT, Dialect

_WIRES = {
    "anthropic-messages": ANTHROPIC,
    "bedrock-converse": ANTHROPIC,
    "cohere-chat": COHERE,
    "gemini": GEMINI,
    "openai-completions": None,
}
_OWN = ("api.openai.com", "azure.com")


def dialect_of(spec: Mapping[str, Any]) -> Dialect | None:
    """What `output_dialect` was for the model that `spec` is of; None where types were asked for in words."""
    kind, wire = str(spec.get("kind", "")), spec.get("wire")
    if kind.startswith("datadreamer."):
        module, _, name = kind.rpartition(".")
        model = getattr(importlib.import_module(module), name, None)
        return getattr(model, "dialect", None) or getattr(model, "output_dialect", None)
    if wire in _WIRES:
        return _WIRES[wire]
    return _of_service(str(spec.get("endpoint", ""))) if wire is not None else None


def _of_service(endpoint: str) -> Dialect | None:
    from ..providers import registry

    if any(host in endpoint for host in _OWN):
        return STRICT
    for name in registry.MODULES:
        kind = registry.provider(name)
        if endpoint == kind.service.base_url:
            return kind.output_dialect
    return ANY
