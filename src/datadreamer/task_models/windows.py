"""Texts that are too long for a classifier, in overlapping windows of tokens, one score from those of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidArgumentError, nearest

PARAMETERS = frozenset({"long_texts", "stride", "window_scores"})
SCORES = ("mean", "max")
_OVERLAP = 4  # a window shares a fourth of its tokens with the one before, unless a stride is given


def check_parameters(truncate: bool, parameters: Mapping[str, Any], room: int | None = None) -> None:
    """Raise for values that make no sense. `room`: tokens of a text in a window, where that is known.

    Raises:
        InvalidArgumentError: names the parameter.
    """
    parameters = {name: value for name, value in parameters.items() if value is not None}
    if not PARAMETERS & parameters.keys():
        return
    kind, scores = parameters.get("long_texts"), parameters.get("window_scores", "mean")
    if kind is None:
        raise InvalidArgumentError('stride and window_scores are for long_texts="window": pass it too.')
    if kind != "window":
        raise InvalidArgumentError(
            f'long_texts is {kind!r}: it is "window", or None: then a text that is too long is an error, or is cut '
            "(truncate=True)."
        )
    if truncate:
        raise InvalidArgumentError('truncate=True cuts long texts, long_texts="window" reads them whole: pass one.')
    if scores not in SCORES:
        raise InvalidArgumentError(f"window_scores is {scores!r}. {nearest(str(scores), SCORES)}")
    stride = parameters.get("stride", 0)
    if isinstance(stride, bool) or not isinstance(stride, int) or stride < 0:
        raise InvalidArgumentError(f"stride is {stride!r}: it is a number of tokens, at least 0.")
    if room is not None and stride >= room:
        raise InvalidArgumentError(f"stride is {stride}: a window holds {room} tokens of a text, so it must be less.")


class Window(Sequence[int]):
    """Token ids as the model takes them: a part of a text between the special tokens. `own`: tokens of the text."""

    def __init__(self, ids: list[int], own: int) -> None:
        self.ids, self.own = ids, own

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: Any) -> Any:
        return self.ids[place]


def windows(whole: list[int], bare: list[int], most: int, parameters: Mapping[str, Any]) -> list[Window]:
    """The windows of a text.

    Args:
        whole: its token ids with the special tokens around.
        bare: its token ids alone.
        most: tokens that the model takes.
        parameters: `stride`: tokens that a window shares with the one before.

    Raises:
        InvalidArgumentError: a stride as long as a window; or a tokenizer that puts tokens between those of a text.
    """
    if len(whole) <= most:
        return [Window(whole, len(bare))]
    before, after = _around(whole, bare)
    room = most - len(before) - len(after)
    check_parameters(False, parameters, room)
    stride = int(parameters.get("stride", room // _OVERLAP))
    return [Window(before + part + after, len(part)) for part in _parts(bare, room, stride)]


def combined(results: list[dict[str, float]], own: Sequence[int], how: str) -> dict[str, float]:
    """The scores of a text, by label.

    Args:
        results: the scores of its windows.
        own: tokens of the text in each window.
        how: "mean", weighted by these tokens, or "max".
    """
    labels = results[0]
    if how == "max":
        return {label: max(scores[label] for scores in results) for label in labels}
    total = sum(own)
    pairs = list(zip(results, own, strict=True))
    return {label: sum(scores[label] * tokens for scores, tokens in pairs) / total for label in labels}


def _around(whole: list[int], bare: list[int]) -> tuple[list[int], list[int]]:
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise InvalidArgumentError(
        "The tokenizer of this model puts special tokens between those of a text, so a text cannot be split into "
        "windows. Use truncate=True."
    )


def _parts(ids: list[int], room: int, stride: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), room - stride):
        yield ids[start : start + room]
        if start + room >= len(ids):
            return
