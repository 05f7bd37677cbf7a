"""One prompt, one answer, for code that awaits."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from ... import _loop
from ..types import Failure, Generation
from .call import Call
from .desk import Desk, Lane, desk_for
from .source import Source

if TYPE_CHECKING:
    from ..._context import StepScope
    from ..budget import Budget
    from ..llm import LLM
    from ..parallel_llm import ParallelLLM
    from ..params import Ask
    from ..types import Outcome, Prompt
    from .team import Team


class _Waiter:
    """Waits for one call, on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[Outcome] = loop.create_future()
        self.call: Any = None

    def deliver(self, outcome: Outcome, shared: bool) -> None:
        if not self.future.done():
            self.future.set_result(outcome)

    def stop(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


async def agenerate(llm: LLM, prompt: Prompt, ask: Ask, sample: int, scope: StepScope | None) -> Generation:
    """See `LLM.agenerate`."""
    loop = _loop.loop()
    work = _answer(llm, prompt, ask, sample, scope)
    if asyncio.get_running_loop() is loop:
        return await work
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))


def generate(llm: LLM, prompt: Prompt, ask: Ask, sample: int, scope: StepScope | None) -> Generation:
    """See `LLM.generate`."""
    future: Future[Generation] = _loop.submit(_answer(llm, prompt, ask, sample, scope))
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


async def _answer(llm: LLM, prompt: Prompt, ask: Ask, sample: int, scope: StepScope | None) -> Generation:
    source = Source(llm, (), ask, scope)
    slot, missing = source.single(prompt, sample)
    outcome = slot.outcome
    if missing and hasattr(llm, "_answer_batch"):
        from .microbatch import microbatch_for

        outcome = await microbatch_for(llm, ask).ask(slot, source.book)
    elif missing:
        desk, lane = _place(llm, source.book.budgets)
        waiter = _Waiter(desk.loop)
        waiter.call = Call(llm, slot.request, slot.key, slot.parts, source.book, waiter)
        desk.submit(waiter.call, lane)
        desk.pump(lane)
        try:
            outcome = await waiter.future
        except asyncio.CancelledError:
            desk.drop(waiter.call, waiter)
            raise
    if isinstance(outcome, Failure):
        raise outcome.error()
    assert outcome is not None
    return outcome


def _place(llm: LLM, budgets: tuple[Budget, ...]) -> tuple[Desk | Team, Lane]:
    """The desk, and the lane of those who are paid for by the same budgets: who waits for one holds up no others."""
    if llm.members:
        from .team import common_team

        team = common_team(cast("ParallelLLM", llm), _loop.loop())
        return team, team.lane
    desk = desk_for(llm, _loop.loop())
    if not budgets:
        return desk, desk.common
    lanes = _lanes.setdefault(budgets[0], {})
    return desk, lanes.setdefault((id(desk), *map(id, budgets)), Lane())


_lanes: WeakKeyDictionary[Budget, dict[tuple[int, ...], Lane]] = WeakKeyDictionary()
