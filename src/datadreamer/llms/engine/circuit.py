"""Whether a service that worked is down: then rows wait for it instead of being lost (docs/design/limits.md).

Only counts and the time that is passed in: no loop, no waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .retry import RetryPolicy

UNREACHABLE = 3  # times in a row that no connection could be made
SHARE = 4  # one in so many of the requests that may be in flight, all failing in a row
SETTLED = 8  # times the first wait of a retry: for so long nothing but failures must have come
LONGEST = 30.0  # seconds between two tries of a service that is down


class Circuit:
    """Closed while the service answers. Open while nothing of it is heard: one request at a time tries it.

    It opens when requests that had not failed before fail one after the other, and none is answered in between: rows
    that fail every time, whatever the service's state, do not open it.
    """

    def __init__(self) -> None:
        self.open = False
        self.since = 0.0  # when the first of these failures came
        self.failures = 0  # in a row
        self.probing = False  # a request is under way that tries the service
        self._worked = False  # it has answered since the program began, or since it was given up
        self._rows = 0  # failures in a row that were the first of their requests
        self._unreachable = 0  # failures in a row for want of a connection
        self._tries = 0
        self._next = 0.0  # when the service is tried again

    def heard(self, answered: bool = True) -> None:
        """The service said something. `answered`: and it was an answer."""
        self._worked = self._worked or answered
        self.open = self.probing = False
        self.failures = self._rows = self._unreachable = self._tries = 0

    def failed(
        self,
        now: float,
        policy: RetryPolicy,
        limit: int,
        *,
        first: bool,
        unreachable: bool,
        probe: bool,
        wait: float = 0,
    ) -> None:
        """The service failed.

        Args:
            now: the time.
            policy: of the request.
            limit: requests that may be in flight.
            first: whether the request had not failed before.
            unreachable: whether there was no connection.
            probe: whether the request tried an open circuit's service.
            wait: seconds that the service asks to wait.
        """
        if not self.failures:
            self.since = now
        self.failures += 1
        self._rows += first
        self._unreachable = self._unreachable + 1 if unreachable else 0
        if not self.open and self._worked and now - self.since >= SETTLED * policy.first_wait:
            share = limit // SHARE
            self.open = self._rows >= max(policy.outage_rows, share) or self._unreachable >= max(UNREACHABLE, share)
            self._next = now + max(wait, 2 * policy.first_wait)
        elif probe:
            self._tries = min(self._tries + 1, 10)
            self._next = now + max(wait, min(LONGEST, 2 * policy.first_wait * 2**self._tries))

    def wait(self, now: float) -> float:
        """Seconds until a request may try an open circuit's service."""
        return max(0.0, self._next - now)

    def give_up(self) -> None:
        """Nobody waits for the service any more: who asks next begins from the beginning."""
        self.heard(answered=False)
        self._worked = False
