"""What importing costs: `import datadreamer` loads only the standard library, in at most 0.1 s of CPU.

python benchmarks/imports.py [--repeats 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

MEASURE = """
import json, resource, sys
exec({statement!r})
used = resource.getrusage(resource.RUSAGE_SELF)
foreign = sorted({{
    name.partition(".")[0] for name in sys.modules
    if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith(("datadreamer", "__"))
}})
print(json.dumps({{"cpu": used.ru_utime + used.ru_stime, "foreign": foreign}}))
"""
STATEMENTS = {
    "(nothing)": "pass",
    "datadreamer": "import datadreamer",
    "what a script imports": "from datadreamer import DataDreamer; from datadreamer.llms import OpenAI; "
    "from datadreamer.steps import DataSource, Prompt",
}


def measure(statement: str) -> tuple[float, list[str]]:
    """CPU seconds of a fresh process, and the packages that it loaded from outside the standard library."""
    command = [sys.executable, "-c", MEASURE.format(statement=statement)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found["cpu"], found["foreign"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    base = statistics.median(measure("pass")[0] for _ in range(repeats))
    print(f"{'import of':24}{'CPU s above a bare Python':>27}   from outside the standard library")
    for name, statement in STATEMENTS.items():
        results = [measure(statement) for _ in range(repeats)]
        cpu = statistics.median(result[0] for result in results) - base
        print(f"{name:24}{max(0.0, cpu):27.3f}   {', '.join(results[0][1]) or '-'}")


if __name__ == "__main__":
    main()
