"""`datadreamer show FOLDER STEP`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..runs import Found

SHOWN = 600  # characters of a value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the output folder of a session")
    parser.add_argument("step", help="the name of a step or trainer, or of its folder")
    parser.add_argument("-n", type=int, default=5, metavar="ROWS", help="rows to show (default: 5)")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="ROW", help="the first one (default: 0)")
    parser.add_argument("--full", action="store_true", help="do not cut long values")
    parser.add_argument("--card", action="store_true", help="the card instead of rows")
    parser.add_argument("--json", action="store_true", help="rows as one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    from ..runs import find, output_folder

    found = find(output_folder(arguments.folder), arguments.step)
    if arguments.card:
        print(_card(found))
    elif found.is_trainer and found.record is not None:
        print(_model(found))
    else:
        _rows(found, arguments)
    return 0


def _card(found: Found) -> str:
    from ..cards.markdown import clean
    from ..errors import DamagedFileError

    path = Path(found.folder) / "README.md"
    if not path.is_file():
        raise DamagedFileError(f"'{found.name}' has no card: there is no '{path}'. Running the script again writes it.")
    return clean(path.read_text(encoding="utf-8"))


def _rows(found: Found, arguments: argparse.Namespace) -> None:
    from ..errors import InvalidArgumentError
    from ..runs import open_rows

    if arguments.n < 0 or arguments.first < 0:
        raise InvalidArgumentError("-n and --from are 0 or more.")
    rows = open_rows(found)
    chosen = rows.skip(min(arguments.first, len(rows))).take(min(arguments.n, max(0, len(rows) - arguments.first)))
    if not arguments.json:
        print(f"{found.name}: {len(rows):,} rows, columns {', '.join(rows.column_names)}")
    for position, row in enumerate(chosen.iterate(), arguments.first):
        print(
            json.dumps(row, ensure_ascii=False, default=str) if arguments.json else _row(position, row, arguments.full)
        )


def _as_json(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)


def _row(position: int, row: dict[str, Any], full: bool) -> str:
    """One row, a column a line; the further lines of a value are indented."""
    from ..cards.markdown import clean

    size = max((len(name) for name in row), default=0)
    lines = [f"\nrow {position:,}"]
    for name, value in row.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_short)
        if not full and len(shown) > SHOWN:
            shown = f"{shown[:SHOWN]}… ({len(shown):,} characters)"
        first, *more = clean(shown).split("\n")
        lines += [f"  {clean(name).ljust(size)}  {first}", *(" " * (size + 4) + line for line in more)]
    return "\n".join(line.rstrip() for line in lines)


def _short(value: Any) -> str:
    return f"{len(value):,} bytes" if isinstance(value, bytes) else str(value)


def _model(found: Found) -> str:
    from ..cards import TrainerRecord
    from .layout import figures, size, table

    record = found.record
    assert isinstance(record, TrainerRecord)
    measured = figures(record.metrics_before, record.metrics)
    where = Path(found.folder) / (record.model.path or "_model")
    lines = [f"{found.name}: a model in {where} ({size(record.model.size_bytes or 0)})"]
    if measured:
        lines += ["", table(("measure", "before", "after"), measured, numbers=(1, 2))]
    return "\n".join(lines)
