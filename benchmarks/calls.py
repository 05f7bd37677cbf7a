"""What asking a model costs: CPU and memory of ours against a bare aiohttp loop that writes a journal.

Each measurement is a process of its own, started fresh, against one loopback server (`loopback.py`). CPU is user and
system time of that process from its start to its end, imports included; wall time on a shared machine says little.

    python benchmarks/calls.py                     # 2,000 calls, 50 ms, 100 and 1,000 in flight
    python benchmarks/calls.py --calls 500 --in-flight 32
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
PROMPT = "Summarise document number {} in one sentence. " + "The document speaks of many things. " * 20


def prompts(count: int) -> list[str]:
    return [PROMPT.format(number) for number in range(count)]


def floor(url: str, folder: Path, count: int, in_flight: int) -> None:
    """The least that does the job: bounded concurrency, a journal line per answer, flushed."""
    import aiohttp

    async def run() -> None:
        gate = asyncio.Semaphore(in_flight)
        with (folder / "journal.jsonl").open("a") as journal:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

                async def one(number: int, prompt: str) -> str:
                    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
                    async with gate, session.post(f"{url}/chat/completions", json=body) as response:
                        answer = await response.json()
                    journal.write(json.dumps({"row": number, "request": body, "answer": answer}) + "\n")
                    journal.flush()
                    return str(answer["choices"][0]["message"]["content"])

                texts = await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(prompts(count))))
                assert len(texts) == count

    asyncio.run(run())


def ours(url: str, folder: Path, count: int, in_flight: int) -> None:
    from datadreamer import _context
    from datadreamer.ledger import Ledger
    from datadreamer.llms import OpenAI

    ledger = Ledger.open(folder / "ledger.sqlite")
    scope = _context.StepScope("benchmark", "", ledger)
    with _context.running(scope):
        llm = OpenAI("m", base_url=url, max_in_flight=in_flight)
        texts = llm.run(prompts(count))
    ledger.close()
    assert len(texts) == count


def measure(kind: str, url: str, folder: Path, count: int, in_flight: int) -> dict[str, float]:
    """One run in a fresh process."""
    started = time.perf_counter()
    arguments = ["--one", kind, "--url", url, "--folder", str(folder), "--calls", str(count)]
    done = subprocess.run(
        [sys.executable, str(HERE), *arguments, "--in-flight", str(in_flight)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    result["wall"] = time.perf_counter() - started
    return result


def compare(count: int, in_flight: int, latency: float, repeats: int) -> None:
    server = subprocess.Popen(
        [sys.executable, str(HERE.with_name("loopback.py")), "--latency", str(latency)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        print(f"\n{count} calls, {latency * 1000:.0f} ms, {in_flight} in flight; median of {repeats}")
        print(f"{'':14}{'CPU s':>8}{'wall s':>8}{'RSS MB':>8}{'CPU / floor':>13}{'ms / call':>11}")
        base = None
        for kind in ("floor", "ours", "ours, rerun"):
            results = []
            for _ in range(repeats):
                with tempfile.TemporaryDirectory() as name:
                    result = measure(kind.split(",")[0], url, Path(name), count, in_flight)
                    if kind == "ours, rerun":
                        result = measure("ours", url, Path(name), count, in_flight)
                    results.append(result)
            cpu, wall, rss = (statistics.median(result[key] for result in results) for key in ("cpu", "wall", "rss"))
            base = base or cpu
            print(f"{kind:14}{cpu:8.2f}{wall:8.2f}{rss:8.0f}{cpu / base:13.2f}{1000 * cpu / count:11.2f}")
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--latency", type=float, default=0.05, help="seconds per answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", choices=["floor", "ours"], help="run one measurement in this process")
    parser.add_argument("--url")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.one is None:
        for in_flight in arguments.in_flight:
            compare(arguments.calls, in_flight, arguments.latency, arguments.repeats)
        return
    {"floor": floor, "ours": ours}[arguments.one](
        arguments.url, arguments.folder, arguments.calls, arguments.in_flight[0]
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
