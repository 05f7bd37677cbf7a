"""Embedders under a budget, and under limits per minute: never exceeded, nothing asked twice, what was paid is kept."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server
from embedding_server import embed, embeddings, vector_of

from datadreamer import Budget, DataDreamer
from datadreamer.embedders import OpenAIEmbedder, ParallelEmbedder
from datadreamer.embedders.hosted import Limits
from datadreamer.embedders.hosted_running import AHEAD, HELD, chunks_ahead
from datadreamer.errors import BudgetExceededError, InvalidArgumentError
from datadreamer.ledger import Usage
from datadreamer.llms.engine.pace import Pace
from datadreamer.llms.types import Generation, Request
from datadreamer.retrievers import EmbeddingRetriever
from datadreamer.runs import folder_status
from datadreamer.steps import CosineSimilarity, DataSource, Embed, Retrieve


class Small(OpenAIEmbedder):
    """Few texts in a request, so that there are several."""

    limits = Limits(texts=10)


@pytest.fixture
def server() -> Iterator[Server]:
    async def slowly(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.005)
        return web.json_response(embeddings(body))

    with Server(slowly) as running:
        yield running


TEXTS = [f"text {number}" for number in range(200)]  # two tokens each, as the server counts


def run(folder: Path, server: Server, budget: Budget | None, texts: list[str] = TEXTS, **options: Any) -> Any:
    with DataDreamer(folder, verbose=False, budget=budget):
        column = DataSource("Texts", {"t": texts})["t"]
        return Embed("Embed", texts=column, embedder=Small("m", base_url=server.url, **options))


def sent(server: Server) -> list[str]:
    return [text for seen in server.requests for text in seen.json["input"]]


def state(folder: Path, name: str = "Embed") -> Any:
    return next(result for result in folder_status(folder).results if result.name == name)


def right(step: Any, texts: list[str] = TEXTS) -> bool:
    vectors = list(step.output["embeddings"])
    return len(vectors) == len(texts) and all(
        list(vector) == vector_of(text).tolist() for vector, text in zip(vectors, texts, strict=True)
    )


def test_requests_stop_at_the_budget_and_a_larger_one_goes_on(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BudgetExceededError, match="7 of 7 requests are spent"):
        run(tmp_path, server, Budget(requests=7))
    assert len(server.requests) == 7
    part = state(tmp_path)
    assert part.state == "partial" and part.rows == 70 and "130 rows are not asked yet" in part.note
    assert right(run(tmp_path, server, Budget(requests=13)))
    assert sorted(sent(server)) == sorted(TEXTS)  # each once
    assert right(run(tmp_path, server, Budget(requests=0)))


def test_dollars_are_never_exceeded_and_used_up_to_the_last_text(server: Server, tmp_path: Path) -> None:
    budget = Budget(usd="0.000145")  # at $1 per million tokens: 145 tokens
    with pytest.raises(BudgetExceededError, match=r"of \$0\.000145 are spent"):
        run(tmp_path, server, budget, price=1)
    texts = sent(server)
    assert budget.spent_usd == pytest.approx(2e-6 * len(texts), abs=1e-15)
    # A bound of one text here: 32 tokens for the message, and at most a token for each of its bytes.
    assert 145 - (32 + 8) < 2 * len(texts) <= 145
    assert state(tmp_path).rows == len(texts) == len(set(texts))
    assert texts == TEXTS[: len(texts)]
    assert right(run(tmp_path, server, Budget(usd=1), price=1))
    assert sorted(sent(server)) == sorted(TEXTS)


def test_a_budget_smaller_than_the_bound_of_a_full_request_still_embeds(server: Server, tmp_path: Path) -> None:
    with (
        DataDreamer(tmp_path, verbose=False, budget=(budget := Budget(tokens=900))),
        pytest.raises(BudgetExceededError),
    ):
        column = DataSource("Texts", {"t": TEXTS * 5})["t"]
        more = [f"{text} {number}" for number, text in enumerate(column)]
        Embed("Embed", texts=DataSource("More", {"t": more})["t"], embedder=OpenAIEmbedder("m", base_url=server.url))
    assert 800 < budget.spent_tokens <= 900
    assert state(tmp_path).rows == len(sent(server)) == budget.spent_tokens / 3


def test_a_model_without_a_price_is_refused_before_the_first_request(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no known price.*prices="):
        run(tmp_path / "one", server, Budget(usd=1))
    assert server.requests == []
    assert right(run(tmp_path / "two", server, Budget(usd=1), prices={"input": 1, "output": 2}))
    with pytest.raises(InvalidArgumentError, match="say the same"):
        Small("m", base_url=server.url, price=1, prices={"input": 1})
    with pytest.raises(InvalidArgumentError, match="'input_price' is US dollars"):
        Small("m", base_url=server.url, price=-1)


def test_every_attempt_counts(server: Server, tmp_path: Path) -> None:
    async def busy(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        from chat_server import error

        if number % 2 == 0:
            return error(503, "busy", headers={"retry-after-ms": "5"})
        return web.json_response(embeddings(body))

    server.behaviour = busy
    budget = Budget(requests=20)
    with pytest.raises(BudgetExceededError):
        run(tmp_path, server, budget, retry_on_fail=True, max_in_flight=1)
    assert len(server.requests) == budget.spent_requests == 20


def test_texts_without_a_known_price_are_counted_as_such(server: Server, tmp_path: Path) -> None:
    from datadreamer.cards import read_step

    run(tmp_path, server, None)
    calls = read_step(tmp_path / "embed").calls
    assert (calls.calls, calls.unpriced, calls.cost_usd) == (200, 200, None)


def test_similarities_and_searches_stop_at_a_budget_too(server: Server, tmp_path: Path) -> None:
    other = [f"other {number}" for number in range(200)]

    def both(folder: Path, budget: Budget | None) -> Any:
        with DataDreamer(folder, verbose=False, budget=budget):
            model = Small("m", base_url=server.url)
            rows = DataSource("Rows", {"a": TEXTS, "b": other})
            similar = CosineSimilarity("Similar", a=rows["a"], b=rows["b"], embedder=model)
            found = Retrieve("Find", queries=rows["a"], retriever=EmbeddingRetriever(rows["b"], model), k=1)
            return similar, found

    for requests in (5, 30):
        with pytest.raises(BudgetExceededError):
            both(tmp_path, Budget(requests=requests))
    both(tmp_path, Budget(requests=5))  # 40 in all
    assert len(server.requests) == 40 and sorted(sent(server)) == sorted(TEXTS + other)
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    with pytest.raises(BudgetExceededError):
        both(stopped, Budget(requests=25))
    assert state(stopped, "Similar").state == "partial"
    both(whole, None)
    assert state(whole, "Similar").state == state(whole, "Find").state == "finished"


def test_copies_side_by_side_share_a_budget(server: Server, tmp_path: Path) -> None:
    def run(requests: int) -> Any:
        with DataDreamer(tmp_path, verbose=False, budget=Budget(requests=requests)):
            copies = [Small("m", base_url=server.url, max_in_flight=3) for _ in range(2)]
            column = DataSource("Texts", {"t": TEXTS})["t"]
            return Embed("Embed", texts=column, embedder=ParallelEmbedder(*copies), batch_size=5)

    with pytest.raises(BudgetExceededError):
        run(4)
    assert len(server.requests) == 4
    assert right(run(100))
    assert sorted(sent(server)) == sorted(TEXTS)


def test_requests_per_minute_are_kept(server: Server) -> None:
    server.behaviour = embed
    started = time.monotonic()
    Small("m", base_url=server.url, requests_per_minute=600).run([f"t {number}" for number in range(60)])
    elapsed = time.monotonic() - started
    assert len(server.requests) == 6
    assert elapsed > 0.35  # ten a second; a machine that is busy takes longer


def test_tokens_per_minute_are_those_that_the_service_counts(server: Server) -> None:
    """Lengths are estimated before a request is sent, and set right by what the service says; no answer is expected."""
    model = Small("m", base_url=server.url, tokens_per_minute=6_000)
    request = Request(messages=({"role": "user", "content": "a few words"},) * 10, max_new_tokens=0)
    pace = Pace.of(model, 0.0)
    assert pace is not None
    expected = pace.sent(model, request, 0.0)
    assert expected == 10 * model.count_tokens("a few words")
    assert pace.wait(model, request, 0.0) > 0.2
    answer = Generation(text="", finish_reason="stop", usage=Usage(input_tokens=10))
    pace.settle(expected, answer, 0.0)
    assert pace.wait(model, request, 0.0) == pytest.approx(10 / 100, rel=0.2)  # 100 tokens a second


def test_what_waits_for_a_slow_answer_is_bounded_in_bytes() -> None:
    assert chunks_ahead(2048, 0) == chunks_ahead(2048, 384) == AHEAD
    assert [chunks_ahead(2048, dims) for dims in (1536, 3072, 1 << 20)] == [21, 10, 4]
    for texts, dims in itertools.product((100, 2048, 10_000), (1024, 1536, 3072)):
        assert 4 * texts * dims * chunks_ahead(texts, dims) <= max(HELD, 4 * 4 * texts * dims)
