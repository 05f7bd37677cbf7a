"""Google AI Studio: Gemini models by API key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..structured.dialects import GEMINI
from ..wire.gemini import BESIDE, GENERATION_CONFIG, Gemini
from .base import NO_LOGIT_BIAS, NO_REPETITION_PENALTY, Provider, Service

_CITATION = """@article{geminiteam2023gemini,
  title={Gemini: A Family of Highly Capable Multimodal Models},
  author={{Gemini Team} and others},
  journal={arXiv preprint arXiv:2312.11805},
  year={2023}
}"""


class GoogleAIStudio(Provider):
    """A Gemini model, asked with a key of Google AI Studio. Arguments as in `Provider`."""

    service = Service(
        name="google-ai-studio",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        path="/models/{model}:generateContent",
        key_variables=("GOOGLE_API_KEY", "GEMINI_API_KEY"),  # in the order of Google's own library
        key_header=lambda key: {"x-goog-api-key": key},
        terms="https://ai.google.dev/gemini-api/terms",
        models="https://ai.google.dev/gemini-api/docs/models",
        citation=(_CITATION,),
    )
    output_dialect = GEMINI
    wire_name = "gemini"
    extra_parameters = frozenset({"extra_body", "tool_choice", *GENERATION_CONFIG, *BESIDE})
    refused_parameters: Mapping[str, str] = {**NO_REPETITION_PENALTY, **NO_LOGIT_BIAS}

    def _path(self, model_name: str) -> str:
        return self.service.path.format(model=quote(model_name.removeprefix("models/"), safe=""))

    def _wire(self, *arguments: Any, **named: Any) -> Gemini:
        return Gemini(*arguments, **named)
