"""Embedding models served by Together AI."""

from __future__ import annotations

from typing import Any, ClassVar

from ..llms import endpoint
from ..llms.providers.base import explain
from ..llms.providers.together import Together
from .hosted import HostedEmbedder, Limits


class TogetherEmbedder(HostedEmbedder):
    """An embedding model served by Together AI.

    Args:
        model_name: as the service names it.
        api_key: the key. None: the environment variable `TOGETHER_API_KEY`.
        max_context_length: tokens of a text. None: longer texts are left to the service.
        tokenizer_model_name, tokenizer_revision, tokenizer_trust_remote_code: without effect: lengths are estimated.
        retry_on_fail: ask again, with growing waits, after errors that may pass. False: every request is sent once.
            Rate limits are waited out in any case.
        cache_folder_path: see `Embedder`.
        warn_tokenizer_model_name, warn_max_context_length: without effect.
        **kwargs: `base_url`, `dimensions`, and the options of every hosted embedder (`timeout`, `connect_timeout`,
            `max_in_flight`, `default_headers`, `requests_per_minute`, `tokens_per_minute`, `price`).
    """

    limits: ClassVar[Limits] = Limits(texts=256, tokens=100_000)  # nothing is documented: a cautious size

    def __init__(
        self,
        model_name: str,
        api_key: str | None = None,
        max_context_length: int | None = None,
        tokenizer_model_name: str | None = None,
        tokenizer_revision: str | None = None,
        tokenizer_trust_remote_code: bool = False,
        retry_on_fail: bool = True,
        cache_folder_path: str | None = None,
        warn_tokenizer_model_name: bool = True,
        warn_max_context_length: bool = True,
        **kwargs: Any,
    ) -> None:
        service = Together.service
        place = endpoint.at(
            service.base_url,
            "/embeddings",
            service.name,
            service.key_variables,
            kwargs.pop("base_url", None),
            api_key,
            service.key_header,
            kwargs.get("default_headers") or {},
        )
        dimensions = kwargs.pop("dimensions", None)
        options = {**kwargs, **({} if max_context_length is None else {"max_context_length": max_context_length})}
        super().__init__(model_name, place, dimensions, retry_on_fail, cache_folder_path, options)
        explain(
            self,
            {
                "tokenizer_model_name": (tokenizer_model_name, None),
                "tokenizer_revision": (tokenizer_revision, None),
                "tokenizer_trust_remote_code": (tokenizer_trust_remote_code, False),
            },
            "the service applies the model's own tokenizer, and lengths are estimated here.",
        )

    @property
    def model_card(self) -> str | None:
        return Together.service.models if self.provider == Together.service.name else None

    @property
    def license(self) -> str | None:
        return Together.service.terms if self.provider == Together.service.name else None
