"""What one request asks of the sampler, and its translation to transformers' logits processors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ...errors import InvalidArgumentError
from .draws import gumbel


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. None leaves a setting to the checkpoint's `generation_config.json`, else off.

    `temperature` 0 takes the likeliest token. `logit_bias` holds (token id, bias) pairs, sorted.
    """

    temperature: float = 1.0
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram_size: int | None = None
    min_new_tokens: int | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InvalidArgumentError(f"{name} is {value!r}: it must lie between {low:g} and {high:g}.")

    def completed(self, defaults: Any) -> Sampling:
        """This sampling with what was left open taken from a checkpoint's `generation_config`."""
        names = [field.name for field in fields(self) if field.name not in ("temperature", "logit_bias", "stop")]
        found = {name: getattr(defaults, name, None) for name in names if getattr(self, name) is None}
        return replace(self, **{name: value for name, value in found.items() if value is not None})


_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, float("inf")),
    "top_p": (0.0, 1.0),
    "top_k": (0, float("inf")),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "repetition_penalty": (1e-6, float("inf")),
}


def bias_pairs(logit_bias: Mapping[Any, float] | None, vocabulary: int) -> tuple[tuple[int, float], ...]:
    """`{token id: bias}` (ids may be digits in a string, as JSON has them) as sorted pairs, checked."""
    pairs = sorted((int(token), float(bias)) for token, bias in (logit_bias or {}).items())
    for token, _ in pairs:
        if not 0 <= token < vocabulary:
            raise InvalidArgumentError(
                f"logit_bias names token {token}, but this model has the tokens 0 to {vocabulary - 1}."
            )
    return tuple(pairs)


def logits_processors(
    sampling: Sampling, keys: Sequence[bytes], start: int, attention_mask: Any, grammar: Any = None
) -> Any:
    """The processors that make greedy `generate` draw as `sampling` says, in transformers' own order.

    Args:
        sampling: completed settings.
        keys: the request key of each row of the batch.
        start: tokens of the decoder's input before the first generated one, padding included.
        attention_mask: (rows, start) of the decoder's input: 0 where it is padding; None without padding.
        grammar: what keeps the rows within their formats: before all others, so that these choose among what it allows.
    """
    from transformers.generation import logits_process as stock

    chain = stock.LogitsProcessorList()
    if grammar is not None:
        chain.append(grammar)
    if sampling.logit_bias:
        chain.append(stock.SequenceBiasLogitsProcessor({(token,): bias for token, bias in sampling.logit_bias}))
    if sampling.repetition_penalty not in (None, 1.0):
        penalty = stock.RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty)
        chain.append(_without_padding(penalty, attention_mask))
    if sampling.temperature == 0:
        return chain
    if sampling.temperature != 1.0:
        chain.append(stock.TemperatureLogitsWarper(float(sampling.temperature)))
    if sampling.top_k:
        chain.append(stock.TopKLogitsWarper(sampling.top_k))
    if sampling.top_p is not None and sampling.top_p < 1.0:
        chain.append(stock.TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        chain.append(stock.MinPLogitsWarper(sampling.min_p))
    if sampling.typical_p is not None and 0 < sampling.typical_p < 1.0:
        chain.append(stock.TypicalLogitsWarper(sampling.typical_p))
    chain.append(_draw(keys, start))
    return chain


def _draw(keys: Sequence[bytes], start: int) -> Any:
    from transformers import LogitsProcessor

    class Draw(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            position = input_ids.shape[1] - start
            return gumbel(keys, position, scores.shape[1], scores.device).add_(scores)

    return Draw()


def _without_padding(processor: Any, attention_mask: Any) -> Any:
    """`processor`, shown the row's last prompt token where there is padding: padding must not count as text."""
    if attention_mask is None or bool(attention_mask.all()):
        return processor
    from transformers import LogitsProcessor

    padding = attention_mask == 0

    class WithoutPadding(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            width = padding.shape[1]
            shown = input_ids.clone()
            shown[:, :width] = input_ids[:, :width].where(~padding, input_ids[:, width - 1 : width])
            return processor(shown, scores)

    return WithoutPadding()
