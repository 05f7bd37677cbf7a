"""How many requests may be in flight to one service for one account: found out, not configured (docs/design/limits.md).

Only numbers and the time that is passed in: no loop, no waiting.
"""

from __future__ import annotations

FIRST = 16  # requests in flight before anything is known
GROWTH = 0.02  # by that share the limit grows in a round of answers, after a rate limit; at least by one
CUT = 0.6  # of what was in flight, after a rate limit
GAIN = 0.25  # a trial pays when it brings at least this share of the answers per second that it could bring
CLEAR_GAIN = 0.5  # that share, after half of the answers that are waited for
RETRIAL = 50  # answers per place in flight, after which a doubling that did not pay is tried again
LONGEST_PAUSE = 60.0
TOLERATED = 0.1  # share of rate limits among what came back that is no reason to cut: some services refuse at random
SAMPLE = 50  # of these, or as many as may be in flight, are what that share is taken of


class Limiter:
    """Doubles while doubling pays; after a rate limit grows by one at a time. Only a rate limit cuts.

    Args:
        cap: most requests in flight, whatever the service allows.
        first_pause: seconds after a rate limit that names no time; doubles while nothing is answered in between.
    """

    def __init__(self, cap: int, first_pause: float = 1.0) -> None:
        self.cap = cap
        self.first_pause = first_pause
        self.limit = float(min(FIRST, cap))
        self.in_flight = 0
        self.resume_at = 0.0
        self.epoch = 0  # number of cuts
        self.contacted = False  # the service has answered something, if only an error
        self._pauses = 0  # since the last answer
        self._heard = 0.0  # of all that came back, the older the less
        self._refused = 0.0  # the rate limits among them
        self._additive = False  # a rate limit was met: no more doubling
        self._answers = 0  # since `_since`, all of them with every place taken
        self._since: float | None = None
        self._before: tuple[float, float] | None = None  # limit, and answers per second, before the last trial
        self._settled = False  # the last doubling did not pay

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
        if self._since is None and self.in_flight >= int(self.limit):
            self._since, self._answers = now, 0
        return True

    def release(self) -> None:
        """Give the place back."""
        self.in_flight -= 1

    def answered(self, now: float, wait: float | None = None) -> None:
        """A request was answered, and still holds its place. `wait`: seconds that the service asks to stay away."""
        self._pauses = 0
        self._count(0.0)
        if self.in_flight < int(self.limit):
            self._since = None  # something else holds us back: this says nothing about the service
        elif self._additive:
            self.limit = min(float(self.cap), self.limit + max(1.0 / self.limit, GROWTH))
        elif self._since is not None:
            self._measure(now)
        if wait:
            self._pause(now + min(wait, LONGEST_PAUSE))

    def failed(self) -> None:
        """A request failed for another reason than a rate limit."""
        self._count(0.0)

    def limited(self, now: float, epoch: int, retry_after: float | None) -> bool:
        """A request that was sent in `epoch` met a rate limit. Gives whether everyone waits now.

        The answers to requests that were already under way at the last cut say nothing new, and cut no further. Neither
        does a rate limit among many answers.
        """
        if epoch == self.epoch:
            self._count(1.0)
        rare = self._heard >= SAMPLE / 2 and self._refused < TOLERATED * self._heard
        if epoch == self.epoch and not rare:
            self.epoch += 1
            self._additive = True
            self.limit = max(1.0, min(self.limit, float(self.in_flight)) * CUT)
            self._pauses += 1
            if retry_after is None:
                retry_after = min(LONGEST_PAUSE, self.first_pause * 2 ** (self._pauses - 1))
            self._refused = 0.0
        if retry_after is not None:
            self._pause(now + retry_after)
        return now < self.resume_at

    def _count(self, refused: float) -> None:
        old = 1.0 - 1.0 / max(SAMPLE, self.limit)
        self._heard = old * self._heard + 1.0
        self._refused = old * self._refused + refused

    def _pause(self, until: float) -> None:
        self.resume_at = max(self.resume_at, until)
        self._since = None

    def _measure(self, now: float) -> None:
        """Two answers for every place tell how fast the service is at this limit; one does, where it is plain."""
        assert self._since is not None
        self._answers += 1
        if self._settled:
            if self._answers >= RETRIAL * self.limit:
                self._settled, self._before = False, None
                self._since, self._answers = now, 0
            return
        places = int(self.limit)
        if self._answers not in (places, 2 * places):
            return
        rate = self._answers / max(now - self._since, 1e-9)
        early = self._answers == places
        if self._before is None or _pays(*self._before, self.limit, rate, CLEAR_GAIN if early else GAIN):
            self._before = (self.limit, rate)
            self.limit = min(float(self.cap), 2.0 * self.limit)
        elif early:
            return
        else:
            self._settled = True
            self.limit = self._before[0]
        self._since, self._answers = None, 0


def _pays(limit: float, rate: float, new_limit: float, new_rate: float, gain: float) -> bool:
    return new_rate >= rate * (1.0 + gain * (new_limit / limit - 1.0))
