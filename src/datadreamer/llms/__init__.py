"""Large language models: ask them, in order, with every answer remembered."""

from .._lazy import exports

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
