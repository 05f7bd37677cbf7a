"""A service that goes down in the middle of a run: rows wait for it, or the run stops; none is lost to it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, answer, error

from datadreamer import _context, _loop
from datadreamer.errors import ServerUnreachableError
from datadreamer.llms import Failure, Generation, OpenAI
from datadreamer.llms.engine.circuit import Circuit
from datadreamer.llms.engine.desk import desk_for
from datadreamer.llms.engine.retry import RetryPolicy


class Hasty(OpenAI):
    """Gives up a service that is down after 0.8 seconds."""

    retry_policy = RetryPolicy(first_wait=0.01, longest_wait=0.05, first_pause=0.05, outage_elapsed=0.8)


class Patient(OpenAI):
    """Waits long for a service that is down."""

    retry_policy = RetryPolicy(first_wait=0.01, longest_wait=0.05, outage_elapsed=60.0)


def down(from_request: int, until: list[float] | None = None) -> Any:
    """Answers, until it has had so many requests; then fails (until a moment)."""

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if number < from_request or (until and time.monotonic() > until[0]):
            return answer(f"to {body['messages'][-1]['content']}")
        if until == [0.0]:
            until[0] = time.monotonic() + 0.5
        return error(503, "under repair")

    return behaviour


@pytest.mark.parametrize("batch_size", [None, 1])
def test_rows_wait_for_a_service_that_comes_back(server: Server, batch_size: int | None) -> None:
    server.behaviour = down(40, until=[0.0])
    outcomes = list(Patient("m", base_url=server.url).outcomes([f"p{n}" for n in range(200)], batch_size=batch_size))
    lost = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    # asked one by one, some rows use up their tries before anybody can know that it is not they who are at fault
    assert len(lost) <= (4 if batch_size else 0)
    assert all(
        outcome.text == f"to p{number}" for number, outcome in enumerate(outcomes) if isinstance(outcome, Generation)
    )
    assert len(server.requests) < 300  # meanwhile one request at a time looked whether it was back


def test_a_service_that_stays_down_ends_the_run_which_then_goes_on(
    server: Server, scope: _context.StepScope, ledger: Any
) -> None:
    prompts = [f"p{n}" for n in range(200)]
    server.behaviour = down(80)
    llm = Hasty("m", base_url=server.url)
    with pytest.raises(
        ServerUnreachableError, match=r"127.0.0.1 worked, and has been down .*run the script again.*503"
    ):
        llm.run(prompts)
    assert scope.stats.failures == 0
    kept = ledger.count_calls()
    assert 16 <= kept <= 80
    server.behaviour = down(10**9)
    before = len(server.requests)
    assert llm.run(prompts) == [f"to p{n}" for n in range(200)]
    assert len(server.requests) - before == 200 - kept


def test_a_service_that_falls_silent_ends_the_run_before_its_time_out(server: Server) -> None:
    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if number >= 60:
            await asyncio.sleep(0.05 if number < 250 else 3600)
            return error(504)
        return answer("ok")

    server.behaviour = behaviour
    started = time.monotonic()
    with pytest.raises(ServerUnreachableError, match="has been down"):
        Hasty("m", base_url=server.url, timeout=300).run([f"p{n}" for n in range(200)])
    assert time.monotonic() - started < 10


def test_single_questions_end_too(server: Server) -> None:
    server.behaviour = down(20)
    llm = Hasty("m", base_url=server.url)

    async def ask() -> list[Any]:
        first = await asyncio.gather(*(llm.agenerate(f"p{n}") for n in range(20)))
        others = await asyncio.gather(*(llm.agenerate(f"q{n}") for n in range(30)), return_exceptions=True)
        return [*first, *others]

    results = asyncio.run(ask())
    assert all(isinstance(result, Generation) for result in results[:20])
    assert {type(result) for result in results[20:]} == {ServerUnreachableError}


def test_rows_that_always_fail_are_losses_and_hold_up_nobody(server: Server) -> None:
    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        prompt = str(body["messages"][-1]["content"])
        return error(500, "cannot do this one") if prompt.endswith("7") else answer("ok")

    server.behaviour = behaviour
    llm = Hasty("m", base_url=server.url)
    outcomes = list(llm.outcomes([f"p{n}" for n in range(300)]))
    assert [n for n, one in enumerate(outcomes) if isinstance(one, Failure)] == list(range(7, 300, 10))
    assert not desk_for(llm, _loop.loop()).circuit.open


def test_without_retries_nothing_waits_for_a_service(server: Server) -> None:
    server.behaviour = down(40)
    llm = Hasty("m", base_url=server.url, retry_on_fail=False)
    outcomes = list(llm.outcomes([f"p{n}" for n in range(100)]))
    assert sum(isinstance(one, Failure) for one in outcomes) == 60
    assert len(server.requests) == 100


# --- the object itself ----------------------------------------------------------------------------------------------


POLICY = RetryPolicy(first_wait=0.5)


def failed(circuit: Circuit, times: int, now: float = 0.0, limit: int = 8, **named: bool) -> None:
    """Fails now and then in the four seconds before `now`, and at last now."""
    what = {"first": True, "unreachable": False, "probe": False, **named}
    for number in range(times):
        circuit.failed(now if number == times - 1 else now - 4.0, POLICY, limit, **what)  # type: ignore[arg-type]


def worked() -> Circuit:
    circuit = Circuit()
    circuit.heard()
    return circuit


def test_a_service_that_never_worked_is_not_waited_for() -> None:
    circuit = Circuit()
    failed(circuit, 100)
    assert not circuit.open


def test_five_rows_in_a_row_open_it_and_an_answer_closes_it() -> None:
    circuit = worked()
    failed(circuit, 4)
    circuit.heard()
    failed(circuit, 4)
    assert not circuit.open
    failed(circuit, 1)
    assert circuit.open
    circuit.heard(answered=False)  # a refusal is a sign of life as well
    assert not circuit.open


def test_a_burst_of_failures_does_not_open_it() -> None:
    circuit = worked()
    for _ in range(100):
        circuit.failed(0.0, POLICY, 8, first=True, unreachable=False, probe=False)
    assert not circuit.open


def test_the_same_row_failing_again_and_again_does_not_open_it() -> None:
    circuit = worked()
    failed(circuit, 1)
    failed(circuit, 50, first=False)
    assert not circuit.open


def test_no_connection_three_times_in_a_row_opens_it() -> None:
    circuit = worked()
    failed(circuit, 2, first=False, unreachable=True)
    assert not circuit.open
    failed(circuit, 1, first=False, unreachable=True)
    assert circuit.open


def test_with_many_in_flight_it_takes_a_quarter_of_them() -> None:
    circuit = worked()
    failed(circuit, 249, limit=1000)
    assert not circuit.open
    failed(circuit, 1, limit=1000)
    assert circuit.open


def test_the_service_is_tried_again_after_growing_waits() -> None:
    circuit = worked()
    failed(circuit, 5, now=10.0)
    failed(circuit, 50, now=10.0)  # requests that were under way when it opened
    waits = []
    for _ in range(7):
        waits.append(circuit.wait(10.0))
        circuit.failed(10.0, POLICY, 8, first=True, unreachable=False, probe=True)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert circuit.since == 6.0


def test_who_gave_up_begins_from_the_beginning() -> None:
    circuit = worked()
    failed(circuit, 5)
    circuit.give_up()
    failed(circuit, 50)
    assert not circuit.open
