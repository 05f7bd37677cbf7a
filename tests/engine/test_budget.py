"""What a run may spend: never exceeded, nothing asked twice, and what there is so far is marked as a part."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from chat_server import Server, answer, error

from datadreamer import Budget, DataDreamer
from datadreamer.errors import BudgetExceededError, InvalidArgumentError, InvalidTypeError
from datadreamer.ledger import Usage
from datadreamer.llms import LLM, OpenAI
from datadreamer.llms.types import Generation, Request
from datadreamer.runs import folder_status
from datadreamer.steps import Column, DataSource, Prompt, Step, output

PRICES = {"input": 1, "output": 2}  # the server says 10 tokens in and 5 out: 0.00002 dollars an answer
ROWS = 60


@pytest.fixture
def server():
    async def slowly(server: Server, number: int, body: dict[str, Any]) -> Any:
        await asyncio.sleep(0.005)
        return answer(f"answer to {body['messages'][-1]['content']}")

    with Server(slowly) as running:
        yield running


def ask(
    folder: Path, server: Server, budget: Budget | None = None, step_budget: Budget | None = None, **options: Any
) -> Any:
    with DataDreamer(folder, verbose=False, budget=budget):
        prompts = DataSource("Prompts", {"p": [f"prompt {i}" for i in range(ROWS)]})
        llm = OpenAI("m", base_url=server.url, **options)
        return Prompt("Ask", prompts=prompts["p"], llm=llm, max_new_tokens=20, budget=step_budget)


def state(folder: Path) -> Any:
    return next(result for result in folder_status(folder).results if result.name == "Ask")


def texts(step: Any) -> list[str]:
    return list(step.output["generations"])


EXPECTED = [f"answer to prompt {i}" for i in range(ROWS)]


@pytest.mark.parametrize("whose", ["session", "step"])
def test_requests_stop_at_the_budget_and_a_larger_one_goes_on(server, tmp_path, whose):
    def run(requests: int) -> Any:
        budget = Budget(requests=requests)
        return ask(tmp_path, server, **{"budget" if whose == "session" else "step_budget": budget})

    with pytest.raises(BudgetExceededError, match="25 of 25 requests are spent"):
        run(25)
    assert len(server.requests) == 25
    part = state(tmp_path)
    assert part.state == "partial" and "35 rows are not asked yet" in part.note and part.rows == 25
    assert folder_status(tmp_path).session.status == "partial"
    assert "**This dataset is partial.**" in (tmp_path / "ask" / "README.md").read_text()
    step = run(ROWS - 25)
    assert texts(step) == EXPECTED and len(server.requests) == ROWS
    assert state(tmp_path).state == "finished" and state(tmp_path).rows == ROWS
    assert texts(run(0)) == EXPECTED  # what is remembered costs nothing


def test_what_is_in_flight_never_exceeds_a_budget_of_dollars(server, tmp_path):
    budget = Budget(usd="0.0005")
    with pytest.raises(BudgetExceededError, match=r"of \$0\.0005 are spent, and the next request may take up to"):
        ask(tmp_path, server, budget, prices=PRICES)
    # An answer costs 0.00002 at the end; while it is under way, its bound is reserved: several times as much.
    assert 0.0003 < budget.spent_usd <= 0.0005
    assert budget.spent_usd == pytest.approx(0.00002 * len(server.requests), abs=1e-12)
    assert server.most_in_flight > 1
    assert texts(ask(tmp_path, server, Budget(usd=1), prices=PRICES)) == EXPECTED


def test_tokens_are_bounded_and_sums_do_not_drift(server, tmp_path):
    budget = Budget(tokens=400)
    with pytest.raises(BudgetExceededError, match="of 400 tokens"):
        ask(tmp_path, server, budget)
    assert budget.spent_tokens == 15 * len(server.requests) <= 400
    step = ask(tmp_path, server, prices={"input": 0.1, "output": 0.2})
    assert step is not None
    assert state(tmp_path).calls.cost_usd == 0.000002 * (ROWS - budget.spent_requests)


def test_a_model_without_a_price_is_refused_before_the_first_request(server, tmp_path):
    with pytest.raises(InvalidArgumentError, match=r'has no known price.*prices=\{"input": 0\.5, "output": 1\.5\}'):
        ask(tmp_path, server, Budget(usd=5))
    assert server.requests == []


def test_every_attempt_counts(tmp_path):
    async def unsure(server: Server, number: int, body: dict[str, Any]) -> Any:
        return error(503, "busy") if number % 2 == 0 else answer("x")

    with Server(unsure) as server:
        budget = Budget(requests=30)
        with pytest.raises(BudgetExceededError):
            ask(tmp_path, server, budget)
        assert len(server.requests) == 30 == budget.spent_requests


def test_steps_of_ones_own_pay_too(server, tmp_path):
    with pytest.raises(BudgetExceededError), DataDreamer(tmp_path, verbose=False, budget=Budget(requests=10)):
        numbers = DataSource("Numbers", {"n": list(range(20))})
        Own("Ask", n=numbers["n"], llm=OpenAI("m", base_url=server.url))
    assert len(server.requests) == 10
    assert state(tmp_path).state == "partial" and state(tmp_path).rows == 10


class Own(Step):
    """Ask about a number."""

    n: Column[int]
    llm: LLM
    said: str = output()

    async def process(self, n: int) -> dict[str, str]:
        return {"said": (await self.llm.agenerate(f"number {n}")).text}


class Local(LLM):
    """A model in this process."""

    model_name = "local"

    def _answer_batch(self, requests: list[Request]) -> list[Any]:
        return [Generation(text="x", usage=Usage(input_tokens=3, output_tokens=2)) for _ in requests]


def test_a_model_in_this_process_costs_tokens_and_no_dollars(tmp_path):
    def run(budget: Budget) -> Any:
        with DataDreamer(tmp_path, verbose=False, budget=budget):
            prompts = DataSource("Prompts", {"p": [f"prompt {i:02}" for i in range(30)]})
            return Prompt("Ask", prompts=prompts["p"], llm=Local(), max_new_tokens=2)

    with pytest.raises(BudgetExceededError):
        run(Budget(requests=12))
    assert state(tmp_path).rows == 12
    assert run(Budget(usd=0)).output.num_rows == 30


def test_a_part_never_takes_the_place_of_the_whole(server, tmp_path):
    ask(tmp_path, server)
    with pytest.raises(BudgetExceededError), DataDreamer(tmp_path, verbose=False, budget=Budget(requests=5)):
        prompts = DataSource("Prompts", {"p": [f"prompt {i}" for i in range(ROWS)]})
        llm = OpenAI("m", base_url=server.url)
        Prompt(
            "Ask",
            inputs={"prompts": prompts.output["p"]},
            args={"llm": llm, "max_new_tokens": 20, "force": True},
            force=True,
        )
    assert state(tmp_path).state == "finished" and state(tmp_path).rows == ROWS


def test_a_budget_bounds_something_and_never_counts(server, tmp_path):
    with pytest.raises(InvalidArgumentError, match="A budget bounds something"):
        Budget()
    with pytest.raises(InvalidTypeError, match="takes a Budget"):
        DataDreamer(tmp_path, budget=5)
    free = ask(tmp_path, server)
    assert ask(tmp_path, server, Budget(requests=0), Budget(requests=0)).fingerprint == free.fingerprint
