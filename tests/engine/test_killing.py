"""SIGKILL at random moments: nothing received is asked again, and the rows are complete, right and in order."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from aiohttp import web
from chat_server import Server, answer

ROWS = 150
SCRIPT = """
import sys, time
from datadreamer import DataDreamer
from datadreamer.llms import OpenAI
from datadreamer.steps import Column, DataSource, ProcessWithPrompt, Step, output

class Shout(Step):
    '''Put a text in capitals.'''

    text: Column[str]
    loud: str = output()

    def process(self, text):
        time.sleep(0.002)
        return {"loud": text.upper()}

with DataDreamer(sys.argv[2], verbose=False):
    texts = DataSource("Texts", {"text": [f"text {n}" for n in range(int(sys.argv[3]))]})
    asked = ProcessWithPrompt(
        "Ask", inputs={"inputs": texts.output["text"]},
        args={"llm": OpenAI("m", base_url=sys.argv[1]), "instruction": "Go.", "batch_size": 10},
    )
    loud = Shout("Shout", text=asked["generations"])
    import json
    print(json.dumps(list(loud["loud"])))
"""


class Counting:
    """Answers after a moment, and remembers when each prompt's answer was sent."""

    def __init__(self) -> None:
        self.sent: dict[str, list[float]] = {}
        self.lock = threading.Lock()

    async def __call__(self, server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        import asyncio

        prompt = str(body["messages"][-1]["content"])
        await asyncio.sleep(0.01 + 0.02 * random.random())
        with self.lock:
            self.sent.setdefault(prompt, []).append(time.time())
        return answer(f"echo {prompt}")


class Stall:
    """How long this machine lets a thread that wants to run wait: what no program can answer for."""

    def __init__(self) -> None:
        self._longest, self._over = 0.0, threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._over.is_set():
            before = time.monotonic()
            time.sleep(0.005)
            self._longest = max(self._longest, time.monotonic() - before - 0.005)

    def longest(self) -> float:
        """Seconds; ends the watch."""
        self._over.set()
        return self._longest


def start(server: Server, folder: Path, script: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(script), server.url, str(folder), str(ROWS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_kills_at_random_moments_cost_nothing_that_was_received(tmp_path: Path) -> None:
    script, folder, counting = tmp_path / "script.py", tmp_path / "output", Counting()
    script.write_text(SCRIPT)
    kills: list[float] = []
    moments = random.Random(7)
    stall = Stall()
    with Server(counting) as server:
        for _ in range(40):
            process = start(server, folder, script)
            try:
                process.wait(timeout=moments.uniform(0.3, 1.1))
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills.append(time.time())
                process.wait()
        out, err = process.communicate()
        if process.returncode != 0:
            out, err = start(server, folder, script).communicate(timeout=120)
    bound = 0.1 + stall.longest()
    assert len(kills) >= 3, "the workflow must be killed several times for this test to say anything"
    rows = json.loads(out.splitlines()[-1])
    assert rows == [f"ECHO INPUT: TEXT {n}\n\nINSTRUCTION: GO." for n in range(ROWS)], err
    for prompt, times in counting.sent.items():
        for sent in times[:-1]:
            # asked again later: only if a kill came within 100 ms of it, or while it was on its way
            nearest = min((kill - sent for kill in kills), key=abs)
            assert abs(nearest) <= bound, f"{prompt!r} was paid for twice, {nearest * 1000:.0f} ms before a kill"


def test_a_step_with_process_goes_on_behind_what_was_written(tmp_path: Path) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "output"
    script.write_text(
        """
import pathlib, sys, time
from datadreamer import DataDreamer
from datadreamer.steps import Column, DataSource, Step, output

class Slow(Step):
    '''Take a while.'''

    n: Column[int]
    m: int = output()

    def process(self, n):
        with open(sys.argv[2], "a") as log:
            log.write(f"{n}\\n")
        time.sleep(0.01)
        return {"m": n * 2}

with DataDreamer(sys.argv[1], verbose=False):
    step = Slow("Slow", n=DataSource("Numbers", {"n": list(range(500))})["n"])
    assert list(step["m"]) == [n * 2 for n in range(500)]
"""
    )
    log = tmp_path / "log"
    command = [sys.executable, str(script), str(folder), str(log)]
    process = subprocess.Popen(command)
    while not log.exists() or len(log.read_text().splitlines()) < 350:
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = len(log.read_text().splitlines())
    subprocess.run(command, check=True, timeout=60)
    again = len(log.read_text().splitlines()) - before
    assert again < 500 - 100, f"{again} of 500 rows were computed again"


def test_sigterm_stops_in_order_and_says_how_to_go_on(tmp_path: Path) -> None:
    script, folder = tmp_path / "script.py", tmp_path / "output"
    script.write_text(SCRIPT.replace(", verbose=False", ""))
    with Server(Counting()) as server:
        process = start(server, folder, script)
        while len(server.requests) < 20:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 143
        assert "run the script again to go on" in err
        asked = len(server.requests)
        out, _ = start(server, folder, script).communicate(timeout=60)
    assert len(json.loads(out.splitlines()[-1])) == ROWS
    assert len(server.requests) <= asked + ROWS - 10
