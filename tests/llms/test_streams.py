"""Answers that come in pieces: put together as if they had come whole, and never half."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, completion
from protocols import message

from datadreamer import _context, errors
from datadreamer.errors import InvalidArgumentError
from datadreamer.llms import Anthropic, Failure, Generation, GoogleAIStudio, Groq, OpenAI
from datadreamer.llms.engine.retry import RetryPolicy
from datadreamer.llms.wire.streams import events

QUICK = RetryPolicy(first_wait=0.005, longest_wait=0.05, first_pause=0.05)
KEY = "some-key-0123456789"


def chat_pieces(text: str) -> list[dict[str, Any]]:
    """The chunks of a chat completion, a character each."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "served-model-1"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, {"reasoning_content": "Hm."}]
    deltas += [{"content": letter} for letter in text]
    pieces = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    pieces.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return [*pieces, {**head, "choices": [], "usage": completion("")["usage"]}]


def message_pieces(text: str) -> list[dict[str, Any]]:
    """The events of the Messages API."""
    whole = message([])
    start = {**whole, "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    thinking = {"type": "thinking", "thinking": "", "signature": ""}
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": thinking},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": letter}}
            for letter in text
        ),
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 2}},
        },
        {"type": "message_stop"},
    ]


def encoded(pieces: list[dict[str, Any]], done: bool = True) -> bytes:
    lines = [f": keep-alive\n\nevent: x\ndata: {json.dumps(piece, ensure_ascii=False)}\n\n" for piece in pieces]
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


