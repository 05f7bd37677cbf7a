"""The `datadreamer` command. Each subcommand is a file of this package; what it says comes from the rooms below."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence

from .._version import __version__
from ..errors import DataDreamerError, nearest

# Subcommand, and file of this package, to the line that --help shows.
COMMANDS = {
    "demo": "a whole workflow, offline, with a model that ships along",
    "status": "what is in an output folder, and how to go on",
    "show": "rows of a finished step, or its card",
    "losses": "rows that went in and did not come out, and why",
    "why": "why a step ran the last time: what had changed",
    "serve": "a model, or a recording, behind an OpenAI-compatible server",
    "verify": "whether every file is still as it was written",
    "rescue": "save what can be read of a damaged ledger",
    "gc": "what replaced and left-over results take, and free it",
}

FAILED, MISUSED, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit code: 0; 1 for an error, 2 for a mistake in the arguments, 130 for Ctrl-C."""
    words = list(map(_as_typed, sys.argv[1:]) if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # not a real file
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except DataDreamerError as error:
        return _complain(str(error), FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader, for example `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _run(words: list[str]) -> int:
    named = next((word for word in words if not word.startswith("-")), None)
    if named is not None and named not in COMMANDS:
        return _complain(f"There is no command '{named}'. {nearest(named, COMMANDS)}", MISUSED)
    parser = _parser(named)
    if named is None and not words:
        parser.print_help()
        return 0
    try:
        arguments = parser.parse_args(words)
    except SystemExit as end:  # argparse has said what is wrong, or printed the help
        return int(end.code or 0)
    if arguments.command is None:
        parser.print_help()
        return MISUSED
    return int(arguments.run(arguments))


def _as_typed(word: str) -> str:
    """A word of the command line, also where the locale knows no letters but ASCII and Python could not read it."""
    if word.isascii() or os.path.exists(word):  # noqa: PTH110 - a path stays as the system spells it
        return word
    return os.fsencode(word).decode("utf-8", "surrogateescape")


def _parser(named: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="datadreamer", description="Synthetic data and LLM workflows that somebody else can repeat."
    )
    parser.add_argument("--version", action="version", version=f"datadreamer {__version__}")
    several = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, line in COMMANDS.items():
        command = several.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if name == named:  # the others are only listed
            module = importlib.import_module(f"{__name__}.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _complain(message: str, code: int) -> int:
    print(f"datadreamer: {message}", file=sys.stderr)
    return code
