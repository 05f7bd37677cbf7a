"""The desk of one service and account: takes calls from many runs, lets as many as the limiter allows out at once, and
asks again what deserves it. Lives on the background loop; only `desk_for` is called from other threads."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Hashable
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ...errors import BudgetExceededError, ModelError, RateLimitError, ServerUnreachableError, TransientModelError
from ..types import Failure, Generation
from .circuit import Circuit
from .limiter import Limiter
from .pace import Pace
from .retry import Retry, policy_of

if TYPE_CHECKING:
    from ..llm import LLM
    from .call import Call, Waiter


class Lane:
    """The calls of one run, in order, with the run's own bound."""

    __slots__ = ("active", "cap", "halted", "pending", "waiting")

    def __init__(self, cap: int | None = None) -> None:
        self.pending: deque[Call] = deque()
        self.active = 0
        self.cap = cap
        self.waiting = False  # whether the desk has this lane in its queue
        self.halted = False  # the run is about to stop: nothing new goes out

    @property
    def ready(self) -> bool:
        return bool(self.pending) and not self.halted and (self.cap is None or self.active < self.cap)


class Desk:
    """See the module."""

    def __init__(self, loop: asyncio.AbstractEventLoop, cap: int, first_pause: float) -> None:
        self.loop = loop
        self.limiter = Limiter(cap, first_pause)
        self.circuit = Circuit()
        self.pace: Pace | None = None  # limits that the user has set
        self.common = Lane()  # of calls that come one by one
        self._lanes: deque[Lane] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._rng = random.Random()
        self._open: dict[tuple[int, bytes], Call] = {}  # (ledger, key) of every call under way
        self._last_error: ModelError | None = None

    def submit(self, call: Call, lane: Lane) -> None:
        """Take a call. One for the same request that is under way gets its waiters instead."""
        where = (id(call.book.memory.ledgers[0]) if call.book.memory.ledgers else 0, call.key)
        twin = self._open.get(where)
        if twin is not None and not twin.done:
            for waiter in call.waiters:
                waiter.call = twin
            twin.waiters.extend(call.waiters)
            return
        self._open[where] = call
        lane.pending.append(call)

    def pump(self, *lanes: Lane) -> None:
        """Let out as many calls as may go now; `lanes` have new calls."""
        for lane in lanes:
            self._line_up(lane)
        now = self.loop.time()
        while self._lanes:
            lane = self._lanes[0]
            if not lane.ready:
                self._lanes.popleft().waiting = False
                continue
            wait = self._held_up(lane.pending[0], now)
            if wait is not None:
                self._wake_after(wait)
                return
            if lane.pending[0].charge is not None and not self._paid_for(lane.pending[0], lane):
                self.limiter.release()
                continue
            self._lanes.rotate(-1)  # runs take turns
            self._send(lane.pending.popleft(), lane)

    def drop(self, call: Call, waiter: Waiter) -> None:
        """`waiter` no longer wants the answer; a call that nobody wants is cancelled."""
        if waiter in call.waiters:
            call.waiters.remove(waiter)
        if not call.waiters and not call.done:
            call.done = True
            self._close(call)
            if call.task is not None:
                call.task.cancel()

    def _paid_for(self, call: Call, lane: Lane) -> bool:
        """Reserve what `call` may cost. Where that cannot be now, the lane waits for others; where never, it ends."""
        assert call.charge is not None
        if call.done:
            return True
        try:
            if call.charge.reserve(lambda: self.loop.call_soon_threadsafe(self.pump, lane)):
                return True
        except BudgetExceededError as error:
            lane.pending.popleft()
            self._close(call)
            call.fail_all(error)
            return False
        self._lanes.popleft().waiting = False
        return False

    # --- inside -----------------------------------------------------------------------------------------------------

    def _held_up(self, call: Call, now: float) -> float | None:
        """Seconds until `call` may go; 0: until another one comes back; None: it may go, and has its place."""
        circuit = self.circuit
        if circuit.open and call.llm.retry_on_fail:
            left = circuit.since + call.llm.retry_policy.outage_elapsed - now
            if left <= 0:
                self._end_all(call)
                return 0.0
            if circuit.probing or circuit.wait(now):
                return left if circuit.probing else min(left, circuit.wait(now))
        if self.pace is not None and (wait := self.pace.wait(call.llm, call.request, now)):
            return wait
        return None if self.limiter.try_acquire(now) else self.limiter.paused(now)

    def _end_all(self, witness: Call) -> None:
        """The service has been down too long: end every run that waits for it."""
        error = self._outage(witness)
        self.circuit.give_up()
        for lane in self._lanes:
            calls = list(lane.pending)
            lane.pending.clear()
            for call in calls:
                self._close(call)
                call.fail_all(error)

    def _outage(self, witness: Call) -> ServerUnreachableError:
        llm, circuit = witness.llm, self.circuit
        return ServerUnreachableError(
            f"{llm.host or llm.display_name} worked, and has been down for {self.loop.time() - circuit.since:.0f} "
            f"seconds: {circuit.failures} requests in a row had no answer. Every answer that came is kept: run the "
            f"script again to go on from there. The last error: {self._last_error}"
        )

    def _line_up(self, lane: Lane) -> None:
        if not lane.waiting and lane.ready:
            lane.waiting = True
            self._lanes.append(lane)

    def _wake_after(self, seconds: float) -> None:
        if seconds <= 0:
            return  # full: the next call that comes back pumps
        now, timer = self.loop.time(), self._timer
        if timer is None or timer.cancelled() or not now < timer.when() < now + 1.2 * seconds:
            if timer is not None:
                timer.cancel()
            # spread, so that many processes on one account do not all come back in the same instant
            self._timer = self.loop.call_later(seconds * (1.0 + 0.1 * self._rng.random()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()

    def _send(self, call: Call, lane: Lane) -> None:
        if call.done:  # dropped while it waited
            self.limiter.release()
            return
        lane.active += 1
        probe = self.circuit.probing = self.circuit.open
        expected = self.pace.sent(call.llm, call.request, self.loop.time()) if self.pace else 0.0
        call.task = self.loop.create_task(self._attempt(call, lane, probe, expected))

    async def _attempt(self, call: Call, lane: Lane, probe: bool, expected: float) -> None:
        limiter, attempts = self.limiter, call.attempts
        epoch = limiter.epoch
        attempts.sent += 1
        call.started = time.time()
        try:
            answer = await call.llm._answer(call.request)
            limiter.contacted = True
            limiter.answered(self.loop.time(), answer.wait)
            self.circuit.heard()
            if self.pace is not None:
                self.pace.settle(expected, answer, self.loop.time())
            if call.charge is not None:
                call.charge.answered(answer)
            self._answered(call, answer)
        except ModelError as error:
            if call.charge is not None:
                call.charge.failed(error)
            if not isinstance(error, ServerUnreachableError):
                limiter.contacted = True
            if not call.done:
                self._failed(call, lane, error, epoch, probe)
        except asyncio.CancelledError:
            if call.done:  # dropped
                raise
            self._failed(
                call, lane, TransientModelError("The request was cancelled inside the model's own code."), epoch
            )
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            # a fault of the backend itself, which every other request would meet too, or the end of the program
            self._close(call)
            call.fail_all(error)
        finally:
            if call.charge is not None:
                call.charge.lost()  # unless it is settled: it was broken off
            call.task = None
            if probe:
                self.circuit.probing = False
            limiter.release()
            lane.active -= 1
            self.pump(lane)

    def _answered(self, call: Call, answer: Generation) -> None:
        from msgspec.structs import replace

        answer = replace(answer, key=call.key, attempts=call.attempts.sent, wait=None)
        if answer.finish_reason == "content_filter":
            self._give_up(
                call,
                Failure(
                    reason="content_filter",
                    message="The service stopped the answer because of its content.",
                    usage=answer.usage,
                    cost_usd=answer.cost_usd,
                    attempts=call.attempts.sent,
                    key=call.key,
                ),
            )
            return
        call.book.answered(call.request, call.parts, answer, call.started)
        self._close(call)
        call.finish(answer)

    def _failed(self, call: Call, lane: Lane, error: ModelError, epoch: int, probe: bool = False) -> None:
        now = self.loop.time()
        attempts = call.attempts
        if attempts.first_error is None:
            attempts.first_error = now
        policy = policy_of(call.llm)
        alone = False  # whether nobody else waits because of this
        if isinstance(error, RateLimitError):
            attempts.limited += 1
            alone = not self.limiter.limited(now, epoch, error.retry_after)
            self.circuit.heard(answered=False)
        else:
            attempts.transient += 1
            self.limiter.failed()
            if call.llm.retry_on_fail:
                self._count(call, error, now, probe)
        if self.circuit.open and call.llm.retry_on_fail:
            self._hold(call, lane)
            return
        decision = policy.decide(error, attempts, now, self.limiter.contacted, self._rng)
        if isinstance(decision, Retry):
            call.book.retried()
            self._again(call, lane, policy.backoff(attempts.limited, self._rng) if alone else decision.after)
        elif decision.fatal:
            self._close(call)
            call.fail_all(error)
        else:
            self._give_up(call, Failure.of(error, attempts=attempts.sent, key=call.key))

    def _count(self, call: Call, error: ModelError, now: float, probe: bool) -> None:
        """Tell the circuit what became of a request."""
        if not isinstance(error, TransientModelError):
            self.circuit.heard(answered=False)
            return
        self._last_error = error
        self.circuit.failed(
            now,
            call.llm.retry_policy,
            int(self.limiter.limit),
            first=call.attempts.sent - call.attempts.limited == 1,
            unreachable=isinstance(error, ServerUnreachableError),
            probe=probe,
            wait=getattr(error, "retry_after", None) or 0.0,
        )

    def _hold(self, call: Call, lane: Lane) -> None:
        """Keep a call until the service works again: what an outage does to a request is no fault of it."""
        call.attempts.transient = 0
        call.attempts.first_error = None
        call.book.retried()
        lane.pending.append(call)  # behind those that were not asked yet: they are better probes

    def _again(self, call: Call, lane: Lane, after: float) -> None:
        if after <= 0:
            lane.pending.appendleft(call)  # its turn came before that of the others; _attempt pumps
        else:
            self.loop.call_later(after, self._requeue, call, lane)

    def _requeue(self, call: Call, lane: Lane) -> None:
        if not call.done:
            (lane.pending.append if self.circuit.open else lane.pending.appendleft)(call)
            self.pump(lane)

    def _give_up(self, call: Call, failure: Failure) -> None:
        self._close(call)
        call.book.failed(failure)
        call.finish(failure)

    def _close(self, call: Call) -> None:
        where = (id(call.book.memory.ledgers[0]) if call.book.memory.ledgers else 0, call.key)
        if self._open.get(where) is call:
            del self._open[where]


_desks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Desk]] = WeakKeyDictionary()
_lock = Lock()


def desk_for(llm: LLM, loop: asyncio.AbstractEventLoop) -> Desk:
    """The desk of the service that `llm` asks. What its limiter learnt stays while the process lives."""
    with _lock:  # readers of several runs come from several threads
        desks, account = _desks.setdefault(loop, {}), llm.account()
        desk = desks.get(account)
        if desk is None:
            desk = desks[account] = Desk(loop, llm.max_in_flight, llm.retry_policy.first_pause)
        elif desk.limiter.cap != llm.max_in_flight:
            desk.limiter.set_cap(llm.max_in_flight)
        pace = Pace.of(llm, loop.time())
        if pace is not None and (desk.pace is None or desk.pace.limits != pace.limits):
            desk.pace = pace
        return desk
