"""A hosted service as its own file describes it: an address, a key, terms, and what it does not take."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import endpoint
from ..facts import UNKNOWN, ModelFacts, facts_of
from ..hosted import Hosted
from ..structured.dialects import ANY
from ..wire.openai_chat import ChatFormat, OpenAIChat

logger = logging.getLogger("datadreamer.llms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is known of a service before it is asked."""

    name: str  # in the record
    base_url: str
    key_variables: tuple[str, ...]  # the first that is set counts
    terms: str  # URL of the terms of use
    models: str  # URL of the list of models, or of one model ("…/{model}")
    path: str = "/chat/completions"
    key_header: Callable[[str], Mapping[str, str]] = endpoint.bearer
    citation: tuple[str, ...] = ()  # BibTeX


class Provider(Hosted):
    """A model of a hosted service.

    Args:
        model_name: as the service names it.
        api_key: the key. None: from the environment (`service.key_variables`).
        retry_on_fail: ask again, with growing waits, after errors that may pass. Rate limits are waited out.
        cache_folder_path: see `LLM`.
        system_prompt: None or "" sends none.
        base_url: another server that speaks like this service. It gets only a key that is given as `api_key`.
        **kwargs: `timeout` (seconds for one answer, 600), `connect_timeout` (seconds, 10), `max_in_flight` (most
            requests at once, 256), `max_context_length` (tokens, where it is not known), `default_headers` (a dict),
            `requests_per_minute` and `tokens_per_minute` (limits of your own; rate limits of the service are found
            out), `stream` (where the service has chat completions or messages: receive answers in pieces, for proxies
            that close connections on which nothing is sent).

    Raises:
        InvalidArgumentError: an option is not known, or base_url is not a URL.
        AuthenticationError: from the first request: no key, or a wrong one.
    """

    service: ClassVar[Service]

    def __init__(
        self,
        model_name: str,
        api_key: str | None = None,
        retry_on_fail: bool = True,
        cache_folder_path: str | None = None,
        *,
        system_prompt: str | None = None,
        base_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        place = self._place(model_name, base_url, api_key, kwargs.get("default_headers") or {})
        super().__init__(model_name, place, system_prompt, retry_on_fail, cache_folder_path, kwargs)

    def _place(
        self, model_name: str, base_url: str | None, api_key: str | None, headers: Mapping[str, str]
    ) -> endpoint.Endpoint:
        service = self.service
        return endpoint.at(
            service.base_url,
            self._path(model_name),
            service.name,
            service.key_variables,
            base_url,
            api_key,
            service.key_header,
            headers,
        )

    def _path(self, model_name: str) -> str:
        """Where this model is asked, behind the base URL."""
        return self.service.path

    @property
    def _facts(self) -> ModelFacts:
        return facts_of(self.model_name, self.service.name) if self._own else UNKNOWN

    @property
    def _own(self) -> bool:
        """Whether the service itself is asked, rather than another server that speaks as it does."""
        return self.provider == self.service.name

    @property
    def model_card(self) -> str | None:
        return self.service.models.format(model=self.model_name) if self._own else None

    @property
    def license(self) -> str | None:
        return self.service.terms if self._own else None

    @property
    def citation(self) -> list[str] | None:
        return list(self.service.citation) or None


#: what most services take beside the published parameters
COMMON = frozenset(
    {
        "extra_body",
        "frequency_penalty",
        "logprobs",
        "parallel_tool_calls",
        "presence_penalty",
        "tool_choice",
        "top_logprobs",
        "user",
    }
)
NO_REPETITION_PENALTY = {"repetition_penalty": "Use presence_penalty or frequency_penalty."}
NO_LOGIT_BIAS = {"logit_bias": "The service has no such parameter."}
NO_SEED = {"seed": "The service has no such parameter. Draws are remembered, so a rerun gives the same ones."}


class ChatProvider(Provider):
    """A service that speaks chat completions. `format`: how it wants them."""

    wire_name = "openai-chat"
    can_stream = True
    format: ClassVar[ChatFormat] = ChatFormat()
    output_dialect = ANY
    extra_parameters = COMMON

    def _wire(self, *arguments: Any, **named: Any) -> OpenAIChat:
        return OpenAIChat(*arguments, **named, format=self.format, stream=self._stream)


def explain(owner: object, given: Mapping[str, tuple[Any, Any]], because: str) -> None:
    """Say which arguments of the published constructor have no effect any more, where they are not at their default.

    Args:
        owner: the model.
        given: name to (value, default).
        because: the reason, as a sentence.
    """
    names = [name for name, (value, default) in given.items() if value != default]
    if names:
        what = ", ".join(f"{name}=…" for name in names)
        logger.warning("%s(%s) has no effect any more: %s", type(owner).__name__, what, because)
