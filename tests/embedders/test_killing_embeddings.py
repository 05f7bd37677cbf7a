"""SIGKILL while texts are embedded and searched: what was received is not asked again, and the rows are right."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web
from chat_server import Server
from embedding_server import embeddings, vector_of

from datadreamer.retrievers import nearest

KILLS = 6
SCRIPT = """
import json, sys
from datadreamer import DataDreamer
from datadreamer.embedders import OpenAIEmbedder
from datadreamer.embedders.hosted import Limits
from datadreamer.retrievers import EmbeddingRetriever
from datadreamer.steps import DataSource, Embed, Retrieve

class Small(OpenAIEmbedder):
    limits = Limits(texts=10)

def texts(name, count):
    return DataSource(name, {"t": [f"{name} {number}" for number in range(count)]})["t"]

with DataDreamer(sys.argv[2], verbose=False):
    model = Small("m", base_url=sys.argv[1])
    embedded = Embed("Embed", texts=texts("text", 300), embedder=model, batch_size=4)
    retriever = EmbeddingRetriever(texts("document", 300), model, index_batch_size=4)
    found = Retrieve("Find", queries=texts("query", 300), retriever=retriever, k=3, batch_size=4)
    rows = [list(embedded["embeddings"]), [result["indices"] for result in found["results"]]]
    print(json.dumps(rows))
"""


class Counting:
    """Answers after a moment, and remembers when each text's vector was sent."""

    def __init__(self) -> None:
        self.sent: dict[str, list[float]] = {}
        self.lock = threading.Lock()

    async def __call__(self, server: Server, number: int, body: dict[str, Any]) -> web.StreamResponse:
        await asyncio.sleep(0.1)  # so that most answers come long before a kill
        with self.lock:
            for text in body["input"]:
                self.sent.setdefault(text, []).append(time.time())
        return web.json_response(embeddings(body))


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


def killed_after(process: subprocess.Popen[str], server: Server, requests: int) -> float | None:
    """Kill a run that has sent so many requests more; gives the moment, or None where it ended before."""
    wanted = len(server.requests) + requests
    while process.poll() is None:
        if len(server.requests) >= wanted:
            process.send_signal(signal.SIGKILL)
            moment = time.time()
            process.wait()
            return moment
        time.sleep(0.002)
    return None


def test_kills_cost_nothing_that_was_received(tmp_path: Path) -> None:
    script, counting, draw = tmp_path / "script.py", Counting(), random.Random(3)
    script.write_text(SCRIPT)
    kills: list[float] = []
    stall = Stall()
    with Server(counting) as server:
        command = [sys.executable, str(script), server.url, str(tmp_path / "output")]
        for _ in range(KILLS):
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                moment = killed_after(process, server, draw.randint(10, 20))
            assert moment is not None, "it must be killed before it ends for this test to say anything"
            kills.append(moment)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        asked = len(server.requests)
        again = subprocess.run(command, capture_output=True, text=True, check=True)
        assert len(server.requests) == asked and again.stdout == done.stdout
    bound = 0.1 + stall.longest()
    assert len(counting.sent) == 900
    for text, times in counting.sent.items():
        for sent in times[:-1]:
            # asked again later: only if a kill came within 100 ms of it, or while it was on its way
            closest = min((kill - sent for kill in kills), key=abs)
            assert abs(closest) <= bound, f"{text!r} was paid for twice, {closest * 1000:.0f} ms before a kill"
    vectors, places = json.loads(done.stdout.splitlines()[-1])
    assert vectors == [vector_of(f"text {number}").tolist() for number in range(300)]
    corpus, queries = (
        np.stack([vector_of(f"{name} {number}") for number in range(300)]) for name in ("document", "query")
    )
    assert places == nearest(queries, corpus, 3)[1].tolist()
