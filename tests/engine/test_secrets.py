"""Nothing secret is in any file of an output folder: searched byte by byte, also inside what is compressed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from aiohttp import web
from chat_server import Server, answer

from datadreamer import DataDreamer, runs
from datadreamer.datasets import Rows
from datadreamer.engine.redaction import CleanRows
from datadreamer.errors import InvalidArgumentError
from datadreamer.ledger import Redactor
from datadreamer.llms import OpenAI
from datadreamer.steps import DataSource

HERE = Path(__file__).parent
SECRETS = {
    "a variable of the environment": "hunter2-0815-and-more",
    "a key given as an argument": "plain-looking-Zq81-argument",
    "a key of a known shape": "sk-proj-Ab3dEf6hIj9kLm2nOp5q",
    "a password in a URL": "pa55w0rd-of-alice",
    "a key in a URL": "q1w2e3r4t5y6u7",
}


def found_in(folder: Path, secrets: dict[str, bytes]) -> list[str]:
    """Where any of them stands, as it is or compressed."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        for text in (content, *inflated(content)):
            found += [f"{what} in {path.relative_to(folder)}" for what, secret in secrets.items() if secret in text]
    return sorted(set(found))


def inflated(content: bytes) -> list[bytes]:
    """Every zlib stream in `content`."""
    streams = []
    for start in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content):
        with_rest = zlib.decompressobj()
        try:
            streams.append(with_rest.decompress(content[start.start() :]))
        except zlib.error:
            continue
    return streams


async def quote(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
    """An answer that repeats the prompt, and is long enough to be stored compressed."""
    return answer(f"{body['messages'][-1]['content']} {body['messages'][0]['content']} " * 60)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    sys.path.insert(0, str(HERE.parent / "trainers"))
    import tiny

    made = tmp_path / "home" / "alice"
    made.mkdir(parents=True)
    tiny.causal(made / "model")
    return made


def test_no_planted_secret_reaches_a_file(tmp_path: Path, home: Path) -> None:
    output = tmp_path / "output"
    names = {
        "HOME": str(home),
        "MY_SERVICE_API_KEY": SECRETS["a variable of the environment"],
        "PLANTED_ARGUMENT": SECRETS["a key given as an argument"],
        "OMP_NUM_THREADS": "1",
    }
    with Server(quote) as server:
        command = [sys.executable, str(HERE / "secrets_workflow.py"), str(output), server.url, str(home / "model")]
        done = subprocess.run(command, env={**os.environ, **names}, capture_output=True, text=True, timeout=200)
    assert "RuntimeError: at last" in done.stderr, done.stderr
    assert "held a key, a password or the path of your home folder" in done.stderr
    assert len(server.requests) == 4
    asked = server.requests[0].json["messages"][0]["content"]
    assert SECRETS["a password in a URL"] in asked  # what is asked is what the script says; what is stored is not
    assert (output / "train" / "_model").is_dir() and len(runs.lost_rows(output)) >= 1
    secrets = {what: secret.encode() for what, secret in SECRETS.items()}
    assert found_in(output, {**secrets, "the home folder": str(home).encode()}) == []
    assert not [check for check in runs.verify(output) if check.problem]


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x secret y")
    (tmp_path / "packed").write_bytes(b"junk" + zlib.compress(b"a secret " * 50, 1) + b"junk")
    assert found_in(tmp_path, {"it": b"secret"}) == ["it in packed", "it in plain"]


def test_clean_rows_are_passed_through_untouched() -> None:
    batch = pa.record_batch({"t": ["a", None, "c" * 40], "n": [1, 2, 3], "l": [["x"], [], None]})
    assert CleanRows()(batch) is batch


def test_cells_that_touch_hide_nothing_and_make_nothing_up() -> None:
    key = SECRETS["a key of a known shape"]
    clean = CleanRows()
    batch = pa.record_batch({"t": ["gpt-4o", key, "words", "sk-", "Ab3dEf6hIj9kLm2nOp5q"]})
    assert clean(batch).to_pydict()["t"] == ["gpt-4o", "[redacted:openai-key]", "words", "sk-", "Ab3dEf6hIj9kLm2nOp5q"]
    assert clean.found == {"t": 1}


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.binary(), pa.list_(pa.string()), pa.large_list(pa.large_binary()),
     pa.struct([("a", pa.string()), ("b", pa.list_(pa.struct([("c", pa.binary())])))])],
    ids=str,
)  # fmt: skip
def test_every_kind_of_text_is_looked_into(kind: pa.DataType) -> None:
    key = SECRETS["a key of a known shape"]

    def cell(kind: pa.DataType, text: str) -> Any:
        if pa.types.is_struct(kind):
            return {field.name: cell(field.type, text) for field in kind}
        if pa.types.is_nested(kind):
            return [cell(kind.value_type, "clean"), cell(kind.value_type, text)]
        return text.encode() if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else text

    cells = [cell(kind, "clean"), None, cell(kind, f"a {key} b")]
    batch = pa.record_batch([pa.array(cells, kind)], ["x"])
    expected = [cells[0], None, cell(kind, "a [redacted:openai-key] b")]
    assert CleanRows()(batch).to_pydict()["x"] == expected
    assert CleanRows()(batch.slice(2)).to_pydict()["x"] == expected[2:]


def test_the_digest_is_of_what_is_stored(tmp_path: Path) -> None:
    dirty = [f"{n} {SECRETS['a key of a known shape']}" for n in range(5)]
    clean = [f"{n} [redacted:openai-key]" for n in range(5)]
    with DataDreamer(tmp_path):
        one, two = DataSource("One", {"t": dirty}), DataSource("Two", {"t": clean})
        assert list(one["t"]) == clean and one.output.digest == two.output.digest == Rows.from_list(
            [{"t": text} for text in clean]
        ).digest()  # fmt: skip


def test_made_up_passwords_under_telling_names_are_data(tmp_path: Path) -> None:
    with DataDreamer(tmp_path):
        rows = DataSource("Rows", {"password": ["swordfish"], "login": [{"api_key": "none needed"}]})
        assert list(rows.output) == [{"password": "swordfish", "login": {"api_key": "none needed"}}]


@pytest.mark.parametrize("key", ["none", "EMPTY", "not-needed", "lm-studio", "ollama"])
def test_what_stands_for_no_key_is_no_secret(key: str) -> None:
    OpenAI("m", base_url="http://localhost:1/v1", api_key=key)
    assert not Redactor.default().has_secret(f"an innocent sentence with {key} in it")


def test_an_address_with_a_password_is_refused_without_it() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        OpenAI("m", base_url="http://alice:pa55w0rd-of-alice@localhost:1/v1")
    assert "pa55w0rd" not in str(caught.value)
