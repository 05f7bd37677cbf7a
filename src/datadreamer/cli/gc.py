"""`datadreamer gc FOLDER`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runs import Garbage

_MEANING = {
    "backup": "replaced, a revert of the script would bring it back",
    "orphan": "not used by the last run",
    "leftover": "left by a process that was killed",
    "unfinished": "the next run goes on from it",
    "damaged": "what a mended ledger was before",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from ..runs.collecting import KINDS

    parser.add_argument("folder", help="the output folder of a session")
    parser.add_argument("--yes", action="store_true", help="free it; without this, it is only shown")
    parser.add_argument(
        "--only",
        action="append",
        choices=KINDS,
        help="this kind alone; may be given several times. Without it: all but unfinished and damaged",
    )


def run(arguments: argparse.Namespace) -> int:
    from ..runs import free, garbage
    from ..runs.collecting import FREED
    from .layout import size, table

    kinds = tuple(arguments.only or FREED)
    found = free(arguments.folder, kinds) if arguments.yes else garbage(arguments.folder)
    if not found:
        print("Nothing to free." if arguments.yes else "There is nothing that could be freed.")
        return 0
    rows = [(one.kind, one.name, size(one.bytes), _MEANING[one.kind]) for one in found]
    print(table(("kind", "name", "size", "what it is"), rows, numbers=(2,)))
    print(f"\n{_sum(found, kinds, arguments.yes)}")
    return 0


def _sum(found: list[Garbage], kinds: tuple[str, ...], freed: bool) -> str:
    from .layout import size

    total = size(sum(one.bytes for one in found if one.kind in kinds))
    if freed:
        return f"Freed {total}."
    kept = sorted({one.kind for one in found if one.kind not in kinds})
    rest = f" What is {' or '.join(kept)} stays unless --only names it." if kept else ""
    return f"--yes frees {total}.{rest}"
