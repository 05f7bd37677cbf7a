"""Hosted models: many requests in flight, outcomes in order, memory bounded, no barriers (docs/design/calls.md)."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from ... import _loop
from ...errors import BudgetExceededError
from ..types import Failure, Generation
from .call import Call
from .desk import Desk, Lane, desk_for

if TYPE_CHECKING:
    from ..llm import LLM
    from ..parallel_llm import ParallelLLM
    from ..types import Outcome
    from .source import Slot, Source
    from .team import Team

WINDOW = 2048  # draws between the oldest that is not yet read and the newest that was taken
CHUNK = 256  # most prompts that are looked up together
HAND_OVER = 0.002  # seconds for which outcomes are gathered before the reader is woken
SAME = 5  # first failures that must be alike for the run to stop
ALIKE = frozenset({"bad_request", "transient"})


class Stream:
    """One call of `outcomes()`: the reader's thread takes prompts and reads; the loop's thread asks."""

    def __init__(self, source: Source) -> None:
        self._source = source
        ask = source.ask
        self._n = ask.n
        self._loop = _loop.loop()
        self._desk, self._lane = _place(source.llm, self._loop, ask.batch_size)
        self._window: deque[Slot] = deque()
        self._most = max(WINDOW, 8 * (ask.batch_size or self._desk.limiter.cap)) + ask.n
        self._sent = 0  # counted by the reader
        self._back = 0  # counted by the loop
        self._answers = 0
        self._failures: list[tuple[str, str]] = []
        self._error: BaseException | None = None
        self._wake = threading.Event()
        self._wake_planned = False
        self._hits_only = False

    def outcomes(self) -> Generator[Any, None, None]:
        """The outcomes in order; lists of n of them when n > 1."""
        single = self._n == 1
        try:
            while True:
                if self._wants_more():
                    self._take()
                if not self._window:
                    if self._source.exhausted:
                        return
                    continue
                self._wait_for_first()
                if single:
                    yield self._window.popleft().outcome
                else:
                    yield [self._window.popleft().outcome for _ in range(self._n)]
        finally:
            self._stop()

    # --- the reader's side ------------------------------------------------------------------------------------------

    def _limit(self) -> int:
        """Draws that can be in flight now."""
        limit = int(self._desk.limiter.limit)
        return limit if self._lane.cap is None else min(limit, self._lane.cap)

    def _room(self) -> int:
        """Draws that may be handed to the desk now: twice what can be in flight, so that it never runs dry."""
        return 2 * self._limit() - (self._sent - self._back)

    def _wants_more(self) -> bool:
        held = len(self._window)
        if self._source.exhausted or held >= self._most or self._error is not None:
            return False
        if self._hits_only:
            return not held  # answers come at the speed of the ledger: no need to read ahead
        if held >= 4 * self._limit() and self._ready():
            return False  # the reader is slower than the service: no answer is asked for long before it is wanted
        return 2 * self._room() >= self._sent - self._back

    def _take(self) -> None:
        prompts = max(1, min(CHUNK, self._most - len(self._window), max(self._room(), 16)) // self._n)
        if self._hits_only:
            prompts = max(1, CHUNK // self._n)
        slots, missing = self._source.take(prompts)
        self._window.extend(slots)
        self._hits_only = not missing
        source = self._source
        for slot in missing:
            slot.owner = self
            slot.call = Call(source.llm, slot.request, slot.key, slot.parts, source.book, slot)
        for slot in slots:
            slot.forget()
        if not missing:
            return
        self._sent += len(missing)
        self._loop.call_soon_threadsafe(self._submit, missing)

    def _ready(self) -> bool:
        window = self._window
        return len(window) >= self._n and all(window[index].outcome is not None for index in range(self._n))

    def _wait_for_first(self) -> None:
        while not self._ready():
            self._wake.clear()
            if self._error is None and not self._ready():
                self._wake.wait(1.0)
            if self._error is not None:
                break
            if self._wants_more():
                self._take()
        if self._error is None or (isinstance(self._error, BudgetExceededError) and self._ready()):
            return  # a budget stops the asking: what was answered before is still handed out, in order
        raise self._error

    def _stop(self) -> None:
        """Cancel what is still in flight, and wait until it is."""
        if self._sent == self._back or sys.is_finalizing():
            return
        cancelled = threading.Event()
        slots = [slot for slot in self._window if slot.outcome is None]
        self._loop.call_soon_threadsafe(self._cancel, slots, cancelled)
        if not _on(self._loop):
            cancelled.wait(5.0)

    # --- the loop's side --------------------------------------------------------------------------------------------

    def _submit(self, slots: list[Slot]) -> None:
        if self._error is None:
            for slot in slots:
                self._desk.submit(slot.call, self._lane)
            self._desk.pump(self._lane)

    def delivered(self, slot: Slot, outcome: Outcome, shared: bool) -> None:
        """The outcome of one draw is there."""
        if shared and isinstance(outcome, Generation):
            outcome = replace(outcome, cached=True)
            self._source.book.shared()
        slot.outcome = outcome
        slot.call = None
        self._back += 1
        if isinstance(outcome, Generation):
            self._answers += 1
        elif not self._answers:
            self._judge(outcome)
        self._plan_wake()

    def stopped(self, error: BaseException) -> None:
        """No prompt of this run can be answered."""
        if self._error is None:
            self._error = error
            self._lane.halted = True
            self._wake.set()

    def _judge(self, failure: Failure) -> None:
        """Stop when nothing was answered yet and the first failures are all alike: the next will be like them."""
        self._failures.append((failure.reason, re.sub(r"\d+", "0", failure.message)))
        if len(self._failures) < SAME or failure.reason not in ALIKE or len(set(self._failures)) > 1:
            return
        error = failure.error()
        self.stopped(
            type(error)(f"The first {len(self._failures)} requests failed in the same way, so the run stops. {error}")
        )

    def _plan_wake(self) -> None:
        if not self._wake_planned:
            self._wake_planned = True
            self._loop.call_later(HAND_OVER, self._wake_reader)

    def _wake_reader(self) -> None:
        self._wake_planned = False
        self._wake.set()

    def _cancel(self, slots: list[Slot], cancelled: threading.Event) -> None:
        tasks = []
        for slot in slots:
            call = slot.call
            if call is not None:
                if call.task is not None:
                    tasks.append(call.task)
                self._desk.drop(call, slot)
        self._lane.halted = False  # what others wait for goes on
        self._desk.pump(self._lane)
        waiting = len(tasks)
        if not waiting:
            cancelled.set()
            return

        def ended(_: object) -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                cancelled.set()

        for task in tasks:
            task.add_done_callback(ended)


def _place(llm: LLM, loop: asyncio.AbstractEventLoop, batch_size: int | None) -> tuple[Desk | Team, Lane]:
    if not llm.members:
        return desk_for(llm, loop), Lane(batch_size)
    from .team import Team

    team = Team(cast("ParallelLLM", llm), loop, batch_size)
    return team, team.lane


def _on(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is the loop's own thread (a generator can be collected anywhere)."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
