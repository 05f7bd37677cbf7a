"""Random numbers that belong to a request, not to a batch.

A sampler that takes its numbers from one running generator gives a row another text whenever the batch around it
changes. Here a number is a hash of (request key, token position, token id): a row draws the same ones alone, in a batch
of sixteen, or after the rows were shuffled.

Sampling is by the Gumbel-max trick: adding independent Gumbel noise to the logits and taking the largest is a draw from
their softmax. It is preferred to inverting the cumulative distribution because a rounding error in one logit then
changes the draw only if that token's own race was that close, and it costs less than `torch.multinomial`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_ROUNDS = ((16, 0x7FEB352D), (15, 0x846CA68B - (1 << 32)), (16, None))  # an avalanche of 32-bit words


def step_words(keys: Sequence[bytes], position: int) -> tuple[list[int], list[int]]:
    """Two signed 32-bit words for each request key at one token position (0 is the first generated token)."""
    salt = position.to_bytes(8, "little")
    low, high = [], []
    for key in keys:
        digest = hashlib.blake2b(key, digest_size=8, salt=salt).digest()
        low.append(int.from_bytes(digest[:4], "little", signed=True))
        high.append(int.from_bytes(digest[4:], "little", signed=True))
    return low, high


def gumbel(keys: Sequence[bytes], position: int, vocabulary: int, device: Any = "cpu") -> Any:
    """Standard Gumbel noise, float32 of shape (number of keys, vocabulary), on `device`."""
    import torch

    low, high = step_words(keys, position)
    words = torch.tensor([low, high], dtype=torch.int32, device=device)
    noise = _tokens(vocabulary, str(device)) ^ words[0][:, None]
    _mix(noise)
    noise += words[1][:, None]
    _mix(noise)
    return _gumbel_of(noise)


@lru_cache(maxsize=4)
def _tokens(vocabulary: int, device: str) -> Any:
    import torch

    return torch.arange(vocabulary, dtype=torch.int32, device=device)


def _mix(words: Any) -> None:
    for shift, multiplier in _ROUNDS:
        shifted = words >> shift
        shifted &= (1 << (32 - shift)) - 1  # torch shifts signed integers arithmetically
        words ^= shifted
        if multiplier is not None:
            words *= multiplier


def _gumbel_of(words: Any) -> Any:
    import torch

    uniform = words.to(torch.float32)
    uniform += 2147483648.5
    uniform *= 2.0**-32
    uniform.clamp_(max=1 - 2.0**-24)
    # -log(-log1p(-u)): small u, where float32 is finest, gives the large noise that decides a draw
    return uniform.neg_().log1p_().neg_().log_().neg_()
