"""Embedders behind a network: what is sent, how much of it, and what becomes of errors. The server is real."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from chat_server import Server, error
from embedding_server import DIMS, embed, embeddings, vector_of

from datadreamer import DataDreamer
from datadreamer.embedders import OpenAIEmbedder, TogetherEmbedder
from datadreamer.embedders.hosted import Limits
from datadreamer.embedders.packing import packed
from datadreamer.embedders.wire import EmbeddingsWire
from datadreamer.embedders.writing import shares
from datadreamer.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    InvalidArgumentError,
    ModelError,
    ServerUnreachableError,
    TransientModelError,
)
from datadreamer.llms.types import Request
from datadreamer.llms.wire.transport import Reply
from datadreamer.steps import DataSource, Embed


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(embed) as running:
        yield running


def embedder(server: Server, **options: Any) -> OpenAIEmbedder:
    return OpenAIEmbedder("m", base_url=server.url, **options)


def right(texts: list[str], found: Any) -> bool:
    return all((vector == vector_of(text)).all() for text, vector in zip(texts, found, strict=True))


def test_the_request_is_what_is_documented(server: Server) -> None:
    texts = ["one", "two", "ünï"]
    found = embedder(server, api_key="key-of-mine-123", dimensions=4).run(texts)
    (seen,) = server.requests
    assert seen.path == "/v1/embeddings"
    assert seen.json == {"model": "m", "input": texts, "dimensions": 4}
    assert seen.headers["Authorization"] == "Bearer key-of-mine-123"
    assert [len(vector) for vector in found] == [4, 4, 4]


def test_openai_is_asked_for_bytes() -> None:
    wire = EmbeddingsWire("https://api.openai.com/v1/embeddings", "m", {}, key_name="k", base64=True)
    assert b'"encoding_format":"base64"' in wire.encode(Request(messages=({"role": "user", "content": "a"},)))
    raw = base64.b64encode(np.array([1.5, -2.0], "<f4").tobytes()).decode()
    body = f'{{"data": [{{"index": 0, "embedding": "{raw}"}}]}}'.encode()
    assert wire.decode(Reply(200, {}, body)).vectors.tolist() == [[1.5, -2.0]]


def test_many_texts_go_into_one_request_and_come_back_in_order(server: Server, tmp_path: Path) -> None:
    texts = [f"text {number % 3000}" for number in range(5000)]
    model = embedder(server, cache_folder_path=str(tmp_path))
    assert right(texts, model.run(texts))
    sent = [text for seen in server.requests for text in seen.json["input"]]
    assert len(server.requests) <= 3
    assert sorted(sent) == sorted(set(texts))  # equal ones once, also across requests
    assert right(texts, model.run(texts, cache_only=True))


def test_requests_are_packed_to_the_limits() -> None:
    texts = ["a" * 10] * 7
    keys, requests = [bytes([place]) for place in range(7)], [{} for _ in texts]

    def sizes(counts: list[int], **limits: int) -> list[int]:
        return [len(batch.texts) for batch in packed(keys, texts, requests, counts, Limits(**limits))]

    assert sizes([1] * 7, texts=3) == [3, 3, 1]
    assert sizes([4, 4, 4, 9, 1, 1, 1], tokens=9) == [2, 1, 1, 3]
    assert sizes([1] * 7, bytes=20) == [2, 2, 2, 1]
    assert sizes([50] * 7, tokens=9) == [1] * 7


def test_tokens_of_a_request_are_shared_out_exactly() -> None:
    assert shares(10, [1, 1, 1]) == [3, 3, 4]
    assert sum(shares(12345, [3, 0, 17, 1])) == 12345
    assert shares(4, [0, 0]) == [2, 2]


def test_usage_and_cost_add_up(server: Server, tmp_path: Path) -> None:
    texts = ["one", "two words", "three more words"]
    with DataDreamer(tmp_path, verbose=False) as session:
        Embed("Embed", texts=DataSource("Texts", {"t": texts})["t"], embedder=embedder(server, price=1000))
        total = session.ledger.totals()["Embed"]
    assert total.calls == 3 and total.input_tokens == 6
    assert total.cost_usd == pytest.approx(6 * 1000 / 1e6)


def test_a_text_that_the_service_refuses_fails_alone(server: Server, tmp_path: Path) -> None:
    async def picky(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if any("bad" in text for text in body["input"]):
            return error(400, f"input of request {number} is not allowed")
        return web.json_response(embeddings(body))

    server.behaviour = picky
    texts = [f"text {number}" for number in range(50)]
    texts[13] = texts[40] = "bad"
    model = embedder(server, cache_folder_path=str(tmp_path))
    with pytest.raises(BadRequestError, match=r"Text 13 has no vector: .*not allowed"):
        model.run(texts)
    chunk = next(model.chunks(texts))
    assert sorted(chunk.failures) == [13, 40]
    rest = [text for text in texts if text != "bad"]
    assert right(rest, model.run(rest, cache_only=True))


def test_what_is_wrong_with_every_request_stops_the_run_soon(server: Server) -> None:
    async def refuse(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(400, f"request {number}: no such parameter")

    server.behaviour = refuse
    with pytest.raises(BadRequestError, match="The first 16 requests failed in the same way"):
        embedder(server).run([f"text {number}" for number in range(2000)])
    assert len(server.requests) < 60


def test_a_wrong_key_stops_at_once_and_is_not_repeated(server: Server) -> None:
    async def wrong(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(401, "Incorrect API key: key-of-mine-123")

    server.behaviour = wrong
    with pytest.raises(AuthenticationError) as caught:
        embedder(server, api_key="key-of-mine-123").run(["a", "b"])
    assert "key-of-mine-123" not in str(caught.value)
    assert len(server.requests) == 1


def test_rate_limits_are_waited_out_and_errors_that_pass_are_tried_again(server: Server) -> None:
    async def moody(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if number == 0:
            return error(429, "slow down", headers={"retry-after-ms": "20"})
        if number == 1:
            return error(503, "busy", headers={"retry-after-ms": "20"})
        return web.json_response(embeddings(body))

    server.behaviour = moody
    assert right(["a", "b"], embedder(server, retry_on_fail=True).run(["a", "b"]))
    assert len(server.requests) == 3


def test_without_retry_on_fail_a_request_is_sent_once_but_rate_limits_are_waited_out(server: Server) -> None:
    async def limited_then_busy(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return error(429 if number < 3 else 503, "no", headers={"retry-after-ms": "5"})

    server.behaviour = limited_then_busy
    with pytest.raises(TransientModelError, match="Text 0 has no vector"):
        embedder(server).run(["a", "b"])  # as published, False is what an OpenAIEmbedder has unless it is told
    assert len(server.requests) == 4
    with pytest.raises(TransientModelError):
        TogetherEmbedder("m", base_url=server.url, api_key="key-of-mine-123", retry_on_fail=False).run(["a", "b"])
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    "answer",
    [
        {"data": []},
        {"data": [{"index": 1, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": [1e39]}, {"index": 1, "embedding": [1.0]}]},
        {"data": "nothing"},
        {},
    ],
)
def test_an_answer_that_is_none_is_not_taken_for_one(server: Server, tmp_path: Path, answer: Any) -> None:
    async def wrong_once(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(answer if number == 0 else embeddings(body))

    server.behaviour = wrong_once
    model = embedder(server, retry_on_fail=True)
    model.retry_policy = type(model.retry_policy)(first_wait=0.01)
    assert right(["a", "b"], model.run(["a", "b"]))
    assert len(server.requests) == 2


def test_a_server_that_is_not_there_is_named() -> None:
    model = OpenAIEmbedder("m", base_url="http://127.0.0.1:9/v1")
    model.retry_policy = type(model.retry_policy)(first_wait=0.01)
    with pytest.raises((ServerUnreachableError, TransientModelError, ModelError), match=r"127\.0\.0\.1:9"):
        model.run(["a"])


def test_a_reader_that_stops_cancels_what_is_under_way(server: Server) -> None:
    async def slow(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0 if number == 0 else 30)
        return web.json_response(embeddings(body))

    server.behaviour = slow
    vectors = embedder(server).run((f"text {number}" for number in range(10_000)), return_generator=True)
    next(iter(vectors))
    vectors.close()  # type: ignore[union-attr]
    patience = time.monotonic() + 10.0
    while server.in_flight and time.monotonic() < patience:
        time.sleep(0.01)  # the server hears of it a moment later
    assert server.cancelled and server.in_flight == 0


def test_no_more_requests_are_in_flight_than_asked(server: Server) -> None:
    async def slow(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return web.json_response(embeddings(body))

    server.behaviour = slow
    texts = [f"text {number}" for number in range(12_000)]
    assert right(texts, embedder(server).run(texts, batch_size=3))
    assert 2 <= server.most_in_flight <= 3


def test_lengths_without_a_tokenizer_refuse_only_what_is_surely_too_long(server: Server) -> None:
    model = embedder(server, max_context_length=100)
    with pytest.raises(ContextLengthError, match=r"Text 1 has about \d+ tokens.*takes 100"):
        model.run(["short", "word " * 400])
    assert server.requests == []
    model.run(["word " * 90])  # the estimate is above 100; the service is asked
    (vector,) = model.run(["word " * 400], truncate=True)
    assert len(server.requests[-1].json["input"][0]) <= 300
    assert (vector == vector_of(server.requests[-1].json["input"][0])).all()


def test_an_instruction_is_put_in_front_of_every_text(server: Server) -> None:
    embedder(server).run(["a", "b"], instruction="query: ", extra_body={"input_type": "query"})
    assert server.requests[0].json["input"] == ["query: a", "query: b"]
    assert server.requests[0].json["input_type"] == "query"


def test_what_is_known_and_what_is_learnt(server: Server) -> None:
    model = embedder(server)
    with pytest.raises(InvalidArgumentError, match="after its first answer"):
        _ = model.dims
    model.run(["a"])
    assert model.dims == DIMS
    known = OpenAIEmbedder("text-embedding-3-large", api_key="key-of-mine-123")
    assert (known.dims, known.model_max_length) == (3072, 8191)
    assert OpenAIEmbedder("text-embedding-3-large", 256, api_key="key-of-mine-123").dims == 256
    assert known.license and known.model_card


def test_an_empty_text_is_refused_where_the_service_is_known_to_refuse_it() -> None:
    model = OpenAIEmbedder("text-embedding-3-small", api_key="key-of-mine-123")
    with pytest.raises(BadRequestError, match="Text 0 has no vector: The text is empty"):
        model.run([""])


def test_what_counts_of_a_hosted_embedder(server: Server) -> None:
    one = embedder(server)
    assert one.spec() == embedder(server, api_key="another-key-456", retry_on_fail=True, timeout=3, price=1).spec()
    others = [embedder(server, dimensions=4), OpenAIEmbedder("n", base_url=server.url), OpenAIEmbedder("m")]
    assert len({str(model.spec()) for model in (one, *others)}) == 4
    with pytest.raises(InvalidArgumentError, match="no option 'timeot'"):
        embedder(server, timeot=3)


def test_a_missing_key_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        OpenAIEmbedder("m").run(["a"])
    with pytest.raises(AuthenticationError, match="TOGETHER_API_KEY"):
        TogetherEmbedder("m").run(["a"])


def test_together_is_asked_at_its_own_address(server: Server) -> None:
    assert TogetherEmbedder("m")._endpoint.url == "https://api.together.ai/v1/embeddings"
    model = TogetherEmbedder("m", base_url=server.url, api_key="key-of-mine-123", max_context_length=512)
    texts = [f"text {number}" for number in range(600)]
    assert right(texts, model.run(texts))
    assert [len(seen.json["input"]) for seen in server.requests] == [256, 256, 88]
    assert model.model_max_length == 512
