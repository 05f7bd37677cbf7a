"""`datadreamer serve` as a process: started, asked, interrupted, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest

from datadreamer.cli import main
from datadreamer.ledger import Ledger
from datadreamer.llms import FakeLLM
from datadreamer.serving import ModelBackend, Server


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the address that it prints."""
    command = [sys.executable, "-m", "datadreamer", "serve", *arguments, "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Serving ") and " at http" in line, line
            yield process, line.rsplit(" ", 1)[1].strip()
        finally:
            process.kill()


def ask(url: str, model: str, text: str) -> tuple[str, str]:
    """The text of an answer, and whether it was remembered."""
    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60)
    messages = [{"role": "user", "content": text}]
    raw = client.chat.completions.with_raw_response.create(model=model, messages=messages, max_tokens=8)  # type: ignore
    return str(raw.parse().choices[0].message.content), raw.headers["x-datadreamer-cache"]


def test_a_caching_proxy_loses_nothing_when_it_is_killed_and_replays_afterwards(tmp_path: Path) -> None:
    upstream = FakeLLM(lambda prompt: f"echo {prompt}")
    with Server(ModelBackend(upstream, Ledger.open(":memory:"))) as service:
        proxy = ("OpenAI:fake", "--base-url", service.url, "--cache", str(tmp_path))
        with serving(*proxy) as (process, url):
            assert ask(url, "fake", "a") == ("echo a", "miss")
            assert ask(url, "fake", "a") == ("echo a", "hit")
            process.send_signal(signal.SIGKILL)
        with serving(*proxy) as (process, url):
            assert ask(url, "fake", "a") == ("echo a", "hit")
        assert upstream.calls == 1
    with serving(str(tmp_path)) as (_, url):  # the service is gone, the recording is not
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
        assert [model.id for model in client.models.list()] == ["fake"]
        assert ask(url, "fake", "a")[0] == "echo a"
        with pytest.raises(openai.NotFoundError):
            ask(url, "fake", "b")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_toy_model_is_served_until_a_signal(number: signal.Signals) -> None:
    with serving("toy") as (process, url):
        text, cached = ask(url, "toy_model", "Write a review of a lamp.")
        assert text and cached == "miss"
        process.send_signal(number)
        assert process.wait(30) == 0
    with pytest.raises(openai.APIConnectionError):
        ask(url, "toy_model", "x")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["OpenAl:gpt-4o"], "no model class 'OpenAl'. Did you mean 'OpenAI'?"),
        (["no/where/at/all"], "there is no folder 'no/where/at/all'"),
        (["toy", "--replay"], "--replay needs the recording, with --cache FOLDER"),
        (["pyproject.toml"], "is a file that is no ledger"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments, "--port", "0"]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with Server(ModelBackend(FakeLLM(), Ledger.open(":memory:"))) as taken:
        assert main(["serve", "OpenAI:x", "--base-url", "http://localhost:1/v1", "--port", str(taken.port)]) == 1
    assert f"cannot listen at 127.0.0.1:{taken.port}" in capsys.readouterr().err
