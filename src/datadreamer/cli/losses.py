"""`datadreamer losses FOLDER [STEP]`."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runs import LostRow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the output folder of a session")
    parser.add_argument("step", nargs="?", help="only the losses of this step")
    parser.add_argument("-n", type=int, default=50, metavar="ROWS", help="most rows to show (default: 50; 0: all)")
    parser.add_argument("--json", action="store_true", help="all of them, one JSON object a line")
    parser.add_argument(
        "--export", metavar="FILE", help="write those of STEP as a dataset, with its inputs: .parquet, .csv or .json"
    )


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from ..runs import lost_rows

    if arguments.export:
        return _export(arguments.folder, arguments.step, arguments.export)
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


def _export(folder: str, step: str | None, file: str) -> int:
    from ..datasets.exports import export_csv, export_json, export_parquet
    from ..errors import InvalidArgumentError
    from ..runs import lost_dataset
    from .layout import plural

    kinds = {".parquet": export_parquet, ".csv": export_csv, ".json": export_json, ".jsonl": export_json}
    ending = os.path.splitext(file)[1].lower()  # noqa: PTH122
    if ending not in kinds:
        raise InvalidArgumentError(f"--export writes {', '.join(kinds)} files, not {file!r}.")
    if step is None:
        raise InvalidArgumentError("--export wants the name of a step: steps have different inputs.")
    rows = lost_dataset(folder, step)
    kinds[ending](rows, file)
    print(f"{plural(rows.num_rows, 'lost row')} of '{step}' written to {file}.")
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
