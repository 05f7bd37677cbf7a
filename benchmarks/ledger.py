"""How fast the ledger writes and looks up, beside plain sqlite3 on the same machine in the same minute.

CPU seconds of the whole process (both threads), so that other programs and a slow disk do not count. Run it with:

    python benchmarks/ledger.py [calls]
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from datadreamer.ledger import CallRecord, Ledger, Redactor, Usage

REQUEST_BYTES, RESPONSE_BYTES = 2048, 1024


def prose(rng: random.Random, size: int) -> str:
    vocabulary = [hashlib.sha1(str(i).encode()).hexdigest()[: rng.randint(2, 9)] for i in range(3000)]
    return " ".join(rng.choices(vocabulary, k=size // 4))[:size]


def records(count: int) -> list[tuple[bytes, CallRecord]]:
    rng = random.Random(0)
    made = []
    for i in range(count):
        if i % 50 == 0:
            question, answer = prose(rng, REQUEST_BYTES - 150), prose(rng, RESPONSE_BYTES - 320)
        request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}], "temperature": 1.0}
        response = {
            "id": f"chatcmpl-{hashlib.sha1(str(i).encode()).hexdigest()[:29]}",
            "object": "chat.completion",
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 500, "completion_tokens": 170, "total_tokens": 670},
            "system_fingerprint": "fp_44709d6fcb",
        }
        record = CallRecord(
            text=answer,
            step="Generate abstracts",
            finish_reason="stop",
            usage=Usage(input_tokens=500, output_tokens=170),
            model="gpt-4o-mini",
            served_model="gpt-4o-mini-2024-07-18",
            provider="openai",
            host="api.openai.com",
            response_id=response["id"],
            system_fingerprint="fp_44709d6fcb",
            started=1.7e9 + i,
            ended=1.7e9 + i + 2,
            cost_usd=0.000177,
            request=json.dumps(request).encode(),
            response=json.dumps(response).encode(),
        )
        made.append((hashlib.sha256(str(i).encode()).digest(), record))
    return made


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def raw_sqlite(folder: Path, data: list[tuple[bytes, CallRecord]]) -> float:
    """The floor: key, request, response and text in a bare table, 200 rows to a transaction."""
    connection = sqlite3.connect(folder / "raw.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE calls (id INTEGER PRIMARY KEY, key BLOB UNIQUE, text TEXT, req BLOB, res BLOB)")
    rows = [(key, record.text, record.request, record.response) for key, record in data]

    def write() -> None:
        for start in range(0, len(rows), 200):
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO calls (key, text, req, res) VALUES (?,?,?,?)", rows[start : start + 200]
            )
            connection.execute("COMMIT")

    seconds = cpu_seconds(write)
    connection.close()
    return seconds


def raw_look_up(folder: Path, keys: list[bytes]) -> None:
    connection = sqlite3.connect(folder / "raw.sqlite")
    for key in keys:
        assert connection.execute("SELECT text, req, res FROM calls WHERE key = ?", (key,)).fetchone()
    connection.close()


def put_all(ledger: Ledger, data: list[tuple[bytes, CallRecord]]) -> None:
    for key, record in data:
        ledger.put_call(key, record)
    ledger.flush()


def look_up(ledger: Ledger, keys: list[bytes], at_once: int) -> None:
    for start in range(0, len(keys), at_once):
        assert len(ledger.get_calls(keys[start : start + at_once])) == min(at_once, len(keys) - start)


def durability(folder: Path, data: list[tuple[bytes, CallRecord]], busy: bool) -> list[float]:
    """Milliseconds from put_call to being readable by another connection, while another thread computes or not."""
    ledger = Ledger.open(folder / f"durable-{busy}.sqlite")
    ledger.put_call(b"0" * 32, data[0][1])
    ledger.flush()
    other = sqlite3.connect(ledger.path)
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(1000))

    if busy:
        threading.Thread(target=compute, daemon=True).start()
    waits = []
    for start in range(0, 5000, 50):
        for key, record in data[start : start + 49]:
            ledger.put_call(key, record)
        put = time.perf_counter()
        ledger.put_call(*data[start + 49])
        while not other.execute("SELECT 1 FROM calls WHERE key = ?", (data[start + 49][0],)).fetchone():
            time.sleep(0.0005)
        waits.append((time.perf_counter() - put) * 1000)
    stop.set()
    other.close()
    ledger.close()
    return sorted(waits)


def main(count: int) -> None:
    data = records(count)
    sizes = [len(record.request) + len(record.response) for _, record in data]
    print(f"{count} calls, request and response together {sum(sizes) / count:.0f} bytes on average")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = raw_sqlite(folder, data)
        ledger = Ledger.open(folder / "ledger.sqlite")
        put = cpu_seconds(lambda: put_all(ledger, data))
        print(f"raw sqlite3   {count / raw:9.0f} puts per CPU second")
        print(f"ledger        {count / put:9.0f} puts per CPU second ({put / raw:.2f} times the raw cost; aim 20,000)")
        ordered = [key for key, _ in data][: count // 2]  # as a workflow that runs again asks
        shuffled = random.Random(1).sample([key for key, _ in data], count // 2)
        for label, keys in (("in order", ordered), ("shuffled", shuffled)):
            raw = cpu_seconds(lambda keys=keys: raw_look_up(folder, keys))  # type: ignore[misc]
            print(f"raw sqlite3   {len(keys) / raw:9.0f} look-ups per CPU second, {label}, 1 at once")
            for at_once in (1, 16, 256):
                get = cpu_seconds(lambda keys=keys, at_once=at_once: look_up(ledger, keys, at_once))  # type: ignore[misc]
                print(f"ledger        {len(keys) / get:9.0f} look-ups per CPU second, {label}, {at_once} at once")
        ledger.close()
        print(
            f"opening       {cpu_seconds(lambda: Ledger.open(folder / 'ledger.sqlite').close()) * 1e3:9.2f} ms of CPU"
        )
        for busy in (False, True):
            waits = durability(folder, data, busy)
            state = "another thread computing" if busy else "idle otherwise"
            print(f"durable after {waits[len(waits) // 2]:9.1f} ms (median), {waits[-1]:.1f} ms (worst), {state}")
    redactor = Redactor(values=["a-known-secret-value-1234"], home="/home/somebody")
    for label, text in (("request", data[0][1].request[:2048]), ("response", data[0][1].response)):
        seconds = cpu_seconds(lambda text=text: [redactor.has_secret(text) for _ in range(20000)])  # type: ignore[misc]
        print(f"has_secret    {seconds / 20000 * 1e6:9.2f} us for a {label} of {len(text)} bytes (aim 3 for 2 KB)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40000)
