"""Runs a workflow in forks of one warm process and kills them: a hundred kills cost a hundred forks, not imports.

    python fork_server.py FOLDER KILLS SEED      prints a JSON object: how often, and what was found wrong

This process never starts a thread or a loop itself; every session, and every look at what is left, is in a child.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp  # noqa: F401
import pyarrow.compute  # noqa: F401

from datadreamer import DataDreamer, cards, runs
from datadreamer.datasets import OutputDataset, readers  # noqa: F401
from datadreamer.engine import making, record, workspace  # noqa: F401
from datadreamer.errors import ModelError
from datadreamer.ledger import Ledger, atomic  # noqa: F401
from datadreamer.llms import FakeLLM, engine, params  # noqa: F401
from datadreamer.llms.engine import memory, stream  # noqa: F401
from datadreamer.steps import Column, CSVDataSource, Prompt, Step, output

ROWS = 40
PROMISED_SECONDS = 0.1


class Spread(Step):
    """Fails for some rows, drops some, and makes two of some."""

    n: Column[int]
    text: str = output()

    def process(self, n: int) -> Any:
        if n % 7 == 3:
            raise ValueError(f"{n} is lost")
        if n % 5 == 0:
            return None
        return [{"text": f"{n} {letter}"} for letter in ("ab" if n % 3 == 0 else "a")]


SPREAD = [f"{n} {x}" for n in range(ROWS) if n % 7 != 3 and n % 5 for x in ("ab" if n % 3 == 0 else "a")]
LOST = [n for n in range(ROWS) if n % 7 == 3]
ASKED = [text for text in SPREAD if "1" not in text]


def model(asked: Path) -> FakeLLM:
    """Answers most prompts, and writes down when it did."""

    def answer(prompt: str) -> str:
        line = json.dumps([time.time(), prompt]).encode() + b"\n"
        descriptor = os.open(asked, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line)
        os.close(descriptor)
        return prompt.upper()

    answer.__datadreamer_version__ = "1"  # type: ignore[attr-defined]
    return FakeLLM(answer, latency=0.004, fail=lambda prompt: ModelError("no") if "1" in prompt.split()[0] else None)


def workflow(folder: Path) -> list[str]:
    """Sourcing, computing with losses, asking with losses, sorting; gives the last rows."""
    with DataDreamer(folder / "output", verbose=False):
        rows = CSVDataSource("Rows", data_files=str(folder / "rows.csv"))
        spread = Spread("Spread", n=rows["n"])
        asked = Prompt("Ask", inputs={"prompts": spread.output["text"]}, args={"llm": model(folder / "asked")})
        ordered = asked.sort("prompts", reverse=True)
        return list(ordered.output["generations"])


def check(folder: Path) -> None:
    """Everything that has to hold once the workflow has ended."""
    assert workflow(folder) == sorted((text.upper() for text in ASKED), reverse=True), "other rows"
    spread, asked = (cards.read_step(folder / "output" / name) for name in ("spread", "ask"))
    found = spread.rows
    assert (found.input, found.output, found.lost) == (ROWS, len(SPREAD), len(LOST)), found
    assert found.expanded - found.filtered == len(SPREAD) + len(LOST) - ROWS, found
    assert found.filtered == sum(n % 5 == 0 and n % 7 != 3 for n in range(ROWS)), found
    assert asked.rows.lost == len(SPREAD) - len(ASKED) and asked.rows.balanced, asked.rows
    lost = [row.row for row in runs.lost_rows(folder / "output", "Spread")]
    assert lost == LOST, lost
    assert len(runs.lost_rows(folder / "output", "Ask")) == asked.rows.lost
    damaged = [found for found in runs.verify(folder / "output") if found.problem is not None]
    assert not damaged, damaged
    assert not any(one.kind == "unfinished" for one in runs.garbage(folder / "output"))


def paid_twice(folder: Path, kills: list[float]) -> list[str]:
    """Prompts that were answered again although the answer had been there for longer than was promised."""
    times: dict[str, list[float]] = {}
    for line in (folder / "asked").read_bytes().splitlines():
        at, prompt = json.loads(line)
        times.setdefault(prompt, []).append(at)
    wrong = []
    for prompt, asked in times.items():
        for at in asked[:-1]:
            kill = next((kill for kill in kills if kill >= at), None)
            if kill is None or kill - at > PROMISED_SECONDS:
                wrong.append(f"{prompt}: {1000 * ((kill or 0) - at):.0f} ms")
    return wrong


def in_child(work: Callable[[], Any], errors: Path) -> int:
    """Fork, work, and end without a word to whatever the parent had."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        errors.write_text(traceback.format_exc())
    finally:
        os._exit(status)


def until_done(folder: Path, moments: random.Random, kills: list[float], most: int) -> str | None:
    """Kill the workflow until it has ended once; gives what went wrong."""
    folder.mkdir()
    (folder / "rows.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(ROWS)))
    while True:
        pid = in_child(lambda: workflow(folder), folder / "error")
        if len(kills) < most:
            time.sleep(moments.uniform(0.005, 0.35))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            kills.append(time.time())
        elif os.WEXITSTATUS(status):
            return (folder / "error").read_text()
        else:
            break
    if os.waitpid(in_child(lambda: check(folder), folder / "error"), 0)[1]:
        return (folder / "error").read_text()
    twice = paid_twice(folder, kills)
    return f"paid twice: {twice}" if twice else None


def main(top: Path, most: int, seed: int) -> dict[str, Any]:
    moments, kills, wrong, runs_done = random.Random(seed), [], [], 0
    while len(kills) < most and not wrong:
        before = len(kills)
        problem = until_done(top / f"run{runs_done}", moments, kills, most)
        runs_done += 1
        if problem:
            wrong.append(f"after {len(kills) - before} kills: {problem}")
    return {"kills": len(kills), "runs": runs_done, "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
