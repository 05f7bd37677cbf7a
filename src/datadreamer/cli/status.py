"""`datadreamer status FOLDER`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cards import Calls
    from ..runs import FolderStatus, ResultStatus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", help="the output folder of a session")
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from ..runs import folder_status

    status = folder_status(arguments.folder)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(status), indent=1).decode())
    else:
        print(text(status))
    return 0


def text(status: FolderStatus) -> str:
    """The status for people."""
    parts = [_head(status), _results(status), _notes(status), _sums(status), status.going_on]
    return "\n\n".join(part for part in parts if part)


def _head(status: FolderStatus) -> str:
    from ..cards.markdown import one_line, when

    lines = [status.folder]
    if status.owner is not None:
        lines.append(f"  {status.owner} works in it since {when(status.owner.since)}")
    session = status.session
    if session is not None:
        script = f" of {session.script}" if session.script else ""
        lines.append(f"  last run{script} {session.status}, {when(session.ended or session.started)}")
        if session.error:
            lines.append(f"  it stopped with {one_line(session.error)}")
    lines += [f"  problem: {problem}" for problem in status.problems]
    return "\n".join(lines)


def _results(status: FolderStatus) -> str:
    from .layout import table

    if not status.results:
        return ""
    headers = ("name", "kind", "state", "rows", "filtered", "lost", "calls", "hits", "tokens", "cost", "time", "size")
    rows = [_row(result) for result in status.results]
    return table(headers, rows, numbers=range(3, 12), expendable=("kind", "hits", "size", "tokens", "filtered"))


def _row(result: ResultStatus) -> tuple[str, ...]:
    from ..cards.markdown import duration
    from .layout import size

    lost = sum(result.lost.values())
    return (
        result.name,
        result.type or result.kind,
        result.state,
        "" if result.rows is None else f"{result.rows:,}",
        f"{result.filtered:,}" if result.filtered else "",
        f"{lost:,}" if lost else "",
        *_calls(result),
        duration(result.seconds) if result.seconds is not None else "",
        size(result.bytes) if result.bytes else "",
    )


def _calls(result: ResultStatus) -> tuple[str, str, str, str]:
    calls = result.calls
    if calls is None:
        return (f"{result.answers:,}" if result.answers else "", "", "", "")
    if not (calls.calls or calls.hits):
        return ("", "", "", "")
    return f"{calls.calls:,}", f"{calls.hits:,}", f"{calls.input_tokens + calls.output_tokens:,}", _cost(calls)


def _cost(calls: Calls) -> str:
    from ..cards.markdown import dollars

    return dollars(calls.cost_usd) if calls.cost_usd is not None else ""


def _notes(status: FolderStatus) -> str:
    """What a table cannot say: quality, losses, why something is not finished."""
    lines = []
    for result in status.results:
        said = [_quality(result), _losses(result), result.note or ""]
        lines += [f"{result.name}: {line}" for line in said if line]
    return "\n".join(lines)


def _quality(result: ResultStatus) -> str:
    from .layout import figures

    parts = []
    for name, before, after in figures(result.metrics_before, result.metrics):
        if after:
            parts.append(f"{name} {before} → {after}" if before else f"{name} {after}")
    return ", ".join(parts)


def _losses(result: ResultStatus) -> str:
    if not result.lost:
        return ""
    return "lost " + ", ".join(f"{count:,} × {reason}" for reason, count in sorted(result.lost.items()))


def _sums(status: FolderStatus) -> str:
    from .layout import plural, size

    sizes = status.sizes
    places = {"results": sizes.results, "ledger": sizes.ledger, "backups": sizes.backups, "unfinished": sizes.work}
    parts = [f"{name} {size(count)}" for name, count in places.items() if count]
    lines = [f"disk    {size(sizes.total)}" + (f" ({', '.join(parts)})" if parts else "")]
    if status.calls:
        total = status.totals
        lines.insert(0, f"tokens  {total.input_tokens:,} in, {total.output_tokens:,} out, by finished results")
        lines.insert(0, f"ledger  {plural(status.calls, 'answer')} of models, none of which is asked for again")
        if total.cost_usd is not None:
            lines.insert(2, f"cost    {_cost(total)}")
    if status.views:
        lines.append(f"views   {plural(status.views, 'step')} that only select from others and keep nothing")
    return "\n".join(lines) if status.results or status.calls else ""
