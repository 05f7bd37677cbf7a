"""When a row of a batch has its answer: its own token limit, or a stop string in its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """`text` before the earliest stop string in it, and whether there was one."""
    places = [place for place in (text.find(string) for string in stop if string) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)


def row_stops(limits: Sequence[int], stop: Sequence[str], start: int, decode: Any) -> tuple[Any, dict[int, int]]:
    """Stopping criteria for one batch, and the record they fill: row -> tokens generated when a stop string appeared.

    Args:
        limits: tokens that each row may generate.
        stop: stop strings.
        start: tokens of the decoder's input before the first generated one.
        decode: token ids -> text.
    """
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    stopped: dict[int, int] = {}
    # a stop string of n bytes lies within the last n tokens; a few more let split characters become whole
    tail = max((len(string.encode()) for string in stop), default=0) + 4

    class RowLimits(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            made = input_ids.shape[1] - start
            return torch.tensor([made >= limit for limit in limits], device=input_ids.device)

    class StopStrings(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
            made = input_ids.shape[1] - start
            tails = input_ids[:, max(start, input_ids.shape[1] - tail) :].tolist()
            for row, ids in enumerate(tails):
                if row not in stopped and made <= limits[row] and cut_at_stop(decode(ids), stop)[1]:
                    stopped[row] = made
            return torch.tensor([row in stopped for row in range(len(limits))], device=input_ids.device)

    criteria = StoppingCriteriaList()
    if len(set(limits)) > 1:
        criteria.append(RowLimits())
    if stop:
        criteria.append(StopStrings())
    return criteria, stopped
