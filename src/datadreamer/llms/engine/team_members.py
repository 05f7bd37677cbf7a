"""One model of a team: what it has room for, and how a request reaches it and comes back."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import msgspec

from ...errors import BudgetExceededError
from ..types import Failure, Generation
from .batches import answer
from .call import Call
from .source import Slot
from .stealing import is_stopping

if TYPE_CHECKING:
    from ..llm import LLM
    from ..types import Outcome, Request
    from .desk import Desk, Lane
    from .team import Team
    from .team_books import TeamBook

REST = 1.0  # seconds for which a member gets nothing after requests were taken back from it
READ_AHEAD = 250  # prompts that are kept ready for a local member at least, so that lengths can be matched


class Errand:
    """A call of a team, on its way to one member after another. It waits for the member's own call."""

    __slots__ = ("call", "call_of_team", "failure", "member", "place", "request", "team", "tried")

    def __init__(self, team: Team, call: Call) -> None:
        self.team = team
        self.call_of_team = call
        self.call: Any = None  # the member's own
        self.member: Member | None = None
        self.place = 0
        self.request: Request = call.request
        self.tried: set[int] = set()  # members that failed at it
        self.failure: Failure | None = None  # the last

    @property
    def book(self) -> Any:
        """The book of the member that has it."""
        return cast("TeamBook", self.call_of_team.book).members[self.place]

    def deliver(self, outcome: Outcome, shared: bool) -> None:
        """The member's outcome."""
        self._back()
        self.team.answered(self, outcome, shared)

    def stop(self, error: BaseException) -> None:
        """The member cannot answer anything."""
        self._back()
        self.team.stopped(self, error)

    def _back(self) -> None:
        self.call_of_team.task = None
        if self.member is not None:
            self.member.in_hand.discard(self)


class Member:
    """The base of both kinds. Lives on the loop."""

    sorts = False  # whether requests of similar length should come together

    def __init__(self, llm: LLM) -> None:
        self.llm = llm
        self.in_hand: set[Errand] = set()
        self.failures: int | None = 0  # requests that failed before the first answer; None after it

    @property
    def active(self) -> int:
        """Requests that it has."""
        return len(self.in_hand)

    def limit(self) -> float:
        """Requests that it can have at once, now."""
        raise NotImplementedError

    def cap(self) -> float:
        """The most that this may become."""
        raise NotImplementedError

    def room(self) -> int:
        """Requests that it would start at once if it got them now."""
        raise NotImplementedError

    def load(self) -> float:
        """How busy it is, with everybody's requests."""
        return 0.0

    def take(self, errands: Sequence[Errand]) -> None:
        """Ask these."""
        raise NotImplementedError

    def drop(self, errand: Errand) -> None:
        """Nobody wants the answer any more."""

    def taken_back(self) -> list[Errand]:
        """Requests that it has and cannot start, for somebody else."""
        return []


class Hosted(Member):
    """A model behind a network, with the desk that it shares with everybody who asks the same account."""

    def __init__(self, llm: LLM, desk: Desk, lane: Lane) -> None:
        super().__init__(llm)
        self._desk = desk
        self._lane = lane
        self._rests_until = 0.0

    def limit(self) -> float:
        limit, cap = self._desk.limiter.limit, self._lane.cap
        return limit if cap is None else min(limit, cap)

    def cap(self) -> float:
        return self._desk.limiter.cap if self._lane.cap is None else min(self._desk.limiter.cap, self._lane.cap)

    def room(self) -> int:
        limiter, lane = self._desk.limiter, self._lane
        if self._held():
            return 0
        free = int(limiter.limit) - limiter.in_flight
        if self._desk.circuit.open or self._desk.pace is not None:
            free = min(free, 1)  # one tries whether the service is back, or whether the next may go
        return (free if lane.cap is None else min(free, lane.cap - lane.active)) - len(lane.pending)

    def _held(self) -> bool:
        """Whether nothing can be sent now: a rate limit, or a service that is down; or could not a moment ago."""
        now, circuit = self._desk.loop.time(), self._desk.circuit
        if self._desk.limiter.paused(now) or now < self._rests_until:
            return True
        return circuit.open and self.llm.retry_on_fail and (circuit.probing or circuit.wait(now) > 0)

    def load(self) -> float:
        limiter = self._desk.limiter
        return limiter.paused(self._desk.loop.time()) + (limiter.in_flight + len(self._lane.pending)) / limiter.limit

    def take(self, errands: Sequence[Errand]) -> None:
        for errand in errands:
            call = errand.call_of_team
            errand.call = Call(self.llm, errand.request, call.key, call.parts, errand.book, errand)
            self.in_hand.add(errand)
            self._desk.submit(errand.call, self._lane)
        self._desk.pump(self._lane)
        for errand in errands:
            errand.call_of_team.task = errand.call.task

    def drop(self, errand: Errand) -> None:
        self.in_hand.discard(errand)
        self._desk.drop(errand.call, errand)

    def taken_back(self) -> list[Errand]:
        if not self._lane.pending or not (self._held() or self._desk.pace is not None):
            return []
        found = [call.waiters[0] for call in self._lane.pending if len(call.waiters) == 1 and not call.done]
        self._lane.pending.clear()
        self._rests_until = self._desk.loop.time() + REST
        errands = [errand for errand in found if isinstance(errand, Errand)]
        for errand in errands:
            self.drop(errand)
        return errands


