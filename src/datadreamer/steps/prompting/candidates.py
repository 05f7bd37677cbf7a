"""How many candidates to ask for next, when a given number of accepted ones is wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: candidates of a wave beyond those that are needed even if every one is accepted
OVERSHOOT = 32


@dataclass
class Candidates:
    """Counts candidates in the order of their draws. What it decides follows from the answers alone, so a resumed run
    asks for the same candidates again, and finds their answers.

    Args:
        wanted: how many are to be accepted.
        most: how many may be asked for.
    """

    wanted: int
    most: int
    tried: int = 0
    accepted: int = 0

    @property
    def missing(self) -> int:
        return self.wanted - self.accepted

    def next_wave(self) -> int:
        """How many to ask for together now; 0 when enough are accepted, or no more may be asked for."""
        if not self.missing:
            return 0
        rate = self.accepted / self.tried if self.tried else 1.0
        likely = math.ceil(self.missing / rate) if rate else self.missing + OVERSHOOT
        return min(likely, self.missing + OVERSHOOT, self.most - self.tried)
