"""Published names whose services or libraries no longer exist. They can be imported; making one says what to use."""

from __future__ import annotations

from typing import Any, ClassVar

from ...errors import InvalidArgumentError
from ..llm import LLM


class Gone(LLM):
    """The base of models that are no more."""

    instead: ClassVar[str]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        raise InvalidArgumentError(f"{type(self).__name__} cannot be used any more: {self.instead}")


class OpenAIAssistant(Gone):
    """OpenAI ended its Assistants API."""

    instead = (
        "OpenAI ended its Assistants API on 2026-08-26. Use OpenAI(model_name=…), and pass tools=[…] to the step "
        "or to run()."
    )


class AI21(Gone):
    """AI21 ended its Jamba API."""

    instead = (
        "AI21 ended its Jamba API on 2026-08-09. The weights are open: use HFTransformers(model_name=…) for a model on "
        'this machine, or OpenAI(model_name=…, base_url="http://…/v1") for a server of them, such as vLLM.'
    )


class Petals(Gone):
    """The library does not run with today's models and libraries."""

    instead = (
        "its library has had no release since 2023. Use HFTransformers(model_name=…) for a model on this machine, or "
        'OpenAI(model_name=…, base_url="http://…/v1") for a server.'
    )