class Local(Member):
    """A model in this process: one batch at a time, in a thread of its own."""

    sorts = True

    def __init__(self, llm: LLM, loop: asyncio.AbstractEventLoop, batch_size: int | None) -> None:
        super().__init__(llm)
        self._loop = loop
        self._size = batch_size or llm.default_batch_size
        self._running = False
        self._backend: Any = llm if hasattr(llm, "_answer_batch") else _Published(llm)

    def limit(self) -> float:
        return max(READ_AHEAD, 10 * self._size)

    cap = limit

    def room(self) -> int:
        return 0 if self._running else self._size

    def load(self) -> float:
        return float(self._running)

    def take(self, errands: Sequence[Errand]) -> None:
        self._running = True
        self.in_hand.update(errands)
        task = self._loop.create_task(self._answer(list(errands)))
        for errand in errands:
            errand.call_of_team.task = task

    async def _answer(self, errands: list[Errand]) -> None:
        calls = [errand.call_of_team for errand in errands]
        slots = [Slot(errand.request, call.key, call.parts) for errand, call in zip(errands, calls, strict=True)]
        batch = [(slot, errand.book) for slot, errand in zip(slots, errands, strict=True)]
        fault: BaseException | None = None
        try:
            await self._loop.run_in_executor(_thread_of(self.llm), answer, self._backend, batch)
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            fault = error
        self._running = False
        for errand, slot in zip(errands, slots, strict=True):
            if slot.outcome is not None:
                errand.deliver(slot.outcome, False)
            elif fault is None:
                errand.deliver(Failure(reason="error", message="The model gave no outcome."), False)
            elif is_stopping(fault) or isinstance(fault, BudgetExceededError):
                errand.stop(fault)
            else:
                errand.deliver(Failure.of(fault), False)


class _Published:
    """A model of the user's own that writes `run()`, asked in batches."""

    def __init__(self, llm: LLM) -> None:
        self._llm = llm

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def _answer_batch(self, requests: list[Request]) -> list[Generation | Failure]:
        alike: dict[bytes, list[int]] = defaultdict(list)
        arguments = [_arguments(request) for request in requests]
        for place, given in enumerate(arguments):
            alike[msgspec.json.encode(given, order="deterministic")].append(place)
        outcomes: dict[int, Generation | Failure] = {}
        for places in alike.values():
            texts = self._llm.run([_prompt(requests[place]) for place in places], **arguments[places[0]])
            outcomes |= {place: Generation(text=text) for place, text in zip(places, texts, strict=True)}
        return [outcomes[place] for place in range(len(requests))]


def _arguments(request: Request) -> dict[str, Any]:
    """The arguments of `run()` that a request came from."""
    given = {name: value for name, value in request.parts().items() if name not in _NOT_ARGUMENTS}
    if request.stop is not None:
        given["stop"] = list(request.stop)
    if request.logit_bias is not None:
        given["logit_bias"] = {int(token): bias for token, bias in request.logit_bias.items()}
    return {**given, **(request.extra or {})}


_NOT_ARGUMENTS = frozenset({"messages", "system", "extra", "sample"})


def _prompt(request: Request) -> Any:
    """The prompt that a request came from: the text alone, where there is nothing else."""
    messages = request.messages
    plain = len(messages) == 1 and messages[0]["role"] == "user" and isinstance(messages[0].get("content"), str)
    return messages[0]["content"] if plain else list(messages)


_threads: WeakKeyDictionary[LLM, ThreadPoolExecutor] = WeakKeyDictionary()


def _thread_of(llm: LLM) -> ThreadPoolExecutor:
    """The one thread in which a local model works for teams. Only on the loop."""
    if llm not in _threads:
        _threads[llm] = ThreadPoolExecutor(1, thread_name_prefix="datadreamer-parallel")
    return _threads[llm]
