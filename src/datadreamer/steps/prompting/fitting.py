"""What happens to a prompt that does not fit the model's context: see `overlong` in docs/design/prompt-steps.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ...errors import ContextLengthError, DataDreamerError, InvalidArgumentError, nearest
from .text_template import TemplateError

if TYPE_CHECKING:
    from ...llms.llm import LLM

POLICIES = ("fail", "cut")


def check_policy(who: str, given: str, known: tuple[str, ...] = POLICIES) -> None:
    """Refuse a value of `overlong` that means nothing."""
    if given not in known:
        raise InvalidArgumentError(f"{who}: overlong={given!r} is unknown. {nearest(given, known)}")


def check_fits(llm: LLM, prompt: Any, max_new_tokens: int | None, system: str | None = None) -> None:
    """Raise where a prompt, a text or messages, is longer than the model has room for; see `LLM.format_prompt()`.

    Args:
        system: the system prompt that goes with it in place of the model's own.

    Raises:
        ContextLengthError: it does not fit. A model whose context length is not known has room for everything.
    """
    room = llm._prompt_room(max_new_tokens or 0)
    if room is None:
        return
    size = llm.final_count_tokens(prompt if isinstance(prompt, str) else _text_of(prompt))
    if system is not None:
        size += llm.count_tokens(system) - llm.count_tokens(llm.system_prompt or "")
    if size > room:
        raise ContextLengthError(
            f"The prompt has {size} tokens, but {llm.display_name} has room for {room} "
            f"(max_new_tokens={max_new_tokens}). Shorten it, ask for fewer tokens, or set overlong='cut'."
        )


def _text_of(messages: Iterable[Mapping[str, Any]]) -> str:
    contents = (message.get("content") for message in messages)
    return "\n".join(content for content in contents if isinstance(content, str))


def fitted(
    build: Callable[[Mapping[str, Any]], Any], values: Mapping[str, Any], policy: str
) -> tuple[Any | DataDreamerError, bool]:
    """A prompt made of a row's values, or why there is none; and whether values were cut to make it.

    Args:
        build: makes the prompt; raises `ContextLengthError` where it is too long.
        values: of one row. Only texts are cut, at their ends, all to the same number of characters, the most that fit.
        policy: one of `POLICIES`.
    """
    try:
        return build(values), False
    except ContextLengthError as error:
        if policy != "cut":
            return error, False
        shortened = _cut(build, values)
        return (error, False) if shortened is None else (shortened, True)
    except TemplateError as error:
        return error, False


def _cut(build: Callable[[Mapping[str, Any]], Any], values: Mapping[str, Any]) -> Any:
    """The prompt with the longest beginnings of its texts that fit; None when not even one character does."""
    fits, low = None, 1
    high = max((len(value) for value in values.values() if isinstance(value, str)), default=0) - 1
    while low <= high:
        length = (low + high) // 2
        short = {name: value[:length] if isinstance(value, str) else value for name, value in values.items()}
        try:
            fits = build(short)
            low = length + 1
        except ContextLengthError:
            high = length - 1
    return fits
