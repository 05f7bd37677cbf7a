"""Hugging Face Inference Endpoints, and any server of Text Generation Inference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ...errors import InvalidArgumentError
from .. import endpoint as endpoints
from .base import COMMON, ChatProvider, Service, explain

AUTO = "auto"  # what comes with the model
_OLD = "api-inference.huggingface.co"


class HFAPIEndpoint(ChatProvider):
    """A model behind an Inference Endpoint of Hugging Face, its router, or a TGI server of one's own.

    Args:
        endpoint: its address, with or without `/v1`, for example `"https://x.us-east-1.aws.endpoints.huggingface.cloud"`
            or `"https://router.huggingface.co/v1"`.
        model_name: as the endpoint names it (TGI serves one model, and takes any name).
        chat_prompt_template: without effect: the endpoint applies the model's own template.
        system_prompt: None, "" or AUTO send none.
        token: the token. None: the environment variable `HF_TOKEN`, for addresses of Hugging Face only.
        revision, trust_remote_code: without effect: they are settings of the endpoint.
        retry_on_fail: ask again after errors that may pass.
        cache_folder_path: see `LLM`.
        **kwargs: the options of every hosted model (`timeout`, `connect_timeout`, `max_in_flight`,
            `max_context_length`, `default_headers`).
    """

    service = Service(
        name="huggingface",
        base_url="https://router.huggingface.co/v1",
        key_variables=("HF_TOKEN",),
        terms="https://huggingface.co/terms-of-service",
        models="https://huggingface.co/{model}",
    )
    extra_parameters = COMMON - {"parallel_tool_calls", "user"}
    refused_parameters: Mapping[str, str] = {
        "repetition_penalty": "Use frequency_penalty, or extra_body={'repetition_penalty': …} where the server has it.",
        "logit_bias": "Text Generation Inference ignores it. (extra_body={…} is sent as it is.)",
    }

    def __init__(
        self,
        endpoint: str,
        model_name: str,
        chat_prompt_template: str | None = AUTO,
        system_prompt: str | None = AUTO,
        token: str | None = None,
        revision: str | None = None,
        trust_remote_code: bool = False,
        retry_on_fail: bool = True,
        cache_folder_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        if _OLD in endpoint:
            raise InvalidArgumentError(
                f'{endpoint} is no longer served. Use endpoint="{self.service.base_url}", with the same model_name.'
            )
        super().__init__(
            model_name,
            token,
            retry_on_fail,
            cache_folder_path,
            system_prompt=None if system_prompt == AUTO else system_prompt,
            base_url=endpoint,
            **kwargs,
        )
        explain(
            self,
            {
                "chat_prompt_template": (chat_prompt_template, AUTO),
                "revision": (revision, None),
                "trust_remote_code": (trust_remote_code, False),
            },
            "the endpoint is asked for a chat, and it decides which revision and template it serves.",
        )

    def _place(
        self, model_name: str, base_url: str | None, api_key: str | None, headers: Mapping[str, str]
    ) -> endpoints.Endpoint:
        given = (base_url or self.service.base_url).rstrip("/")
        given = given if given.endswith("/v1") else f"{given}/v1"
        host = urlsplit(given).hostname or ""
        theirs = host.endswith((".huggingface.cloud", ".huggingface.co"))
        place = endpoints.at(
            given if theirs else self.service.base_url,
            self.service.path,
            self.service.name,
            self.service.key_variables,
            given,
            api_key,
            self.service.key_header,
            headers,
            argument="token",
        )
        return replace(place, needs_key=given == self.service.base_url)  # an endpoint may be open to everybody
