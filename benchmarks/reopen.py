"""A finished workflow of 10 steps with 100,000 rows is opened again: CPU of the whole process, imports included.

    python benchmarks/reopen.py [RUNS]

The aim is 0.6 s. Beside it: the interpreter alone, and importing what is needed.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS = 10_000  # in each of ten steps
AIM_SECONDS = 0.6

WORKFLOW = """
import sys
from datadreamer import DataDreamer
from datadreamer.llms import FakeLLM
from datadreamer.steps import DataFromPrompt, DataSource, FilterWithPrompt, ProcessWithPrompt, Prompt

def answer(prompt, request):
    return f"yes {request.sample} {prompt[:60]}"

def longer(row):
    return {"text": row["text"] + " and more", "length": len(row["text"])}

with DataDreamer(sys.argv[1], verbose=False):
    llm = FakeLLM(answer)
    drawn = DataFromPrompt("Draw", llm=llm, n=ROWS, instruction="Write something.", outputs={"generations": "text"})
    more = drawn.select_columns(["text"]).map(longer, lazy=False, name="Longer")
    step = more
    for number in range(6):
        asked = ProcessWithPrompt(
            f"Ask {number}",
            inputs={"inputs": step["text"]},
            args={"llm": llm, "instruction": f"Say it {number} times."},
            outputs={"generations": "text"},
        )
        step = asked
    kept = FilterWithPrompt("Keep", inputs={"inputs": step["text"]}, args={"llm": llm, "instruction": "Is it good?"})
    ordered = kept.sort("text", name="Sorted")
    assert ordered.output.num_rows == ROWS, ordered.output.num_rows
""".replace("ROWS", str(ROWS))


def cpu_seconds(arguments: list[str]) -> float:
    """CPU seconds (user and system, all threads) of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "workflow.py"
        script.write_text(WORKFLOW)
        workflow = [str(script), str(Path(folder) / "output")]
        print(f"made in {cpu_seconds(workflow):.1f} CPU s")
        measured = {
            "the interpreter": ["-c", "pass"],
            "importing pyarrow": ["-c", "import pyarrow"],
            "the finished workflow": workflow,
        }
        for name, arguments in measured.items():
            times = [cpu_seconds(arguments) for _ in range(runs)]
            print(f"{name:24} {statistics.median(times):.3f} CPU s (lowest {min(times):.3f}, highest {max(times):.3f})")
        print(f"the aim is {AIM_SECONDS} CPU s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
