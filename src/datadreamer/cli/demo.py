"""`datadreamer demo`: says what `demo_workflow` is about to do, runs it, and shows what came of it."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cards import StepRecord, TrainerRecord

FEWEST = 20
NEEDED = ("torch", "transformers", "accelerate")

INTRODUCTION = """\
From nothing to a trained model: on this computer, without a key and without a network.

A very small language model that ships with this package writes {rows} product reviews to order,
labels each of them without seeing the order, and judges whether it does what was ordered.
A classifier is trained on the reviews that pass. The model is a toy, the workflow is not: one
line of it names the model.

Every call, every row and every lost row is recorded in {folder} while it happens. So a run that
is stopped goes on where it stopped, a second run asks nothing again, and the cards at the end
say where each row came from.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", default="./datadreamer-demo", metavar="FOLDER", help="where to (default: ./datadreamer-demo)"
    )
    parser.add_argument("--rows", type=int, default=300, metavar="N", help="reviews to write (default: 300)")
    parser.add_argument("-q", "--quiet", action="store_true", help="only what came of it")


def run(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.output)
    _check(arguments.rows)
    if not arguments.quiet:
        print(INTRODUCTION.format(rows=arguments.rows, folder=folder), flush=True)
    started = time.monotonic()
    before = _work_so_far(folder)
    from .demo_workflow import run as run_workflow

    run_workflow(str(folder), arguments.rows, verbose=False if arguments.quiet else None)
    done = _work_so_far(folder).less(before)
    lines = [_summary(folder), _places(folder), _effort(folder, done, time.monotonic() - started)]
    print("\n\n".join(lines if arguments.quiet else ["", *lines]).removeprefix("\n"))
    return 0


def _check(rows: int) -> None:
    from ..errors import InvalidArgumentError, MissingDependencyError

    if rows < FEWEST:
        raise InvalidArgumentError(
            f"--rows {rows}: a classifier needs something to learn from, at least {FEWEST} rows."
        )
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"The demo runs a model and trains one, which needs {' and '.join(missing)}. "
            'Install with: pip install "datadreamer[train]"'
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """What the ledger of a folder counts."""

    started: int = 0  # steps and trainers, those that were found finished not among them
    calls: int = 0
    tokens: int = 0

    def less(self, other: _Work) -> _Work:
        return _Work(self.started - other.started, self.calls - other.calls, self.tokens - other.tokens)


def _work_so_far(folder: Path) -> _Work:
    from ..runs import reading_ledger

    with reading_ledger(folder) as ledger:
        if ledger is None:
            return _Work()
        sums = ledger.totals().values()
        return _Work(
            started=sum(1 for _ in ledger.steps(kind="started")),
            calls=sum(one.calls for one in sums),
            tokens=sum(one.input_tokens + one.output_tokens for one in sums),
        )


# --- what came of it --------------------------------------------------------------------------------------------------


def _summary(folder: Path) -> str:
    written = _step(folder, "Write reviews").rows.output
    accepted = _step(folder, "Reviews that the judge accepts").rows.output
    kept = _step(folder, "Reviews").rows.output
    trained = _trainer(folder)
    held_out = next((use.rows for use in trained.columns if use.name == "validation_input"), None)
    before, after = trained.metrics_before.get("eval_accuracy"), trained.metrics.get("eval_accuracy")
    return (
        f"{written:,} reviews written and labelled, {accepted:,} accepted by the judge, "
        f"{kept:,} of them labelled as they were ordered.\n"
        f"Accuracy of the classifier on {held_out:,} reviews that it was not trained on: "
        f"{before or 0:.0%} before training, {after or 0:.0%} after."
    )


def _places(folder: Path) -> str:
    from .layout import size, table

    reviews, trained = _step(folder, "Reviews"), _trainer(folder)
    rows, calls = f"{reviews.rows.output:,} rows", f"{_work_so_far(folder).calls:,} calls"
    return table(
        ("what", "how much", "where"),
        [
            ("the reviews", rows, str(folder / "reviews.parquet")),
            ("the same as JSON lines", rows, str(folder / "reviews.jsonl")),
            ("their card", "", str(folder / reviews.label / "README.md")),
            ("the classifier", size(trained.model.size_bytes or 0), str(folder / trained.label / "_model")),
            ("its card", "", str(folder / trained.label / "README.md")),
            ("a page about the run", "", str(folder / "README.md")),
            ("the whole record", "", str(folder / "datadreamer.json")),
            ("every call to the model", calls, str(folder / "ledger.sqlite")),
        ],
        numbers=(1,),
    )


def _effort(folder: Path, done: _Work, seconds: float) -> str:
    from ..cards.markdown import duration

    took = f"{done.calls:,} calls, {done.tokens:,} tokens, {duration(seconds)}."
    if not done.started:
        return (
            f"Nothing was asked: every result was found finished in {folder}. {took}\n"
            f"Look closer with: datadreamer status {folder}, or: datadreamer show {folder} Reviews"
        )
    return (
        f"{took}\n"
        "Run the same command again: nothing will be asked, and it takes about a second.\n"
        f"Look closer with: datadreamer status {folder}"
    )


def _step(folder: Path, name: str) -> StepRecord:
    from ..cards import read_step
    from ..runs import find

    return read_step(find(folder, name).folder)


def _trainer(folder: Path) -> TrainerRecord:
    from ..cards import read_trainer
    from ..runs import find

    return read_trainer(find(folder, "Sentiment classifier").folder)
