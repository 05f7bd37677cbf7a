"""What asking a model costs: CPU and memory of ours against a bare aiohttp loop that writes a journal.

Each measurement is a process of its own, started fresh, against one loopback server (`loopback.py`). CPU is user and
system time of that process from its start to its end, imports included; wall time on a shared machine says little.

    python benchmarks/calls.py                     # 2,000 calls, 50 ms, 100 and 1,000 in flight
    python benchmarks/calls.py --calls 500 --in-flight 32
    python benchmarks/calls.py --slow 0.02         # 2 % of the answers five times slower: wall time
    python benchmarks/calls.py --rows 1000 100000  # memory of a workflow with a prompt step over so many rows
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
from collections.abc import Iterator
from contextlib import contextmanager
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


def rows(url: str, folder: Path, count: int, in_flight: int) -> None:
    """A workflow: a source that makes its rows, and a prompt step over them."""
    from datadreamer import DataDreamer
    from datadreamer.llms import OpenAI
    from datadreamer.steps import DataSource, ProcessWithPrompt

    with DataDreamer(folder / "output", verbose=False):
        documents = DataSource("Documents", lambda: ({"text": PROMPT.format(number)} for number in range(count)))
        summaries = ProcessWithPrompt(
            "Summaries",
            inputs={"inputs": documents.output["text"]},
            args={"llm": OpenAI("m", base_url=url, max_in_flight=in_flight), "instruction": "Summarise."},
        )
        assert summaries.output.num_rows == count


KINDS = {"floor": floor, "ours": ours, "rows": rows}


def measure(kind: str, url: str, folder: Path, count: int, in_flight: int) -> dict[str, float]:
    """One run in a fresh process."""
    arguments = ["--one", kind, "--url", url, "--folder", str(folder), "--calls", str(count)]
    done = subprocess.run(
        [sys.executable, str(HERE), *arguments, "--in-flight", str(in_flight)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def serving(latency: float, slow: float = 0.0) -> Iterator[str]:
    command = [sys.executable, str(HERE.with_name("loopback.py")), "--latency", str(latency), "--slow", str(slow)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    finally:
        server.terminate()
        server.wait()


def compare(count: int, in_flight: int, latency: float, slow: float, repeats: int) -> None:
    with serving(latency, slow) as url:
        tail = f", {slow:.0%} five times slower" if slow else ""
        print(f"\n{count} calls, {latency * 1000:.0f} ms{tail}, {in_flight} in flight; median of {repeats}")
        print(f"{'':14}{'CPU s':>8}{'wall s':>8}{'RSS MB':>8}{'CPU / floor':>13}{'wall / floor':>14}{'ms / call':>11}")
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
            base = base or (cpu, wall)
            ratios = f"{cpu / base[0]:13.2f}{wall / base[1]:14.2f}{1000 * cpu / count:11.2f}"
            print(f"{kind:14}{cpu:8.2f}{wall:8.2f}{rss:8.0f}{ratios}")


def memory(counts: list[int], in_flight: int, latency: float) -> None:
    """The peak of a workflow over few rows and over many."""
    first = None
    print(f"{'rows':>10}{'CPU s':>8}{'wall s':>8}{'RSS MB':>8}{'above the first':>17}{'ms / row':>10}")
    for count in counts:
        with serving(latency) as url, tempfile.TemporaryDirectory() as name:
            result = measure("rows", url, Path(name), count, in_flight)
        first = first or result["rss"]
        cpu, wall, rss = (result[key] for key in ("cpu", "wall", "rss"))
        print(f"{count:10}{cpu:8.2f}{wall:8.2f}{rss:8.0f}{rss - first:17.0f}{1000 * cpu / count:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--latency", type=float, default=0.05, help="seconds per answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slow", type=float, default=0.0, help="share of answers that take five times as long")
    parser.add_argument("--rows", type=int, nargs="+", help="memory of a workflow over so many rows")
    parser.add_argument("--one", choices=KINDS, help="run one measurement in this process")
    parser.add_argument("--url")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.rows:
        memory(arguments.rows, 256, arguments.latency)
    elif arguments.one is None:
        for in_flight in arguments.in_flight:
            compare(arguments.calls, in_flight, arguments.latency, arguments.slow, arguments.repeats)
    else:
        import aiohttp  # noqa: F401  (now: the wall time is that of the calls)

        if arguments.one != "floor":
            from datadreamer.llms import openai  # noqa: F401

        started = time.perf_counter()
        KINDS[arguments.one](arguments.url, arguments.folder, arguments.calls, arguments.in_flight[0])
        wall = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024, "wall": wall}))


if __name__ == "__main__":
    main()
