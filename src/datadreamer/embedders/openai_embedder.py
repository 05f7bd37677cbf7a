"""Embedding models of OpenAI, and of every server that speaks its format: vLLM, Ollama, llama.cpp, LM Studio, …"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..llms import endpoint
from .hosted import HostedEmbedder
from .known import KNOWN, KnownModel

_TERMS = "https://openai.com/policies/"


class OpenAIEmbedder(HostedEmbedder):
    """An embedding model of OpenAI, or of any server that speaks the same format.

    Args:
        model_name: as the service names it.
        dimensions: numbers per vector to ask for, where the model can shorten its vectors. None: its own.
        organization: sent along, where given.
        api_key: the key. None: the environment variable `OPENAI_API_KEY` (on Azure `AZURE_OPENAI_API_KEY`), for
            OpenAI's own service or the server that `OPENAI_BASE_URL` names. Other servers need none.
        base_url: for example `"http://localhost:11434/v1"`. None: `OPENAI_BASE_URL`, else OpenAI's own.
        api_version: on Azure.
        retry_on_fail: ask again, with growing waits, after errors that may pass. False: every request is sent once.
            Rate limits are waited out in any case.
        cache_folder_path: see `Embedder`.
        **kwargs: `timeout` (seconds for one answer, 600), `connect_timeout` (seconds, 10), `max_in_flight` (most
            requests at once, 256), `max_context_length` (tokens of a text, where it is not known), `default_headers`,
            `requests_per_minute` and `tokens_per_minute` (limits of your own), `price` (US dollars per million tokens,
            where it is not known; or, as for every model, `prices={"input": …}`).

    Lengths are estimates, because no tokenizer is at hand; with `truncate=True` a text is cut to what surely fits.

    Raises:
        InvalidArgumentError: an option is not known, or base_url is not a URL.
        AuthenticationError: from the first request: no key, or a wrong one.
    """

    _other_servers = 'For a server of your own, pass base_url="http://…/v1".'

    def __init__(
        self,
        model_name: str,
        dimensions: int | None = None,
        organization: str | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        retry_on_fail: bool = False,
        cache_folder_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        place = endpoint.resolve(
            model_name, base_url, api_key, organization, api_version, kwargs.get("default_headers")
        )
        place = replace(place, url=place.url.replace("/chat/completions", "/embeddings"))
        super().__init__(model_name, place, dimensions, retry_on_fail, cache_folder_path, kwargs)

    @property
    def _own(self) -> bool:
        return self.provider in ("openai", "azure")

    @property
    def _known(self) -> KnownModel:
        return KNOWN.get(self.model_name, KnownModel()) if self._own else KnownModel()

    @property
    def _base64(self) -> bool:
        return self._own

    @property
    def _known_dims(self) -> int | None:
        return self._known.dims

    @property
    def model_max_length(self) -> int:
        """Most tokens of a text; without bound where neither the table of models nor the caller says."""
        return self._max_context_length or self._known.length or super().model_max_length

    @property
    def _price(self) -> Decimal | None:
        known = self._known.price if self.provider == "openai" else None
        return self._stated_price or (None if known is None else Decimal(known))

    def refusal(self, text: str) -> str | None:
        if self._own and not text:
            return "The text is empty, and OpenAI embeds no empty text. Leave such rows out, or put a word there."
        return None

    @property
    def model_card(self) -> str | None:
        return f"https://platform.openai.com/docs/models/{self.model_name}" if self.provider == "openai" else None

    @property
    def license(self) -> str | None:
        return _TERMS if self.provider == "openai" else None
