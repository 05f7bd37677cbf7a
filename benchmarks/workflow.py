"""What a whole workflow costs: a session that asks 2,000 rows through a prompt step, stores, records and writes cards.

Beside it, the floor of `calls.py` (a bare aiohttp loop with a journal), and the finished rerun of the same script,
which asks nothing. Each figure is user and system time of a fresh process, imports included.

    python benchmarks/workflow.py [--calls 2000] [--in-flight 100] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from calls import floor, prompts

HERE = Path(__file__).resolve()
CEILINGS = {"workflow": "2.5 x floor, 180 MB", "rerun": "0.5 s"}


def workflow(url: str, folder: Path, count: int, in_flight: int) -> None:
    """What a user would write."""
    from datadreamer import DataDreamer
    from datadreamer.llms import OpenAI
    from datadreamer.steps import DataSource, Prompt

    with DataDreamer(folder / "output", verbose=False):
        documents = DataSource("Documents", {"prompt": prompts(count)})
        answers = Prompt(
            "Summaries",
            inputs={"prompts": documents.output["prompt"]},
            args={"llm": OpenAI("m", base_url=url), "batch_size": in_flight},
        )
        assert answers.output.num_rows == count
        assert answers.output[count - 1]["generations"]


def measure(kind: str, url: str, folder: Path, count: int, in_flight: int) -> dict[str, float]:
    """CPU seconds and peak memory (MB) of one fresh process."""
    what = ["--one", kind, "--url", url, "--folder", str(folder), "--calls", str(count), "--in-flight", str(in_flight)]
    done = subprocess.run([sys.executable, str(HERE), *what], check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def compare(url: str, count: int, in_flight: int, repeats: int) -> None:
    found: dict[str, list[dict[str, float]]] = {"floor": [], "workflow": [], "rerun": []}
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            for kind, results in found.items():
                results.append(measure("floor" if kind == "floor" else "workflow", url, Path(name), count, in_flight))
    print(f"{count} rows, {in_flight} in flight, median of {repeats}")
    print(f"{'':10}{'CPU s':>8}{'RSS MB':>8}{'CPU / floor':>13}   at most")
    base = statistics.median(result["cpu"] for result in found["floor"])
    for kind, results in found.items():
        cpu, rss = (statistics.median(result[key] for result in results) for key in ("cpu", "rss"))
        print(f"{kind:10}{cpu:8.2f}{rss:8.0f}{cpu / base:13.2f}   {CEILINGS.get(kind, '')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds per answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", choices=["floor", "workflow"], help="run one measurement in this process")
    parser.add_argument("--url")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.one is not None:
        run = {"floor": floor, "workflow": workflow}[arguments.one]
        run(arguments.url, arguments.folder, arguments.calls, arguments.in_flight)
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024}))
        return
    command = [sys.executable, str(HERE.with_name("loopback.py")), "--latency", str(arguments.latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        try:
            compare(url, arguments.calls, arguments.in_flight, arguments.repeats)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
