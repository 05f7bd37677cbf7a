"""What identities cost, in CPU time and as a ratio to the least that could be done: SHA-256 of `json.dumps`.

python benchmarks/identity.py
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from datadreamer.identity import digest, encode, request_key, view

REQUEST = {
    "wire": "chat",
    "endpoint": "https://api.example.org/v1",
    "model": "some-model-2026-01-01",
    "revision": None,
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": ("Summarise this abstract in one sentence. " * 64)[:2048]},
    ],
    "temperature": 0.7,
    "top_p": 1.0,
    "max_tokens": 512,
    "stop": ["\n\n"],
    "seed": None,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "tools": None,
    "response_format": {"type": "object", "properties": {"summary": {"type": "string"}}, "required": ["summary"]},
    "sample": 0,
}
STOP_WORDS = {"the", "a", "of"}


def words(text: str) -> list[str]:
    return [word for word in text.split() if word not in STOP_WORDS]


def shorten(text: str, limit: int = 5) -> str:
    return " ".join(words(text)[:limit])


class Shortener:
    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, text: str) -> str:
        return shorten(text, self.limit)


def floor(value: Any) -> bytes:
    """The least: one pass of the C encoder of JSON, one hash. It cannot tell 1 from a key "1", or take a function."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()


def microseconds(call: Callable[[], Any], calls: int, repeats: int = 7) -> float:
    """CPU time of one call: the best of some repeats, so that what else the machine does counts little."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(calls):
            call()
        best = min(best, (time.process_time() - start) / calls)
    return best * 1e6


def main() -> None:
    least = microseconds(lambda: floor(REQUEST), 5000)
    key = microseconds(lambda: request_key(REQUEST), 5000)
    print(f"Python {sys.version.split()[0]}")
    print(f"request key, 2 KB prompt        {key:8.1f} µs   {key / least:4.1f} x sha256(json.dumps)  (aim: 30 µs)")
    rows = [{"id": i, "text": f"row {i}", "score": i / 7} for i in range(1000)]
    least = microseconds(lambda: floor(rows), 20)
    cost = microseconds(lambda: encode(rows), 20)
    print(f"1000 rows of 3 values           {cost:8.1f} µs   {cost / least:4.1f} x sha256(json.dumps)")
    start = time.process_time()
    digest(shorten)
    print(
        f"function with a helper, first   {(time.process_time() - start) * 1e6:8.1f} µs   (reads and parses its file)"
    )
    print(f"function with a helper, again   {microseconds(lambda: digest(shorten), 500):8.1f} µs")
    print(f"object of a class, again        {microseconds(lambda: digest(Shortener(3)), 500):8.1f} µs")
    print(f"view of the object              {microseconds(lambda: view(Shortener(3)), 500):8.1f} µs")


if __name__ == "__main__":
    main()
