"""Every script in examples/recipes/ runs, and runs again without asking a model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, answer

from datadreamer.llms.structured.example import example
from datadreamer.llms.types import Request

SCRIPTS = Path(__file__).resolve().parents[2] / "examples" / "recipes"
HOSTED = sorted(path.name for path in SCRIPTS.glob("*.py") if path.name != "magpie.py")


async def assistant(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
    """Answers every prompt of the recipes in the form that it asks for."""
    prompt = str(body["messages"][-1]["content"])
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        return answer(typed(prompt, form["json_schema"]))
    return answer(reply(prompt, number))


def typed(prompt: str, form: dict[str, Any]) -> str:
    if "Which calls" in prompt:
        calls: Any = [{"name": "weather", "arguments": {"city": "Lyon", "day": "Saturday"}}]
        return json.dumps(calls if form["schema"].get("type") == "array" else {"answer": calls})
    asked = Request(messages=({"role": "user", "content": prompt},), response_format={"type": "json_schema", **form})
    return str(example(asked))


def reply(prompt: str, number: int) -> str:
    if prompt.startswith("Here are tasks"):
        start = int(re.findall(r"(\d+)\.", prompt)[-1])
        tasks = [" ".join(f"w{number}x{i}x{place}" for place in range(6)) for i in range(3)]
        return "\n".join([tasks[0], *(f"{start + i}. {tasks[i]}" for i in (1, 2))])
    if "Input: ..." in prompt:
        return f"Input: given {number}\nOutput: made {number}"
    if "[[[User]]]" in prompt:
        return f"[[[User]]] Why {number}?\n[[[Assistant]]] Because {number}."
    if "Yes or No" in prompt:
        return "Yes."
    if "Give a number from 1" in prompt:
        return "5"
    if "'Score: '" in prompt:
        return f"Fine.\nScore: {number % 6}"
    if prompt.startswith("Rate an answer"):
        return f"{1 + number % 5}\nIt is so."
    if "\\boxed" in prompt:
        return f"{number} + 0 = {number}, \\boxed{{{'9' if '12' in prompt else '4'}}}"
    if "```python" in prompt:
        return "```python\ndef double(x):\n    return 2 * x\n```"
    return f"Something new, number {number}."


def run(name: str, output: Path, *arguments: str) -> str:
    command = [sys.executable, str(SCRIPTS / name), "--output", str(output), *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment, cwd=output.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(assistant) as running:
        yield running


@pytest.mark.parametrize("name", HOSTED)
def test_a_recipe_runs_and_runs_again_for_free(server: Server, tmp_path: Path, name: str) -> None:
    said = run(name, tmp_path / "output", "--base-url", server.url, "--model", "m")
    asked = len(server.requests)
    assert asked > 0 and "answered" in said
    again = run(name, tmp_path / "output", "--base-url", server.url, "--model", "m")
    assert len(server.requests) == asked and "nothing had to run" in again


def test_magpie_draws_from_the_bundled_model(tmp_path: Path) -> None:
    said = run("magpie.py", tmp_path / "output", "--rows", "4")
    assert "instructions" in said and "responses" in said
    assert "nothing had to run" in run("magpie.py", tmp_path / "output", "--rows", "4")
