"""OpenAI, and every server that speaks its chat completions: vLLM, Ollama, llama.cpp, `transformers serve`, …"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import Any

from ..errors import AuthenticationError, InvalidArgumentError, nearest
from . import endpoint
from .facts import UNKNOWN, ModelFacts, facts_of
from .llm import LLM
from .types import Generation, Request
from .wire.openai_chat import ChatFormat, OpenAIChat
from .wire.transport import Timeouts

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."
_OPTIONS = ("timeout", "connect_timeout", "max_in_flight", "max_context_length", "default_headers")
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


class OpenAI(LLM):
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
        super().__init__(cache_folder_path)
        for name in kwargs:
            if name not in _OPTIONS:
                raise InvalidArgumentError(f"OpenAI has no option '{name}'. {nearest(name, _OPTIONS)}")
        self.model_name = model_name
        self.system_prompt = DEFAULT_SYSTEM_PROMPT if system_prompt is None else system_prompt or None
        self.retry_on_fail = retry_on_fail
        self.max_in_flight = int(kwargs.get("max_in_flight") or type(self).max_in_flight)
        self._max_context_length: int | None = kwargs.get("max_context_length")
        self._timeouts = Timeouts(
            connect=float(kwargs.get("connect_timeout") or 10.0), answer=float(kwargs.get("timeout") or 600.0)
        )
        self._endpoint = endpoint.resolve(
            model_name, base_url, api_key, organization, api_version, kwargs.get("default_headers")
        )
        self.provider = self._endpoint.provider
        self.host = self._endpoint.host
        own = self.provider in ("openai", "azure")
        self.extra_parameters = _EXTRA if own else _EXTRA | _EXTRA_ELSEWHERE
        self.refused_parameters = {} if not own else _REFUSED_BY_REASONING if self._reasoning else _REFUSED_BY_OPENAI

    # --- asking -----------------------------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> Generation:
        from msgspec.structs import replace

        answer = await self._live_wire.ask(request)
        tier = (request.extra or {}).get("service_tier", "default")
        cost = self._facts.cost(answer.usage) if tier in ("auto", "default") else None  # other tiers, other prices
        return answer if cost is None else replace(answer, cost_usd=cost)

    @cached_property
    def _live_wire(self) -> OpenAIChat:
        place = self._endpoint
        return OpenAIChat(
            place.url,
            self.model_name,
            place.headers,
            key_name=place.key_name,
            secret=place.key,
            format=self._format,
            timeouts=self._timeouts,
        )

    @property
    def _format(self) -> ChatFormat:
        own = self.provider == "openai" or self._reasoning
        return ChatFormat(
            limit_name="max_completion_tokens" if own else "max_tokens",
            strict_schema=self.provider in ("openai", "azure"),
            leave_out=frozenset({"temperature", "top_p"}) if self._reasoning else frozenset(),
        )

    def check(self) -> None:
        import aiohttp  # noqa: F401  (now, in the caller's thread: on the loop it would hold up the calls of others)

        place = self._endpoint
        if place.needs_key and place.key is None:
            variable = "AZURE_OPENAI_API_KEY" if self.provider == "azure" else "OPENAI_API_KEY"
            raise AuthenticationError(
                f"{self.display_name} needs a key. Set the environment variable {variable}, or pass api_key=. "
                'For a server of your own, pass base_url="http://…/v1".'
            )

    def account(self) -> Hashable:
        return (*self._endpoint.account, self.model_name)

    # --- identity and facts -----------------------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        return {
            "wire": "openai-chat",
            "endpoint": self._endpoint.identity,
            "model": self.model_name,
            "version": self.version,
            "system_prompt": self.system_prompt,
        }

    @property
    def _facts(self) -> ModelFacts:
        return facts_of(self.model_name) if self.provider == "openai" else UNKNOWN

    @property
    def _reasoning(self) -> bool:
        return self.provider in ("openai", "azure") and bool(facts_of(self.model_name).reasoning)

    def _context_length(self) -> int | None:
        return self._max_context_length or self._facts.context

    def _get_max_output_length(self) -> int | None:
        return self._facts.output

    @property
    def model_card(self) -> str | None:
        return f"https://platform.openai.com/docs/models/{self.model_name}" if self.provider == "openai" else None

    @property
    def license(self) -> str | None:
        return _TERMS if self.provider == "openai" else None
