"""Which draw of a prompt a request is, when the same prompt is asked several times."""

from __future__ import annotations

_WIDTH = 6


class SampleCounter:
    """Numbers the draws of equal requests 0, 1, 2, … within one call, about 10 bytes per distinct request.

    The first eight bytes of the request key stand for the request: a collision would only give a request a higher
    sample number than it needs, and the same one at every rerun. Two of them choose a bucket; the other six stand in it
    side by side, because a dictionary of a million keys takes a hundred megabytes.
    """

    def __init__(self) -> None:
        self._once: dict[bytes, bytearray] = {}  # asked with one draw so far
        self._next: dict[bytes, int] = {}  # the number of the next draw, where that is not 1

    def take(self, key: bytes, draws: int = 1) -> int:
        """The number of the first of `draws` new draws."""
        first = self._next.get(key[:8])
        if first is None:
            first = int(self._is_known(key[:2], key[2:8]))
        if first + draws != 1:
            self._next[key[:8]] = first + draws
        return first

    def _is_known(self, bucket: bytes, rest: bytes) -> bool:
        """Whether the key was asked before; from now on it was."""
        known = self._once.setdefault(bucket, bytearray())
        at = known.find(rest)
        while at % _WIDTH and at != -1:
            at = known.find(rest, at + 1)
        if at == -1:
            known += rest
        return at != -1
