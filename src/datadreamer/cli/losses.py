"""`datadreamer losses FOLDER [STEP]`."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runs import LostRow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the output folder of a session")
    parser.add_argument("step", nargs="?", help="only the losses of this step")
    parser.add_argument("-n", type=int, default=50, metavar="ROWS", help="most rows to show (default: 50; 0: all)")
    parser.add_argument("--json", action="store_true", help="all of them, one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from ..runs import lost_rows

    lost = lost_rows(arguments.folder, arguments.step)
    if arguments.json:
        for row in lost:
            print(msgspec.json.encode(row).decode())
        return 0
    if not lost:
        where = f"Step '{arguments.step}'" if arguments.step else "No step of this folder"
        print(f"{where} {'has not ' if arguments.step else ''}lost a row.")
        return 0
    print(_table(lost, arguments.n or len(lost)))
    return 0


def _table(lost: list[LostRow], most: int) -> str:
    from .layout import plural, table

    rows = [(row.step, "" if row.row is None else f"{row.row:,}", row.reason, row.message) for row in lost[:most]]
    counts = Counter(row.reason for row in lost)
    summary = ", ".join(f"{count:,} × {reason}" for reason, count in counts.most_common())
    lines = [table(("step", "row", "reason", "what happened"), rows, numbers=(1,)), ""]
    if len(lost) > most:
        lines.append(f"… and {len(lost) - most:,} more: -n 0 shows all.")
    return "\n".join([*lines, f"{plural(len(lost), 'row')} lost: {summary}."])
