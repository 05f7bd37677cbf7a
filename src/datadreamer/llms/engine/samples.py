"""Which draw of a prompt a request is, when the same prompt is asked several times."""

from __future__ import annotations


class SampleCounter:
    """Numbers the draws of equal requests 0, 1, 2, … within one call, about 100 bytes per distinct request.

    The first eight bytes of the request key stand for the request: a collision would only give a request a higher
    sample number than it needs, and the same one at every rerun.
    """

    def __init__(self) -> None:
        self._next: dict[int, int] = {}

    def take(self, key: bytes, draws: int = 1) -> int:
        """The number of the first of `draws` new draws."""
        short = int.from_bytes(key[:8], "big")
        first = self._next.get(short, 0)
        self._next[short] = first + draws
        return first
