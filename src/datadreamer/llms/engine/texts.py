"""Outcomes as what `run()` gives: texts, or values of the type that was asked for."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from msgspec import UNSET

from ...errors import ModelError
from ..types import Failure, Generation


def each_text(outcomes: Generator[Any, None, None]) -> Generator[Any, None, None]:
    """The texts, one by one. The first prompt without an answer raises."""
    try:
        for position, outcome in enumerate(outcomes):
            failure = _first_failure(outcome)
            if failure is not None:
                raise _error(failure, f"Prompt {position} has no answer: {failure.message}")
            yield _text(outcome)
    finally:
        outcomes.close()


def all_texts(outcomes: Generator[Any, None, None]) -> list[Any]:
    """The texts of all prompts. If any has no answer, raises after all others were asked (and remembered)."""
    texts: list[Any] = []
    failed: list[tuple[int, Failure]] = []
    for position, outcome in enumerate(outcomes):
        failure = _first_failure(outcome)
        if failure is not None:
            failed.append((position, failure))
        else:
            texts.append(_text(outcome))
    if failed:
        position, failure = failed[0]
        others = f" ({len(failed)} of {len(failed) + len(texts)} prompts have none)" if len(failed) > 1 else ""
        raise _error(failure, f"Prompt {position} has no answer: {failure.message}{others}")
    return texts


def _first_failure(outcome: Any) -> Failure | None:
    for one in outcome if isinstance(outcome, list) else (outcome,):
        if isinstance(one, Failure):
            return one
    return None


def _text(outcome: Any) -> Any:
    return [_answer(one) for one in outcome] if isinstance(outcome, list) else _answer(outcome)


def _answer(generation: Generation) -> Any:
    return generation.text if generation.value is UNSET else generation.value


def _error(failure: Failure, message: str) -> ModelError:
    return type(failure.error())(message)
