"""Functions and classes whose identities are pinned in tests/golden/identity.json. Standard library only."""

from __future__ import annotations

import enum
import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

LIMIT = 3
STOP_WORDS = {"the", "a", "of"}


def shorten(text: str, limit: int = LIMIT) -> str:
    """Keep the first words."""
    return " ".join(words(text)[:limit])


def words(text: str) -> list[str]:
    return [word for word in re.split(r"\s+", text) if word not in STOP_WORDS]


def is_even(n: int) -> bool:
    return True if n == 0 else is_odd(n - 1)


def is_odd(n: int) -> bool:
    return False if n == 0 else is_even(n - 1)


def multiplier(factor: float) -> Callable[[float], float]:
    return lambda value: value * factor


def report(rows: list[dict[str, float]], *, digits: int = 2) -> str:
    total = 0.0
    try:
        for row in rows:
            match row:
                case {"score": float(score), **_rest} if score > 0:
                    total += score
                case None:
                    continue
        return f"{total:.{digits}f}{'' if total else '!'} of {len(rows)!r}"
    except* ValueError as group:
        raise RuntimeError(json.dumps({"group": str(group), **{"rows": len(rows)}})) from group


async def gather(queue, *, lowest=(best := 0)):
    async with queue as source:
        return [item async for item in source if (kept := item) and kept > lowest]


def counted(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@counted
def decorated(text):
    return text.strip()


@functools.cache
def remembered(text):
    return text.upper()


@functools.singledispatch
def render(value):
    return str(value)


@render.register
def _(value: int):
    return hex(value)


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"

    def upper(self) -> str:
        return self.value.upper()


@dataclass
class Settings:
    """How to clean."""

    language: str = "en"
    weights: list[float] = field(default_factory=list)

    def strict(self) -> bool:
        return len(self.weights) > LIMIT


class Point(NamedTuple):
    x: int
    y: int = 0


class Cleaner:
    rounds = 2

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def __call__(self, text: str) -> str:
        return self.prefix + shorten(text)

    @property
    def loud(self) -> bool:
        return self.prefix.isupper()

    @classmethod
    def default(cls) -> Cleaner:
        return cls("")

    @staticmethod
    def join(parts: list[str]) -> str:
        return "".join(parts)


class LoudCleaner(Cleaner):
    def __call__(self, text: str) -> str:
        return super().__call__(text).upper()


PAIR = (lambda x: x + 1, lambda x: x - 1)
