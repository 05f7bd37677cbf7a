"""Prompts built from parts: instruction, examples, instruction, with as many examples as the context has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ContextLengthError, InvalidArgumentError

if TYPE_CHECKING:
    from .llm import LLM


def format_prompt(
    llm: LLM,
    max_new_tokens: int | None,
    beg_instruction: str | None,
    in_context_examples: list[str] | None,
    end_instruction: str | None,
    sep: str,
    minimum: int | None,
    maximum: int | None,
) -> str:
    """See `LLM.format_prompt`."""
    examples = list(in_context_examples or [])
    minimum, maximum = _bounds(examples, minimum, maximum)

    def joined(kept: list[str]) -> str:
        return sep.join(part for part in (beg_instruction, *kept, end_instruction) if part is not None)

    room = llm._prompt_room(max_new_tokens or 0)
    if room is None:
        return joined(examples[:maximum])
    used = llm.final_count_tokens(joined([])) if beg_instruction or end_instruction else llm.final_count_tokens("")
    if used > room:
        raise ContextLengthError(
            f"The prompt without examples has {used} tokens, but {llm.display_name} has room for {room} "
            f"(max_new_tokens={max_new_tokens}). Shorten the instruction or ask for fewer tokens."
        )
    separator = llm.count_tokens(sep) if sep else 0
    kept: list[str] = []
    for example in examples:
        if len(kept) == maximum:
            break
        size = llm.count_tokens(example) + separator
        if used + size <= room:
            kept.append(example)
            used += size
    if len(kept) < minimum:
        raise ContextLengthError(
            f"Only {len(kept)} of at least {minimum} examples fit into the {room} tokens that {llm.display_name} has "
            f"for a prompt (max_new_tokens={max_new_tokens}). "
            "Shorten the examples or set min_in_context_examples lower."
        )
    return joined(kept)


def _bounds(examples: list[str], minimum: int | None, maximum: int | None) -> tuple[int, int]:
    low = min(1, len(examples)) if minimum is None else minimum
    high = len(examples) if maximum is None else maximum
    if low < 0 or high < 0 or low > high:
        raise InvalidArgumentError(
            f"min_in_context_examples={minimum} and max_in_context_examples={maximum} do not make a range "
            f"(there are {len(examples)} examples)."
        )
    return low, high
