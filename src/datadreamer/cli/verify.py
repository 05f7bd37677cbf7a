"""`datadreamer verify FOLDER [STEP ...]`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the output folder of a session")
    parser.add_argument("step", nargs="*", help="only these steps and trainers")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from ..cards.markdown import clean
    from ..runs import verify
    from .layout import plural, size

    checked, wrong, read = 0, 0, 0
    for check in verify(arguments.folder, arguments.step):
        checked, wrong, read = checked + 1, wrong + (check.problem is not None), read + check.bytes
        if arguments.json:
            print(msgspec.json.encode(check).decode())
        elif check.problem is None:
            print(f"whole    {clean(check.name)}")
        else:
            print(f"DAMAGED  {clean(check.name)}: {clean(check.problem)}")
            print(f"         {clean(check.cure or '')}")
    if not arguments.json:
        what = plural(checked, "result") if arguments.step else f"{plural(checked, 'thing')}, {size(read)}"
        print(f"\nChecked {what}: {f'{wrong:,} damaged' if wrong else 'everything is as it was written'}.")
    return 1 if wrong else 0
