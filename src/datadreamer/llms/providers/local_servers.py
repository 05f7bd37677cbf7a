"""Servers of one's own that differ from plain chat completions in a parameter or two. The others (vLLM, SGLang,
`transformers serve`, a LiteLLM proxy) are `OpenAI(model_name=…, base_url="http://…/v1")`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .. import endpoint
from ..wire.openai_chat import ChatFormat
from .base import COMMON, ChatProvider, Service


class LocalServer(ChatProvider):
    """A model of a server that runs on this machine, or at `base_url`. No key is needed. Arguments as in `Provider`."""

    def _place(
        self, model_name: str, base_url: str | None, api_key: str | None, headers: Mapping[str, str]
    ) -> endpoint.Endpoint:
        service = self.service
        place = endpoint.at(
            service.base_url,
            service.path,
            service.name,
            service.key_variables,
            base_url,
            api_key,
            service.key_header,
            headers,
        )
        return replace(place, provider=service.name, needs_key=False)

    @property
    def license(self) -> str | None:
        return None  # it is the model's own, which only the server knows


class Ollama(LocalServer):
    """A model of Ollama. Arguments as in `Provider`; without `base_url` it is asked at `http://localhost:11434/v1`.

    Ollama cuts a prompt that is longer than the context it was started with (`OLLAMA_CONTEXT_LENGTH`), and does not say
    so. With `max_context_length=` (tokens) of the same size, examples that do not fit are left out here instead.
    """

    service = Service(
        name="ollama",
        base_url="http://localhost:11434/v1",
        key_variables=("OLLAMA_API_KEY",),
        terms="https://ollama.com/terms",
        models="https://ollama.com/library/{model}",
    )
    extra_parameters = (COMMON - {"parallel_tool_calls", "user"}) | {"reasoning", "reasoning_effort"}
    refused_parameters: Mapping[str, str] = {
        "logit_bias": "Ollama ignores it.",
        "repetition_penalty": "Ollama's OpenAI format has none. Use frequency_penalty, or set repeat_penalty in the "
        "Modelfile.",
    }


class LMStudio(LocalServer):
    """A model of LM Studio. Arguments as in `Provider`; without `base_url` it is asked at `http://localhost:1234/v1`."""

    service = Service(
        name="lm-studio",
        base_url="http://localhost:1234/v1",
        key_variables=("LM_API_TOKEN",),
        terms="https://lmstudio.ai/app-terms",
        models="https://lmstudio.ai/models",
    )
    format = ChatFormat(repetition_name="repeat_penalty")
    extra_parameters = frozenset(
        {"extra_body", "frequency_penalty", "presence_penalty", "reasoning_effort", "tool_choice", "top_k"}
    )


class LlamaServer(LocalServer):
    """A model of `llama-server` (llama.cpp). Arguments as in `Provider`; without `base_url` it is asked at
    `http://localhost:8080/v1`."""

    service = Service(
        name="llama-server",
        base_url="http://localhost:8080/v1",
        key_variables=("LLAMA_API_KEY",),
        terms="https://github.com/ggml-org/llama.cpp/blob/master/LICENSE",
        models="https://huggingface.co/models?library=gguf",
    )
    format = ChatFormat(repetition_name="repeat_penalty")
    extra_parameters = (COMMON - {"user"}) | {
        "cache_prompt",
        "chat_template_kwargs",
        "grammar",
        "min_p",
        "mirostat",
        "repeat_last_n",
        "top_k",
        "typical_p",
    }
