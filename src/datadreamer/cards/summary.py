"""A page about an output folder for whoever opens it, and the lines a session ends with."""

from __future__ import annotations

from . import card_sections as shared
from .lineage import Record, sum_calls
from .markdown import UNKNOWN, code, dollars, duration, inline, number, one_line, section, sections, table, when
from .readme import Card
from .record import Calls, LossSummary, RunRecord, StepRecord


def run_page(run: RunRecord) -> Card:
    """The README.md at the top of an output folder: what ran, where things are, how to go on, what it took."""
    body = sections(
        "# Output of a DataDreamer workflow",
        _about(run),
        section("Results", _results(run)),
        section("How they hang together", shared.chain(run) if run.steps or run.trainers else ""),
        section("Rows that were lost", _losses(run.losses)),
        section("What it took", _totals(run)),
        section("Going on", _going_on(run)),
    )
    return Card(kind="page", body=body)


def session_summary(run: RunRecord) -> str:
    """Plain text for the end of a session: what it did, what it lost, what it cost. Counts this session's work only."""
    records = shared.records_in_order(run)
    here = run.session.id if run.session else None
    ran = [record for record in records if record.session == here]
    lines = [_work_line(len(ran), len(records) - len(ran), _seconds(run))]
    rows = sum(record.rows.output for record in ran if isinstance(record, StepRecord) and record.inside is None)
    calls = sum_calls(record.calls for record in ran)
    if ran:
        lines.append(f"  rows    {number(rows)} written")
    if calls.calls or calls.hits or calls.failures:
        lines += [f"  calls   {_calls_text(calls)}", f"  tokens  {_tokens_text(calls)}", f"  cost    {_cost_text(ran)}"]
    for loss in run.losses:
        example = f", for example: {one_line(loss.example, 160)}" if loss.example else ""
        lines.append(f"  lost    {number(loss.rows)} rows of '{loss.step}': {loss.reason}{example}")
    return "\n".join(lines)


def _work_line(ran: int, found: int, seconds: float | None) -> str:
    done = f"{_count(ran, 'result')} made" if ran else "nothing had to run"
    known = f", {_count(found, 'result')} found finished" if found else ""
    return f"{done}{known}" + (f", in {duration(seconds)}" if seconds is not None else "")


def _calls_text(calls: Calls) -> str:
    parts = [f"{number(calls.calls)} answered", f"{number(calls.hits)} from the ledger"]
    parts += [f"{number(calls.failures)} failed"] if calls.failures else []
    parts += [f"{number(calls.retries)} retries"] if calls.retries else []
    return ", ".join(parts)


def _tokens_text(calls: Calls) -> str:
    cached = f" ({number(calls.cached_tokens)} cached)" if calls.cached_tokens else ""
    reasoning = f" ({number(calls.reasoning_tokens)} reasoning)" if calls.reasoning_tokens else ""
    return f"{number(calls.input_tokens)} in{cached}, {number(calls.output_tokens)} out{reasoning}"


def _cost_text(records: list[Record]) -> str:
    total = sum_calls(record.calls for record in records).cost_usd
    unpriced = [record.name for record in records if record.calls.calls and record.calls.cost_usd is None]
    if total is None:
        return "unknown (no price known for the models asked)"
    missing = f", without {', '.join(unpriced)}: price unknown" if unpriced else ""
    return f"{dollars(total)}{missing}"


def _count(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def _seconds(run: RunRecord) -> float | None:
    if run.session is None or run.session.ended is None:
        return None
    return run.session.ended - run.session.started


def _about(run: RunRecord) -> str:
    session = run.session
    made = f"Made with `datadreamer` {inline(run.library_version)}"
    if session is None:
        return f"{made}."
    script = f" by {code(session.script)}" if session.script else ""
    commit = f" at commit {code(session.git_commit)}" if session.git_commit else ""
    dirty = " with uncommitted changes" if session.git_dirty else ""
    ended = f"ended {when(session.ended)}" if session.ended else "has not ended"
    status = f"The last session started {when(session.started)} and {ended}: **{session.status}**."
    error = f" It stopped with: {inline(session.error)}" if session.error else ""
    return f"{made}{script}{commit}{dirty}. {status}{error}"


def _results(run: RunRecord) -> str:
    rows = []
    for record in shared.records_in_order(run):
        size = f"{number(record.rows.output)} rows" if isinstance(record, StepRecord) else "a model"
        where = link_to(record.label)
        rows.append((inline(record.name), code(shared.short_kind(record)), size, record.status, where))
    return table(("name", "kind", "result", "status", "folder"), rows)


def link_to(folder: str) -> str:
    """A relative link to a folder inside the output folder."""
    from urllib.parse import quote

    return f"[{inline(folder)}]({quote(folder)}/)" if folder else ""


def _losses(losses: list[LossSummary]) -> str:
    rows = [(inline(loss.step), inline(loss.reason), number(loss.rows), inline(loss.example or "")) for loss in losses]
    return table(("step", "reason", "rows", "example"), rows)


def _totals(run: RunRecord) -> str:
    total = run.totals
    cost = dollars(total.calls.cost_usd) if total.calls.calls else dollars(0)
    if not total.cost_complete:
        known = total.calls.cost_usd is not None
        cost += f", leaving out models whose price is {UNKNOWN}" if known else ": no price of the models is known"
    rows = [
        ("rows written", number(total.rows)),
        ("rows lost", number(total.lost)),
        ("calls", _calls_text(total.calls)),
        ("tokens", _tokens_text(total.calls)),
        ("cost", cost),
        ("time of all steps", duration(total.seconds)),
    ]
    return table(("", ""), rows)


def _going_on(run: RunRecord) -> str:
    script = code(run.session.script) if run.session and run.session.script else "the script"
    lines = [
        f"* Run {script} again with this folder: what is finished is opened, what is not goes on where it stopped, and "
        "no answer that was received is asked for again.",
        "* Each folder in the table has a card (`README.md`) that says how every row came about, and the whole record "
        "behind it (`datadreamer.json`).",
        "* `ledger.sqlite` holds every call to a model.",
    ]
    return "\n".join(lines)
