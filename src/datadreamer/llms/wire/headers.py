"""What response headers say about when to come again."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("Retry-After")
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def requested_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait after an answer that says it was the last one allowed for now.

    Where the service also says how large its allowance is, it refills steadily, and the wait is until a fiftieth of it
    is back; else until the moment that the service names.
    """
    longest: float | None = None
    for what in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{what}") == "0":
            wait = duration(headers.get(f"x-ratelimit-reset-{what}"))
            if wait is not None:
                refills = headers.get(f"x-ratelimit-limit-{what}") is not None
                longest = max(longest or 0.0, wait * 0.02 if refills else wait)
    return longest


def duration(value: str | None) -> float | None:
    """Seconds of a duration such as `"6m0s"`, `"20ms"` or `"1.5"`."""
    if not value:
        return None
    plain = _number(value)
    if plain is not None:
        return plain
    parts = _PART.findall(value)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) if parts else None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0.0 <= number < float("inf") else None
