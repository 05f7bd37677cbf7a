"""Large language models: ask them, in order, with every answer remembered."""

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .fake import FakeLLM as FakeLLM
    from .hf_transformers import HFTransformers as HFTransformers
    from .llm import LLM as LLM
    from .openai import OpenAI as OpenAI
    from .types import Chat as Chat
    from .types import Failure as Failure
    from .types import Generation as Generation
    from .types import Request as Request
    from .types import Usage as Usage

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "LLM": "llm",
        "OpenAI": "openai",
        "HFTransformers": "hf_transformers",
        "FakeLLM": "fake",
        "Chat": "types",
        "Request": "types",
        "Generation": "types",
        "Failure": "types",
        "Usage": "types",
    },
)
