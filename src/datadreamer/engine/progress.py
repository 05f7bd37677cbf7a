"""What a running step shows: a bar on a terminal, a line now and then elsewhere, one line at the end.

Nothing is shown for what takes less than two seconds.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

from .._context import CallStats

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

logger = logging.getLogger("datadreamer.engine")

QUIET_SECONDS = 2.0
REFRESH_SECONDS = 0.2


class Progress:
    """Progress of one step or trainer. `total` is a number of rows (or training steps), None when unknown."""

    def __init__(self, title: str, total: int | None, stats: CallStats, interval: float | None, unit: str = "rows"):
        self.title, self.total, self.stats, self.unit = title, total, stats, unit
        self.interval = interval if interval and interval > 0 else 60.0
        self.started = time.monotonic()
        self.first: int | None = None  # what an earlier try had done already
        self.done = 0
        self._shown_at = self.started
        self._logged_at: float | None = None
        self._bar: RichProgress | None = None
        self._task: Any = None

    def update(self, done: int, note: str = "") -> None:
        """Report that `done` of `total` are finished; cheap enough to call for every row."""
        if self.first is None:
            self.first = done
        self.done = done
        now = time.monotonic()
        if now - self._shown_at < REFRESH_SECONDS or now - self.started < QUIET_SECONDS:
            return
        self._shown_at = now
        if not logger.isEnabledFor(logging.INFO):
            return
        if sys.stderr.isatty():
            self._draw(note)
        elif self._logged_at is None or now - self._logged_at >= self.interval:
            self._logged_at = now
            logger.info("%s: %s", self.title, self.line(note))

    def line(self, note: str = "") -> str:
        """Rows, calls, hits, cost, rate and time left, those of them that are known."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate = (self.done - (self.first or 0)) / seconds
        of_total = f"/{self.total:,}" if self.total is not None else ""
        parts = [f"{self.done:,}{of_total} {self.unit}", *counted(self.stats)]
        if rate > 0:
            parts.append(f"{rate:,.1f} {self.unit}/s" if rate < 100 else f"{rate:,.0f} {self.unit}/s")
            if self.total is not None and self.done < self.total:
                parts.append(f"{duration((self.total - self.done) / rate)} left")
        if note:
            parts.append(note)
        return ", ".join(parts)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, note: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as RichProgress

            columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[line]}"))
            self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
            self._task = self._bar.add_task(self.title, total=self.total, line="")
            self._bar.start()
        self._bar.update(self._task, completed=self.done, line=self.line(note), refresh=True)


def counted(stats: CallStats) -> list[str]:
    """What models did, in words; nothing for a step without models."""
    parts = []
    if stats.calls or stats.hits or stats.failures:
        parts.append(f"{stats.calls:,} calls")
        parts.append(f"{stats.hits:,} from the ledger")
    if stats.failures:
        parts.append(f"{stats.failures:,} failed")
    if stats.output_tokens:
        parts.append(f"{stats.input_tokens + stats.output_tokens:,} tokens")
    if stats.cost_usd:
        parts.append(f"${stats.cost_usd:,.4f}")
    return parts


def duration(seconds: float) -> str:
    """Seconds as a person says them: `0.4s`, `12s`, `3m 20s`, `2h 05m`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    if seconds < 3600:
        return f"{seconds // 60:.0f}m {seconds % 60:02.0f}s"
    return f"{seconds // 3600:.0f}h {seconds % 3600 // 60:02.0f}m"
