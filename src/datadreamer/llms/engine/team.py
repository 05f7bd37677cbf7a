"""Several models behind one queue: whoever has room takes the next request (docs/design/parallel.md).

A `Team` stands where a `Desk` stands for one model: it takes calls, and hands each to the desk of a hosted member or
to the thread of a local one, but only when that member can ask it now. Lives on the background loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import BudgetExceededError, ServerUnreachableError
from ..types import Failure
from .desk import Lane, desk_for
from .stealing import Crew
from .team_members import Errand, Hosted, Local, Member

if TYPE_CHECKING:
    from ..llm import LLM
    from ..parallel_llm import ParallelLLM
    from ..types import Outcome
    from .call import Call, Waiter

COME_BACK = 60.0  # seconds after which a member whose server was gone is tried again
LOOK = 0.2  # seconds after which members are looked at again: one may have come to wait, or be free, without a word
ALIKE = 5  # requests of a member that has answered nothing yet that may fail alike before it is set aside
_OF_THE_REQUEST = frozenset({"bad_request", "context_length", "content_filter"})  # the same model would say the same


class Team:
    """See the module. `limiter` is there for what reads ahead: how much all members together take at once."""

    def __init__(self, llm: ParallelLLM, loop: asyncio.AbstractEventLoop, batch_size: int | None) -> None:
        self.loop = loop
        self.lane = Lane()
        self.members: list[Member] = [_member(one, loop, batch_size) for one in llm.members]
        self.limiter = _Together(self.members)
        self.crew = Crew(llm.display_name, [one.display_name for one in llm.members])
        self._llm = llm
        self._alike = {llm.members[0].spec() == one.spec() for one in llm.members} == {True}
        self._errands: dict[Call, Errand] = {}  # of every call that is not finished
        self._open: dict[tuple[int, bytes], Call] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._gone: dict[int, float] = {}  # member to the time when it may be tried again

    # --- what a desk offers -----------------------------------------------------------------------------------------

    def submit(self, call: Call, lane: Lane) -> None:
        """Take a call. One for the same request that is under way gets its waiters instead."""
        twin = self._open.get(_where(call))
        if twin is not None and not twin.done:
            for waiter in call.waiters:
                waiter.call = twin
            twin.waiters.extend(call.waiters)
            return
        self._open[_where(call)] = call
        self._errands[call] = Errand(self, call)
        lane.pending.append(call)

    def pump(self, *lanes: Lane) -> None:
        """Hand out as many calls as the members have room for."""
        self._look_after_members()
        lane = self.lane
        while lane.pending and not lane.halted and self.crew.working:
            free = [place for place in self.crew.working if self.members[place].room() > 0]
            if not free and not any(member.active for member in self.members):
                free = [
                    self._least_loaded()
                ]  # others keep it busy: queue there, its desk lets us in when it is our turn
            share = -(-len(lane.pending) // len(free)) if free else 0
            if not sum([self._give(place, share) for place in free]):
                break
        if not self.crew.working:
            self._end()
        elif self._timer is None and (lane.pending or self._could_help()):
            self._timer = self.loop.call_later(LOOK, self._look_again)

    def drop(self, call: Call, waiter: Waiter) -> None:
        """`waiter` no longer wants the answer; a call that nobody wants is cancelled."""
        if waiter in call.waiters:
            call.waiters.remove(waiter)
        if not call.waiters and not call.done:
            call.done = True
            errand = self._close(call)
            if errand is not None and errand.member is not None:
                errand.member.drop(errand)

    # --- handing out ------------------------------------------------------------------------------------------------

    def _give(self, place: int, share: int) -> int:
        member = self.members[place]
        calls = self._picked(place, max(1, min(share, member.room())))
        errands = []
        for call in calls:
            errand = self._errands[call]
            errand.place, errand.member, errand.request = place, member, self._llm.request_for(member.llm, call.request)
            errands.append(errand)
        if errands:
            member.take(errands)
        return len(errands)

    def _picked(self, place: int, count: int) -> list[Call]:
        """Calls for one member: the oldest, and for a local one those of nearest length, which waste no padding."""
        pending = self.lane.pending
        most = len(pending) if self.members[place].sorts else count
        chosen: list[Call] = []
        skipped: list[Call] = []
        while pending and len(chosen) < most:
            call = pending.popleft()
            if not call.done:
                (skipped if place in self._errands[call].tried else chosen).append(call)
        if len(chosen) > count:
            length = len(chosen[0].request.prompt)
            near = sorted(chosen, key=lambda call: abs(len(call.request.prompt) - length))[:count]
            taken = set(map(id, near))
            skipped += [call for call in chosen if id(call) not in taken]
            chosen = near
        pending.extendleft(reversed(skipped))
        return chosen

    def _least_loaded(self) -> int:
        return min(self.crew.working, key=lambda place: self.members[place].load())

    # --- what comes back --------------------------------------------------------------------------------------------

    def answered(self, errand: Errand, outcome: Outcome, shared: bool) -> None:
        """A member has answered, or given up."""
        call, place = errand.call_of_team, errand.place
        if not isinstance(outcome, Failure):
            self.members[place].failures = None
            self._finish(call, outcome, shared)
        elif not call.done:
            errand.tried.add(place)
            errand.failure = outcome
            self.lane.pending.appendleft(call)
            self._judge(place, outcome)
            self._give_up()
        self.pump()

    def stopped(self, errand: Errand, error: BaseException) -> None:
        """A member met an error that concerns all its requests, or the program."""
        call = errand.call_of_team
        if not isinstance(error, Exception) or isinstance(error, BudgetExceededError):
            self._close(call)
            call.fail_all(error)
            return
        self._set_aside(errand.place, error)
        if not call.done:
            self.lane.pending.appendleft(call)
        self.pump()

    def _give_up(self) -> None:
        """Deliver the failure of every call that nobody who still works would do better."""
        working = set(self.crew.working)
        for call in [call for call in self.lane.pending if not call.done]:
            errand = self._errands[call]
            same = errand.failure is not None and errand.failure.reason in _OF_THE_REQUEST and self._alike
            if errand.failure is not None and working and (same or working <= errand.tried):
                self.lane.pending.remove(call)
                call.book.failed(errand.failure)
                self._finish(call, errand.failure, False)

    def _finish(self, call: Call, outcome: Outcome, shared: bool) -> None:
        if not call.done:
            call.done = True
            self._close(call)
            for position, waiter in enumerate(call.waiters):
                waiter.deliver(outcome, shared or position > 0)

    def _judge(self, place: int, failure: Failure) -> None:
        """Set a member aside that has never answered and refuses everything."""
        member = self.members[place]
        if member.failures is None:
            return
        member.failures += 1
        if member.failures >= ALIKE:
            self._set_aside(place, failure.error())

    # --- members ----------------------------------------------------------------------------------------------------

    def _set_aside(self, place: int, error: BaseException) -> None:
        self.crew.set_aside(place, error)
        if isinstance(error, ServerUnreachableError):
            self._gone[place] = self.loop.time() + COME_BACK
        self._give_up()

    def _look_after_members(self) -> None:
        for place, error in self._llm.unfit.items():
            self.crew.set_aside(place, error)
        now = self.loop.time()
        for place in [place for place, until in self._gone.items() if until <= now]:
            del self._gone[place]
            self.crew.aside.pop(place, None)
        working = [self.members[place] for place in self.crew.working]
        if len(working) > 1 and any(member.room() > 0 for member in working):
            for member in working:
                for errand in member.taken_back():  # a rate limit holds it up, and somebody else is free
                    self.lane.pending.appendleft(errand.call_of_team)

    def _could_help(self) -> bool:
        """Whether somebody is free while somebody else has requests, which may come to wait without a word."""
        working = [self.members[place] for place in self.crew.working]
        return len(working) > 1 and any(one.active for one in working) and any(one.room() > 0 for one in working)

    def _look_again(self) -> None:
        self._timer = None
        self.pump()

    def _end(self) -> None:
        """Nobody works any more. Whoever asks after this tries all members again."""
        calls = list(self._errands)
        if not calls:
            return
        error = self.crew.error()
        self.lane.pending.clear()
        self._errands.clear()
        self._open.clear()
        self.crew.aside.clear()
        for call in calls:
            call.fail_all(error)

    def _close(self, call: Call) -> Errand | None:
        if self._open.get(_where(call)) is call:
            del self._open[_where(call)]
        return self._errands.pop(call, None)


class _Together:
    """What the members take at once, as one number."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members

    @property
    def limit(self) -> float:
        return sum(member.limit() for member in self._members)

    @property
    def cap(self) -> int:
        return int(sum(member.cap() for member in self._members))


def _member(llm: LLM, loop: asyncio.AbstractEventLoop, batch_size: int | None) -> Member:
    hosted = hasattr(llm, "_answer")
    return Hosted(llm, desk_for(llm, loop), Lane(batch_size)) if hosted else Local(llm, loop, batch_size)


def common_team(llm: ParallelLLM, loop: asyncio.AbstractEventLoop) -> Team:
    """The team of calls that come one by one. Only on the loop."""
    team: Team | None = llm._live_team
    if team is None or team.loop is not loop:
        team = llm._live_team = Team(llm, loop, None)
    return team


def _where(call: Call) -> tuple[int, bytes]:
    ledgers = call.book.memory.ledgers
    return (id(ledgers[0]) if ledgers else 0, call.key)
