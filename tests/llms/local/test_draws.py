"""Random numbers that belong to a request."""

from __future__ import annotations

import math

import torch

from datadreamer.llms.local.draws import gumbel, step_words


def test_a_row_draws_the_same_alone_and_in_a_batch() -> None:
    keys = [bytes([place]) * 32 for place in range(5)]
    together = gumbel(keys, 7, 1000)
    for place, key in enumerate(keys):
        assert torch.equal(gumbel([key], 7, 1000)[0], together[place])


def test_keys_and_positions_draw_differently() -> None:
    first = gumbel([b"a" * 32, b"b" * 32], 0, 1000)
    later = gumbel([b"a" * 32], 1, 1000)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], later[0])
    correlation = torch.corrcoef(torch.stack([first[0], first[1], later[0]]))
    assert (correlation - torch.eye(3)).abs().max() < 0.15


def test_noise_is_standard_gumbel() -> None:
    noise = gumbel([bytes([place]) * 32 for place in range(20)], 3, 50_000).flatten()
    assert torch.isfinite(noise).all()
    assert abs(noise.mean().item() - 0.57722) < 0.01
    assert abs(noise.var().item() - math.pi**2 / 6) < 0.02
    for point in (-1.0, 0.0, 1.0, 3.0, 8.0):
        wanted = math.exp(-math.exp(-point))
        assert abs((noise <= point).float().mean().item() - wanted) < 0.002


def test_draws_follow_the_distribution() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, -3.0])
    keys = [place.to_bytes(32, "big") for place in range(20_000)]
    drawn = (gumbel(keys, 0, 5) + logits).argmax(-1)
    shares = torch.bincount(drawn, minlength=5) / len(keys)
    assert (shares - logits.softmax(-1)).abs().max() < 0.01


def test_words_are_the_same_on_every_machine() -> None:
    assert step_words([b"request"], 0) == ([1209075383], [-1919751329])
    # a change here changes every sampled answer of every local model
    assert [round(value, 4) for value in gumbel([b"request"], 0, 4)[0].tolist()] == [-0.0739, 0.4683, 0.8271, 0.8394]
