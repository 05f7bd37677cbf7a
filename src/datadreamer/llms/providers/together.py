"""Together AI."""

from __future__ import annotations

from typing import Any

from ..structured.dialects import TOGETHER
from .base import COMMON, ChatProvider, Service, explain

AUTO = "auto"  # what comes with the model


class Together(ChatProvider):
    """A model served by Together AI.

    Args:
        model_name: as the service names it.
        chat_prompt_template: without effect: the service applies the model's own template.
        system_prompt: None, "" or AUTO send none.
        api_key: the key. None: the environment variable `TOGETHER_API_KEY`.
        max_context_length: tokens of prompt and answer together.
        tokenizer_model_name, tokenizer_revision, tokenizer_trust_remote_code: without effect: lengths are estimated.
        retry_on_fail: ask again after errors that may pass.
        cache_folder_path: see `LLM`.
        **kwargs: `base_url`, and the options of every hosted model (`timeout`, `connect_timeout`, `max_in_flight`,
            `default_headers`).
    """

    service = Service(
        name="together",
        base_url="https://api.together.ai/v1",
        key_variables=("TOGETHER_API_KEY",),
        terms="https://www.together.ai/terms-of-service",
        models="https://www.together.ai/models",
    )
    output_dialect = TOGETHER
    extra_parameters = (COMMON - {"parallel_tool_calls", "user"}) | {
        "chat_template_kwargs",
        "context_length_exceeded_behavior",
        "min_p",
        "reasoning",
        "reasoning_effort",
        "safety_model",
        "top_k",
    }

    def __init__(
        self,
        model_name: str,
        chat_prompt_template: str | None = AUTO,
        system_prompt: str | None = AUTO,
        api_key: str | None = None,
        max_context_length: int | None = None,
        tokenizer_model_name: str | None = None,
        tokenizer_revision: str | None = None,
        tokenizer_trust_remote_code: bool = False,
        retry_on_fail: bool = True,
        cache_folder_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model_name,
            api_key,
            retry_on_fail,
            cache_folder_path,
            system_prompt=None if system_prompt == AUTO else system_prompt,
            max_context_length=max_context_length,
            **kwargs,
        )
        explain(
            self,
            {
                "chat_prompt_template": (chat_prompt_template, AUTO),
                "tokenizer_model_name": (tokenizer_model_name, None),
                "tokenizer_revision": (tokenizer_revision, None),
                "tokenizer_trust_remote_code": (tokenizer_trust_remote_code, False),
            },
            "the service is asked for a chat, and applies the model's own template and tokenizer.",
        )
