"""OpenAI, and every server that speaks its chat completions: vLLM, Ollama, llama.cpp, `transformers serve`, …"""

from __future__ import annotations

from typing import Any, ClassVar

from . import endpoint
from .facts import UNKNOWN, ModelFacts, facts_of
from .hosted import Hosted
from .wire.openai_chat import ChatFormat, OpenAIChat

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."
_EXTRA = frozenset(
    {
        "extra_body",
        "frequency_penalty",
        "logprobs",
        "metadata",
        "modalities",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "tool_choice",
        "top_logprobs",
        "user",
        "verbosity",
        "web_search_options",
    }
)
_EXTRA_ELSEWHERE = frozenset(
    {"chat_template_kwargs", "guided_choice", "guided_json", "guided_regex", "min_p", "min_tokens", "top_k"}
)
_REASONING = "Reasoning models choose it themselves. (extra_body={…} is sent as it is.)"
_REFUSED_BY_OPENAI = {
    "repetition_penalty": "Use presence_penalty or frequency_penalty (both from -2 to 2, 0 is neutral)."
}
_REFUSED_BY_REASONING = {
    **_REFUSED_BY_OPENAI,
    **dict.fromkeys(("temperature", "top_p", "logit_bias", "presence_penalty", "frequency_penalty"), _REASONING),
    "logprobs": _REASONING,
    "top_logprobs": _REASONING,
}
_TERMS = "https://openai.com/policies/"


class OpenAI(Hosted):
    """A chat model of OpenAI, or of any server that speaks the same format.

    Args:
        model_name: as the service names it.
        system_prompt: None sends "You are a helpful assistant."; "" sends none.
        organization: sent along, where given.
        api_key: the key. None: the environment variable `OPENAI_API_KEY` (on Azure `AZURE_OPENAI_API_KEY`), for
            OpenAI's own service or the server that `OPENAI_BASE_URL` names. Other servers need none.
        base_url: for example `"http://localhost:8000/v1"`. None: `OPENAI_BASE_URL`, else OpenAI's own.
        api_version: on Azure.
        retry_on_fail: ask again, with growing waits, after errors that may pass. Rate limits are waited out.
        cache_folder_path: see `LLM`.
        **kwargs: `timeout` (seconds for one answer, 600), `connect_timeout` (seconds, 10), `max_in_flight` (most
            requests at once, 256), `max_context_length` (tokens, where it is not known), `default_headers` (a dict).

    Without `max_new_tokens` the length of an answer is left to the service, so that a request does not depend on
    which others it is asked with.

    Raises:
        InvalidArgumentError: an option is not known, or base_url is not a URL.
        AuthenticationError: from the first request: no key, or a wrong one.
    """

    wire_name = "openai-chat"
    _other_servers: ClassVar[str] = 'For a server of your own, pass base_url="http://…/v1".'

    def __init__(
        self,
        model_name: str,
        system_prompt: str | None = None,
        organization: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        retry_on_fail: bool = True,
        cache_folder_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        place = endpoint.resolve(
            model_name, base_url, api_key, organization, api_version, kwargs.get("default_headers")
        )
        prompt = DEFAULT_SYSTEM_PROMPT if system_prompt is None else system_prompt
        super().__init__(model_name, place, prompt, retry_on_fail, cache_folder_path, kwargs)
        own = self.provider in ("openai", "azure")
        self.extra_parameters = _EXTRA if own else _EXTRA | _EXTRA_ELSEWHERE
        self.refused_parameters = {} if not own else _REFUSED_BY_REASONING if self._reasoning else _REFUSED_BY_OPENAI

    def _wire(self, *arguments: Any, **named: Any) -> OpenAIChat:
        return OpenAIChat(*arguments, **named, format=self._format)

    @property
    def _format(self) -> ChatFormat:
        own = self.provider == "openai" or self._reasoning
        return ChatFormat(
            limit_name="max_completion_tokens" if own else "max_tokens",
            strict_schema=self.provider in ("openai", "azure"),
            leave_out=frozenset({"temperature", "top_p"}) if self._reasoning else frozenset(),
        )

    @property
    def _facts(self) -> ModelFacts:
        return facts_of(self.model_name) if self.provider == "openai" else UNKNOWN

    @property
    def _reasoning(self) -> bool:
        return self.provider in ("openai", "azure") and bool(facts_of(self.model_name).reasoning)

    @property
    def model_card(self) -> str | None:
        return f"https://platform.openai.com/docs/models/{self.model_name}" if self.provider == "openai" else None

    @property
    def license(self) -> str | None:
        return _TERMS if self.provider == "openai" else None