def sending(body: bytes, pause: float = 0.0) -> Any:
    """Sends `body` in four parts that cut events, and letters, in two."""

    async def behaviour(server: Server, number: int, request: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(server.current)
        for at in range(4):
            await response.write(body[at * len(body) // 4 : (at + 1) * len(body) // 4])
            await asyncio.sleep(pause)
        return response

    return behaviour


def chat(server: Server, **options: Any) -> Any:
    return OpenAI("m", base_url=server.url, api_key=KEY, stream=True, **options)


def claude(server: Server, **options: Any) -> Any:
    return Anthropic("m", api_key=KEY, base_url=server.url.removesuffix("/v1"), stream=True, **options)


Making = Callable[..., Any]
BOTH = pytest.mark.parametrize(
    ("make", "pieces"), [(chat, chat_pieces), (claude, message_pieces)], ids=["chat", "messages"]
)


@BOTH
def test_an_answer_in_pieces_is_the_answer_that_comes_whole(
    server: Server, scope: _context.StepScope, make: Making, pieces: Making
) -> None:
    server.behaviour = sending(encoded(pieces("Höflich. 你好"), done=make is chat))
    [answer] = make(server).outcomes(["Hi"])
    assert isinstance(answer, Generation)
    assert (answer.text, answer.finish_reason, answer.model) == ("Höflich. 你好", "stop", "served-model-1")
    assert answer.reasoning == "Hm."
    usage = answer.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens) == (10, 5, 4, 2)
    assert answer.response is not None and json.loads(answer.response)["model"] == "served-model-1"
    assert server.requests[0].json["stream"] is True
    assert server.requests[0].json.get("stream_options") == ({"include_usage": True} if make is chat else None)


@BOTH
def test_how_it_is_received_does_not_count(make: Making, pieces: Making) -> None:
    with Server() as server:
        streaming = make(server)
        plain = type(streaming)("m", api_key=KEY, base_url=streaming._endpoint.identity)
        assert streaming.spec() == plain.spec()


@BOTH
@pytest.mark.parametrize("cut", ["no end", "no event", "half an event"])
def test_a_stream_that_ends_too_early_is_asked_again(
    server: Server, scope: _context.StepScope, make: Making, pieces: Making, cut: str
) -> None:
    whole = encoded(pieces("Höflich."), done=make is chat)
    half = {
        "no end": encoded(pieces("Höflich.")[:7], done=False),
        "no event": b": ping\n\n" * 3,
        "half an event": whole[: len(whole) // 3],
    }[cut]

    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        return await sending(whole if number else half)(server, number, body)  # type: ignore[no-any-return]

    server.behaviour = behaviour
    llm = make(server)
    llm.retry_policy = QUICK
    assert llm.run(["Hi"]) == ["Höflich."]
    assert (len(server.requests), scope.stats.retries) == (2, 1)


def chat_error(code: Any, kind: str = "some_error") -> dict[str, Any]:
    return {"error": {"message": f"it broke for {KEY}", "type": kind, "code": code}}


def message_error(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": f"it broke for {KEY}"}}


@pytest.mark.parametrize(
    ("make", "pieces", "event", "kind"),
    [
        (chat, chat_pieces, chat_error(502), errors.TransientModelError),
        (chat, chat_pieces, chat_error("server_error"), errors.TransientModelError),
        (chat, chat_pieces, chat_error(None), errors.TransientModelError),
        (chat, chat_pieces, chat_error("429"), errors.RateLimitError),
        (chat, chat_pieces, chat_error("rate_limit_exceeded"), errors.RateLimitError),
        (chat, chat_pieces, chat_error(400, "BadRequestError"), errors.BadRequestError),
        (chat, chat_pieces, chat_error("context_length_exceeded"), errors.ContextLengthError),
        (chat, chat_pieces, chat_error("content_filter"), errors.ContentFilterError),
        (chat, chat_pieces, chat_error("insufficient_quota"), errors.PermanentModelError),
        (chat, chat_pieces, {"error": "out of memory"}, errors.TransientModelError),
        (claude, message_pieces, message_error("overloaded_error"), errors.TransientModelError),
        (claude, message_pieces, message_error("api_error"), errors.TransientModelError),
        (claude, message_pieces, message_error("rate_limit_error"), errors.RateLimitError),
        (claude, message_pieces, message_error("invalid_request_error"), errors.BadRequestError),
        (claude, message_pieces, message_error("authentication_error"), errors.AuthenticationError),
        (claude, message_pieces, message_error("something_new"), errors.TransientModelError),
    ],
)
def test_an_error_in_the_middle_means_what_it_would_have_meant_at_the_beginning(
    server: Server, make: Making, pieces: Making, event: dict[str, Any], kind: type[Exception]
) -> None:
    server.behaviour = sending(encoded([*pieces("half")[:5], event]))
    with pytest.raises(errors.ModelError) as caught:
        asyncio.run(make(server, retry_on_fail=False).agenerate("Hi"))
    assert type(caught.value) is kind
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("event", ["3", '{"choices": 3}', '{"choices": [{"delta": 3}]}', "{", '{"choices": [3]}'])
def test_pieces_that_are_none_are_asked_again(server: Server, event: str) -> None:
    server.behaviour = sending(f"data: {event}\n\ndata: [DONE]\n\n".encode())
    [failure] = chat(server, retry_on_fail=False).outcomes(["Hi"])
    assert isinstance(failure, Failure) and failure.reason == "transient"


@pytest.mark.parametrize("event", ['{"type": "content_block_delta", "index": 3, "delta": {"x": "y"}}', "[]", "{"])
def test_events_that_are_none_are_asked_again(server: Server, event: str) -> None:
    server.behaviour = sending(f"data: {event}\n\n".encode())
    [failure] = claude(server, retry_on_fail=False).outcomes(["Hi"])
    assert isinstance(failure, Failure) and failure.reason == "transient"


def test_tool_calls_come_in_pieces(server: Server) -> None:
    deltas: list[dict[str, Any]] = [
        {"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]},
        {"tool_calls": [{"index": 1, "id": "call_2", "function": {"name": "time", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Köln"}'}}]},
    ]
    pieces: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    pieces.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    server.behaviour = sending(encoded(pieces))
    [answer] = chat(server).outcomes(["Hi"])
    assert [(call["id"], call["function"]) for call in answer.tool_calls] == [
        ("call_1", {"name": "weather", "arguments": '{"city":"Köln"}'}),
        ("call_2", {"name": "time", "arguments": "{}"}),
    ]


def test_tool_calls_of_messages_come_in_pieces(server: Server) -> None:
    use = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}
    pieces = message_pieces("")[:1]
    pieces += [
        {"type": "content_block_start", "index": 0, "content_block": use},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"city":'}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '"Köln"}'}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    server.behaviour = sending(encoded(pieces, done=False))
    [answer] = claude(server).outcomes(["Hi"])
    [call] = answer.tool_calls
    assert call["function"] == {"name": "weather", "arguments": '{"city":"Köln"}'}


def test_a_server_that_knows_no_streams_and_one_that_refuses_are_understood(server: Server) -> None:
    async def behaviour(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        if number:
            return web.json_response({"error": {"message": "no streams here"}}, status=400)
        return web.json_response(completion("whole"))

    server.behaviour = behaviour
    llm = chat(server)
    assert llm.run(["a"]) == ["whole"]
    [failure] = llm.outcomes(["b"])
    assert failure.reason == "bad_request"


def test_a_service_whose_answers_come_whole_takes_no_streams() -> None:
    with pytest.raises(InvalidArgumentError, match="takes no stream=True"):
        GoogleAIStudio("m", api_key=KEY, stream=True)
    with pytest.raises(InvalidArgumentError, match="api='chat'"):
        OpenAI("m", api="responses", base_url="http://h/v1", stream=True)
    assert Groq("m", api_key=KEY, stream=True)._live_wire.stream  # type: ignore[attr-defined]


def test_events_are_told_apart_by_blank_lines() -> None:
    body = b"data: a\r\n\r\n: comment\nid: 7\ndata:b\ndata: c\n\nevent: x\n\ndata: d"
    assert list(events(body)) == [b"a", b"b\nc", b"d"]
