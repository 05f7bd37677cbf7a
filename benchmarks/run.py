"""Every figure of this folder, one after the other: `make bench`. Takes about ten minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = (
    "imports",
    "identity",
    "ledger",
    "dataset_rows",
    "pipelines",
    "memory",
    "calls",
    "workflow",
    "reopen",
    "local",
    "retrieval",
)


def main() -> int:
    failed = 0
    for name in SCRIPTS:
        print(f"\n=== {name} ===", flush=True)
        failed += subprocess.run([sys.executable, str(HERE / f"{name}.py")]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
