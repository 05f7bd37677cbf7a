"""`datadreamer why FOLDER STEP`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..runs import Why


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the output folder of a session")
    parser.add_argument("step", help="the name of a step or trainer, or of its folder")
    parser.add_argument("--json", action="store_true", help="the answer for programs")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from ..runs import why

    answer = why(arguments.folder, arguments.step)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(answer), indent=1).decode())
    else:
        print("\n".join(_lines(answer, "")))
    return 0


def _lines(answer: Why, indent: str) -> list[str]:
    from ..cards.markdown import clean, when

    ran = f"'{answer.step}' last ran {when(answer.at)}" if answer.at is not None else f"'{answer.step}'"
    before = f"; the version before it ran {when(answer.before)}" if answer.before is not None else ""
    lines = [f"{indent}{clean(ran)}{before}.", f"{indent}  {clean(answer.verdict)}"]
    if answer.found_finished:
        times = "once" if answer.found_finished == 1 else f"{answer.found_finished:,} times"
        lines.append(f"{indent}  Since then it was found finished {times}.")
    for one in answer.upstream:
        lines += [f"{indent}  That input comes from:", *_lines(one, f"{indent}    ")]
    return lines
