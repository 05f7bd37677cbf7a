"""Whether, and when, a request that failed is asked again: a decision is a value, and nothing here waits."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from ...errors import ModelError, PermanentModelError, RateLimitError, ServerUnreachableError


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask again in `after` seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not ask again. `fatal`: no other request of this run would fare better, so the run stops."""

    fatal: bool = False


@dataclass(slots=True)
class Attempts:
    """What one request has been through. Times are seconds on the loop's clock."""

    sent: int = 0
    transient: int = 0  # connection errors, time-outs, 5xx, unreadable answers
    limited: int = 0  # 429
    first_error: float | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of retrying. Seconds, except where said.

    A rate limit is the service working as it should, so it is waited out much longer than an error.
    """

    transient_attempts: int = 8  # tries in all
    unreachable_attempts: int = 3  # tries in all, while nobody has ever answered at this address
    first_wait: float = 0.25
    longest_wait: float = 8.0
    transient_elapsed: float = 300.0
    limited_attempts: int = 100
    limited_elapsed: float = 3600.0
    first_pause: float = 1.0  # after a rate limit that names no time
    longest_pause: float = 900.0  # a Retry-After above this is a quota, not a rate
    outage_rows: int = 5  # fewest that must fail in a row for a service that worked to count as down
    outage_elapsed: float = 300.0  # that a service may be down before the runs that wait for it end

    def decide(
        self, error: ModelError, attempts: Attempts, now: float, contacted: bool, rng: random.Random
    ) -> Retry | GiveUp:
        """What to do after `error`.

        Args:
            error: what the wire raised.
            attempts: of this request; this failure is already counted.
            now: the time.
            contacted: whether the service has ever answered anything.
            rng: for jitter.
        """
        elapsed = now - (attempts.first_error if attempts.first_error is not None else now)
        if isinstance(error, PermanentModelError):
            return GiveUp(fatal=concerns_everyone(error))
        wait = getattr(error, "retry_after", None)
        if wait is not None and wait > self.longest_pause:
            return GiveUp(fatal=True)
        if isinstance(error, RateLimitError):
            if attempts.limited >= self.limited_attempts or elapsed > self.limited_elapsed:
                return GiveUp()
            return Retry(0.0)  # the limiter pauses for everyone, so the request only queues again
        most = self.transient_attempts
        gone = isinstance(error, ServerUnreachableError)
        if gone and not contacted:
            most = self.unreachable_attempts
        if attempts.transient >= most or elapsed > self.transient_elapsed:
            return GiveUp(fatal=gone)
        return Retry(max(wait or 0.0, self.backoff(attempts.transient, rng)))

    def backoff(self, failures: int, rng: random.Random) -> float:
        """Seconds to wait after `failures` failures: doubles, is bounded, and is spread by up to a half."""
        bound = min(self.longest_wait, self.first_wait * 2 ** (failures - 1))
        return bound * (0.5 + 0.5 * rng.random())


#: for `retry_on_fail=False`
NEVER = RetryPolicy(transient_attempts=1, unreachable_attempts=1, limited_attempts=1)
#: the same for models that are made so unless asked otherwise: their rate limits are waited out all the same
ONCE = RetryPolicy(transient_attempts=1, unreachable_attempts=1)


def policy_of(model: Any) -> RetryPolicy:
    """What holds for the requests of a model."""
    policy: RetryPolicy = model.retry_policy if model.retry_on_fail else getattr(model, "single_try", NEVER)
    return policy


def concerns_everyone(error: ModelError) -> bool:
    """Whether `error` is about the account, the model or the server, rather than about one request."""
    from ...errors import BadRequestError, ContentFilterError

    return isinstance(error, PermanentModelError) and not isinstance(error, BadRequestError | ContentFilterError)
