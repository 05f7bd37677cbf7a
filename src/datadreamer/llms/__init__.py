"""Large language models: ask them, in order, with every answer remembered."""

from typing import TYPE_CHECKING

from .._lazy import exports

if TYPE_CHECKING:
    from .fake import FailTimes as FailTimes
    from .fake import FakeLLM as FakeLLM
    from .hf_transformers import HFTransformers as HFTransformers
    from .llama_cpp import CTransformers as CTransformers
    from .llama_cpp import LlamaCpp as LlamaCpp
    from .llm import LLM as LLM
    from .openai import OpenAI as OpenAI
    from .parallel_llm import ParallelLLM as ParallelLLM
    from .providers.anthropic import Anthropic as Anthropic
    from .providers.bedrock import Bedrock as Bedrock
    from .providers.cohere import Cohere as Cohere
    from .providers.deepseek import DeepSeek as DeepSeek
    from .providers.fireworks import Fireworks as Fireworks
    from .providers.gone import AI21 as AI21
    from .providers.gone import OpenAIAssistant as OpenAIAssistant
    from .providers.gone import Petals as Petals
    from .providers.google_ai_studio import GoogleAIStudio as GoogleAIStudio
    from .providers.groq import Groq as Groq
    from .providers.hf_api_endpoint import HFAPIEndpoint as HFAPIEndpoint
    from .providers.local_servers import LlamaServer as LlamaServer
    from .providers.local_servers import LMStudio as LMStudio
    from .providers.local_servers import Ollama as Ollama
    from .providers.mistral_ai import MistralAI as MistralAI
    from .providers.openrouter import OpenRouter as OpenRouter
    from .providers.together import Together as Together
    from .providers.vertex_ai import VertexAI as VertexAI
    from .recorded import RecordedLLM as RecordedLLM
    from .structured.regex import Regex as Regex
    from .types import Chat as Chat
    from .types import Failure as Failure
    from .types import Generation as Generation
    from .types import Request as Request
    from .types import Usage as Usage
    from .vllm import VLLM as VLLM

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "LLM": "llm",
        "OpenAI": "openai",
        "HFTransformers": "hf_transformers",
        "LlamaCpp": "llama_cpp",
        "VLLM": "vllm",
        "CTransformers": "llama_cpp",
        "FakeLLM": "fake",
        "FailTimes": "fake",
        "ParallelLLM": "parallel_llm",
        "RecordedLLM": "recorded",
        "Anthropic": "providers.anthropic",
        "Bedrock": "providers.bedrock",
        "Cohere": "providers.cohere",
        "DeepSeek": "providers.deepseek",
        "Fireworks": "providers.fireworks",
        "GoogleAIStudio": "providers.google_ai_studio",
        "Groq": "providers.groq",
        "HFAPIEndpoint": "providers.hf_api_endpoint",
        "LlamaServer": "providers.local_servers",
        "LMStudio": "providers.local_servers",
        "MistralAI": "providers.mistral_ai",
        "Ollama": "providers.local_servers",
        "OpenRouter": "providers.openrouter",
        "Together": "providers.together",
        "VertexAI": "providers.vertex_ai",
        "AI21": "providers.gone",
        "OpenAIAssistant": "providers.gone",
        "Petals": "providers.gone",
        "Regex": "structured.regex",
        "Chat": "types",
        "Request": "types",
        "Generation": "types",
        "Failure": "types",
        "Usage": "types",
    },
)
