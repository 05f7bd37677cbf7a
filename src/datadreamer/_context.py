"""The little that code deep inside may know of its run: the session, and the step that is running.

The session registers itself here so that rooms below `engine` (a step's constructor, a model that looks up an answer)
can reach it without importing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .errors import SessionError

_session: Any = None
_scope: ContextVar[StepScope | None] = ContextVar("datadreamer_step_scope", default=None)


@dataclass(slots=True)
class CallStats:
    """What the models of one step did so far. Tokens are counts."""

    calls: int = 0  # answers that were asked for and arrived
    hits: int = 0  # answers that were in the ledger
    failures: int = 0  # requests that ended without an answer
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int | None = None  # picodollars: sums of whole numbers do not drift; None: no price is known
    unpriced: int = 0  # answers whose price is not known

    @property
    def cost_usd(self) -> float | None:
        """US dollars, of the answers whose price is known; None when there is none."""
        return None if self.cost is None else self.cost / 10**12


@dataclass(slots=True)
class StepScope:
    """The running step, as models and trainers may see it."""

    name: str
    fingerprint: str
    ledger: Any  # datadreamer.ledger.Ledger, or None when nothing is remembered
    stats: CallStats = field(default_factory=CallStats)
    budgets: tuple[Any, ...] = ()  # datadreamer.Budget: what this step may spend, its own first
    # display name -> {"spec": canonical spec, "served": {served model: answers}}: what the cards say was asked
    models: dict[str, dict[str, Any]] = field(default_factory=dict)


def session() -> Any:
    """The running session, or None."""
    return _session


def require_session(what: str) -> Any:
    """The running session, or a `SessionError` that says `what` needs one."""
    if _session is None:
        raise SessionError(f'{what} needs a running session. Put it inside: with DataDreamer("./output"): …')
    return _session


def set_session(value: Any) -> None:
    global _session
    _session = value


def scope() -> StepScope | None:
    """The innermost running step of this thread or task, or None."""
    return _scope.get()


@contextmanager
def running(step_scope: StepScope | None) -> Iterator[None]:
    """Make `step_scope` the running step for the body of a `with`."""
    token = _scope.set(step_scope)
    try:
        yield
    finally:
        _scope.reset(token)
