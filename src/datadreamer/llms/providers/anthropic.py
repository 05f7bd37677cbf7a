"""Anthropic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidArgumentError
from ..structured.dialects import ANTHROPIC
from ..types import Request
from ..wire.anthropic_messages import AnthropicMessages
from .base import NO_LOGIT_BIAS, NO_SEED, Provider, Service

VERSION = "2026-10-21"  # takes no temperature, top_p, top_k of any model, at any value
OLDER_VERSION = "2023-06-01"  # takes them for models up to Claude Opus 4.6
# The API demands max_tokens. Without streaming, the vendor's library refuses more than fits into ten minutes at
# 128,000 tokens an hour; this is the largest round number below. (Thinking counts.)
MAX_TOKENS = 16_384
_SAMPLING = (
    f"API version {VERSION} takes none. For models up to Claude Opus 4.6, pass api_version='{OLDER_VERSION}' "
    "to Anthropic()."
)
_REFUSED = {
    **NO_SEED,
    **NO_LOGIT_BIAS,
    "repetition_penalty": "The service has no such parameter.",
}


class Anthropic(Provider):
    """A Claude model, asked through the Messages API. Arguments as in `Provider`, and:

    Args:
        api_version: of the API. "2023-06-01" takes temperature, top_p and top_k, for the models that have them.

    Without `max_new_tokens` an answer may have 16,384 tokens, because the API demands a number.
    """

    service = Service(
        name="anthropic",
        base_url="https://api.anthropic.com",
        path="/v1/messages",
        key_variables=("ANTHROPIC_API_KEY",),
        key_header=lambda key: {"x-api-key": key},
        terms="https://www.anthropic.com/legal/commercial-terms",
        models="https://platform.claude.com/docs/en/about-claude/models/overview",
    )
    output_dialect = ANTHROPIC
    wire_name = "anthropic-messages"
    can_stream = True
    extra_parameters = frozenset(
        {
            "cache_control",
            "extra_body",
            "inference_geo",
            "metadata",
            "output_config",
            "service_tier",
            "speed",
            "thinking",
            "tool_choice",
        }
    )
    refused_parameters: Mapping[str, str] = {**_REFUSED, "temperature": _SAMPLING, "top_p": _SAMPLING}

    def __init__(
        self,
        model_name: str,
        api_key: str | None = None,
        retry_on_fail: bool = True,
        cache_folder_path: str | None = None,
        *,
        api_version: str = VERSION,
        **kwargs: Any,
    ) -> None:
        if api_version not in (VERSION, OLDER_VERSION):
            raise InvalidArgumentError(f"api_version is '{VERSION}' or '{OLDER_VERSION}', not {api_version!r}.")
        self.api_version = api_version
        headers = {"anthropic-version": api_version, **(kwargs.pop("default_headers", None) or {})}
        super().__init__(model_name, api_key, retry_on_fail, cache_folder_path, default_headers=headers, **kwargs)
        if api_version == OLDER_VERSION:
            self.extra_parameters = type(self).extra_parameters | {"top_k"}
            self.refused_parameters = _REFUSED

    def _wire(self, *arguments: Any, **named: Any) -> AnthropicMessages:
        samples = self.api_version == OLDER_VERSION
        return AnthropicMessages(*arguments, **named, max_tokens=self._max_tokens, samples=samples, stream=self._stream)

    @property
    def _max_tokens(self) -> int:
        return min(MAX_TOKENS, self._facts.output or MAX_TOKENS)

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "max_tokens": self._max_tokens}

    def _standard_price(self, request: Request) -> bool:
        extra = request.extra or {}  # what is written to the cache, a faster answer, a region: other prices
        return super()._standard_price(request) and not extra.keys() & {"cache_control", "speed", "inference_geo"}
