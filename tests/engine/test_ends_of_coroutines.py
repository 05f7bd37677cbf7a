"""Ctrl-C and sys.exit() inside a coroutine of the user's stop the run at once; what was received is kept."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datadreamer import DataDreamer, _loop
from datadreamer.ledger import Ledger
from datadreamer.llms import LLM, FakeLLM, Generation
from datadreamer.steps import Column, DataSource, Prompt, Step, output

ENDS = [KeyboardInterrupt, SystemExit]
WAITING = 60.0  # far beyond what a test may take


async def ending(how: type[BaseException]) -> None:
    raise how()


@pytest.mark.parametrize("how", ENDS)
def test_the_shared_loop_outlives_a_coroutine_that_ends_the_program(how: type[BaseException]) -> None:
    before = _loop.loop()
    with pytest.raises(how):
        _loop.run(ending(how))
    assert _loop.loop() is before
    assert _loop.run(asyncio.sleep(0, "alive")) == "alive"


def test_a_callback_that_ends_the_program_does_not_stop_the_loop() -> None:
    def end() -> None:
        raise SystemExit

    _loop.loop().call_soon_threadsafe(end)
    assert _loop.run(asyncio.sleep(0, "alive")) == "alive"


class Mine(LLM):
    """Answers the first prompts, lets one wait, and ends at the last."""

    def __init__(self, how: type[BaseException] | None) -> None:
        super().__init__()
        self.how = how
        self.asked: list[str] = []

    def spec(self) -> dict[str, str]:
        return {"name": "mine"}

    async def _answer(self, request: object) -> Generation:
        prompt = request.prompt  # type: ignore[attr-defined]
        self.asked.append(prompt)
        if self.how is not None and prompt == "text 5":
            await asyncio.sleep(WAITING)
        if self.how is not None and prompt == "text 9":
            await asyncio.sleep(0.1)
            raise self.how()
        return Generation(text=prompt.upper())


class Batches(Mine):
    """The same, in a thread, as local models answer."""

    async def _answer(self, request: object) -> Generation:
        raise AssertionError

    def _answer_batch(self, requests: list[object]) -> list[Generation]:
        if self.how is not None and any(request.prompt == "text 9" for request in requests):  # type: ignore[attr-defined]
            raise self.how()
        return [Generation(text=request.prompt.upper()) for request in requests]  # type: ignore[attr-defined]


def ask_all(llm: LLM) -> Prompt:
    texts = DataSource("Texts", {"text": [f"text {number}" for number in range(10)]})
    return Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": llm})


class AskAsync(Step):
    """Asks row by row."""

    llm: LLM
    text: Column[str]
    answer: str = output()

    async def process(self, text: str) -> dict[str, str]:
        return {"answer": (await self.llm.agenerate(text)).text}


def ask_each(llm: LLM) -> AskAsync:
    texts = DataSource("Texts", {"text": [f"text {number}" for number in range(10)]})
    return AskAsync("Ask", text=texts.output["text"], llm=llm)


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("model", [Mine, Batches])
@pytest.mark.parametrize("workflow", [ask_all, ask_each])
def test_a_model_that_ends_the_program_stops_the_run_at_once_and_keeps_its_answers(
    tmp_path: Path, workflow: Callable[[LLM], Step], model: type[Mine], how: type[BaseException]
) -> None:
    started = time.monotonic()
    with pytest.raises(how), DataDreamer(tmp_path):
        workflow(model(how))
    assert time.monotonic() - started < WAITING / 2
    with Ledger.open(tmp_path / "ledger.sqlite", readonly=True) as ledger:
        kept = ledger.count_calls()
    assert kept == 8 or model is Batches
    mended = model(None)
    with DataDreamer(tmp_path):
        step = workflow(mended)
        names = step.output.column_names
        assert list(step.output[names[-1]]) == [f"TEXT {number}" for number in range(10)]
    assert model is Batches or sorted(mended.asked) == ["text 5", "text 9"]


class EndsItself(Step):
    """Its first row waits, its last ends the program."""

    text: Column[str]
    same: str = output()

    async def process(self, text: str) -> dict[str, str]:
        if text == "text 0":
            await asyncio.sleep(WAITING)
        if text == "text 9":
            raise SystemExit(3)
        return {"same": text}


def test_a_row_that_ends_the_program_does_not_wait_for_its_turn(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(SystemExit), DataDreamer(tmp_path):
        texts = DataSource("Texts", {"text": [f"text {number}" for number in range(10)]})
        EndsItself("End", text=texts.output["text"])
    assert time.monotonic() - started < WAITING / 2


class CancelsItself(FakeLLM):
    """What some libraries do when a time-out inside them leaks."""

    async def _answer(self, request: object) -> Generation:
        if request.prompt == "text 3":  # type: ignore[attr-defined]
            raise asyncio.CancelledError
        return Generation(text="x")


@pytest.mark.parametrize("workflow", [ask_all, ask_each])
def test_a_request_that_cancels_itself_is_a_failed_row(tmp_path: Path, workflow: Callable[[LLM], Step]) -> None:
    with DataDreamer(tmp_path):
        llm = CancelsItself("x")
        llm.retry_on_fail = False
        assert workflow(llm).output.num_rows == 9


SCRIPT = """
import sys
from datadreamer import DataDreamer
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataSource, Prompt

def answer(prompt):
    if prompt == "text 7":
        sys.exit(5)
    return prompt

with DataDreamer(sys.argv[1]):
    texts = DataSource("Texts", {"text": [f"text {n}" for n in range(10)]})
    Prompt("Ask", inputs={"prompts": texts.output["text"]}, args={"llm": FakeLLM(answer)})
"""


def test_sys_exit_inside_a_model_ends_the_program_with_its_status(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "output")], capture_output=True, text=True, timeout=WAITING
    )
    assert done.returncode == 5, done.stderr
    assert "run the script again to go on" in done.stderr
