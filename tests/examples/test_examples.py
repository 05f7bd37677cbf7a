"""Every script in examples/ runs, against a real server on loopback or with the bundled model, and again for free."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chat_server import Server, answer

from datadreamer.bundled import toy_model_path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


async def assistant(server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
    """Answers like a small assistant would: sentiment, a verdict, a title, or a review."""
    prompt = str(body["messages"][-1]["content"])
    if "sentiment of this review" in prompt:
        return answer("Positive." if re.search("love|Light|warm|Comfortable", prompt) else "Negative.")
    if "Yes or No" in prompt:
        return answer("Yes" if "good" in prompt else "No, it is not.")
    if "title" in prompt:
        return answer("A short title")
    return answer(f"A {'good' if 'positive' in prompt else 'poor'} thing, number {number}.")


def run(name: str, output: Path, *arguments: str) -> str:
    """Run an example as a user would; gives what it printed."""
    command = [sys.executable, str(EXAMPLES / name), "--output", str(output), *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, env=environment, cwd=output.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(assistant) as running:
        yield running


def twice(server: Server, name: str, output: Path, *arguments: str) -> str:
    """Run an example twice against the server; the second time asks nothing."""
    printed = run(name, output, "--base-url", server.url, "--model", "m", *arguments)
    asked = len(server.requests)
    assert asked > 0
    again = run(name, output, "--base-url", server.url, "--model", "m", *arguments)
    assert len(server.requests) == asked
    assert "nothing had to run" in again
    return printed


def test_every_example_is_run_here() -> None:
    here = Path(__file__).read_text()
    for script in EXAMPLES.glob("*.py"):
        assert f'"{script.name}"' in here, f"{script.name} has no test"


def test_label_csv(server: Server, tmp_path: Path) -> None:
    twice(server, "label_csv.py", tmp_path / "output")
    lines = (tmp_path / "output" / "labelled.csv").read_text().splitlines()
    assert lines[0] == "id,product,review,label"
    assert [line.rpartition(",")[2] for line in lines[1:4]] == ["positive", "negative", "positive"]


def test_process_jsonl(server: Server, tmp_path: Path) -> None:
    from datasets import load_from_disk

    twice(server, "process_jsonl.py", tmp_path / "output")
    output = tmp_path / "output"
    rows = [json.loads(line) for line in (output / "titles.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    assert set(rows[0]) == {"note", "title"}
    assert (output / "titles.parquet").stat().st_size > 0
    assert load_from_disk(str(output / "titles"))["test"].num_rows == 1


def test_attributed_reviews(server: Server, tmp_path: Path) -> None:
    printed = twice(server, "attributed_reviews.py", tmp_path / "output", "--rows", "40")
    assert "20 of 40 reviews kept" in printed
    card = (tmp_path / "output" / "keep-real-reviews" / "README.md").read_text()
    assert "Write a {sentiment} review of a {product}." in card
    assert "served-model-1" in card


def test_custom_steps(tmp_path: Path) -> None:
    run("custom_steps.py", tmp_path / "output")
    assert "nothing had to run" in run("custom_steps.py", tmp_path / "output")


def test_local_model(tmp_path: Path) -> None:
    run("local_model.py", tmp_path / "output", "--rows", "8")
    assert "nothing had to run" in run("local_model.py", tmp_path / "output", "--rows", "8")


def test_train_classifier(tmp_path: Path) -> None:
    printed = run("train_classifier.py", tmp_path / "output", "--epochs", "2")
    assert "The model lies in" in printed
    assert (tmp_path / "output" / "train-the-classifier" / "_model" / "model.safetensors").exists()
    assert "nothing had to run" in run("train_classifier.py", tmp_path / "output", "--epochs", "2")


def test_finetune_lora(tmp_path: Path) -> None:
    run("finetune_lora.py", tmp_path / "output", "--rows", "16", "--epochs", "1")
    assert (tmp_path / "output" / "train-to-shorten" / "_model" / "adapter_model.safetensors").exists()


@pytest.fixture
def transformers_server(tmp_path: Path) -> Iterator[str]:
    """`transformers serve` with the bundled model: an OpenAI-compatible server that nobody here wrote."""
    port = 20_000 + os.getpid() % 10_000
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        for _ in range(240):
            assert process.poll() is None, (tmp_path / "serve.log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)


def test_attributed_reviews_with_transformers_serve(transformers_server: str, tmp_path: Path) -> None:
    arguments = ["--base-url", transformers_server, "--model", toy_model_path(), "--rows", "16"]
    printed = run("attributed_reviews.py", tmp_path / "output", *arguments)
    assert re.search(r"\d+ of 16 reviews kept", printed)
    assert "nothing had to run" in run("attributed_reviews.py", tmp_path / "output", *arguments)
