"""Which parameters OpenAI's formats take, beside the published ones, and which of those they do not."""

from __future__ import annotations

from collections.abc import Mapping

from .openai_shapes import Shape

_CHAT = frozenset(
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
_RESPONSES = frozenset(
    {
        "extra_body",
        "include",
        "logprobs",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "reasoning_effort",
        "safety_identifier",
        "service_tier",
        "store",
        "text",
        "tool_choice",
        "top_logprobs",
        "truncation",
        "user",
        "verbosity",
    }
)
_COMPLETIONS = frozenset({"echo", "extra_body", "frequency_penalty", "logprobs", "presence_penalty", "suffix", "user"})
_TAKEN: Mapping[Shape, frozenset[str]] = {"chat": _CHAT, "responses": _RESPONSES, "completions": _COMPLETIONS}
#: what servers of one's own take besides
_ELSEWHERE = frozenset(
    {"chat_template_kwargs", "guided_choice", "guided_json", "guided_regex", "min_p", "min_tokens", "top_k"}
)

_REASONING = "Reasoning models choose it themselves. (extra_body={…} is sent as it is.)"
_NO_SUCH = "The Responses API has no such parameter."
_NO_PENALTY = {"repetition_penalty": "Use presence_penalty or frequency_penalty (both from -2 to 2, 0 is neutral)."}
_REFUSED_BY_REASONING = {
    **_NO_PENALTY,
    **dict.fromkeys(("temperature", "top_p", "logit_bias", "presence_penalty", "frequency_penalty"), _REASONING),
    "logprobs": _REASONING,
    "top_logprobs": _REASONING,
}
_REFUSED_BY_RESPONSES = {
    "repetition_penalty": _NO_SUCH,
    "stop": f"{_NO_SUCH} Cut the text after the answer, or use a chat model.",
    "logit_bias": _NO_SUCH,
    "seed": f"{_NO_SUCH} Draws are remembered, so a rerun gives the same ones.",
}


def taken(shape: Shape, own: bool) -> frozenset[str]:
    """Parameters beyond the published ones. `own`: at OpenAI's own service, or Azure's."""
    return _TAKEN[shape] if own else _TAKEN[shape] | _ELSEWHERE


def refused(shape: Shape, own: bool, reasoning: bool) -> Mapping[str, str]:
    """Parameters that are refused by name, each with the advice that the error ends with."""
    by_model = {} if not own else _REFUSED_BY_REASONING if reasoning else _NO_PENALTY
    return {**by_model, **_REFUSED_BY_RESPONSES} if shape == "responses" else by_model
