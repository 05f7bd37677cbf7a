"""`datadreamer rescue FOLDER`."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the output folder of a session, or a folder of shared answers")


def run(arguments: argparse.Namespace) -> int:
    from ..runs import rescue

    saved = rescue(arguments.folder)
    if saved is None:
        print("The ledger is not damaged: nothing was done.")
        return 0
    kept = ", ".join(f"{count:,} {table}" for table, count in saved.kept.items())
    print(f"Saved {kept}.")
    print(f"The damaged file is kept as {saved.damaged_file}.")
    print("Run the script again: calls that could not be saved are asked again only where a step still needs them.")
    return 0
