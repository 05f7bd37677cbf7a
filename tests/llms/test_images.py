"""Pictures in prompts: given in any way, sent in each service's own, and identified by their content."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from chat_server import Server
from protocols import PROTOCOLS

from datadreamer import _context
from datadreamer.errors import InvalidArgumentError, InvalidTypeError
from datadreamer.llms import Anthropic, Bedrock, Cohere, GoogleAIStudio, OpenAI
from datadreamer.llms.images import plain_message

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DATA = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{DATA}"


def message(picture: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image", "image": picture}]
    return {"role": "user", "content": parts}


def url_of(picture: Any) -> str:
    return str(plain_message(message(picture))["content"][1]["image_url"]["url"])


def test_a_picture_is_an_address_a_file_bytes_or_a_row_of_a_dataset(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(PNG)
    for given in (
        PNG,
        bytearray(PNG),
        file,
        str(file),
        {"bytes": PNG, "path": None},
        {"bytes": None, "path": str(file)},
    ):
        assert url_of(given) == URL
    for address in ("https://x.example/a.png", URL):
        assert url_of(address) == address
    part = {"type": "image_url", "image_url": {"url": file, "detail": "low"}}
    [plain] = plain_message({"role": "user", "content": [part]})["content"]
    assert plain == {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}


def test_a_pillow_image_is_a_picture() -> None:
    pillow = pytest.importorskip("PIL.Image")
    assert url_of(pillow.new("RGB", (2, 2))).startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [(b"\xff\xd8\xff\xe0", "jpeg"), (b"GIF89a", "gif"), (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"), (b"BM", "bmp")],
)
def test_the_kind_is_read_from_the_content(beginning: bytes, kind: str) -> None:
    assert url_of(beginning + b"...").startswith(f"data:image/{kind};base64,")


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="begins with b'%PDF"):
        url_of(b"%PDF-1.7")
    with pytest.raises(InvalidArgumentError, match=r"nowhere\.png"):
        url_of("nowhere.png")
    with pytest.raises(InvalidTypeError, match="not int"):
        url_of(3)


def test_parts_in_a_service_s_own_form_are_left_alone() -> None:
    own = {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://x.example/a"}}]}
    assert plain_message(own) == own
    text = {"role": "user", "content": "Hi"}
    assert plain_message(text) == text


WIRES = {
    "openai-chat": (OpenAI, {"type": "image_url", "image_url": {"url": URL}}),
    "openai-responses": (OpenAI, {"type": "input_image", "image_url": URL, "detail": "auto"}),
    "anthropic-messages": (
        Anthropic,
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
    ),
    "gemini": (GoogleAIStudio, {"inlineData": {"mimeType": "image/png", "data": DATA}}),
    "cohere-chat": (Cohere, {"type": "image_url", "image_url": {"url": URL}}),
    "bedrock-converse": (Bedrock, {"image": {"format": "png", "source": {"bytes": DATA}}}),
}


@pytest.mark.parametrize("wire", WIRES)
def test_each_service_gets_a_picture_in_its_own_form(server: Server, wire: str) -> None:
    from test_provider_contract import answering

    kind, expected = WIRES[wire]
    server.behaviour = answering(PROTOCOLS[wire].answer("A dot."))
    options: dict[str, Any] = {"api": wire.removeprefix("openai-")} if kind is OpenAI else {}
    base = server.url if kind is OpenAI else server.url.removesuffix("/v1")
    llm: Any = kind("m", api_key="some-key-0123456789", base_url=base, **options)
    assert llm.run([[message(PNG)]]) == ["A dot."]
    body = server.requests[0].json
    turns = body.get("messages") or body.get("contents") or body["input"]
    parts = turns[-1].get("content") or turns[-1]["parts"]
    assert parts[1] == expected


def test_a_file_counts_by_its_content(server: Server, scope: _context.StepScope, tmp_path: Path) -> None:
    llm = OpenAI("m", base_url=server.url, system_prompt="")

    async def behaviour(server: Server, number: int, body: Any) -> Any:
        from chat_server import answer

        return answer(f"answer {number}")

    server.behaviour = behaviour
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    one.write_bytes(PNG)
    two.write_bytes(PNG)
    assert llm.run([[message(one)]]) == llm.run([[message(two)]]) == ["answer 0"]
    two.write_bytes(PNG + b"more")
    assert llm.run([[message(two)]]) == ["answer 1"]
