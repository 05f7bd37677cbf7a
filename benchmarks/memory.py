"""The most memory a long workflow takes: many rows of 1 KB through map, filter, shuffle, a prompt step and exports.

Every figure is a process of its own; its peak is what the system says (`ru_maxrss`: pages of mapped files included).

    python benchmarks/memory.py [--rows 1000000] [--kinds stored lazy jsonl] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
CEILING_MB = 400


def text(number: int) -> str:
    """A kilobyte that is different for every row, and cannot be packed."""
    return f"{number} {hashlib.shake_128(b'%d' % number).hexdigest(500)}"[:1000]


def documents(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"id": number, "text": text(number)}


def with_length(row: dict[str, Any]) -> dict[str, Any]:
    return {"letters": len(row["text"])}


def most(row: dict[str, Any]) -> bool:
    return row["id"] % 10 != 3


class Stages:
    """What each stage of a workflow took at most, and how long."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        with suppress(OSError):  # starts the system's own high-water mark anew, where it can
            Path("/proc/self/clear_refs").write_text("5")
        started = time.process_time()
        made = work()
        self.found[name] = {"peak": peak_mb(), "cpu": time.process_time() - started}
        return made


def peak_mb() -> float:
    """Most resident memory since the last stage began; of the whole process where the system cannot say."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def source(kind: str, folder: Path, count: int) -> Any:
    from datadreamer.steps import DataSource, JSONDataSource

    if kind == "jsonl":
        return JSONDataSource("Documents", data_files=str(folder / "documents.jsonl"))
    return DataSource("Documents", lambda: documents(count), total_num_rows=count, save=kind == "stored")


def workflow(kind: str, folder: Path, count: int) -> dict[str, dict[str, float]]:
    """What a user would write, stage by stage. `lazy`: nothing is stored before the prompt step."""
    from datadreamer import DataDreamer
    from datadreamer.llms import FakeLLM
    from datadreamer.steps import Prompt

    stages, lazy = Stages(), kind == "lazy"
    with DataDreamer(folder / "output", verbose=False):
        rows = stages.run("source", lambda: source(kind, folder, count))
        rows = stages.run("map", lambda: rows.map(with_length, lazy=lazy, total_num_rows=count))
        rows = stages.run("filter", lambda: rows.filter(most, lazy=lazy))
        rows = stages.run("shuffle", lambda: rows.shuffle(seed=1, lazy=lazy))
        llm = FakeLLM(lambda prompt: prompt[:100])
        prompted = stages.run(
            "prompt", lambda: Prompt("Ask", inputs={"prompts": rows.output["text"]}, args={"llm": llm})
        )
        stages.run("sort", lambda: prompted.sort("generations"))
        for form in ("json", "csv", "parquet"):
            export = getattr(prompted, f"export_to_{form}")
            stages.run(form, lambda export=export, form=form: export(str(folder / f"out.{form}")))  # type: ignore[misc]
        stages.run("hf_dataset", lambda: prompted.export_to_hf_dataset(str(folder / "out_hf")))
        assert prompted.output.num_rows == count - (count + 6) // 10
    return stages.found


def measure(kind: str, count: int, keep: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=keep) as name:
        if kind == "jsonl":
            with (Path(name) / "documents.jsonl").open("w") as file:
                file.writelines(json.dumps(row) + "\n" for row in documents(count))
        what = ["--one", kind, "--folder", name, "--rows", str(count)]
        done = subprocess.run([sys.executable, str(HERE), *what], check=True, stdout=subprocess.PIPE, text=True)
        measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return measured


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kinds", nargs="+", default=["stored", "lazy", "jsonl"])
    parser.add_argument("--keep", type=Path, help="where the temporary folders go")
    parser.add_argument("--one", help="run one workflow in this process")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.one is not None:
        found = workflow(arguments.one, arguments.folder, arguments.rows)
        highest = max(stage["peak"] for stage in found.values())
        print(
            json.dumps(
                {"stages": found, "peak": max(highest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
            )
        )
        return 0
    over = False
    for kind in arguments.kinds:
        measured = measure(kind, arguments.rows, arguments.keep)
        print(
            f"{kind}: {arguments.rows:,} rows of 1 KB, peak {measured['peak']:.0f} MB (at most {CEILING_MB})",
            flush=True,
        )
        for name, stage in measured["stages"].items():
            print(f"    {name:12}{stage['peak']:6.0f} MB{stage['cpu']:8.1f} CPU s", flush=True)
        over = over or measured["peak"] > CEILING_MB
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
