"""OpenAI, and every server that speaks its formats: vLLM, SGLang, llama.cpp, `transformers serve`, …"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ..errors import InvalidArgumentError
from ..ledger import Redactor
from . import endpoint
from .facts import UNKNOWN, ModelFacts, facts_of
from .hosted import Hosted
from .openai_parameters import refused, taken
from .openai_shapes import PATHS, SHAPES, Shape, shape_of
from .structured.dialects import ANY, STRICT
from .wire.base import Wire
from .wire.openai_chat import ChatFormat, OpenAIChat

DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."
# A completion without a limit ends after 16 tokens, at OpenAI and at vLLM; this leaves room for a prompt of 3,000
# tokens in the shortest context that such models have (4,096).
MAX_TOKENS = 1_024
_TERMS = "https://openai.com/policies/"


class OpenAI(Hosted):
    """A model of OpenAI, or of any server that speaks one of its formats.

    Args:
        model_name: as the service names it; on Azure the deployment.
        system_prompt: None sends "You are a helpful assistant." (nothing, where a text is continued); "" sends none.
        organization: sent along, where given.
        api_key: the key. None: the environment variable `OPENAI_API_KEY` (on Azure `AZURE_OPENAI_API_KEY` or
            `AZURE_OPENAI_AD_TOKEN`), for OpenAI's own service or the server that `OPENAI_BASE_URL` names. Other
            servers need none. On Azure a token of Microsoft Entra is recognised, and sent as one.
        base_url: for example `"http://localhost:8000/v1"`, or an Azure resource `"https://NAME.openai.azure.com"`.
            None: `OPENAI_BASE_URL`, else OpenAI's own.
        api_version: on Azure, a dated version of the API. None: its v1 API.
        retry_on_fail: ask again, with growing waits, after errors that may pass. Rate limits are waited out.
        cache_folder_path: see `LLM`.
        api: "chat" (`/chat/completions`), "responses" (`/responses`) or "completions" (`/completions`, which continues
            a text: for base models). None: what OpenAI's own service has for the model, and "chat" elsewhere.
        azure_ad_token_provider: a function that gives a token of Microsoft Entra (`azure.identity` makes one), in place
            of a key. It is called before every request, in a thread.
        **kwargs: `timeout` (seconds for one answer, 600), `connect_timeout` (seconds, 10), `max_in_flight` (most
            requests at once, 256), `max_context_length` (tokens, where it is not known), `default_headers` (a dict),
            `requests_per_minute` and `tokens_per_minute` (limits of your own; rate limits of the service are found
            out), `stream` (chats only: receive answers in pieces, for proxies that close silent connections).

    Without `max_new_tokens` the length of an answer is left to the service, so that a request does not depend on
    which others it is asked with; where a text is continued, it is 1,024 tokens.

    Raises:
        InvalidArgumentError: an option is not known, or base_url is not a URL.
        AuthenticationError: from the first request: no key, or a wrong one.
    """

    can_stream = True
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
        *,
        api: Shape | None = None,
        azure_ad_token_provider: Callable[[], str] | None = None,
        **kwargs: Any,
    ) -> None:
        if api is not None and api not in SHAPES:
            raise InvalidArgumentError(f"api is 'chat', 'responses' or 'completions', not {api!r}.")
        self._token_provider = azure_ad_token_provider
        given = (base_url, api_key, organization, api_version, kwargs.get("default_headers"))
        place = endpoint.resolve(model_name, *given, signed=azure_ad_token_provider is not None)
        own = place.provider in ("openai", "azure")
        self.api: Shape = api or (shape_of(model_name) if own else "chat")
        if self.api != "chat":
            place = endpoint.resolve(model_name, *given, PATHS[self.api], azure_ad_token_provider is not None)
        self.wire_name = f"openai-{self.api}"
        prompt = self._prompt(model_name, system_prompt)
        super().__init__(model_name, place, prompt, retry_on_fail, cache_folder_path, kwargs)
        if self._stream and self.api != "chat":
            raise InvalidArgumentError(f"stream=True works with api='chat', and {self.display_name} has '{self.api}'.")
        self.extra_parameters = taken(self.api, own)
        self.refused_parameters = refused(self.api, own, self._reasoning)
        self.output_dialect = None if self.api == "completions" else STRICT if own else ANY

    def _prompt(self, model: str, given: str | None) -> str | None:
        if self.api != "completions":
            return DEFAULT_SYSTEM_PROMPT if given is None else given
        if given:
            raise InvalidArgumentError(f"OpenAI ({model}) continues a text, and takes no system_prompt.")
        return None

    def _wire(self, *arguments: Any, **named: Any) -> Wire:
        from .wire.openai_completions import OpenAICompletions
        from .wire.openai_responses import OpenAIResponses

        if self._token_provider is not None:
            named["sign"] = self._sign
        if self.api == "responses":
            return OpenAIResponses(*arguments, **named, leave_out=self._format.leave_out)
        if self.api == "completions":
            return OpenAICompletions(*arguments, **named, max_tokens=MAX_TOKENS)
        return OpenAIChat(*arguments, **named, format=self._format, stream=self._stream)

    async def _sign(self, body: bytes) -> Mapping[str, str]:
        assert self._token_provider is not None
        token = await asyncio.to_thread(self._token_provider)  # renewed over the network now and then
        if token != self.__dict__.get("_live_token"):
            self._live_token = token
            Redactor.default().add(token)  # whoever is told the token may repeat it
        return endpoint.bearer(token)

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), **({"max_tokens": MAX_TOKENS} if self.api == "completions" else {})}

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
        if self.provider not in ("openai", "azure"):
            return False
        return bool(facts_of(self.model_name).reasoning) or shape_of(self.model_name) == "responses"

    @property
    def model_card(self) -> str | None:
        return f"https://platform.openai.com/docs/models/{self.model_name}" if self.provider == "openai" else None

    @property
    def license(self) -> str | None:
        return _TERMS if self.provider == "openai" else None
