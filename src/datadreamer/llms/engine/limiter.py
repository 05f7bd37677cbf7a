"""How many requests may be in flight to one service for one account: found out, not configured (docs/design/limits.md).

Only numbers and the time that is passed in: no loop, no waiting.
"""

from __future__ import annotations

FIRST = 16  # requests in flight before anything is known
CUT = 0.6
FIRST_PAUSE = 1.0  # seconds without a Retry-After; doubles while nothing is answered in between
LONGEST_PAUSE = 60.0


class Limiter:
    """Slow start, then additive growth; a cut on a rate limit and on nothing else.

    Args:
        cap: most requests in flight, whatever the service allows.
    """

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.limit = float(min(FIRST, cap))
        self.in_flight = 0
        self.resume_at = 0.0
        self.epoch = 0  # number of cuts
        self.contacted = False  # the service has answered something, if only an error
        self._slow_start = True
        self._pauses = 0  # since the last answer

    def set_cap(self, cap: int) -> None:
        """Change the bound."""
        self.cap = cap
        self.limit = min(self.limit, float(cap))

    def paused(self, now: float) -> float:
        """Seconds until requests may be sent; 0 when they may."""
        return max(0.0, self.resume_at - now)

    def try_acquire(self, now: float) -> bool:
        """Take a place, if there is one now."""
        if self.in_flight >= int(self.limit) or now < self.resume_at:
            return False
        self.in_flight += 1
        return True

    def release(self) -> None:
        """Give the place back."""
        self.in_flight -= 1

    def answered(self, now: float, wait: float | None = None) -> None:
        """A request was answered, and still holds its place. `wait`: seconds that the service asks to stay away."""
        self._pauses = 0
        # Grow only when the limit was what held us back: otherwise it would be a number nobody has tried.
        if self.in_flight >= int(self.limit) and self.limit < self.cap:
            self.limit = min(float(self.cap), self.limit + (1.0 if self._slow_start else 1.0 / self.limit))
        if wait:
            self.resume_at = max(self.resume_at, now + min(wait, LONGEST_PAUSE))

    def limited(self, now: float, epoch: int, retry_after: float | None) -> None:
        """A request that was sent in `epoch` met a rate limit.

        The answers to requests that were already under way at the last cut say nothing new, and cut no further.
        """
        if epoch == self.epoch:
            self.epoch += 1
            self._slow_start = False
            self.limit = max(1.0, min(self.limit, float(self.in_flight)) * CUT)
            self._pauses += 1
            pause = retry_after
            if pause is None:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self._pauses - 1))
            self.resume_at = max(self.resume_at, now + pause)
        elif retry_after is not None:
            self.resume_at = max(self.resume_at, now + retry_after)
